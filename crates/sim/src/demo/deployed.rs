//! The demo's messages through the deployed gateway: our template on the AWS emulator, the real router function
//! behind the real queue, and tasks as the registered definition says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::Message;
use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::plan::{Leg, plan};
use calls::profile::Profiles;
use calls::secret::Secret;
use calls::trigger::TriggerCall;
use cloud::call_folder::CallFolders;
use cloud::profiles::from_directory;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cast::{self, Part};
use super::hands::{Ended, Routed, Task, show_routed};
use super::screen::{Screen, Tone};
use crate::aws::{Deployment, Programs};
use crate::stack::Stack;

/// Longer than the router takes, also when it has just been deployed.
const ROUTED_WITHIN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(20);

pub(super) struct Deployed {
    deployment: Arc<Deployment>,
    folders: CallFolders,
    profiles: Profiles,
}

impl Deployed {
    /// Deploys, and puts profiles and secrets where operators put them.
    pub(super) async fn start(
        programs: Programs,
        run_dir: &Path,
        profiles: &Path,
        stack: &Stack,
        agent_key: &Secret,
    ) -> Result<Self> {
        let (dir, image) = (run_dir.join("cloud"), &stack.binaries().bridge_task);
        let deployment = Deployment::start(programs, image, &dir, &[("OCG_SHOW_WORDS", "1")]).await?;
        let parameters =
            [("Stage", "demo"), ("VpcId", "vpc-1"), ("SubnetIds", "subnet-1"), ("ImageTag", "demo")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        deployment.deploy(&parameters.into()).await?;
        let (key, secret) = stack.livekit().credentials();
        let secrets = json!({ "livekitApiKey": key, "livekitApiSecret": secret.expose() });
        for file in super::json_files(profiles)? {
            let profile: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
            let country = profile["country"].as_str().context("a profile without a country")?;
            deployment.put_secret(country, &secrets).await?;
            deployment.put_profile(country, &profile).await?;
        }
        deployment.put_secret("ultravox", &json!({ "apiKey": agent_key.expose() })).await?;
        let folders = deployment.call_folders().await?;
        let profiles = from_directory(profiles).profiles.map_err(|problem| anyhow::anyhow!(problem))?;
        Ok(Self { deployment: Arc::new(deployment), folders, profiles })
    }

    /// The stack's call folders.
    pub(super) fn folders(&self) -> CallFolders {
        self.folders.clone()
    }

    /// Copies them where they can be looked at when the emulator is gone.
    pub(super) async fn save(&self, dir: &Path) -> Result<()> {
        self.deployment.save_bucket(dir).await
    }

    /// Sends a message as a campaign would, and watches what becomes of it.
    pub(super) async fn route(
        &self,
        body: &[u8],
        part: Part,
        stack: &Stack,
        screen: &mut Screen,
    ) -> Result<Routed> {
        let body = String::from_utf8_lossy(body).into_owned();
        let planned = TriggerCall::read(body.as_bytes()).ok().and_then(|trigger| {
            // The key does not matter to who is called.
            plan(&trigger, &self.profiles, &CallKey::from_ids(None, None, "demo")).ok()
        });
        if let Some(Leg::Outbound { to }) = planned.as_ref().map(|plan| &plan.leg) {
            stack.phone()?.script(to.as_e164(), &cast::person(part)).await?;
        }
        let launched = self.deployment.ecs.tasks().len();
        let (sqs, queue) = (self.deployment.sqs(), self.deployment.output("TriggerCallQueueUrl").await?);
        let sent = sqs.send_message().queue_url(queue).message_body(&body).send().await?;
        screen.line(
            "sender",
            Tone::Plain,
            "message sent",
            &format!("SQS id {}", sent.message_id.unwrap_or_default()),
        );
        let deadline = Instant::now() + ROUTED_WITHIN;
        loop {
            if let Some(task) = self.deployment.ecs.tasks().get(launched) {
                return Ok(Routed::Called(Box::new(self.called(task, screen).await?)));
            }
            if let Some(letter) = self.dead_letter(&sqs).await? {
                show_letter(&letter, letter.body() == Some(&body), screen);
                return Ok(Routed::Refused);
            }
            ensure!(Instant::now() < deadline, "nothing becomes of the message; logs: {}", self.logs());
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn called(&self, task: &Value, screen: &mut Screen) -> Result<Task> {
        let started_by = task["startedBy"].as_str().unwrap_or_default();
        let attempt: AttemptId =
            started_by.parse().map_err(|_| anyhow::anyhow!("{started_by} is no attempt"))?;
        // The router writes what it did when it is done.
        let deadline = Instant::now() + ROUTED_WITHIN;
        let facts = loop {
            let facts = self.folders.facts(&attempt).await?;
            if facts.iter().any(|recorded| matches!(recorded.fact, Fact::TaskLaunched { .. })) {
                break facts;
            }
            ensure!(Instant::now() < deadline, "the router wrote no facts; logs: {}", self.logs());
            tokio::time::sleep(GLANCE).await;
        };
        for recorded in &facts {
            show_routed(&recorded.fact, screen);
            if matches!(recorded.fact, Fact::TaskLaunched { .. }) {
                break;
            }
        }
        let job = self.folders.job(&attempt).await?.context("a task without a job")?;
        let arn = task["taskArn"].as_str().unwrap_or_default().to_owned();
        let (sender, lines) = mpsc::channel();
        let ended = tokio::spawn(follow(self.deployment.clone(), arn, sender));
        Ok(Task { ended: Ended::Task(ended), lines, attempt, plan: job.plan })
    }

    async fn dead_letter(&self, sqs: &aws_sdk_sqs::Client) -> Result<Option<Message>> {
        let url = self.deployment.output("DeadLetterQueueUrl").await?;
        let receive = sqs.receive_message().queue_url(url).message_attribute_names("All").send().await?;
        Ok(receive.messages.and_then(|letters| letters.into_iter().next()))
    }

    fn logs(&self) -> String {
        super::shown(self.deployment.dir())
    }
}

fn show_letter(letter: &Message, untouched: bool, screen: &mut Screen) {
    let attribute = |name: &str| {
        let found =
            letter.message_attributes.as_ref().and_then(|attributes| attributes.get(name)?.string_value());
        found.unwrap_or_default().to_owned()
    };
    let (code, detail, path) =
        (attribute("RefusalCode"), attribute("RefusalDetail"), attribute("RefusalPath"));
    let at = if path.is_empty() { String::new() } else { format!(" at {path}") };
    screen.line("router", Tone::Warning, "message refused", &format!("{code}{at}: {detail}"));
    let body = if untouched { "body untouched" } else { "BODY CHANGED" };
    screen.line("router", Tone::Warning, "dead letter", &format!("in the dead-letter queue, {body}"));
}

/// Passes on what a task logs until it has stopped; its exit code.
async fn follow(deployment: Arc<Deployment>, arn: String, lines: mpsc::Sender<String>) -> Result<i32> {
    let id = arn.rsplit('/').next().unwrap_or_default();
    let path = deployment.dir().join("tasks").join(format!("{id}.log"));
    let (mut log, mut line) = (None, String::new());
    loop {
        let tasks = deployment.ecs.tasks();
        let task = tasks.iter().find(|task| task["taskArn"] == arn).context("the task is forgotten")?;
        let stopped = task["lastStatus"] == "STOPPED";
        if log.is_none() {
            log = std::fs::File::open(&path).ok().map(BufReader::new);
        }
        while let Some(log) = &mut log
            && log.read_line(&mut line)? > 0
        {
            // The rest of a line that is being written comes at the next glance.
            if line.ends_with('\n') && lines.send(std::mem::take(&mut line).trim_end().to_owned()).is_err() {
                break;
            }
        }
        if stopped {
            return Ok(task["containers"][0]["exitCode"].as_i64().unwrap_or(-1) as i32);
        }
        tokio::time::sleep(GLANCE).await;
    }
}
