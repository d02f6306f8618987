//! Our template, deployed by SAM to the emulator as it is deployed to AWS; ECS is the stand-in's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ssm::types::ParameterType;
use cloud::call_folder::CallFolders;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde::Deserialize;
use serde_json::Value;
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
    stage: Mutex<String>,
}

impl Deployment {
    /// Starts the emulator, to which nothing is deployed yet; every task will be the program `image`, with
    /// `variables` besides those of its definition. Logs and files go into `dir`.
    ///
    /// # Errors
    /// When the emulator does not start.
    pub async fn start(
        programs: Programs,
        image: &Path,
        dir: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = free_tcp_port()?;
        let platform =
            [("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", NOBODY), ("AWS_SECRET_ACCESS_KEY", NOBODY)];
        let emulator = InFrontOf {
            url: format!("http://127.0.0.1:{port}"),
            image: image.to_owned(),
            platform: platform
                .iter()
                .chain(variables)
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
        };
        let ecs = Ecs::in_front_of(emulator, dir.join("tasks")).await?;
        let emulator = AwsEmulator::start(&programs.emulator, dir, port, &ecs.url()).await?;
        let (dir, outputs, stage) = (dir.to_owned(), Mutex::default(), Mutex::default());
        Ok(Self { ecs, emulator, programs, dir, outputs, stage })
    }

    /// Deploys the template, or the same again, with these parameters, and returns what SAM said.
    ///
    /// # Errors
    /// What SAM said.
    pub async fn deploy(&self, parameters: &BTreeMap<String, String>) -> Result<String> {
        let template = self.programs.template.clone();
        *self.stage.lock().await = parameters.get("Stage").cloned().unwrap_or_default();
        let overrides = parameters.iter().map(|(name, value)| format!("{name}={value}"));
        let said = self
            .sam(
                &["deploy", "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                |sam| {
                    sam.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]);
                    sam.arg("--template-file").arg(template);
                    if !parameters.is_empty() {
                        sam.arg("--parameter-overrides").args(overrides);
                    }
                },
            )
            .await?;
        let listed = self.sam(&["list", "stack-outputs", "--output", "json"], |_| ()).await?;
        let outputs: Vec<Output> =
            serde_json::from_str(&listed).with_context(|| format!("no outputs: {listed}"))?;
        *self.outputs.lock().await = outputs.into_iter().map(|output| (output.name, output.value)).collect();
        self.ecs.learn_rules().await?;
        Ok(said)
    }

    /// What the stack is called: after its stage, as `make deploy` does.
    async fn stack_name(&self) -> String {
        format!("ocg-{}", self.stage.lock().await)
    }

    /// What every AWS tool must be told to reach this deployment.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.ecs.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", NOBODY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", NOBODY.to_owned()),
        ]
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// Names the outputs that there are.
    pub async fn output(&self, name: &str) -> Result<String> {
        let outputs = self.outputs.lock().await;
        outputs.get(name).cloned().with_context(|| format!("no output {name}, only {:?}", outputs.keys()))
    }

    /// SQS, as everybody here reaches it.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new(REGION)).credentials_provider(nobody());
        aws_sdk_sqs::Client::from_conf(config.endpoint_url(self.ecs.url()).build())
    }

    /// The parameter store, likewise.
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        let config = aws_sdk_ssm::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new(REGION)).credentials_provider(nobody());
        aws_sdk_ssm::Client::from_conf(config.endpoint_url(self.ecs.url()).build())
    }

    /// The stack's call folders.
    ///
    /// # Errors
    /// When nothing is deployed.
    pub async fn call_folders(&self) -> Result<CallFolders> {
        Ok(CallFolders::over(Arc::new(self.bucket().await?)))
    }

    /// Copies everything in the stack's bucket into `dir`: the emulator forgets it when it ends.
    ///
    /// # Errors
    /// What the bucket or the disk says.
    pub async fn save_bucket(&self, dir: &Path) -> Result<()> {
        let (from, to) = (self.bucket().await?, LocalFileSystem::new_with_prefix(dir)?);
        let mut listed = from.list(None);
        while let Some(object) = listed.try_next().await? {
            let content = from.get(&object.location).await?.bytes().await?;
            to.put(&object.location, content.into()).await?;
        }
        Ok(())
    }

    async fn bucket(&self) -> Result<AmazonS3> {
        Ok(AmazonS3Builder::new()
            .with_bucket_name(self.output("CallFoldersBucket").await?)
            .with_endpoint(self.ecs.url())
            .with_allow_http(true)
            .with_region(REGION)
            .with_access_key_id(NOBODY)
            .with_secret_access_key(NOBODY)
            .build()?)
    }

    /// Puts a country's profile where operators put it.
    ///
    /// # Errors
    /// What the parameter store says.
    pub async fn put_profile(&self, country: &str, profile: &Value) -> Result<()> {
        let name = format!("{}/{country}", self.output("ProfilesPath").await?);
        self.put_parameter(name, ParameterType::String, profile).await
    }

    /// Puts a country's secrets, or those of the agent's vendor, where operators put them.
    ///
    /// # Errors
    /// What the parameter store says.
    pub async fn put_secret(&self, whose: &str, secret: &Value) -> Result<()> {
        let name = format!("{}/{whose}", self.output("SecretsPath").await?);
        self.put_parameter(name, ParameterType::SecureString, secret).await
    }

    async fn put_parameter(&self, name: String, kind: ParameterType, value: &Value) -> Result<()> {
        let put = self.ssm().put_parameter().name(name).r#type(kind).overwrite(true);
        put.value(value.to_string()).send().await?;
        Ok(())
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
        sam.args(words).args(["--stack-name", &self.stack_name().await, "--region", REGION]);
        sam.current_dir(&self.dir);
        more(&mut sam);
        sam.envs(self.variables()).env("SAM_CLI_TELEMETRY", "0").kill_on_drop(true);
        let output =
            sam.output().await.with_context(|| format!("cannot run {}", self.programs.sam.display()))?;
        let (said, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "sam {} failed:\n{said}\n{complaint}", words[0]);
        Ok(said.into_owned())
    }
}

fn nobody() -> Credentials {
    Credentials::new(NOBODY, NOBODY, None, None, "nobody")
}

#[derive(Deserialize)]
struct Output {
    #[serde(rename = "OutputKey")]
    name: String,
    #[serde(rename = "OutputValue")]
    value: String,
}
