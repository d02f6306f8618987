//! `ocg` at a terminal, as a person has one. It is lent by `script` (script(1), util-linux).

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::cloud::{Cloud, wait_for};
use crate::ocg::{Ran, program};

/// Far longer than any command takes to ask, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command, and the person in front of it.
pub struct AtTerminal {
    script: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    /// Everything that was on the screen, and how much of it somebody has waited for.
    shown: Vec<u8>,
    read: usize,
}

impl Cloud {
    /// Runs `ocg` for this deployment at a terminal that shows what is typed until it is told not to.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn ocg_at_a_terminal(&self, words: &[&str]) -> Result<AtTerminal> {
        let mut line = "exec \"$OCG\"".to_owned();
        for word in words {
            ensure!(!word.contains('\''), "{word} cannot be quoted so");
            line.push_str(&format!(" '{word}'"));
        }
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--echo", "always", "--command", &line, "/dev/null"]);
        self.where_operators_are(&mut script).await?;
        script.env("OCG", program().context("OCG is not set")?).env("TERM", "xterm").stdin(Stdio::piped());
        let mut script = script.spawn().context("util-linux's script lends the terminal")?;
        let keyboard = script.stdin.take().context("no stdin")?;
        let screen = script.stdout.take().context("no stdout")?;
        Ok(AtTerminal { script, keyboard, screen, shown: Vec::new(), read: 0 })
    }
}

impl AtTerminal {
    /// Waits until this is on the screen, after what was waited for before.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn shows(&mut self, text: &str) -> Result<()> {
        loop {
            let news = &self.shown[self.read..];
            if let Some(at) = news.windows(text.len()).position(|part| part == text.as_bytes()) {
                self.read += at + text.len();
                return Ok(());
            }
            ensure!(self.look().await?, "it ended without {text:?}: {}", self.screen());
        }
    }

    /// Waits until the terminal shows no more what is typed.
    ///
    /// # Errors
    /// When it goes on showing it.
    pub async fn hides_what_is_typed(&self) -> Result<()> {
        let script = self.script.id().context("it has ended")?;
        let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children"))?;
        let terminal = format!("/proc/{}/fd/0", children.trim());
        wait_for("the terminal does not echo", PATIENCE, async || {
            let modes = Command::new("stty").args(["-a", "-F", &terminal]).output().await?;
            let modes = String::from_utf8_lossy(&modes.stdout).into_owned();
            Ok(modes.split_whitespace().any(|mode| mode == "-echo").then_some(()))
        })
        .await
    }

    /// Types this, and Enter.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub async fn types(&mut self, text: &str) -> Result<()> {
        self.keyboard.write_all(format!("{text}\n").as_bytes()).await?;
        Ok(self.keyboard.flush().await?)
    }

    /// Waits for its end; what it printed and what it remarked are one on a screen.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn ends(mut self) -> Result<Ran> {
        while self.look().await? {}
        let ended = timeout(PATIENCE, self.script.wait()).await;
        let status = ended.with_context(|| format!("it does not end: {}", self.screen()))??;
        Ok(Ran { code: status.code().unwrap_or(-1), said: self.screen(), remarked: String::new() })
    }

    /// Whether there may be more to come.
    async fn look(&mut self) -> Result<bool> {
        let mut part = [0; 4096];
        let Ok(read) = timeout(PATIENCE, self.screen.read(&mut part)).await else {
            bail!("nothing more comes: {}", self.screen());
        };
        let length = read?;
        self.shown.extend_from_slice(&part[..length]);
        Ok(length > 0)
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}
