//! A deployment's surroundings for one task, and the task in them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use calls::ids::{AttemptId, CallKey};
use calls::plan::plan;
use calls::profile::{CountryProfile, Profiles};
use calls::trigger::TriggerCall;
use cloud::call_folder::documents::{Job, V};
use cloud::call_folder::draw_nonce;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sim::aws::{AwsEmulator, NOBODY, REGION};
use sim::stack::{CALLER_ID, Child, Output};
use sim::ultravox::Ultravox;
use sim::{stack, ultravox};
use tests::{Scene, given, story};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const BUCKET: &str = "calls";
const STAGE: &str = "test";
/// What the task metadata endpoint calls the task.
pub const TASK_ARN: &str =
    "arn:aws:ecs:eu-central-1:000000000000:task/calls/0123456789abcdef0123456789abcdef";
/// Longer than any call here.
const LONGEST: Duration = Duration::from_secs(90);

/// A country's deployment: LiveKit, the vendor, and AWS without AWS.
pub struct Cloud<'a> {
    scene: &'a Scene,
    pub vendor: Ultravox,
    _emulator: AwsEmulator,
    /// Where the emulator is, for every service.
    aws: String,
    http: reqwest::Client,
    sqs: aws_sdk_sqs::Client,
    history: String,
    agent_key: String,
    pub number: String,
    pub attempt: AttemptId,
    /// How long the job may wait before it dials.
    pub claim_within: SignedDuration,
    environment: BTreeMap<String, String>,
}

/// A task that has ended.
pub struct Ended {
    pub exit_code: Option<i32>,
    /// All that it said, line by line.
    pub lines: Vec<Value>,
    /// How long it ran.
    pub took: Duration,
}

