//! A stand-in for ECS: the JSON protocol (AWS JSON 1.1) of RunTask, ListTasks, DescribeTasks and StopTask, over
//! processes of this machine.
//!
//! It may stand in front of the AWS emulator: then the tasks are those of the definitions that were registered
//! there, and everything else goes through to it.
//!
//! What AWS promises is kept: `clientToken` gives the same task back, the limits of RunTask are enforced, a
//! task that ends is told in EventBridge's envelope. How it misbehaves is a [`Script`]. Source: Amazon ECS API
//! Reference, RunTask; EventBridge, "Amazon ECS task state change events".

mod actions;
mod behind;
mod registry;
mod request;
mod rules;
mod task;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Uri};
use rustix::process::Signal;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use behind::Behind;
use registry::{Registered, Registry, short};
use request::RunTask;
use rules::Rule;
use task::Task;

pub use behind::Cut;
pub use registry::Definition;

/// The only region there is.
const REGION: &str = crate::aws::REGION;

/// What the next RunTask does in place of what it should, once each, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answers ThrottlingException.
    Throttle,
    /// Answers 200 with an entry in `failures` and no task.
    NoCapacity,
    /// Starts the task; its reply is lost.
    LoseReply,
    /// Starts nothing and answers nothing, until the caller is gone.
    Hang,
    /// Starts the task and answers nothing, until the caller is gone.
    NeverReply,
    /// Starts two tasks, as where a request was repeated and its client token forgotten.
    StartTwo,
    /// Starts the task after this time.
    StartAfter(Duration),
    /// Accepts the task, which then stops without having started, as when its image cannot be pulled.
    NeverStart,
}

/// A running stand-in. Dropping it ends every task.
pub struct Ecs {
    shared: Arc<Shared>,
    address: SocketAddr,
    running: watch::Sender<bool>,
}

struct Shared {
    region: String,
    registry: Registry,
    logs: PathBuf,
    address: SocketAddr,
    state: Mutex<Tasks>,
}

/// What stands behind the stand-in.
pub struct InFrontOf {
    /// The AWS emulator's URL; it need not listen yet.
    pub url: String,
    /// The program that stands in for every image.
    pub image: PathBuf,
    /// What Fargate adds to every container's environment: region, credentials.
    pub platform: BTreeMap<String, String>,
}

#[derive(Default)]
struct Tasks {
    troubles: VecDeque<Trouble>,
    /// When RunTask was called.
    calls: Vec<Instant>,
    tasks: Vec<Task>,
    /// By client token: the request, and what it started.
    tokens: HashMap<String, (RunTask, String)>,
    events: Vec<Value>,
    rules: Vec<Rule>,
    keeps_events: bool,
    cuts: Vec<Cut>,
    cut_requests: usize,
}

