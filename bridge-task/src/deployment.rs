//! A deployed task: what its environment says, and what it asks AWS for.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use cloud::call_folder::CallFolders;
use cloud::profiles::{Credentials, stored_credentials};
use cloud::queue::Queue;
use serde::Deserialize;

/// Names the queue on which upstream is told of its calls.
pub const CALL_HISTORY_QUEUE_URL: &str = "CALL_HISTORY_QUEUE_URL";

/// Many tasks that start at once share the parameter store's rate; the SDK's own pauses grow up to 20 s.
const MOST_TRIES: u32 = 10;
/// A request that is not answered by then is sent again.
const TRY_CAP: Duration = Duration::from_secs(5);
/// The container agent answers from the same machine.
const METADATA_CAP: Duration = Duration::from_secs(2);

/// What the environment of a deployed task says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// `OCG_STAGE`: the deployment's name, in the parameters' path.
    pub stage: String,
    /// `OCG_BUCKET`: where call folders are.
    pub bucket: String,
    /// `CALL_HISTORY_QUEUE_URL`: where upstream is told; none: it is not.
    pub call_history_queue_url: Option<String>,
}

impl Deployment {
    /// Reads it with `get`, which looks a variable up. It asks for all that there is to set.
    ///
    /// # Errors
    /// Everything that is missing, at once.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> anyhow::Result<Self> {
        let (stage, bucket) = (get("OCG_STAGE"), get("OCG_BUCKET"));
        let call_history_queue_url = get(CALL_HISTORY_QUEUE_URL).map(str::to_owned);
        if let (Some(stage), Some(bucket)) = (stage, bucket) {
            return Ok(Self { stage: stage.to_owned(), bucket: bucket.to_owned(), call_history_queue_url });
        }
        let needed = [
            (stage, "OCG_STAGE is not set: the deployment's name, such as prod"),
            (bucket, "OCG_BUCKET is not set: the bucket of the call folders"),
        ];
        let missing: Vec<&str> =
            needed.into_iter().filter(|(value, _)| value.is_none()).map(|(_, missing)| missing).collect();
        Err(anyhow!(missing.join("\n")))
    }

    /// The call folders of this deployment.
    ///
    /// # Errors
    /// When the settings make no store.
    pub fn folders(&self) -> anyhow::Result<CallFolders> {
        Ok(CallFolders::in_bucket(&self.bucket)?)
    }

    /// The same, reached as `aws` says: a machine may have profiles of several accounts.
    ///
    /// # Errors
    /// When the settings make no store.
    pub fn folders_of(&self, aws: &SdkConfig) -> anyhow::Result<CallFolders> {
        Ok(CallFolders::in_bucket_of(&self.bucket, aws)?)
    }
}

/// A country's secrets, from the parameter store of `stage`, within `within`.
///
/// # Errors
/// A sentence that quotes no secret.
pub async fn credentials(
    aws: &SdkConfig,
    stage: &str,
    country: &str,
    within: Duration,
) -> anyhow::Result<Credentials> {
    let client = aws_sdk_ssm::Client::new(aws);
    match tokio::time::timeout(within, stored_credentials(&client, stage, country)).await {
        Ok(read) => read.map_err(anyhow::Error::msg),
        Err(_) => Err(anyhow!("the secrets of {country} could not be read within {} s", within.as_secs())),
    }
}

/// What every AWS client here is made of: region, credentials and addresses as every AWS tool finds them.
pub async fn aws() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(MOST_TRIES))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(TRY_CAP).build())
        .load()
        .await
}

/// The queue on which upstream is told.
pub fn call_history(aws: &SdkConfig, url: &str) -> Queue {
    // Who sends there has pauses of its own.
    let config = aws_sdk_sqs::config::Builder::from(aws).retry_config(RetryConfig::disabled()).build();
    Queue::new(aws_sdk_sqs::Client::from_conf(config), url)
}