/// Tells a story in a cloud of its own.
pub fn in_the_cloud(agent: ultravox::Script, tell: impl AsyncFnOnce(Cloud<'_>) -> Result<()>) {
    let Some(program) = given("AWS_EMULATOR") else { return };
    story(async |scene| {
        let port = stack::free_tcp_port()?;
        let aws = format!("http://127.0.0.1:{port}");
        let emulator = AwsEmulator::start(&program, scene.dir(), port, &aws).await?;
        let cloud = Cloud::around(scene, emulator, aws, agent).await?;
        cloud.create_bucket().await?;
        tell(cloud).await
    });
}

impl<'a> Cloud<'a> {
    async fn around(
        scene: &'a Scene,
        emulator: AwsEmulator,
        aws: String,
        mut agent: ultravox::Script,
    ) -> Result<Self> {
        let sqs = sqs_client(&aws);
        let history = sqs.create_queue().queue_name("history").send().await?.queue_url.context("no URL")?;
        let agent_key = draw_nonce().0;
        agent.api_key = Some(agent_key.clone());
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), agent).await?;
        let id = draw_nonce().0;
        let environment = [
            // What the task definition sets.
            ("OCG_STAGE", STAGE),
            ("OCG_BUCKET", BUCKET),
            ("CALL_HISTORY_QUEUE_URL", &history),
            // What ECS sets.
            ("AWS_REGION", REGION),
            ("ECS_CONTAINER_METADATA_URI_V4", &metadata().await?),
            // What makes AWS of the emulator.
            ("AWS_ENDPOINT_URL", &aws),
            ("AWS_ACCESS_KEY_ID", NOBODY),
            ("AWS_SECRET_ACCESS_KEY", NOBODY),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Ok(Self {
            scene,
            vendor,
            _emulator: emulator,
            aws,
            http: reqwest::Client::builder().no_proxy().build()?,
            sqs,
            history,
            agent_key,
            number: fresh_number(),
            attempt: AttemptId::new(CallKey::from_ids(None, None, &id), 1),
            claim_within: SignedDuration::from_secs(120),
            environment,
        })
    }

    /// Puts the secrets where the task looks for them.
    pub async fn put_secrets(&self) -> Result<()> {
        let (key, secret) = self.livekit_credentials().await;
        self.put_secret("BR", &json!({ "livekitApiKey": key, "livekitApiSecret": secret })).await?;
        self.put_secret("ultravox", &json!({ "apiKey": self.agent_key })).await
    }

    /// Amazon SSM API reference, PutParameter: the one request that is made of that service here.
    async fn put_secret(&self, name: &str, value: &Value) -> Result<()> {
        let name = format!("/ocg/{STAGE}/secrets/{name}");
        let body = json!({ "Name": name, "Type": "SecureString", "Value": value.to_string() });
        let request = self.http.post(&self.aws).header("authorization", scope("ssm"));
        let request = request.header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", "AmazonSSM.PutParameter").body(body.to_string());
        let reply = request.send().await?;
        ensure!(reply.status().is_success(), "no parameter: {}", reply.text().await?);
        Ok(())
    }

    async fn livekit_credentials(&self) -> (String, String) {
        let stack = self.scene.stage().stack().await;
        let (key, secret) = stack.livekit().credentials();
        (key.to_owned(), secret.expose().to_owned())
    }

    /// Sets a variable of the task.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// The person who is called.
    pub async fn person(&self, script: &stack::Script) -> Result<()> {
        self.scene.stage().stack().await.phone()?.script(&self.number, script).await
    }

    /// Every dial that reached the phone.
    pub async fn dials(&self) -> Result<Vec<stack::Call>> {
        self.scene.stage().stack().await.phone()?.calls_to(&self.number).await
    }

    /// Makes the job as the router would, runs the task, and waits for its end.
    pub async fn run(&self) -> Result<Ended> {
        self.put_job().await?;
        let log = self.scene.dir().join("bridge-task.log");
        let program = self.scene.stage().stack().await.binaries().bridge_task.clone();
        let mut command = Command::new(program);
        command.args(["job", "--attempt", &self.attempt.to_string()]).env_clear().envs(&self.environment);
        let started = tokio::time::Instant::now();
        let mut task = Child::start("bridge-task", command, Output::File(log.clone()))?;
        let exit_code = task.exit(LONGEST).await?.code();
        let took = started.elapsed();
        let text = std::fs::read_to_string(log)?;
        let (_, livekit_secret) = self.livekit_credentials().await;
        for never in [&self.agent_key, &livekit_secret, self.number.trim_start_matches('+')] {
            ensure!(!text.contains(never), "the log holds what it must not: {text}");
        }
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into()));
        Ok(Ended { exit_code, lines: lines.collect(), took })
    }

    async fn put_job(&self) -> Result<()> {
        let body = json!({
            "messageType": "TRIGGER_CALL", "id": "cloud", "organizationId": "org", "tenantId": "tenant",
            "metadata": {
                "callId": "call-1", "campaignId": "campaign-1", "customerId": "customer-1",
                "workflowId": "workflow-1", "userId": "user-1",
                "phoneNumbers": [{ "number": self.number }],
                "subject": { "prompt": { "text": "You confirm an appointment." } },
            },
        });
        let trigger =
            TriggerCall::read(body.to_string().as_bytes()).map_err(|unusable| anyhow!("{unusable:?}"))?;
        let (livekit, trunk) = {
            let stack = self.scene.stage().stack().await;
            (stack.livekit().url(), stack.trunk_id().to_owned())
        };
        let profile = CountryProfile::from_value(json!({
            "country": "BR", "provider": "twilio", "record": true,
            "livekit": { "url": livekit, "trunkId": trunk, "callerId": CALLER_ID },
            "dial": { "ringSeconds": 20, "maxCallSeconds": 60 },
            "agent": { "voice": "test-voice", "greetingDelaySeconds": 20, "callsUrl": self.vendor.calls_url() },
        }));
        let plan = plan(&trigger, &Profiles::new([profile])?, &self.attempt.key);
        let now = Timestamp::now();
        let job = Job {
            v: V,
            owner: draw_nonce(),
            plan: plan.map_err(|no_plan| anyhow!("{no_plan:?}"))?,
            attempt: self.attempt.number,
            made_by: "tests".to_owned(),
            made_at: now,
            deadline: now + self.claim_within,
            traceparent: None,
        };
        let reply = self.s3(Method::PUT, &self.key("job.json"), serde_json::to_vec(&job)?).await?;
        ensure!(reply.status().is_success(), "no job: {}", reply.text().await?);
        Ok(())
    }

    async fn create_bucket(&self) -> Result<()> {
        let place = format!("<LocationConstraint>{REGION}</LocationConstraint>");
        let place = format!("<CreateBucketConfiguration>{place}</CreateBucketConfiguration>");
        let reply = self.s3(Method::PUT, "", place.into_bytes()).await?;
        ensure!(reply.status().is_success(), "no bucket: {}", reply.text().await?);
        Ok(())
    }

    /// A document of the attempt's folder.
    pub async fn document(&self, file: &str) -> Result<Option<Value>> {
        let reply = self.s3(Method::GET, &self.key(file), Vec::new()).await?;
        if reply.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(reply.status().is_success(), "{}", reply.text().await?);
        Ok(Some(serde_json::from_slice(&reply.bytes().await?)?))
    }

    /// What is in the attempt's folder, sorted.
    pub async fn files(&self) -> Result<Vec<String>> {
        let folder = self.key("");
        let reply = self.s3(Method::GET, &format!("?list-type=2&prefix={folder}"), Vec::new()).await?;
        let text = reply.text().await?;
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let mut files: Vec<String> = keys.map(|key| key.trim_start_matches(&folder).to_owned()).collect();
        files.sort();
        Ok(files)
    }

    /// The bytes of an object.
    pub async fn bytes(&self, file: &str) -> Result<Vec<u8>> {
        let reply = self.s3(Method::GET, &self.key(file), Vec::new()).await?;
        ensure!(reply.status() == StatusCode::OK, "no {file}");
        Ok(reply.bytes().await?.to_vec())
    }

    /// An object's tags, as `key=value`.
    pub async fn tags(&self, file: &str) -> Result<Vec<String>> {
        let reply = self.s3(Method::GET, &format!("{}?tagging", self.key(file)), Vec::new()).await?;
        let text = reply.text().await?;
        let inner = |part: &str, name: &str| {
            let after = part.split(&format!("<{name}>")).nth(1).context("no such element")?;
            Ok::<_, anyhow::Error>(after.split("</").next().unwrap_or_default().to_owned())
        };
        let tags = text.split("<Tag>").skip(1);
        tags.map(|tag| Ok(format!("{}={}", inner(tag, "Key")?, inner(tag, "Value")?))).collect()
    }

    /// All that upstream was told, by the times of the events.
    pub async fn history(&self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.history).max_number_of_messages(10);
            let received = receive.wait_time_seconds(1).send().await?.messages.unwrap_or_default();
            if received.is_empty() {
                break;
            }
            for message in received {
                let event: Value = serde_json::from_str(message.body().context("no body")?)?;
                let details = event["metadata"]["metadataJson"].as_str().context("no metadataJson")?;
                events.push(Event { details: serde_json::from_str(details)?, event });
                let delete = self.sqs.delete_message().queue_url(&self.history);
                delete.set_receipt_handle(message.receipt_handle).send().await?;
            }
        }
        let text = |event: &Event, name: &str| event.event[name].as_str().unwrap_or_default().to_owned();
        events.sort_by_key(|event| (text(event, "createdAt"), text(event, "id")));
        Ok(events)
    }

    fn key(&self, file: &str) -> String {
        format!("calls/{}/a{}/{file}", self.attempt.key, self.attempt.number)
    }

    async fn s3(&self, method: Method, path: &str, body: Vec<u8>) -> Result<reqwest::Response> {
        let url = format!("{}/{BUCKET}/{path}", self.aws);
        Ok(self.http.request(method, url).header("authorization", scope("s3")).body(body).send().await?)
    }
}

