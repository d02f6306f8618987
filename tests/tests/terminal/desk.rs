//! A desk with a terminal: `bridge-task` as a person starts it, with settings from the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::Outcome;
use calls::secret::Secret;
use rustix::process::Signal;
use sim::stack::{BridgeTask, CALLER_ID, Child, Output};
use sim::ultravox::{CallSnapshot, Script, Ultravox};
use tests::{Scene, Stage};
use tokio::time::Instant;

/// Longer than any call here.
const LONGEST: Duration = Duration::from_secs(60);
/// What is closed on one side is closed on the other after this at the latest.
const TIDY: Duration = Duration::from_secs(5);

/// A terminal, and the agent's vendor.
pub struct Desk {
    pub stage: Arc<Stage>,
    pub vendor: Ultravox,
    dir: PathBuf,
    shell: BridgeTask,
    calls: PathBuf,
}

/// A command that runs.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Desk {
    /// Only the credentials of BR are set.
    pub async fn with_credentials(scene: &Scene, agent: Script) -> Result<Self> {
        let vendor = Ultravox::start(([127, 0, 0, 1], 0).into(), agent).await?;
        let stage = scene.stage().clone();
        let shell = stage.stack().await.bridge_task("BR", &Secret::new("the agent's key".to_owned()));
        let dir = scene.dir().to_owned();
        Ok(Self { stage, vendor, calls: dir.join("folders"), dir, shell })
    }

    /// Everything that a call to BR needs is set.
    pub async fn with_everything(scene: &Scene, agent: Script) -> Result<Self> {
        let mut desk = Self::with_credentials(scene, agent).await?;
        let stack = scene.stage().stack().await;
        for (name, value) in [
            ("LIVEKIT_URL_BR", stack.livekit().url()),
            ("SIP_TRUNK_ID_BR", stack.trunk_id().to_owned()),
            ("SIP_FROM_NUMBER_BR", CALLER_ID.to_owned()),
            ("ULTRAVOX_CALLS_URL", desk.vendor.calls_url()),
            ("ULTRAVOX_VOICE", "test-voice".to_owned()),
        ] {
            desk.shell = desk.shell.env(name, value);
        }
        Ok(desk)
    }

    /// A file on the desk.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs `bridge-task` with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Result<Running> {
        let log = self.dir.join("bridge-task.log");
        let calls = ["--verbose", "--calls", path(&self.calls)?];
        let child = self.shell.start(arguments.iter().chain(&calls), Output::File(log.clone()))?;
        Ok(Running { child, log })
    }

    /// The only agent that was created, and what it heard.
    pub fn agent(&self) -> Result<(CallSnapshot, audio::SampleRate, Vec<i16>)> {
        let mut agents = self.vendor.calls();
        ensure!(agents.len() == 1, "one agent was expected: {agents:#?}");
        let agent = agents.remove(0);
        let (rate, heard) = self.vendor.heard(&agent.id).context("it heard nothing")?;
        Ok((agent, rate, heard))
    }

    /// The folder of the only call: its outcome, and whether a permission to ring was taken.
    pub fn call_folder(&self) -> Result<(Outcome, bool)> {
        let calls: Vec<_> = std::fs::read_dir(self.calls.join("calls"))?.collect::<Result<_, _>>()?;
        ensure!(calls.len() == 1, "one call was expected: {calls:?}");
        let attempt = calls[0].path().join("a1");
        let outcome = std::fs::read(attempt.join("outcome.json")).context("no outcome")?;
        Ok((serde_json::from_slice(&outcome)?, attempt.join("dial.json").exists()))
    }

    /// Neither the log nor the call folder holds this number in full. (The caller's stands in no job.)
    pub fn shows_no(&self, number: &str, running: &Running) -> Result<()> {
        let digits = number.trim_start_matches('+');
        ensure!(!running.log().contains(digits), "the log holds the number: {}", running.log());
        let mut folders = vec![self.calls.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
                    ensure!(!text.contains(digits), "{} holds the number", path.display());
                }
            }
        }
        Ok(())
    }

    /// Nothing is left of the call: neither this room nor the agent's socket.
    pub async fn is_tidy(&self, room: &str) -> Result<()> {
        self.stage.has_no_room(room, TIDY).await?;
        let closed = |agents: &[CallSnapshot]| agents.iter().all(|agent| agent.ended.is_some());
        self.vendor.wait_until("the agent's socket is closed", TIDY, closed).await.map(drop)
    }
}

impl Running {
    /// Waits until it has said this.
    pub async fn says(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + LONGEST;
        while !self.log().contains(text) {
            ensure!(Instant::now() < deadline, "it never said {text:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Waits for its end; the exit code, `None` after a signal.
    pub async fn exits(&mut self) -> Result<Option<i32>> {
        Ok(self.child.exit(LONGEST).await?.code())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A path as an argument.
pub fn path(path: &Path) -> Result<&str> {
    path.to_str().context("no UTF-8")
}
