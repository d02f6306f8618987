//! `tests/sdk/peer.py`: a participant made with LiveKit's *own* SDK, as a child process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// An SDK that takes longer for anything is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the SDK heard for a while, dBFS.
pub struct Heard {
    /// Of everything.
    pub all: f64,
    /// Of each tone that was asked for.
    pub tones: Vec<f64>,
}

/// A running peer. It ends with its stdin, so also when this process dies.
pub struct Peer {
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it told while something else was waited for.
    told: Vec<Value>,
    joined_in_ms: f64,
    process: Child,
}

impl Peer {
    /// Joins with `token`, and says who was there already.
    pub async fn join(python: &Path, url: &str, token: &str) -> Result<(Self, Vec<String>)> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/peer.py");
        let mut process = Command::new(python)
            .args([script, url])
            .env("LIVEKIT_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let stdin = process.stdin.take().context("no stdin")?;
        let lines = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let mut peer = Self { stdin, lines, told: Vec::new(), joined_in_ms: 0.0, process };
        let connected = peer.event("connected").await?;
        peer.joined_in_ms = connected["took_ms"].as_f64().context("no time")?;
        let others = serde_json::from_value(connected["others"].clone())?;
        Ok((peer, others))
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<u32> {
        self.process.id().context("the SDK's process has ended")
    }

    /// How long its engine took to join, from nothing to a room that can be used.
    pub fn joined_in_ms(&self) -> f64 {
        self.joined_in_ms
    }

    /// The event of this name, which has come already or will come soon.
    pub async fn event(&mut self, name: &str) -> Result<Value> {
        self.wait_for("event", name).await
    }

    /// Says a tone of −12 dBFS from now on.
    pub async fn publish(&mut self, hz: f64) -> Result<()> {
        self.obey("publish", &format!("publish {hz}")).await.map(drop)
    }

    /// Mutes its track.
    pub async fn mute(&mut self) -> Result<()> {
        self.obey("mute", "mute").await.map(drop)
    }

    /// And back.
    pub async fn unmute(&mut self) -> Result<()> {
        self.obey("unmute", "unmute").await.map(drop)
    }

    /// Leaves the room.
    pub async fn leave(&mut self) -> Result<()> {
        self.obey("leave", "leave").await.map(drop)
    }

    /// Listens for `ms` from now on and measures these tones.
    pub async fn hear(&mut self, ms: u32, tones: &[f64]) -> Result<Heard> {
        let tones: Vec<String> = tones.iter().map(f64::to_string).collect();
        let answer = self.obey("hear", &format!("hear {ms} {}", tones.join(" "))).await?;
        let all = answer["all"].as_f64().context("no level")?;
        Ok(Heard { all, tones: serde_json::from_value(answer["tones"].clone())? })
    }

    /// RTP packets of our track that have reached it so far.
    pub async fn packets(&mut self) -> Result<u64> {
        self.obey("packets", "packets").await?["packets"].as_u64().context("no count")
    }

    async fn obey(&mut self, name: &str, command: &str) -> Result<Value> {
        self.stdin.write_all(format!("{command}\n").as_bytes()).await?;
        self.wait_for("done", name).await
    }

    async fn wait_for(&mut self, kind: &str, name: &str) -> Result<Value> {
        let is_it = |value: &Value| value[kind] == name;
        if let Some(at) = self.told.iter().position(is_it) {
            return Ok(self.told.remove(at));
        }
        let waiting = async {
            while let Some(line) = self.lines.next_line().await? {
                let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
                if is_it(&value) {
                    return Ok(value);
                }
                self.told.push(value);
            }
            bail!("the SDK's process has ended; its stderr is above")
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => bail!("no {kind} {name} within {PATIENCE:?}; the SDK told {:?}", self.told),
        }
    }
}
