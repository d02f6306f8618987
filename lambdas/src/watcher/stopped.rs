//! "ECS Task State Change", as EventBridge puts it on the queue.
//! Source: Amazon ECS developer guide, "Amazon ECS task state change events".

use calls::fact::TaskPhases;
use calls::ids::AttemptId;
use cloud::tasks::{Container, why_stopped};
use jiff::Timestamp;
use serde::Deserialize;

/// A task of an attempt that has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoppedTask {
    /// Whose it was: what stood in `startedBy`.
    pub(super) attempt: AttemptId,
    /// Its ARN.
    pub(super) task: String,
    /// Why it stopped, one line.
    pub(super) detail: String,
    /// How its start went.
    pub(super) phases: TaskPhases,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    task_arn: String,
    last_status: String,
    #[serde(default)]
    started_by: Option<String>,
    #[serde(default)]
    stop_code: Option<String>,
    #[serde(default)]
    stopped_reason: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    pull_started_at: Option<String>,
    #[serde(default)]
    pull_stopped_at: Option<String>,
    #[serde(default)]
    started_at: Option<String>,
    #[serde(default)]
    containers: Vec<StoppedContainer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoppedContainer {
    #[serde(default)]
    name: String,
    #[serde(default)]
    exit_code: Option<i64>,
    #[serde(default)]
    reason: Option<String>,
}

impl StoppedTask {
    /// Reads an event.
    ///
    /// # Errors
    /// Why nothing follows from it: it is none, or not of a task that has stopped, or of no attempt of ours.
    pub(super) fn read(body: &str) -> Result<Self, String> {
        let event: Event = serde_json::from_str(body).map_err(|error| format!("no ECS event: {error}"))?;
        if event.kind != "ECS Task State Change" {
            return Err(format!("an event of another kind: {}", event.kind));
        }
        let detail = event.detail;
        let phases = detail.phases();
        if detail.last_status != "STOPPED" {
            return Err(format!("{} is {}", detail.task_arn, detail.last_status));
        }
        let started_by = detail.started_by.unwrap_or_default();
        let attempt = started_by
            .parse()
            .map_err(|_| format!("{} was started by {started_by:?}, which is no attempt", detail.task_arn))?;
        let containers = detail.containers.iter().map(|container| Container {
            name: &container.name,
            exit_code: container.exit_code,
            reason: container.reason.as_deref(),
        });
        let why = why_stopped(detail.stop_code.as_deref(), detail.stopped_reason.as_deref(), containers);
        Ok(Self { attempt, task: detail.task_arn, detail: why, phases })
    }
}

impl Detail {
    fn phases(&self) -> TaskPhases {
        let between = |from: &Option<String>, until: &Option<String>| {
            let at = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
            u64::try_from(at(until)?.duration_since(at(from)?).as_millis()).ok()
        };
        TaskPhases {
            provisioning_ms: between(&self.created_at, &self.pull_started_at),
            pull_ms: between(&self.pull_started_at, &self.pull_stopped_at),
            process_ms: between(&self.pull_stopped_at, &self.started_at),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn event() -> Value {
        json!({
            "version": "0", "id": "8f07966c", "detail-type": "ECS Task State Change", "source": "aws.ecs",
            "account": "123456789012", "time": "2026-07-21T12:00:00Z", "region": "eu-central-1",
            "resources": ["arn:aws:ecs:eu-central-1:123456789012:task/ocg-prod/t1"],
            "detail": {
                "taskArn": "arn:aws:ecs:eu-central-1:123456789012:task/ocg-prod/t1",
                "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
                "startedBy": "0123456789abcdef0123456789abcdef-a2",
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "CannotPullContainerError: pull image manifest has been retried 1 time(s)",
                "containers": [{ "name": "bridge", "lastStatus": "STOPPED" }],
            },
        })
    }

    #[test]
    fn it_says_whose_task_stopped_and_why() {
        let read = StoppedTask::read(&event().to_string()).unwrap();
        assert_eq!(read.attempt.to_string(), "0123456789abcdef0123456789abcdef-a2");
        assert_eq!(read.task, "arn:aws:ecs:eu-central-1:123456789012:task/ocg-prod/t1");
        let why =
            "TaskFailedToStart: CannotPullContainerError: pull image manifest has been retried 1 time(s)";
        assert_eq!(read.detail, why);
        assert_eq!(read.phases, TaskPhases::default());
        let mut killed = event();
        killed["detail"]["stopCode"] = json!("EssentialContainerExited");
        killed["detail"]["stoppedReason"] = json!("Essential container in task exited");
        killed["detail"]["containers"][0]["exitCode"] = json!(137);
        let read = StoppedTask::read(&killed.to_string()).unwrap();
        assert_eq!(
            read.detail,
            "EssentialContainerExited: Essential container in task exited (bridge: exit code 137)"
        );
    }

    #[test]
    fn how_a_start_went_is_what_its_times_say() {
        let mut event = event();
        for (name, at) in [
            ("createdAt", "2026-07-21T11:58:00.000Z"),
            ("pullStartedAt", "2026-07-21T11:58:09.500Z"),
            ("pullStoppedAt", "2026-07-21T11:58:12.250Z"),
        ] {
            event["detail"][name] = json!(at);
        }
        let phases = |event: &Value| StoppedTask::read(&event.to_string()).unwrap().phases;
        let pulled = TaskPhases { provisioning_ms: Some(9500), pull_ms: Some(2750), process_ms: None };
        assert_eq!(phases(&event), pulled);
        event["detail"]["startedAt"] = json!("2026-07-21T11:58:12.750Z");
        assert_eq!(phases(&event), TaskPhases { process_ms: Some(500), ..pulled });
        event["detail"]["startedAt"] = json!("soon");
        assert_eq!(phases(&event), pulled);
    }

    #[test]
    fn what_is_not_of_an_attempt_that_stopped_says_what_it_is() {
        let with = |pointer: &str, value: Value| {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = value;
            StoppedTask::read(&event.to_string()).unwrap_err()
        };
        assert!(with("/detail/lastStatus", json!("DEPROVISIONING")).contains("DEPROVISIONING"));
        assert!(with("/detail/startedBy", json!("somebody")).contains("\"somebody\""));
        assert!(with("/detail/startedBy", Value::Null).contains("no attempt"));
        assert!(with("/detail-type", json!("Scheduled Event")).contains("Scheduled Event"));
        assert!(with("/detail", json!([])).contains("no ECS event"));
        assert!(StoppedTask::read("").unwrap_err().contains("no ECS event"));
    }
}