/// What ECS calls this task (Amazon ECS developer guide, "task metadata endpoint version 4"); `None` where nobody
/// knows. `base`: `ECS_CONTAINER_METADATA_URI_V4`, which ECS sets.
pub async fn task_arn(base: Option<&str>) -> Option<String> {
    match ask_for_task_arn(base?).await {
        Ok(arn) => Some(arn),
        Err(error) => {
            tracing::warn!(detail = format!("{error:#}"), "task name not known");
            None
        }
    }
}

async fn ask_for_task_arn(base: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Task {
        #[serde(rename = "TaskARN")]
        task_arn: String,
    }
    let client = tls::http()?.timeout(METADATA_CAP).build()?;
    let answer = client.get(format!("{base}/task")).send().await?.error_for_status()?;
    let task: Task = answer.json().await.context("it does not tell the task's ARN")?;
    Ok(task.task_arn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::io::Write as _;

    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn all_that_is_missing_is_told_at_once() {
        let nothing = Deployment::read(|_| None).unwrap_err().to_string();
        assert!(nothing.contains("OCG_STAGE is not set") && nothing.contains("OCG_BUCKET is not set"));
        let two =
            |name: &str| [("OCG_STAGE", "test"), ("OCG_BUCKET", "calls")].iter().find(|(n, _)| *n == name);
        let read = Deployment::read(|name| two(name).map(|(_, value)| *value)).unwrap();
        assert_eq!((read.stage.as_str(), read.bucket.as_str()), ("test", "calls"));
        assert_eq!(read.call_history_queue_url, None);
    }

    /// The translated template, or `None` after saying that there is none; on CI there must be one.
    #[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
    fn template() -> Option<Value> {
        let Some(file) = std::env::var_os("TRANSLATED_TEMPLATE") else {
            assert!(std::env::var_os("CI").is_none(), "on CI TRANSLATED_TEMPLATE must be set");
            // Not by eprintln: the test harness would keep it to itself.
            let _ =
                writeln!(std::io::stderr(), "SKIPPED: TRANSLATED_TEMPLATE must name the translated template");
            return None;
        };
        Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
    }

    #[test]
    fn the_template_sets_what_is_read_here_and_nothing_else() {
        let Some(template) = template() else { return };
        let asked = RefCell::new(BTreeSet::new());
        let read = Deployment::read(|name| {
            asked.borrow_mut().insert(name.to_owned());
            Some("set")
        });
        assert!(read.is_ok());
        for name in [crate::stop::STOP_TIMEOUT_SECONDS, crate::settings::TRACES_ENDPOINT] {
            asked.borrow_mut().insert(name.to_owned());
        }
        let resources = template["Resources"].as_object().unwrap().values();
        let definitions: Vec<&Value> =
            resources.filter(|resource| resource["Type"] == "AWS::ECS::TaskDefinition").collect();
        assert_eq!(definitions.len(), 1);
        let containers = definitions[0]["Properties"]["ContainerDefinitions"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        let variables = containers[0]["Environment"].as_array().unwrap().iter();
        let set: BTreeSet<String> = variables.map(|v| v["Name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(set, *asked.borrow());
    }

    /// Answers every request with `answer`; gives back the address and what was asked for.
    async fn metadata(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v4/id", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned()
        });
        (address, asked)
    }

    #[tokio::test]
    async fn the_task_is_called_what_ecs_calls_it() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let known = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 51\r\nconnection: close\r\n\r\n\
                     {\"Cluster\":\"calls\",\"TaskARN\":\"arn:aws:ecs:x:1:t/2\"}";
        let (address, asked) = metadata(known).await;
        assert_eq!(task_arn(Some(&address)).await.as_deref(), Some("arn:aws:ecs:x:1:t/2"));
        assert_eq!(asked.await.unwrap(), "GET /v4/id/task HTTP/1.1");
    }

    #[tokio::test]
    async fn nothing_fails_for_want_of_a_name() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert_eq!(task_arn(None).await, None);
        let (address, _) = metadata("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(task_arn(Some(&address)).await, None);
        // A listener whom nobody answers for.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let asking = task_arn(Some(&format!("http://{}", silent.local_addr().unwrap()))).await;
        assert_eq!(asking, None);
    }
}
