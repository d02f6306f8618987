//! A task: a process, and what ECS tells of it.

use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::registry::{Definition, short};
use super::request::RunTask;
use super::{Shared, Trouble};
use crate::stack::{Child, Output};

pub(super) struct Task {
    pub(super) arn: String,
    /// The definition's, with its revision where there is one.
    pub(super) family: String,
    pub(super) cluster: String,
    pub(super) started_by: Option<String>,
    container: String,
    capacity_provider: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    state: State,
    stop_timeout: Duration,
    /// Why it was told to stop.
    stopping: Option<(String, Instant)>,
}

enum State {
    /// Is started then.
    Pending {
        command: Command,
        at: Instant,
    },
    /// Will never start, for this reason.
    Doomed(&'static str),
    Running(Child),
    Stopped {
        at: Timestamp,
        code: &'static str,
        reason: String,
        exit: Option<i32>,
    },
}

impl Task {
    pub(super) fn new(
        shared: &Shared,
        request: &RunTask,
        definition: &Definition,
        trouble: Option<Trouble>,
    ) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        let delay = if let Some(Trouble::StartAfter(delay)) = trouble { delay } else { Duration::ZERO };
        let state = if trouble == Some(Trouble::NeverStart) {
            State::Doomed("CannotPullContainerError: the image manifest cannot be read")
        } else {
            State::Pending { command: command(shared, request, definition, &id), at: Instant::now() + delay }
        };
        Self {
            arn: format!("arn:aws:ecs:{}:000000000000:task/{}/{id}", shared.region, short(&request.cluster)),
            family: definition.family.clone(),
            cluster: request.cluster.clone(),
            started_by: request.started_by.clone(),
            container: definition.container.clone(),
            capacity_provider: request.capacity_provider.clone(),
            created_at: Timestamp::now(),
            started_at: None,
            stop_timeout: definition.stop_timeout,
            state,
            stopping: None,
        }
    }

    /// By its ARN or by its id.
    pub(super) fn is(&self, name: &str) -> bool {
        self.arn == name || self.id() == name
    }

    fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn desired_status(&self) -> &'static str {
        if self.stopping.is_some() || matches!(self.state, State::Stopped { .. }) {
            "STOPPED"
        } else {
            "RUNNING"
        }
    }

    /// SIGTERM now, SIGKILL when the stop timeout is over.
    pub(super) fn stop(&mut self, reason: &str) {
        if self.stopping.is_none() && !matches!(self.state, State::Stopped { .. }) {
            self.stopping = Some((reason.to_owned(), Instant::now() + self.stop_timeout));
            if let State::Running(child) = &mut self.state {
                child.signal(Signal::TERM);
            }
        }
    }

    /// Sends its process a signal; `None` if it does not run.
    pub(super) fn signal(&mut self, signal: Signal) -> Option<()> {
        match &mut self.state {
            State::Running(child) => {
                child.signal(signal);
                Some(())
            }
            _ => None,
        }
    }

    /// Takes it further, and gives the event if it has stopped just now.
    pub(super) fn look(&mut self, shared: &Shared) -> Option<Value> {
        let now = Instant::now();
        let stopped = match &mut self.state {
            State::Stopped { .. } => None,
            State::Doomed(reason) => Some(("TaskFailedToStart", (*reason).to_owned(), None)),
            State::Pending { .. } if self.stopping.is_some() => {
                Some(("UserInitiated", self.stopping.as_ref().map(|(reason, _)| reason.clone())?, None))
            }
            State::Pending { at, .. } if now < *at => None,
            State::Pending { .. } => self.start(shared),
            State::Running(child) => {
                if self.stopping.as_ref().is_some_and(|(_, until)| now >= *until) {
                    child.signal(Signal::KILL);
                }
                child.exited().map(|status| {
                    let (code, reason) = match &self.stopping {
                        Some((reason, _)) => ("UserInitiated", reason.clone()),
                        None => ("EssentialContainerExited", "Essential container in task exited".to_owned()),
                    };
                    (code, reason, Some(exit_code(status)))
                })
            }
        };
        let (code, reason, exit) = stopped?;
        self.state = State::Stopped { at: Timestamp::now(), code, reason, exit };
        Some(self.event(shared))
    }

    fn start(&mut self, shared: &Shared) -> Option<(&'static str, String, Option<i32>)> {
        let log = shared.logs.join(format!("{}.log", self.id()));
        let placeholder = State::Doomed("");
        let State::Pending { command, .. } = std::mem::replace(&mut self.state, placeholder) else {
            return None;
        };
        match Child::start("task", command, Output::File(log)) {
            Ok(child) => {
                self.started_at = Some(Timestamp::now());
                self.state = State::Running(child);
                None
            }
            Err(error) => Some(("TaskFailedToStart", format!("CannotStartContainerError: {error:#}"), None)),
        }
    }

    /// As DescribeTasks shows it.
    pub(super) fn described(&self, shared: &Shared) -> Value {
        let last = match &self.state {
            State::Pending { .. } | State::Doomed(_) => "PROVISIONING",
            State::Running(_) => "RUNNING",
            State::Stopped { .. } => "STOPPED",
        };
        let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1000.0;
        let mut container = json!({ "name": self.container, "lastStatus": last });
        let mut task = json!({
            "taskArn": self.arn,
            "clusterArn": shared.cluster_arn(&self.cluster),
            "taskDefinitionArn": format!("arn:aws:ecs:{}:000000000000:task-definition/{}", shared.region, self.family),
            "lastStatus": last,
            "desiredStatus": self.desired_status(),
            "createdAt": seconds(self.created_at),
            "launchType": "FARGATE",
            "group": format!("family:{}", self.family.split(':').next().unwrap_or_default()),
        });
        for (name, value) in
            [("startedBy", &self.started_by), ("capacityProviderName", &self.capacity_provider)]
        {
            if let Some(value) = value {
                task[name] = value.as_str().into();
            }
        }
        if let Some(at) = self.started_at {
            // There is no image to pull: that took no time.
            for name in ["pullStartedAt", "pullStoppedAt", "startedAt"] {
                task[name] = seconds(at).into();
            }
        }
        if let State::Stopped { at, code, reason, exit } = &self.state {
            task["stoppedAt"] = seconds(*at).into();
            task["stopCode"] = (*code).into();
            task["stoppedReason"] = reason.as_str().into();
            if let Some(exit) = exit {
                container["exitCode"] = (*exit).into();
            }
        }
        task["containers"] = json!([container]);
        task
    }

    /// "ECS Task State Change" in EventBridge's envelope, where times are texts.
    fn event(&self, shared: &Shared) -> Value {
        let mut detail = self.described(shared);
        for name in ["createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppedAt"] {
            let at =
                detail[name].as_f64().and_then(|at| Timestamp::from_millisecond((at * 1000.0) as i64).ok());
            if let Some(at) = at {
                detail[name] = at.to_string().into();
            }
        }
        json!({
            "version": "0",
            "id": format!("{:032x}", rand::random::<u128>()),
            "detail-type": "ECS Task State Change",
            "source": "aws.ecs",
            "account": "000000000000",
            "time": Timestamp::now().to_string(),
            "region": shared.region,
            "resources": [self.arn],
            "detail": detail,
        })
    }
}

/// As Docker counts: 128 and the signal's number for who died of one.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn command(shared: &Shared, request: &RunTask, definition: &Definition, id: &str) -> Command {
    let mut command = Command::new(&definition.program);
    command.env_clear().envs(&definition.environment);
    command.env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{}/metadata/{id}", shared.address));
    let overridden = request.overrides.iter().find_map(|found| found.command.as_ref());
    command.args(overridden.unwrap_or(&definition.command));
    for found in &request.overrides {
        command.envs(found.environment.iter().map(|(name, value)| (name, value)));
    }
    command
}
