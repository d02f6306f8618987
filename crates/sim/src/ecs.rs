//! A stand-in for ECS: the JSON protocol (AWS JSON 1.1) of RunTask, ListTasks, DescribeTasks and StopTask, over
//! processes of this machine.
//!
//! What AWS promises is kept: `clientToken` gives the same task back, the limits of RunTask are enforced, a
//! task that ends is told in EventBridge's envelope. How it misbehaves is a [`Script`]. Source: Amazon ECS API
//! Reference, RunTask; EventBridge, "Amazon ECS task state change events".

mod request;
mod task;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use request::{Refused, RunTask};
use task::Task;

/// A task definition: one container, as a program of this machine.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its family.
    pub family: String,
    /// The container's name.
    pub container: String,
    /// What stands in for the image.
    pub program: PathBuf,
    /// The container's environment.
    pub environment: BTreeMap<String, String>,
}

/// What the next RunTask does in place of what it should, once each, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answers ThrottlingException.
    Throttle,
    /// Answers 200 with an entry in `failures` and no task.
    NoCapacity,
    /// Starts the task; its reply is lost.
    LoseReply,
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
    cluster: String,
    definitions: Vec<Definition>,
    logs: PathBuf,
    address: SocketAddr,
    state: Mutex<Tasks>,
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
}

impl Ecs {
    /// Starts it with one cluster. Tasks log into `logs`, a file each.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(cluster: &str, definitions: Vec<Definition>, logs: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&logs)?;
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let region = "eu-central-1".to_owned();
        let (cluster, state) = (cluster.to_owned(), Mutex::default());
        let shared = Arc::new(Shared { region, cluster, definitions, logs, address, state });
        let app = Router::new()
            .route("/", axum::routing::post(act))
            .route("/metadata/{task}/task", axum::routing::get(metadata))
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

