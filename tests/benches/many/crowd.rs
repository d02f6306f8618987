//! One worker with a queue of its own, and as many calls as one likes: profiles and call folders in directories, secrets
//! in the environment. Only the queue is the AWS emulator's.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use calls::ids::{AttemptId, CallKey};
use calls::outcome::{EndReason, Outcome, OutcomeKind};
use cloud::call_folder::{CallFolders, draw_nonce};
use rustix::process::Signal;
use serde_json::json;
use sim::aws::{AwsEmulator, NOBODY, REGION};
use sim::stack::{Arrival, CALLER_ID, Call, Child, Output, Script, free_tcp_port};
use sim::ultravox::{self, Ultravox};
use tests::Scene;
use tests::arrange::{COUNTRY, fresh_number};
use tests::cloud::wait_for;
use tests::measure::marked::{Marked, Marking};
use tests::wire::Wire;
use tokio::time::Instant;

use crate::{Settings, shown};

/// For whatever happens once a call.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The worker's last calls are over when it is told to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// A worker at work, and everybody whom its calls need.
pub struct Crowd<'a> {
    scene: &'a Scene,
    sqs: aws_sdk_sqs::Client,
    queue: String,
    folders: CallFolders,
    vendor: Ultravox,
    /// The agent's vendor of another country, for [`Self::call_apart`].
    apart: Ultravox,
    worker: Child,
    /// Ends after the worker.
    _emulator: AwsEmulator,
}

/// A call that was asked for.
pub struct Called {
    /// Who is called.
    pub number: String,
    attempt: AttemptId,
    /// When that was.
    pub since: Instant,
}

