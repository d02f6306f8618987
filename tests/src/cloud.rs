//! The deployed gateway: our template on the AWS emulator, the real router function behind the real event source
//! mapping, and real `bridge-task` processes that the ECS stand-in starts from the registered task definition. Or, with
//! the event source off, a real `bridge-task worker` on the same queue.
//!
//! Addresses, names and the stage come from the stack's outputs, never from a test.

mod queues;
mod sent;
mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::ids::AttemptId;
use calls::secret::Secret;
use calls::settle::Follow;
use cloud::call_folder::{CallFolders, draw_nonce};
use serde_json::{Value, json};
use sim::aws::{Deployment, NOBODY, Programs, REGION};
use sim::stack::{Binaries, CALLER_ID, Script, Stack, StackConfig};
use sim::ultravox::Ultravox;
use tokio::sync::{OnceCell, RwLock};
use tokio::time::Instant;

use crate::arrange::fresh_number;
use crate::leaks::Leaks;
use crate::{agent, stage};
pub use sent::Sent;
pub use worker::Carrier;

/// Longer than anything here takes on a busy machine; a message that failed comes again within it.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(50);

/// A deployed gateway, LiveKit, a phone, and the agent's vendor.
pub struct Cloud {
    /// The stack on the emulator.
    pub deployment: Deployment,
    /// LiveKit and the phone.
    pub stack: Stack,
    /// The agent's vendor: its agent says one line of a second and a half, and stays.
    pub vendor: Ultravox,
    /// The call folders.
    pub folders: CallFolders,
    sqs: aws_sdk_sqs::Client,
    secrets: Value,
    vendor_key: Secret,
    /// What upstream is told of calls.
    history: String,
    /// Who carries its calls.
    pub carrier: Carrier,
    at_once: RwLock<()>,
}

/// Tells a story in the cloud that all of them share, beside others.
///
/// # Panics
/// When the story fails. Without the programs it is skipped, which is said aloud, and is a failure where `CI=true`.
pub fn in_the_cloud(tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    told(Carrier::Split, async |cloud| {
        let _beside_others = cloud.at_once.read().await;
        tell(cloud).await
    });
}

/// Tells a story alone: it breaks something for a while.
///
/// # Panics
/// As [`in_the_cloud`].
pub fn alone_in_the_cloud(tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    told(Carrier::Split, async |cloud| {
        let _alone = cloud.at_once.write().await;
        let told = tell(cloud).await;
        cloud.deployment.ecs.cut([]);
        cloud.deployment.ecs.keep_events(false);
        told
    });
}

/// Tells a story where a worker carries the calls, beside others.
///
/// # Panics
/// As [`in_the_cloud`].
pub fn at_the_worker(tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    told(Carrier::worker(), async |cloud| {
        let _beside_others = cloud.at_once.read().await;
        tell(cloud).await
    });
}

