//! A worker on the stack's queue, in place of the router function and ECS.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use rustix::process::Signal;
use serde_json::{Value, json};
use sim::aws::REGION;
use sim::stack::{Child, Output};

use super::{Cloud, wait_for};

/// Where workers log, below the deployment's directory.
pub(super) const LOGS: &str = "workers";
/// The story's own.
const STAGE: &str = "test";
/// Longer than a worker takes to end what it has in hand.
const LONGEST: Duration = Duration::from_secs(60);
/// How long it takes to find its queue and to look at its countries.
const BEGINS: Duration = Duration::from_secs(30);

/// Who carries calls.
pub enum Carrier {
    /// The router function and a task each.
    Split,
    /// A worker.
    Worker(Mutex<AtWork>),
}

/// The worker that was started last.
#[derive(Default)]
pub struct AtWork {
    child: Option<Child>,
    /// Those that were started before it and work on.
    beside: Vec<Child>,
    started: usize,
    /// The queue that it takes messages from, if it is not the stack's.
    queue: Option<String>,
    /// It is another one than stories are usually told with, or broken.
    is_special: bool,
}

impl Carrier {
    pub(super) fn worker() -> Self {
        Self::Worker(Mutex::default())
    }

    pub(super) fn own_queue(&self) -> Option<String> {
        match self {
            Self::Split => None,
            Self::Worker(work) => work.lock().unwrap_or_else(PoisonError::into_inner).queue.clone(),
        }
    }
}

