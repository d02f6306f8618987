//! Call folders in a directory, queues that take everything, and no LiveKit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use calls::ids::{AttemptId, CallKey};
use calls::plan::{CallPlan, plan};
use calls::profile::{CountryProfile, Profiles};
use calls::settle::Policy;
use calls::trigger::TriggerCall;
use cloud::call_folder::documents::{DialClaim, Job, Launched, Message, Open, V};
use cloud::call_folder::{CallFolders, draw_nonce};
use cloud::profiles::{CredentialSource, ProfileSource, Variables};
use cloud::queue::Queue;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use settler::Settler;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub const BODY: &str = r#"{"messageType":"TRIGGER_CALL","id":"i","metadata":{"campaignId":"c",
    "phoneNumbers":[{"number":"+5511987654321"}],"subject":{"prompt":{"text":"Hi"}}}}"#;

const PROFILE: &str = r#"{"v":1,"country":"BR","agent":{"voice":"v"},
    "livekit":{"url":"wss://livekit.invalid","trunkId":"ST_1","callerId":"+551130000000"}}"#;

pub struct World {
    pub settler: Settler,
    pub folders: CallFolders,
    /// Bodies of SendMessage, in order.
    sent: Arc<Mutex<Vec<Value>>>,
    _directory: tempfile::TempDir,
}

pub fn attempt(number: u32) -> AttemptId {
    AttemptId::new(CallKey::from_ids(None, None, "i"), number)
}

pub fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

fn profiles() -> Profiles {
    Profiles::new([CountryProfile::from_json(PROFILE)]).unwrap()
}

fn a_plan() -> CallPlan {
    let trigger = TriggerCall::read(BODY.as_bytes()).unwrap();
    plan(&trigger, &profiles(), &attempt(1).key).unwrap()
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(directory.path()).unwrap();
        let sent = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(take_all(listener, Arc::clone(&sent)));
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("nobody", "nobody", None, None, "test"))
            .endpoint_url(&url);
        let sqs = aws_sdk_sqs::Client::from_conf(config.build());
        let queue = |name: &str| Queue::new(sqs.clone(), format!("{url}/000000000000/{name}"));
        // No country: no LiveKit project to be swept.
        let none = Profiles::new([]).unwrap();
        let settler = Settler {
            name: "test".to_owned(),
            stage: "test".to_owned(),
            folders: folders.clone(),
            queue: queue("trigger"),
            dead_letters: queue("dead"),
            call_history: Some(queue("history")),
            profiles: Arc::new(ProfileSource::Environment(Arc::new(none))),
            credentials: CredentialSource::Environment(Variables::default()),
            tasks: None,
            policy: Policy::default(),
            meters: telemetry::metrics::Meters::default(),
            traces: None,
        };
        Self { settler, folders, sent, _directory: directory }
    }

    /// Marked open at this time.
    pub async fn open(&self, attempt: &AttemptId, at: Timestamp) {
        assert!(self.folders.open_attempt(attempt, &Open { v: V, at }).await.unwrap());
    }

    pub async fn message(&self) {
        let message = Message {
            v: V,
            owner: draw_nonce(),
            sqs_message_id: Some("m-1".to_owned()),
            since: ago(3),
            body: BODY.to_owned(),
            attributes: BTreeMap::from([("trace".to_owned(), "t-1".to_owned())]),
        };
        assert!(self.folders.claim_message(&attempt(1).key, &message).await.unwrap().is_ours());
    }

    /// Claimed and launched; its task may take the dial claim until `deadline`.
    pub async fn launched(&self, attempt: &AttemptId, deadline: Timestamp) {
        let job = Job {
            v: V,
            owner: draw_nonce(),
            plan: a_plan(),
            attempt: attempt.number,
            made_by: "test".to_owned(),
            made_at: ago(50),
            deadline,
            traceparent: None,
        };
        assert!(self.folders.claim_job(attempt, &job).await.unwrap().is_ours());
        let launched = Launched { v: V, task: "task".to_owned(), at: ago(50) };
        self.folders.note_launched(attempt, &launched).await.unwrap();
    }

    /// Its task may have rung.
    pub async fn dialed(&self, attempt: &AttemptId, deadline: Timestamp) {
        let dial = DialClaim {
            v: V,
            owner: draw_nonce(),
            task: "task".to_owned(),
            room: Some("room".to_owned()),
            callee_identity: None,
            agent_call_id: Some("agent".to_owned()),
            invite_by: deadline,
            deadline,
            failed_before_dial: None,
            decision: None,
        };
        assert!(self.folders.claim_dial(attempt, &dial).await.unwrap().is_ours());
    }

    /// What was sent to this queue.
    pub fn sent(&self, queue: &str) -> Vec<Value> {
        let of = |request: &&Value| request["QueueUrl"].as_str().is_some_and(|url| url.ends_with(queue));
        self.sent.lock().unwrap().iter().filter(of).cloned().collect()
    }
}

/// SQS, as far as SendMessage: takes everything.
async fn take_all(listener: TcpListener, sent: Arc<Mutex<Vec<Value>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(take(socket, sent.clone()));
    }
}

async fn take(mut socket: TcpStream, sent: Arc<Mutex<Vec<Value>>>) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(body) = body_of(&read) else {
            let mut some = [0; 4096];
            let count = tokio::time::timeout(Duration::from_secs(60), socket.read(&mut some)).await??;
            if count == 0 {
                return Ok(());
            }
            read.extend_from_slice(&some[..count]);
            continue;
        };
        sent.lock().unwrap().push(body);
        read.clear();
        let answer = r#"{"MessageId":"sent"}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ";
        socket.write_all(format!("{head}{}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
    }
}

/// The body of a request that is there whole.
fn body_of(read: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(read).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (body.len() >= length).then(|| serde_json::from_str(body).unwrap_or_default())
}