/// Tells a story where a worker carries the calls, alone. It may break it, and start another in its place.
///
/// # Panics
/// As [`in_the_cloud`].
pub fn alone_at_the_worker(tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    told(Carrier::worker(), async |cloud| {
        let _alone = cloud.at_once.write().await;
        let told = tell(cloud).await;
        cloud.deployment.ecs.cut([]);
        let said = cloud.worker_log();
        let again = cloud.as_it_was().await;
        told.with_context(|| end_of(&said)).and(again)
    });
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// A test binary has one carrier.
fn told(carrier: Carrier, tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    static SHARED: OnceCell<Arc<Cloud>> = OnceCell::const_new();
    with_programs(async |programs, binaries, dir| {
        let dir = dir.parent().unwrap_or(&dir).join("cloud");
        let cloud = SHARED.get_or_try_init(|| Cloud::start(programs, &binaries, &dir, &[], carrier)).await?;
        tell(cloud).await
    });
}

/// Tells a story in a cloud of its own, deployed with these parameters besides those that all need.
///
/// # Panics
/// As [`in_the_cloud`].
pub fn in_a_cloud_apart(parameters: &[(&str, &str)], tell: impl AsyncFnOnce(&mut Cloud) -> Result<()>) {
    with_programs(async |programs, binaries, dir| {
        let cloud = Cloud::start(programs, &binaries, &dir.join("cloud"), parameters, Carrier::Split).await?;
        tell(&mut Arc::into_inner(cloud).context("a cloud apart is nobody else's")?).await
    });
}

#[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
fn with_programs(tell: impl AsyncFnOnce(Programs, Binaries, std::path::PathBuf) -> Result<()>) {
    match Programs::find(|name| std::env::var(name).ok()) {
        Ok(programs) => stage::run(async |binaries, dir| tell(programs, binaries, dir).await),
        Err(missing) => stage::skip(&missing),
    }
}

impl Cloud {
    async fn start(
        programs: Programs,
        binaries: &Binaries,
        dir: &Path,
        parameters: &[(&str, &str)],
        carrier: Carrier,
    ) -> Result<Arc<Self>> {
        let stack_dir = Some(dir.join("stack"));
        let stack = Stack::start(binaries, StackConfig { dir: stack_dir, ..StackConfig::default() }).await?;
        let key = Secret::new(draw_nonce().0);
        let script = agent::who_says([agent::line(1500)]);
        let voices = vec!["another-voice".to_owned(), "test-voice".to_owned()];
        let script = sim::ultravox::Script { api_key: Some(key.expose().to_owned()), voices, ..script };
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), script).await?;
        let deployment = Deployment::start(programs, &binaries.bridge_task, dir, &[]).await?;
        let sqs = deployment.sqs();
        // Upstream's queue is upstream's; nobody of ours makes it.
        let history =
            sqs.create_queue().queue_name("call-history").send().await?.queue_url.context("no URL")?;
        deployment.deploy(&with_defaults(parameters, &history)).await?;
        let folders = deployment.call_folders().await?;
        let (livekit_key, livekit_secret) = stack.livekit().credentials();
        let secrets = json!({ "livekitApiKey": livekit_key, "livekitApiSecret": livekit_secret.expose() });
        let at_once = RwLock::default();
        let vendor_key = key;
        let cloud =
            Self { deployment, stack, vendor, folders, sqs, secrets, vendor_key, history, carrier, at_once };
        cloud.add_country("BR", &["+55"]).await?;
        let key = cloud.vendor_key.expose();
        cloud.deployment.put_secret("ultravox", &json!({ "apiKey": key })).await?;
        if matches!(cloud.carrier, Carrier::Worker(_)) {
            cloud.switch_the_function(false).await?;
            cloud.worker_with(&[], &[]).await?;
        }
        Ok(Arc::new(cloud))
    }

    /// Deploys again with these parameters besides those that all need, and returns what SAM said.
    pub async fn deploy(&self, parameters: &[(&str, &str)]) -> Result<String> {
        self.deployment.deploy(&with_defaults(parameters, &self.history)).await
    }

    /// Puts a country's profile and secrets where operators put them.
    pub async fn add_country(&self, country: &str, prefixes: &[&str]) -> Result<()> {
        self.deployment.put_secret(country, &self.secrets).await?;
        self.deployment.put_profile(country, &self.profile(country, prefixes)).await
    }

    /// A country's profile.
    pub fn profile(&self, country: &str, prefixes: &[&str]) -> Value {
        json!({
            "v": 1, "country": country, "prefixes": prefixes, "provider": "local",
            "livekit": { "url": self.stack.livekit().url(), "trunkId": self.stack.trunk_id(), "callerId": CALLER_ID },
            "dial": { "ringSeconds": 20, "maxCallSeconds": 60 },
            "agent": {
                "voice": "test-voice", "languageHint": "pt-BR", "greetingDelaySeconds": 20,
                "callsUrl": self.vendor.calls_url(),
            },
            "record": true,
        })
    }

    async fn output(&self, name: &str) -> Result<String> {
        self.deployment.output(name).await
    }

    /// The vendor's API key.
    pub fn vendor_key(&self) -> &str {
        self.vendor_key.expose()
    }

    /// A call to a person who does this, not yet sent.
    pub async fn call_to(&self, person: Script) -> Result<Sent<'_>> {
        let number = fresh_number();
        self.stack.phone()?.script(&number, &person).await?;
        Ok(Sent::new(self, &number))
    }

    /// A call to any number, not yet sent.
    pub fn call_to_number(&self, number: &str) -> Sent<'_> {
        Sent::new(self, number)
    }

    /// A call by its [`Sent::names`].
    pub fn known_call(&self, (id, number): (String, String)) -> Sent<'_> {
        Sent::known(self, id, &number)
    }

    /// A log of a task or a worker holds no secret and not this number.
    fn leaks_nothing(&self, number: &str) -> Result<()> {
        let livekit = self.secrets["livekitApiSecret"].as_str().unwrap_or_default().to_owned();
        let leaks = Leaks::new(vec![livekit, self.vendor_key.expose().to_owned()], vec![number.to_owned()]);
        for log in self.logs() {
            leaks.no_secret_in("a log", &log)?;
            leaks.no_number_in("a log", &log)?;
        }
        Ok(())
    }

    /// What tasks and workers have logged.
    fn logs(&self) -> Vec<String> {
        let dirs = ["tasks", worker::LOGS].map(|name| self.deployment.dir().join(name));
        let files = dirs.into_iter().flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten());
        files.filter_map(|log| std::fs::read_to_string(log.path()).ok()).collect()
    }

    /// The schedule's event reaches the watcher now, and not in five minutes.
    pub async fn sweep(&self) -> Result<()> {
        // AWS Lambda API reference, Invoke; EventBridge user guide, "Scheduled events".
        let event = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
        let name = self.output("WatcherFunctionName").await?;
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.deployment.ecs.url());
        let http = reqwest::Client::builder().no_proxy().build()?;
        let request = http.post(url).header("authorization", signed_for_lambda()).body(event.to_string());
        let answer = request.send().await?.error_for_status()?;
        let failed = answer.headers().get("x-amz-function-error").is_some();
        let said = answer.text().await?;
        ensure!(!failed, "the watcher failed: {said}");
        Ok(())
    }

    /// Waits until this attempt is settled, and returns what followed.
    pub async fn settled(&self, attempt: &AttemptId) -> Result<Follow> {
        wait_for("it is settled", PATIENCE, async || {
            let standing = self.folders.look_with(attempt).await?;
            let seen = standing.attempt(attempt.number);
            Ok(seen.filter(|seen| seen.open.is_none()).and_then(|seen| Some(seen.next.as_ref()?.next)))
        })
        .await
    }

    /// The tasks that were started for this attempt.
    pub async fn tasks_of(&self, attempt: &AttemptId) -> Vec<Value> {
        let mut tasks = self.deployment.ecs.tasks();
        tasks.retain(|task| task["startedBy"] == attempt.to_string());
        tasks
    }
}

