//! `ocg`, as an operator runs it against the deployed stack.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cloud::Cloud;
use crate::stage::given;

/// Far longer than any command takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub said: String,
    /// What it remarked, on stderr.
    pub remarked: String,
}

impl Ran {
    /// It must have ended so.
    ///
    /// # Errors
    /// When it did not, with all that it said.
    pub fn ends_with(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "exit code {}, not {code}\n{}\n{}", self.code, self.said, self.remarked);
        Ok(self)
    }

    /// What it printed with `--json`.
    ///
    /// # Errors
    /// When a line is no JSON.
    pub fn objects(&self) -> Result<Vec<Value>> {
        let lines = self.said.lines();
        lines.map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
    }
}

/// The program, if the tests were given it; skipped otherwise.
pub fn program() -> Option<PathBuf> {
    given("OCG")
}

/// Runs `ocg` where there is no deployment: for call folders on disk.
///
/// # Errors
/// When it cannot be run, or does not end.
pub async fn on_disk(words: &[&str]) -> Result<Ran> {
    let mut ocg = Command::new(program().context("OCG is not set")?);
    // Where nobody's .env lies.
    ocg.args(words).env_clear().current_dir(std::env::temp_dir());
    ocg.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    ran(ocg, "").await
}

async fn ran(mut ocg: Command, input: &str) -> Result<Ran> {
    let mut running = ocg.stdin(Stdio::piped()).spawn()?;
    let mut stdin = running.stdin.take().context("no stdin")?;
    // It may end without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = timeout(PATIENCE, running.wait_with_output()).await;
    let output = ended.with_context(|| format!("{ocg:?} does not end"))??;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        said: String::from_utf8(output.stdout)?,
        remarked: String::from_utf8(output.stderr)?,
    })
}

impl Cloud {
    /// Runs `ocg` for this deployment.
    ///
    /// # Errors
    /// When it cannot be run, or does not end.
    pub async fn ocg(&self, words: &[&str]) -> Result<Ran> {
        self.ocg_told(words, "").await
    }

    /// The same, with this on its standard input.
    ///
    /// # Errors
    /// As [`ocg`](Self::ocg).
    pub async fn ocg_told(&self, words: &[&str], input: &str) -> Result<Ran> {
        ran(self.ocg_command(words).await?, input).await
    }

    /// `ocg` for this deployment, not yet run; its output is piped.
    ///
    /// # Errors
    /// When there is no such program.
    pub async fn ocg_command(&self, words: &[&str]) -> Result<Command> {
        let mut ocg = Command::new(program().context("OCG is not set")?);
        ocg.args(words);
        self.where_operators_are(&mut ocg).await?;
        Ok(ocg)
    }

    /// Region, credentials and stage of this deployment, nothing else of ours; its output is piped.
    pub(crate) async fn where_operators_are(&self, command: &mut Command) -> Result<()> {
        let stage = self.stage().await?;
        // Where nobody's .env lies.
        command.current_dir(self.deployment.dir()).env_clear().envs(self.deployment.variables());
        command.env("OCG_STAGE", stage).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        Ok(())
    }

    /// The deployment's stage.
    ///
    /// # Errors
    /// When the stack has no such output.
    pub async fn stage(&self) -> Result<String> {
        let path = self.deployment.output("ProfilesPath").await?;
        Ok(path.split('/').nth(2).context("no stage in the profiles' path")?.to_owned())
    }
}
