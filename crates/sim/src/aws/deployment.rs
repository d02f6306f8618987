//! Our template, deployed by SAM to the emulator as it is deployed to AWS; ECS is the stand-in's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::{AwsEmulator, NOBODY, REGION};
use crate::ecs::{Ecs, InFrontOf};
use crate::stack::free_tcp_port;

/// What a deployment is made with.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The AWS emulator.
    pub emulator: PathBuf,
    /// SAM's command line.
    pub sam: PathBuf,
    /// The template that `sam build` wrote, beside its artifacts.
    pub template: PathBuf,
}

impl Programs {
    /// From `AWS_EMULATOR`, `SAM` and `SAM_TEMPLATE`, which the scripts set.
    ///
    /// # Errors
    /// Names everything that is missing at once.
    pub fn find(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut missing = Vec::new();
        let mut find = |name: &'static str| {
            let path = lookup(name).map(PathBuf::from).filter(|path| path.is_file());
            path.unwrap_or_else(|| {
                missing.push(name);
                PathBuf::new()
            })
        };
        let programs =
            Self { emulator: find("AWS_EMULATOR"), sam: find("SAM"), template: find("SAM_TEMPLATE") };
        if !missing.is_empty() {
            bail!("{} must name a file; `make test` makes and sets it", missing.join(", "));
        }
        Ok(programs)
    }
}

/// A deployed stack. Dropping it ends the emulator and every task.
pub struct Deployment {
    /// Where its tasks run; also where AWS is, for everybody.
    pub ecs: Ecs,
    emulator: AwsEmulator,
    programs: Programs,
    dir: PathBuf,
    outputs: Mutex<BTreeMap<String, String>>,
}

impl Deployment {
    /// Starts the emulator, to which nothing is deployed yet; every task will be the program `image`. Logs and
    /// files go into `dir`.
    ///
    /// # Errors
    /// When the emulator does not start.
    pub async fn start(programs: Programs, image: &Path, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = free_tcp_port()?;
        let platform = [("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", NOBODY), ("AWS_SECRET_ACCESS_KEY", NOBODY)];
        let emulator = InFrontOf {
            url: format!("http://127.0.0.1:{port}"),
            image: image.to_owned(),
            platform: platform.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        let ecs = Ecs::in_front_of(emulator, dir.join("tasks")).await?;
        let emulator = AwsEmulator::start(&programs.emulator, dir, port, &ecs.url()).await?;
        let (dir, outputs) = (dir.to_owned(), Mutex::default());
        Ok(Self { ecs, emulator, programs, dir, outputs })
    }

    /// Deploys the template, or the same again, with these parameters, and returns what SAM said.
    ///
    /// # Errors
    /// What SAM said.
    pub async fn deploy(&self, parameters: &BTreeMap<String, String>) -> Result<String> {
        let template = self.programs.template.clone();
        let overrides = parameters.iter().map(|(name, value)| format!("{name}={value}"));
        let said = self
            .sam(&["deploy", "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"], |sam| {
                sam.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]);
                sam.arg("--template-file").arg(template);
                if !parameters.is_empty() {
                    sam.arg("--parameter-overrides").args(overrides);
                }
            })
            .await?;
        let listed = self.sam(&["list", "stack-outputs", "--output", "json"], |_| ()).await?;
        let outputs: Vec<Output> = serde_json::from_str(&listed).with_context(|| format!("no outputs: {listed}"))?;
        *self.outputs.lock().await = outputs.into_iter().map(|output| (output.name, output.value)).collect();
        Ok(said)
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// Names the outputs that there are.
    pub async fn output(&self, name: &str) -> Result<String> {
        let outputs = self.outputs.lock().await;
        outputs.get(name).cloned().with_context(|| format!("no output {name}, only {:?}", outputs.keys()))
    }

    /// SIGKILL to every function instance that runs now, and how many there were.
    ///
    /// # Errors
    /// Where processes cannot be listed.
    pub fn kill_functions(&self) -> Result<usize> {
        self.emulator.kill_functions()
    }

    /// Its logs and files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    async fn sam(&self, words: &[&str], more: impl FnOnce(&mut Command)) -> Result<String> {
        let mut sam = Command::new(&self.programs.sam);
        // Not where somebody's own samconfig.toml would be read.
        sam.args(words).args(["--stack-name", "ocg", "--region", REGION]).current_dir(&self.dir);
        more(&mut sam);
        sam.env("AWS_ENDPOINT_URL", self.ecs.url())
            .env("AWS_ACCESS_KEY_ID", NOBODY)
            .env("AWS_SECRET_ACCESS_KEY", NOBODY)
            .env("SAM_CLI_TELEMETRY", "0")
            .kill_on_drop(true);
        let output = sam.output().await.with_context(|| format!("cannot run {}", self.programs.sam.display()))?;
        let (said, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "sam {} failed:\n{said}\n{complaint}", words[0]);
        Ok(said.into_owned())
    }
}

#[derive(Deserialize)]
struct Output {
    #[serde(rename = "OutputKey")]
    name: String,
    #[serde(rename = "OutputValue")]
    value: String,
}