/// The AWS emulator looks for the service in what a signature covers, and at nothing else of it.
fn signed_for_lambda() -> String {
    let scope = format!("Credential={NOBODY}/20260101/{REGION}/lambda/aws4_request");
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none")
}

/// Looks again and again until there is something.
pub async fn wait_for<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// A profile's prices, by the minute and by six seconds, as LiveKit Cloud, trunks and Ultravox take it.
pub fn prices() -> Value {
    json!({
        "currency": "USD",
        "task": { "perMinute": 0.0002, "minimumSeconds": 60 },
        "room": { "perMinute": 0.005, "roundUpToSeconds": 60 },
        "trunk": { "perMinute": 0.03, "roundUpToSeconds": 60 },
        "agent": { "perMinute": 0.05, "roundUpToSeconds": 6 },
    })
}

/// What every deployment is told; a story's own come after.
fn with_defaults(parameters: &[(&str, &str)], history: &str) -> BTreeMap<String, String> {
    let defaults = [
        ("Stage", "test"),
        ("VpcId", "vpc-1"),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("ImageTag", "test"),
        ("CallHistoryQueueUrl", history),
        ("RunTasksPerSecond", "20"),
        ("FirstDelaySeconds", "1"),
        ("StopTimeoutSeconds", "30"),
    ];
    defaults.iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
