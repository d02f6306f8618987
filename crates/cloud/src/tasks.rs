//! What became of tasks (ECS DescribeTasks), and in which words.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Task;

use crate::said::said;

/// As many as DescribeTasks takes (Amazon ECS API reference).
const MOST: usize = 100;

/// The tasks of a cluster.
#[derive(Clone, Debug)]
pub struct Tasks {
    client: Client,
    cluster: String,
}

impl Tasks {
    /// Those of this cluster, by its name or ARN.
    pub fn new(client: Client, cluster: impl Into<String>) -> Self {
        Self { client, cluster: cluster.into() }
    }

    /// Which of these ECS knows as STOPPED, and why. What is on its way there still lives; and a task that ECS does not
    /// know any more (it forgets within the hour) is not told of. What is no task's ARN is not asked for.
    ///
    /// # Errors
    /// A sentence, when ECS does not answer.
    pub async fn stopped<'a>(
        &self,
        tasks: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, String>, String> {
        let arns: Vec<String> = tasks.into_iter().filter(|task| is_arn(task)).map(str::to_owned).collect();
        let mut stopped = BTreeMap::new();
        for some in arns.chunks(MOST) {
            let asked = self.client.describe_tasks().cluster(&self.cluster).set_tasks(Some(some.to_vec()));
            let found =
                asked.send().await.map_err(|error| format!("DescribeTasks failed: {}", said(&error)))?;
            let gone = found.tasks().iter().filter(|task| task.last_status() == Some("STOPPED"));
            stopped.extend(gone.filter_map(|task| Some((task.task_arn()?.to_owned(), why(task)))));
        }
        Ok(stopped)
    }
}

fn is_arn(task: &str) -> bool {
    task.starts_with("arn:") && task.contains(":ecs:") && task.contains(":task/")
}

fn why(task: &Task) -> String {
    let containers = task.containers().iter();
    let containers = containers.map(|container| Container {
        name: container.name().unwrap_or_default(),
        exit_code: container.exit_code().map(i64::from),
        reason: container.reason(),
    });
    why_stopped(task.stop_code().map(|code| code.as_str()), task.stopped_reason(), containers)
}

/// What ECS says of a stopped task's container.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// Its name.
    pub name: &'a str,
    /// None: it never ran.
    pub exit_code: Option<i64>,
    /// Such as `OutOfMemoryError: …`.
    pub reason: Option<&'a str>,
}

/// Why a task stopped, in one line: `TaskFailedToStart: CannotPullContainerError: …`, or
/// `EssentialContainerExited: Essential container in task exited (bridge: exit code 137)`.
pub fn why_stopped<'a>(
    code: Option<&str>,
    reason: Option<&str>,
    containers: impl Iterator<Item = Container<'a>>,
) -> String {
    let said: Vec<&str> = [code, reason].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let said = if said.is_empty() { "ECS gives no reason".to_owned() } else { said.join(": ") };
    let of = |container: Container<'_>| {
        let exit = container.exit_code.map(|code| format!("exit code {code}"));
        let told: Vec<String> = exit.into_iter().chain(container.reason.map(str::to_owned)).collect();
        (!told.is_empty()).then(|| format!("{}: {}", container.name, told.join(", ")))
    };
    let containers: Vec<String> = containers.filter_map(of).collect();
    if containers.is_empty() { said } else { format!("{said} ({})", containers.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_task_stopped_is_one_line_with_all_that_ecs_says() {
        let bridge = |exit_code, reason| Container { name: "bridge", exit_code, reason };
        let exited = why_stopped(
            Some("EssentialContainerExited"),
            Some("Essential container in task exited"),
            [bridge(Some(137), Some("OutOfMemoryError: killed"))].into_iter(),
        );
        assert_eq!(
            exited,
            "EssentialContainerExited: Essential container in task exited (bridge: exit code 137, OutOfMemoryError: \
             killed)"
        );
        let never = why_stopped(Some("TaskFailedToStart"), Some("ENI"), [bridge(None, None)].into_iter());
        assert_eq!(never, "TaskFailedToStart: ENI");
        assert_eq!(why_stopped(None, None, [].into_iter()), "ECS gives no reason");
    }

    #[test]
    fn only_what_ecs_named_is_asked_for() {
        assert!(is_arn("arn:aws:ecs:eu-central-1:123456789012:task/calls/t1"));
        for other in ["host/4711", "launched before as x-a1", "", "arn:aws:sqs:eu-central-1:1:task/x"] {
            assert!(!is_arn(other), "{other}");
        }
    }
}