impl<'a> Crowd<'a> {
    /// Starts them: at most `at_once` calls, none longer than `longest`, each with an agent of this kind.
    pub async fn begin(
        scene: &'a Scene,
        settings: &Settings,
        (at_once, longest): (u32, Duration),
        agent: ultravox::Script,
    ) -> Result<Self> {
        let dir = scene.dir().join(format!("worker-{at_once}-{}", longest.as_secs()));
        let (profiles, folders) = (dir.join("profiles"), dir.join("calls"));
        std::fs::create_dir_all(&profiles)?;
        let key = draw_nonce().0;
        let agent = ultravox::Script { api_key: Some(key.clone()), keep_audio: false, ..agent };
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), agent).await?;
        let marks = ultravox::Script { api_key: Some(key.clone()), ..Marking::agent() };
        let apart = Ultravox::start(([127, 0, 0, 1], 0).into(), marks).await?;

        let port = free_tcp_port()?;
        let aws = format!("http://127.0.0.1:{port}");
        let emulator = AwsEmulator::start(&settings.aws_emulator, &dir, port, &aws).await?;
        let nobody = Credentials::new(NOBODY, NOBODY, None, None, "test");
        let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new(REGION)).credentials_provider(nobody).endpoint_url(&aws);
        let sqs = aws_sdk_sqs::Client::from_conf(config.build());
        let queue = async |name: &str| -> Result<String> {
            sqs.create_queue().queue_name(name).send().await?.queue_url.context("a queue without a URL")
        };
        let (queue, letters) = (queue("calls").await?, queue("letters").await?);

        let stack = scene.stage().stack().await;
        let profile = |country: &str, prefix: &str, vendor: &Ultravox| {
            json!({
                "v": 1, "country": country, "prefixes": [prefix],
                "livekit": { "url": stack.livekit().url(), "trunkId": stack.trunk_id(), "callerId": CALLER_ID },
                "dial": { "ringSeconds": 20, "maxCallSeconds": longest.as_secs() },
                "agent": { "voice": "test-voice", "firstSpeaker": "agent", "callsUrl": vendor.calls_url() },
                "record": false,
            })
        };
        std::fs::write(profiles.join("br.json"), profile(COUNTRY, "+55", &vendor).to_string())?;
        std::fs::write(profiles.join("pt.json"), profile("PT", "+351", &apart).to_string())?;
        let (livekit_key, livekit_secret) = stack.livekit().credentials();
        let mut command = Command::new(&stack.binaries().bridge_task);
        command.args(["worker", "--profiles", shown(&profiles)?, "--calls", shown(&folders)?]);
        command.env_clear().envs([
            ("AWS_ENDPOINT_URL", aws.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", NOBODY),
            ("AWS_SECRET_ACCESS_KEY", NOBODY),
            ("SQS_QUEUE_URL", &queue),
            ("DEAD_LETTER_QUEUE_URL", &letters),
            ("MAX_CONCURRENT_CALLS", &at_once.to_string()),
            ("ULTRAVOX_API_KEY", &key),
            ("LIVEKIT_API_KEY_BR", livekit_key),
            ("LIVEKIT_API_SECRET_BR", livekit_secret.expose()),
            ("LIVEKIT_API_KEY_PT", livekit_key),
            ("LIVEKIT_API_SECRET_PT", livekit_secret.expose()),
        ]);
        drop(stack);
        let log = dir.join("worker.log");
        let mut worker = Child::start("worker", command, Output::File(log.clone()))?;
        wait_for("the worker begins", PATIENCE, async || {
            let said = std::fs::read_to_string(&log)?;
            ensure!(worker.exited().is_none(), "it has ended: {said}");
            Ok(said.contains("worker begins").then_some(()))
        })
        .await?;
        let folders = CallFolders::in_directory(&folders)?;
        Ok(Self { scene, sqs, queue, folders, vendor, apart, worker, _emulator: emulator })
    }

    /// The worker's process.
    pub fn worker(&self) -> u32 {
        self.worker.id()
    }

    /// Puts the message of a call to this person on the queue.
    pub async fn call(&self, person: &Script) -> Result<Called> {
        self.call_to(fresh_number(), person).await
    }

    /// A call through the same worker in which both sides mark, and what became of it; one at a time.
    pub async fn call_apart(&self, seed: u64) -> Result<Marked> {
        let mut marking = Marking::of_seed(seed);
        let person = marking.callee(&self.scene.dir().join("marks.wav"))?;
        let called = self.call_to(format!("+35191{seed:07}"), &person).await?;
        let leg = self.talks(&called).await?;
        marking.goes_on(&self.apart).await;
        let packets = self.scene.stage().stack().await.phone()?.packets(&leg.id).await?;
        let marked = marking.came(&self.apart, packets);
        self.hang_up(&leg).await?;
        self.ends(&called).await?;
        marked
    }

    async fn call_to(&self, number: String, person: &Script) -> Result<Called> {
        let id = draw_nonce().0;
        self.scene.stage().stack().await.phone()?.script(&number, person).await?;
        let message = json!({
            "messageType": "TRIGGER_CALL",
            "id": id,
            "metadata": {
                "phoneNumbers": [{ "number": number }],
                "subject": { "prompt": { "text": "You confirm an appointment." } },
            },
        });
        self.sqs.send_message().queue_url(&self.queue).message_body(message.to_string()).send().await?;
        let attempt = AttemptId::new(CallKey::from_ids(None, None, &id), 1);
        Ok(Called { number, attempt, since: Instant::now() })
    }

    /// Waits until this call's phone gets sound.
    pub async fn talks(&self, called: &Called) -> Result<Call> {
        let stack = self.scene.stage().stack().await;
        let talks = |leg: &Call| leg.is_answered() && leg.packets_received > 50;
        stack.phone()?.wait_for(&called.number, PATIENCE, talks).await
    }

    /// The packets that have reached a phone.
    pub async fn arrivals(&self, leg: &Call) -> Result<Vec<Arrival>> {
        self.scene.stage().stack().await.phone()?.arrivals(&leg.id).await
    }

    /// Listens to what leaves the worker.
    pub async fn wire(&self) -> Result<Wire> {
        Wire::listen(self.scene.dir(), "worker").await
    }

    /// Seconds of sound that all agents have heard, by their calls.
    pub fn agents_have_heard(&self) -> Vec<f64> {
        let heard = self.vendor.calls();
        let hz = |request: &serde_json::Value| {
            request["medium"]["serverWebSocket"]["inputSampleRate"].as_u64().unwrap_or(1)
        };
        heard.iter().map(|agent| agent.bytes_received as f64 / (hz(&agent.request) * 2) as f64).collect()
    }

    /// The person hangs up.
    pub async fn hang_up(&self, leg: &Call) -> Result<()> {
        self.scene.stage().stack().await.phone()?.hang_up(&leg.id).await
    }

    /// How a call ended, if it is over.
    pub async fn outcome(&self, called: &Called) -> Result<Option<Outcome>> {
        Ok(self.folders.outcome(&called.attempt).await?)
    }

    /// Waits until a call is over; it must have been answered, and hung up by the callee.
    pub async fn ends(&self, called: &Called) -> Result<()> {
        let outcome = wait_for("it is over", PATIENCE, async || self.outcome(called).await).await?;
        ensure!(went_well(&outcome), "{}: {outcome:#?}", called.attempt);
        Ok(())
    }

    /// Tells the worker to stop, and waits until nothing is left of it and its calls.
    pub async fn end(mut self) -> Result<()> {
        self.worker.signal(Signal::TERM);
        let status = self.worker.exit(STOPS_WITHIN).await?;
        ensure!(status.success(), "the worker ended with {status}");
        self.scene.stage().has_no_room("", PATIENCE).await
    }
}

/// Answered, and hung up by the callee.
pub fn went_well(outcome: &Outcome) -> bool {
    outcome.outcome == OutcomeKind::Answered && outcome.end_reason == Some(EndReason::CalleeHangup)
}
