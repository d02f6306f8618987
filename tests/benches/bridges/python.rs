//! A call that `bench/python/bridge.py` carries.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cloud::call_folder::draw_nonce;
use serde_json::Value;
use sim::stack::{CALLER_ID, Call, Child, Output};
use sim::ultravox::Ultravox;
use sim::{stack, ultravox};
use tests::{Scene, Stage};

use crate::Settings;
use crate::running::{Seen, now_ms};

/// The bridge.
pub const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/python/bridge.py");
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call that runs.
pub struct PythonCall {
    stage: Arc<Stage>,
    vendor: Ultravox,
    child: Child,
    number: String,
    room: String,
    log: PathBuf,
    started_ms: f64,
}

impl PythonCall {
    /// Arranges the call as [`tests::Arrangement`] does for `bridge-task`, and starts the process.
    pub async fn start(
        scene: &Scene,
        settings: &Settings,
        person: stack::Script,
        mut agent: ultravox::Script,
    ) -> Result<Self> {
        let number = scene.arrange().number().to_owned();
        let agent_key = draw_nonce().0;
        agent.api_key = Some(agent_key.clone());
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), agent).await?;
        let room = format!("python-{}", draw_nonce().0);
        let log = scene.dir().join(format!("{room}.log"));
        let stage = scene.stage().clone();
        let stack = stage.stack().await;
        stack.phone()?.script(&number, &person).await?;
        let (key, secret) = stack.livekit().credentials();
        let mut command = Command::new(&settings.python);
        command.arg(SCRIPT).env_clear();
        command.env("LIVEKIT_URL", stack.livekit().url());
        command.env("LIVEKIT_API_KEY", key).env("LIVEKIT_API_SECRET", secret.expose());
        command.env("SIP_TRUNK_ID", stack.trunk_id()).env("SIP_FROM_NUMBER", CALLER_ID);
        command.env("TO", &number).env("ROOM", &room);
        command.env("ULTRAVOX_CALLS_URL", vendor.calls_url()).env("ULTRAVOX_API_KEY", agent_key);
        command.envs(settings.python_sample_rate.as_ref().map(|rate| ("SAMPLE_RATE", rate)));
        let started_ms = now_ms();
        let child = Child::start("bridge.py", command, Output::File(log.clone()))?;
        drop(stack);
        Ok(Self { stage, vendor, child, number, room, log, started_ms })
    }

    /// When its process was started, in Unix milliseconds.
    pub fn started_ms(&self) -> f64 {
        self.started_ms
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it is carried.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The agent's vendor.
    pub fn vendor(&self) -> &Ultravox {
        &self.vendor
    }

    /// Waits until the phone's only call is as `wanted`.
    pub async fn phone(&self, what: &str, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        let stack = self.stage.stack().await;
        let waited = stack.phone()?.wait_for(&self.number, PATIENCE, wanted).await;
        waited.with_context(|| format!("{what}; the bridge said:\n{}", self.said()))
    }

    /// Waits until the agent hears the callee.
    pub async fn is_talking(&self) -> Result<()> {
        let hears = |agent: &ultravox::CallSnapshot| agent.level_received_dbfs > -60.0;
        let waited =
            self.vendor.wait_until("the agent hears the callee", PATIENCE, |all| all.iter().any(hears));
        waited.await.map(drop)
    }

    /// The person hangs up.
    pub async fn callee_hangs_up(&self) -> Result<()> {
        let call = self.phone("the callee answers", Call::is_answered).await?;
        self.stage.stack().await.phone()?.hang_up(&call.id).await
    }

    /// Waits for the end of the process, and that its room is gone.
    pub async fn ends(mut self) -> Result<Seen> {
        let status = self.child.exit(PATIENCE).await?;
        // The SDK's library may abort while Python ends (a panic in one of its threads): the call is over by then.
        let is_over = self.at_ms("ended").is_ok();
        ensure!(status.success() || is_over, "the bridge ended with {status}:\n{}", self.said());
        self.stage.has_no_room(&self.room, PATIENCE).await?;
        let leg = self.phone("the leg is over", Call::is_over).await?;
        Ok(Seen {
            joined_ms: self.at_ms("room-joined")?,
            agent_created_ms: self.at_ms("agent-created")?,
            leg,
        })
    }

    /// When the bridge told this event.
    fn at_ms(&self, event: &str) -> Result<f64> {
        let said = self.said();
        // What the SDK itself logs is no JSON.
        let told = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let at = told.into_iter().find(|told| told["event"] == event).and_then(|told| told["at_ms"].as_f64());
        at.with_context(|| format!("the bridge told no {event}:\n{said}"))
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
