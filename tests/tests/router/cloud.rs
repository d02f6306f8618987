//! A deployment for one story: queue, dead-letter queue, bucket, parameters, router, and a cluster.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use calls::ids::CallKey;
use serde_json::{Value, json};
use sim::aws::{AwsEmulator, NOBODY, REGION};
use sim::ecs::{Definition, Ecs};

const BUCKET: &str = "calls";
const STAGE: &str = "test";
/// Longer than any of this takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What the router needs of AWS, without AWS.
pub struct Cloud {
    emulator: AwsEmulator,
    pub ecs: Ecs,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
    queue: String,
    dead_letters: String,
    dir: tempfile::TempDir,
}

/// The programs, or `None` after saying what is missing; missing on CI is a failure.
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "where the tests are told their programs")]
fn programs() -> Option<(PathBuf, PathBuf)> {
    let find = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_file());
    let found = find("AWS_EMULATOR").zip(find("ROUTER"));
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "on CI AWS_EMULATOR and ROUTER must be set");
        eprintln!("SKIPPED: AWS_EMULATOR and ROUTER must name programs; `make test` sets them");
    }
    found
}

/// Tells a story in a cloud of its own. `changes` are made to the router's environment.
pub fn story(changes: &[(&str, &str)], tell: impl AsyncFnOnce(&Cloud) -> Result<()>) {
    let Some((emulator, router)) = programs() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let cloud = Cloud::start(&emulator, &router, changes).await.unwrap();
        if let Err(error) = tell(&cloud).await {
            let log = std::fs::read_to_string(cloud.dir.path().join("aws-emulator.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            panic!("{error:?}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    });
}

impl Cloud {
    async fn start(emulator: &Path, router: &Path, changes: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let emulator = AwsEmulator::start(emulator, dir.path()).await?;
        emulator.create_bucket(BUCKET).await?;
        let bridge = Definition {
            family: "bridge".to_owned(),
            container: "bridge".to_owned(),
            // Says what it was told, and ends.
            program: "/bin/echo".into(),
            environment: BTreeMap::new(),
        };
        let ecs = Ecs::start("calls", vec![bridge], dir.path().join("tasks")).await?;
        let (sqs, ssm) = clients(emulator.url());
        let dead_letters = create_queue(&sqs, "dead", HashMap::new()).await?;
        // A message that was not done comes again soon.
        let quick = HashMap::from([(QueueAttributeName::VisibilityTimeout, "2".to_owned())]);
        let queue = create_queue(&sqs, "trigger", quick).await?;
        let mut environment = environment(&emulator, &ecs, &dead_letters);
        environment.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        emulator.create_function("router", router, &environment).await?;
        let cloud = Self { emulator, ecs, sqs, ssm, queue, dead_letters, dir };
        cloud.put_profile("BR", &["+55"]).await?;
        Ok(cloud)
    }

    /// From now on messages are delivered.
    pub async fn open(&self) -> Result<()> {
        self.emulator.feed("router", "trigger", 10).await
    }

    /// Puts a country's profile where the router looks for it.
    pub async fn put_profile(&self, country: &str, prefixes: &[&str]) -> Result<()> {
        let profile = json!({
            "v": 1, "country": country, "prefixes": prefixes,
            "livekit": { "url": "wss://livekit.example", "trunkId": "ST_1", "callerId": "+551140000000" },
            "agent": { "voice": "voice" },
        });
        let put = self.ssm.put_parameter().name(format!("/ocg/{STAGE}/profiles/{country}"));
        put.value(profile.to_string()).r#type(aws_sdk_ssm::types::ParameterType::String).send().await?;
        Ok(())
    }

    /// Sends a message and returns the id that the queue gave it.
    pub async fn send(&self, body: &str) -> Result<String> {
        let sent = self.sqs.send_message().queue_url(&self.queue).message_body(body).send().await?;
        sent.message_id.context("no id")
    }

    /// Waits until so many dead letters have come, and takes them.
    pub async fn dead_letters(&self, count: usize) -> Result<Vec<Message>> {
        let mut letters = Vec::new();
        let deadline = tokio::time::Instant::now() + SOON;
        while letters.len() < count {
            let receive = self.sqs.receive_message().queue_url(&self.dead_letters).max_number_of_messages(10);
            let received = receive.message_attribute_names("All").wait_time_seconds(1).send().await?;
            letters.extend(received.messages.unwrap_or_default());
            ensure!(tokio::time::Instant::now() < deadline, "{} of {count} letters: {letters:#?}", letters.len());
        }
        Ok(letters)
    }

    /// Waits until the queue holds nothing, neither visible nor in flight.
    pub async fn is_done(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let asked = self.sqs.get_queue_attributes().queue_url(&self.queue);
            let found = asked.attribute_names(QueueAttributeName::All).send().await?.attributes.unwrap_or_default();
            let count = |name| found.get(&name).and_then(|count| count.parse().ok()).unwrap_or(0u32);
            let left = count(QueueAttributeName::ApproximateNumberOfMessages)
                + count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
            if left == 0 {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "{left} messages are still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A document of a call's folder.
    pub async fn document(&self, key: &CallKey, path: &str) -> Result<Option<Value>> {
        self.emulator.object(BUCKET, &format!("calls/{key}/{path}")).await
    }

    /// Waits until so many tasks have ended, and says what each was told, sorted.
    pub async fn tasks_told(&self, count: usize) -> Result<Vec<String>> {
        self.ecs.wait_for_events(count, SOON).await?;
        let mut told = Vec::new();
        for log in std::fs::read_dir(self.dir.path().join("tasks"))? {
            told.push(std::fs::read_to_string(log?.path())?.trim().to_owned());
        }
        told.sort();
        Ok(told)
    }

    /// How often the queue's messages were received, by what is still on it.
    pub async fn still_queued(&self) -> Result<Vec<(String, u32)>> {
        let receive = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let received = receive.wait_time_seconds(3).send().await?.messages.unwrap_or_default();
        let count = |message: &Message| {
            let attributes = message.attributes.as_ref()?;
            attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()
        };
        Ok(received.iter().map(|m| (m.body.clone().unwrap_or_default(), count(m).unwrap_or(0))).collect())
    }
}

fn environment(emulator: &AwsEmulator, ecs: &Ecs, dead_letters: &str) -> BTreeMap<String, String> {
    let ecs = ecs.url();
    let variables = [
        ("AWS_ENDPOINT_URL", emulator.url()),
        ("AWS_ENDPOINT_URL_ECS", &ecs),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", NOBODY),
        ("AWS_SECRET_ACCESS_KEY", NOBODY),
        ("OCG_STAGE", STAGE),
        ("OCG_BUCKET", BUCKET),
        ("DEAD_LETTER_QUEUE_URL", dead_letters),
        ("ECS_CLUSTER", "calls"),
        ("TASK_DEFINITION", "bridge"),
        ("TASK_CONTAINER", "bridge"),
        ("TASK_CAPACITY_PROVIDER", "FARGATE_SPOT"),
        ("TASK_SUBNETS", "subnet-1,subnet-2"),
        ("TASK_SECURITY_GROUPS", "sg-1"),
        ("TASK_PUBLIC_IP", "ENABLED"),
        ("RUN_TASKS_PER_SECOND", "20"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn clients(url: &str) -> (aws_sdk_sqs::Client, aws_sdk_ssm::Client) {
    let nobody = || Credentials::new(NOBODY, NOBODY, None, None, "tests");
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(nobody())
        .endpoint_url(url)
        .build();
    let ssm = aws_sdk_ssm::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(nobody())
        .endpoint_url(url)
        .build();
    (aws_sdk_sqs::Client::from_conf(sqs), aws_sdk_ssm::Client::from_conf(ssm))
}

async fn create_queue(
    sqs: &aws_sdk_sqs::Client,
    name: &str,
    attributes: HashMap<QueueAttributeName, String>,
) -> Result<String> {
    let created = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await?;
    created.queue_url.context("no URL")
}