impl Cloud {
    /// Lambda polls the queue from now on, or no more.
    pub async fn switch_the_function(&self, on: bool) -> Result<()> {
        // AWS Lambda API reference, ListEventSourceMappings and UpdateEventSourceMapping.
        let (http, signed) = (reqwest::Client::builder().no_proxy().build()?, super::signed_for_lambda());
        let all = format!("{}/2015-03-31/event-source-mappings/", self.deployment.ecs.url());
        let listed = http.get(&all).header("authorization", &signed).send().await?.error_for_status()?;
        let listed: Value = listed.json().await?;
        let mappings = listed["EventSourceMappings"].as_array().context("no list")?;
        let queue = self.output("TriggerCallQueueUrl").await?;
        let queue = format!(":{}", queue.rsplit('/').next().unwrap_or_default());
        let of_the_queue = |mapping: &&Value| {
            mapping["EventSourceArn"].as_str().is_some_and(|source| source.ends_with(&queue))
        };
        let mapping = mappings.iter().find(of_the_queue).with_context(|| format!("{listed:#}"))?;
        let one = format!("{all}{}", mapping["UUID"].as_str().context("no UUID")?);
        let body = json!({ "Enabled": on }).to_string();
        let answer = http.put(one).header("authorization", &signed).body(body).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Stops the worker, if one runs, and starts one with these variables over the usual ones (an empty one counts as
    /// not set) and these arguments. Returns when it has begun.
    pub async fn worker_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Result<()> {
        self.stop_worker().await?;
        self.start_worker(variables, arguments).await?;
        self.worker_begins().await
    }

    async fn worker_begins(&self) -> Result<()> {
        wait_for("a worker begins", BEGINS, async || {
            ensure!(!self.worker_has_ended()?, "it did not begin: {}", self.worker_log());
            Ok(self.worker_log().contains("worker begins").then_some(()))
        })
        .await
    }

    /// One more on the same queue and the same call folders, beside the one that works there; the usual settings but
    /// these. From now on it is the one that was started last.
    pub async fn another_worker(&self, variables: &[(&str, &str)]) -> Result<()> {
        {
            let mut work = self.at_work()?;
            let before = work.child.take().context("there is none to be beside")?;
            work.beside.push(before);
        }
        self.start_worker(variables, &[]).await?;
        self.at_work()?.is_special = true;
        self.worker_begins().await
    }

    /// The same on a queue that nobody has ever polled. The emulator goes on with the long poll of a worker that has
    /// gone, and hides from everybody what that gets; for who counts messages.
    pub async fn worker_on_a_new_queue(&self, variables: &[(&str, &str)]) -> Result<()> {
        self.new_queue().await?;
        self.worker_with(variables, &[]).await
    }

    /// Stops the worker, and sends messages to such a queue from now on; returns what it is called.
    pub async fn new_queue(&self) -> Result<String> {
        self.stop_worker().await?;
        let name = format!("worker-{}", self.at_work()?.started);
        let created = self.sqs.create_queue().queue_name(&name);
        let letters = self.deployment.output("DeadLetterQueueUrl").await?;
        let letters = letters.rsplit('/').next().unwrap_or_default().to_owned();
        let arn = format!("arn:aws:sqs:{REGION}:000000000000:{letters}");
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": "350" }).to_string();
        let url = created.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?.queue_url;
        let mut work = self.at_work()?;
        work.queue = Some(url.context("no URL")?);
        work.is_special = true;
        Ok(name)
    }

    /// Starts one beside whatever there is, and does not wait for it.
    async fn start_worker(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Result<()> {
        let usual = [
            ("OCG_STAGE", STAGE.to_owned()),
            ("OCG_BUCKET", self.deployment.output("CallFoldersBucket").await?),
            ("SQS_QUEUE_URL", self.queue_url().await?),
            ("CALL_HISTORY_QUEUE_URL", self.history.clone()),
            ("VISIBILITY_SECONDS", "6".to_owned()),
        ];
        let mut environment: BTreeMap<&str, String> =
            self.deployment.variables().into_iter().chain(usual).collect();
        environment.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut command = Command::new(&self.stack.binaries().bridge_task);
        command.arg("worker").args(arguments).env_clear().envs(environment);
        let dir = self.deployment.dir().join(LOGS);
        std::fs::create_dir_all(&dir)?;
        let mut work = self.at_work()?;
        work.started += 1;
        work.is_special = !variables.is_empty() || !arguments.is_empty();
        let log = dir.join(format!("worker-{}.log", work.started));
        work.child = Some(Child::start("worker", command, Output::File(log))?);
        Ok(())
    }

    /// SIGTERM and SIGINT at once, and waits for the end; nothing if none runs. Those beside it are ended first.
    pub async fn stop_worker(&self) -> Result<()> {
        let beside = std::mem::take(&mut self.at_work()?.beside);
        for mut child in beside {
            child.signal(Signal::TERM);
            child.signal(Signal::INT);
            child.exit(LONGEST).await?;
        }
        for signal in [Signal::TERM, Signal::INT] {
            self.signal_worker(signal)?;
        }
        if self.at_work()?.child.is_some() {
            self.worker_ends().await?;
        }
        Ok(())
    }

    /// Sends the worker a signal.
    pub fn signal_worker(&self, signal: Signal) -> Result<()> {
        let mut work = self.at_work()?;
        work.is_special = true;
        if let Some(child) = work.child.as_mut() {
            child.signal(signal);
        }
        Ok(())
    }

    /// Waits for the worker's end; its exit code, `None` for a signal.
    pub async fn worker_ends(&self) -> Result<Option<i32>> {
        wait_for("the worker ends", LONGEST, async || {
            let mut work = self.at_work()?;
            let child = work.child.as_mut().context("no worker was started")?;
            Ok(child.exited().map(|status| status.code()))
        })
        .await
        .with_context(|| self.worker_log())
    }

    /// What the worker that was started last has logged.
    pub fn worker_log(&self) -> String {
        let started = self.at_work().map(|work| work.started).unwrap_or_default();
        let log = self.deployment.dir().join(LOGS).join(format!("worker-{started}.log"));
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// LiveKit's rooms of a worker that was killed, which can delete none any more.
    pub async fn delete_rooms(&self) -> Result<()> {
        let livekit = self.stack.livekit();
        let (key, secret) = livekit.credentials();
        let rooms = rooms::Livekit::new(&livekit.url(), &calls::secret::Secret::new(key), secret)?;
        for room in self.stack.rooms().await? {
            rooms.delete_room(&room, Duration::from_secs(5)).await?;
        }
        Ok(())
    }

    /// The usual worker, where a story has left another or none.
    pub(super) async fn as_it_was(&self) -> Result<()> {
        if self.at_work()?.is_special {
            self.at_work()?.queue = None;
            self.worker_with(&[], &[]).await?;
        }
        Ok(())
    }

    fn worker_has_ended(&self) -> Result<bool> {
        Ok(self.at_work()?.child.as_mut().is_none_or(|child| child.exited().is_some()))
    }

    fn at_work(&self) -> Result<std::sync::MutexGuard<'_, AtWork>> {
        match &self.carrier {
            Carrier::Worker(work) => Ok(work.lock().unwrap_or_else(PoisonError::into_inner)),
            Carrier::Split => anyhow::bail!("no worker carries these calls"),
        }
    }
}