impl Ecs {
    /// Starts it with one cluster. Tasks log into `logs`, a file each.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(cluster: &str, definitions: Vec<Definition>, logs: PathBuf) -> Result<Self> {
        let cluster = cluster.to_owned();
        Self::with(logs, |_| Ok(Registry::Own { cluster, definitions })).await
    }

    /// Starts it in front of the AWS emulator, as the one endpoint for everything.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn in_front_of(emulator: InFrontOf, logs: PathBuf) -> Result<Self> {
        Self::with(logs, |address| {
            let InFrontOf { url, image, mut platform } = emulator;
            platform.insert("AWS_ENDPOINT_URL".to_owned(), format!("http://{address}"));
            let behind = Behind { url, http: reqwest::Client::builder().no_proxy().build()? };
            Ok(Registry::Registered(Registered { behind, image, platform }))
        })
        .await
    }

    async fn with(logs: PathBuf, registry: impl FnOnce(SocketAddr) -> Result<Registry>) -> Result<Self> {
        std::fs::create_dir_all(&logs)?;
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (region, registry) = (REGION.to_owned(), registry(address)?);
        let shared = Arc::new(Shared { region, registry, logs, address, state: Mutex::default() });
        let app = Router::new()
            .route("/metadata/{task}/task", axum::routing::get(actions::metadata))
            .fallback(actions::act)
            // A zip, or a message of 1 MiB.
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(shared.clone());
        let (running, mut stopped) = watch::channel(true);
        let watched = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, app) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the ECS stand-in stopped serving");
                    }
                }
                () = watched.notice_ends() => {}
                _ = stopped.changed() => {}
            }
        });
        Ok(Self { shared, address, running })
    }

    /// What stands in for the ECS endpoint (`AWS_ENDPOINT_URL_ECS`), or for all of them (`AWS_ENDPOINT_URL`).
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the next calls of RunTask do in place of what they should.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.shared.lock().troubles.extend(troubles);
    }

    /// From now on these requests get no answer; replaces what was cut off before.
    pub fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        self.shared.lock().cuts = cuts.into_iter().collect();
    }

    /// How many requests got no answer because they were cut off.
    pub fn cut_requests(&self) -> usize {
        self.shared.lock().cut_requests
    }

    /// When RunTask was called, whatever came of it.
    pub fn run_task_calls(&self) -> Vec<Instant> {
        self.shared.lock().calls.clone()
    }

    /// Every task as DescribeTasks shows it, oldest first.
    pub fn tasks(&self) -> Vec<Value> {
        self.shared.lock().tasks.iter().map(|task| task.described(&self.shared)).collect()
    }

    /// Sends a signal to every running task that was started by `started_by`, and says to how many. ECS does no such
    /// thing; machines do.
    pub fn signal(&self, started_by: &str, signal: Signal) -> usize {
        let mut state = self.shared.lock();
        let of_it = state.tasks.iter_mut().filter(|task| task.started_by.as_deref() == Some(started_by));
        of_it.filter_map(|task| task.signal(signal)).count()
    }

    /// The events of tasks that have stopped, in EventBridge's envelope, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.clone()
    }

    /// Looks which rules are deployed: from now on, events go to the queues of those that they match.
    ///
    /// # Errors
    /// When the emulator does not tell.
    pub async fn learn_rules(&self) -> Result<()> {
        if let Registry::Registered(registered) = &self.shared.registry {
            let rules = Rule::all(&registered.behind).await?;
            self.shared.lock().rules = rules;
        }
        Ok(())
    }

    /// From now on events are kept and reach no queue, as if they were lost; or they do again.
    pub fn keep_events(&self, keep: bool) {
        self.shared.lock().keeps_events = keep;
    }

    /// Waits until so many tasks have stopped, and returns their events.
    ///
    /// # Errors
    /// After `within`.
    pub async fn wait_for_events(&self, count: usize, within: Duration) -> Result<Vec<Value>> {
        let deadline = Instant::now() + within;
        loop {
            let events = self.events();
            if events.len() >= count {
                return Ok(events);
            }
            if Instant::now() >= deadline {
                bail!("{} of {count} tasks have stopped after {within:?}: {:#?}", events.len(), self.tasks());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Ecs {
    fn drop(&mut self) {
        self.running.send_replace(false);
        self.shared.lock().tasks.clear();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Tasks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self, headers: &HeaderMap, uri: &Uri, body: &[u8]) -> bool {
        let mut state = self.lock();
        let is_cut = state.cuts.iter().any(|cut| cut.covers(headers, uri, body));
        state.cut_requests += usize::from(is_cut);
        is_cut
    }

    fn cluster_arn(&self, cluster: &str) -> String {
        format!("arn:aws:ecs:{}:000000000000:cluster/{}", self.region, short(cluster))
    }

    /// Starts what is due, and tells of what has ended, once each.
    async fn notice_ends(&self) {
        loop {
            {
                let mut state = self.lock();
                let ended: Vec<Value> = state.tasks.iter_mut().filter_map(|task| task.look(self)).collect();
                if !state.keeps_events {
                    ended.iter().for_each(|event| self.deliver(&state.rules, event));
                }
                state.events.extend(ended);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// To whom it may concern, in its own time.
    fn deliver(&self, rules: &[Rule], event: &Value) {
        let Registry::Registered(registered) = &self.registry else { return };
        for queue in rules.iter().flat_map(|rule| rule.queues_for(event)) {
            let (behind, queue, event) = (registered.behind.clone(), queue.clone(), event.clone());
            tokio::spawn(async move { rules::deliver(&behind, &queue, &event).await });
        }
    }
}