    /// What stands in for the ECS endpoint (`AWS_ENDPOINT_URL_ECS`).
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the next calls of RunTask do in place of what they should.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.shared.lock().troubles.extend(troubles);
    }

    /// When RunTask was called, whatever came of it.
    pub fn run_task_calls(&self) -> Vec<Instant> {
        self.shared.lock().calls.clone()
    }

    /// Every task as DescribeTasks shows it, oldest first.
    pub fn tasks(&self) -> Vec<Value> {
        self.shared.lock().tasks.iter().map(|task| task.described(&self.shared)).collect()
    }

    /// The events of tasks that have stopped, in EventBridge's envelope, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.clone()
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

    fn cluster_arn(&self) -> String {
        format!("arn:aws:ecs:{}:000000000000:cluster/{}", self.region, self.cluster)
    }

    fn definition(&self, name: &str) -> Result<&Definition, Refused> {
        let family = name.rsplit('/').next().unwrap_or(name).split(':').next().unwrap_or(name);
        let found = self.definitions.iter().find(|definition| definition.family == family);
        found.ok_or_else(|| Refused::client("TaskDefinition not found."))
    }

    fn run_task(&self, body: &Value) -> Result<(Value, bool), Refused> {
        let request = RunTask::read(body)?;
        let mut state = self.lock();
        state.calls.push(Instant::now());
        if !request.cluster.ends_with(&self.cluster) {
            return Err(Refused::new("ClusterNotFoundException", "Cluster not found."));
        }
        let definition = self.definition(&request.task_definition)?;
        request.fits(definition)?;
        if let Some((before, arn)) = request.client_token.as_ref().and_then(|token| state.tokens.get(token)) {
            return if *before == request {
                let same = state.tasks.iter().find(|task| task.arn == *arn).map(|task| task.described(self));
                Ok((json!({ "tasks": [same], "failures": [] }), true))
            } else {
                Err(Refused::new("ConflictException", "The client token was used with other parameters."))
            };
        }
        let trouble = state.troubles.pop_front();
        match trouble {
            Some(Trouble::Throttle) => {
                return Err(Refused::new("ThrottlingException", "Rate exceeded"));
            }
            Some(Trouble::NoCapacity) => {
                let failure = json!({ "reason": "Capacity is unavailable at this time.", "arn": self.cluster_arn() });
                return Ok((json!({ "tasks": [], "failures": [failure] }), true));
            }
            _ => {}
        }
        let task = Task::new(self, &request, definition, trouble);
        if let Some(token) = &request.client_token {
            state.tokens.insert(token.clone(), (request.clone(), task.arn.clone()));
        }
        let described = task.described(self);
        state.tasks.push(task);
        Ok((json!({ "tasks": [described], "failures": [] }), trouble != Some(Trouble::LoseReply)))
    }

    fn list_tasks(&self, body: &Value) -> Value {
        let started_by = body["startedBy"].as_str();
        let wanted = body["desiredStatus"].as_str().unwrap_or("RUNNING");
        let state = self.lock();
        let matching = state.tasks.iter().filter(|task| {
            task.desired_status() == wanted && started_by.is_none_or(|by| task.started_by.as_deref() == Some(by))
        });
        json!({ "taskArns": matching.map(|task| task.arn.clone()).collect::<Vec<_>>() })
    }

    fn describe_tasks(&self, body: &Value) -> Value {
        let state = self.lock();
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in body["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match state.tasks.iter().find(|task| task.is(name)) {
                Some(task) => tasks.push(task.described(self)),
                None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
            }
        }
        json!({ "tasks": tasks, "failures": failures })
    }

    fn stop_task(&self, body: &Value) -> Result<Value, Refused> {
        let name = body["task"].as_str().unwrap_or_default();
        let mut state = self.lock();
        let task = state.tasks.iter_mut().find(|task| task.is(name));
        let task = task.ok_or_else(|| Refused::new("InvalidParameterException", "The referenced task was not found."))?;
        task.stop(body["reason"].as_str().unwrap_or("Task stopped by user"));
        Ok(json!({ "task": task.described(self) }))
    }

    /// Starts what is due, and tells of what has ended, once each.
    async fn notice_ends(&self) {
        loop {
            {
                let mut state = self.lock();
                let ended: Vec<Value> =
                    state.tasks.iter_mut().filter_map(|task| task.look(self)).collect();
                state.events.extend(ended);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn act(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AmazonEC2ContainerServiceV20141113.").unwrap_or(target);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match action {
        "RunTask" => match shared.run_task(&body) {
            Ok((answer, true)) => Ok(answer),
            Ok((_, false)) => return lost(),
            Err(refused) => Err(refused),
        },
        "ListTasks" => Ok(shared.list_tasks(&body)),
        "DescribeTasks" => Ok(shared.describe_tasks(&body)),
        "StopTask" => shared.stop_task(&body),
        other => Err(Refused::new("UnknownOperationException", &format!("{other:?} is not known here"))),
    };
    let (status, answer) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err(refused) => (StatusCode::BAD_REQUEST, json!({ "__type": refused.kind, "message": refused.message })),
    };
    (status, [("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
}

/// A reply that breaks off: the client cannot know what was done.
fn lost() -> Response {
    let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))]);
    Response::new(axum::body::Body::from_stream(broken))
}

/// The task metadata endpoint, version 4: what a container can learn of itself.
async fn metadata(
    State(shared): State<Arc<Shared>>,
    axum::extract::Path(id): axum::extract::Path<String>,
) -> Response {
    let state = shared.lock();
    let Some(task) = state.tasks.iter().find(|task| task.is(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = json!({ "Cluster": shared.cluster_arn(), "TaskARN": task.arn, "Family": task.family });
    ([("content-type", "application/json")], body.to_string()).into_response()
}

/// Where `program` is, for who puts a definition together.
///
/// # Errors
/// When there is no such file.
pub fn program(path: &std::path::Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("no program at {}", path.display()))
}