/// The emulator looks at the signature's scope alone, to know which service is meant.
fn scope(service: &str) -> String {
    let scope = format!("Credential={NOBODY}/20260101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none")
}

/// An event as upstream receives it.
#[derive(Debug)]
pub struct Event {
    pub event: Value,
    /// What its `metadataJson` holds.
    pub details: Value,
}

impl Event {
    pub fn status(&self) -> &str {
        self.event["metadata"]["status"].as_str().unwrap_or_default()
    }
}

impl Ended {
    /// The one line of metrics (CloudWatch would take it for such) that this one is in.
    pub fn measured(&self, metric: &str) -> Result<&Value> {
        let mut lines = self.lines.iter().filter(|line| !line["_aws"].is_null() && !line[metric].is_null());
        let line = lines.next().with_context(|| format!("{metric} is not measured: {:#?}", self.lines))?;
        ensure!(lines.next().is_none(), "{metric} is measured twice: {:#?}", self.lines);
        Ok(line)
    }

    /// Whether a line like this was logged.
    pub fn said(&self, message: &str) -> bool {
        self.lines.iter().any(|line| line["message"] == message)
    }
}

/// Takes connections and never says a word: what a network looks like that swallows packets.
pub struct Silence {
    _listener: std::net::TcpListener,
    pub url: String,
}

impl Silence {
    pub fn new() -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { _listener: listener, url })
    }
}

/// The task metadata endpoint of one task; its address.
async fn metadata() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let length = socket.read(&mut request).await.unwrap_or_default();
            let body = match request[..length].starts_with(b"GET /v4/task-1/task ") {
                true => json!({ "Cluster": "calls", "TaskARN": TASK_ARN }).to_string(),
                false => json!({ "Name": "bridge" }).to_string(),
            };
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    Ok(format!("http://{address}/v4/task-1"))
}

fn sqs_client(url: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(NOBODY, NOBODY, None, None, "tests"))
        .endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// A Brazilian mobile number that no other call of this process has.
fn fresh_number() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("+5511986{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}
