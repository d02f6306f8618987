//! A deployment: what its CloudFormation stack consists of, and clients for it.

use cloud::said;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use cloud::call_folder::CallFolders;
use cloud::profiles::StoredProfiles;
use cloud::queue::Queue;

use crate::failure::misuse;
use crate::settings::Settings;

/// Somebody waits at a terminal: an endpoint that does not answer is named after this.
const TRY: Duration = Duration::from_secs(10);
const OPERATION: Duration = Duration::from_secs(25);

/// AWS as this terminal reaches it: region and credentials as every AWS tool finds them.
pub async fn aws() -> SdkConfig {
    let patience = TimeoutConfig::builder().operation_attempt_timeout(TRY).operation_timeout(OPERATION);
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(patience.build()).load().await
}

/// A deployed stack.
#[derive(Debug)]
pub struct Stack {
    /// The deployment's name.
    pub stage: String,
    /// The stack's.
    pub name: String,
    /// CloudFormation's word for its state.
    pub status: String,
    /// Its region and our credentials.
    pub aws: SdkConfig,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl Stack {
    /// Looks the stack of the deployment up.
    ///
    /// # Errors
    /// Says whether nobody said which, there is none, or AWS did not answer.
    pub async fn find(settings: &Settings) -> anyhow::Result<Self> {
        let name = settings.stack_name()?;
        let aws = aws().await;
        let client = aws_sdk_cloudformation::Client::new(&aws);
        let found = client.describe_stacks().stack_name(&name).send().await.map_err(|error| {
            let region = aws.region().map_or("no region (set AWS_REGION)", |region| region.as_ref());
            match error.message() {
                Some(message) if message.contains("does not exist") => misuse(format!(
                    "there is no stack {name} in {region} with these credentials: deploy it (make deploy), or name \
                     another with --stage, --stack, AWS_REGION or AWS_PROFILE"
                )),
                _ => anyhow!(
                    "cannot look up the stack {name} in {region}: {}. Are credentials and region set (AWS_PROFILE, \
                     AWS_REGION)?",
                    said(&error)
                ),
            }
        })?;
        let stack = found.stacks().first().with_context(|| format!("there is no stack {name}"))?;
        let outputs = stack.outputs().iter();
        let outputs = outputs.filter_map(|output| Some((output.output_key()?, output.output_value()?)));
        let parameters = stack.parameters().iter();
        let parameters =
            parameters.filter_map(|given| Some((given.parameter_key()?, given.parameter_value()?)));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let (outputs, parameters): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (outputs.map(owned).collect(), parameters.map(owned).collect());
        let stage = match parameters.get("Stage") {
            Some(stage) => stage.clone(),
            None => settings.stage()?.to_owned(),
        };
        let status = stack.stack_status().map_or("?", |status| status.as_str()).to_owned();
        Ok(Self { stage, name, status, aws, outputs, parameters })
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// When the stack has none of this name: it is not ours, or of another version.
    pub fn output(&self, name: &str) -> anyhow::Result<&str> {
        let missing = || {
            anyhow!("the stack {} has no output {name}: is it this gateway's, and deployed whole?", self.name)
        };
        self.outputs.get(name).map(String::as_str).ok_or_else(missing)
    }

    /// A parameter that the stack was deployed with.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where messages come from.
    pub fn trigger_calls(&self) -> anyhow::Result<Queue> {
        self.queue("TriggerCallQueueUrl")
    }

    /// Where messages are that could not work.
    pub fn dead_letters(&self) -> anyhow::Result<Queue> {
        self.queue("DeadLetterQueueUrl")
    }

    /// Where the news of stopped tasks waits.
    pub fn task_events(&self) -> anyhow::Result<Queue> {
        self.queue("TaskEventsQueueUrl")
    }

    fn queue(&self, output: &str) -> anyhow::Result<Queue> {
        Ok(Queue::new(aws_sdk_sqs::Client::new(&self.aws), self.output(output)?))
    }

    /// What is known about calls.
    pub fn folders(&self) -> anyhow::Result<CallFolders> {
        Ok(CallFolders::in_bucket_of(self.output("CallFoldersBucket")?, &self.aws)?)
    }

    /// The country profiles.
    pub fn profiles(&self) -> StoredProfiles {
        StoredProfiles::new(self.ssm(), &self.stage)
    }

    /// The parameter store.
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.aws)
    }
}

/// Call folders: those of `--calls`, else of the deployment.
pub async fn folders(settings: &Settings) -> anyhow::Result<CallFolders> {
    match &settings.calls {
        Some(directory) if !directory.is_dir() => {
            Err(misuse(format!("--calls {}: there is no such directory", directory.display())))
        }
        Some(directory) => Ok(CallFolders::in_directory(directory)?),
        None => Stack::find(settings).await?.folders(),
    }
}
