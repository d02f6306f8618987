//! Starting tasks (ECS RunTask): one short Fargate task an attempt.

mod pace;

use crate::said::said;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_ecs::operation::run_task::{RunTaskError, RunTaskOutput};
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    NetworkConfiguration, TaskOverride,
};
use calls::ids::AttemptId;

pub use pace::Pace;

/// Where tasks run and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSettings {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The task definition's family, with or without its revision, or its ARN.
    pub task_definition: String,
    /// The container that gets its command.
    pub container: String,
    /// `FARGATE` or `FARGATE_SPOT`.
    pub capacity_provider: String,
    /// The subnets that a task may lie in.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Whether it gets an address of its own on the internet; without, the subnets need a NAT.
    pub public_ip: bool,
}

/// Starts tasks, not faster than its pace.
#[derive(Clone, Debug)]
pub struct Launcher {
    client: Client,
    settings: TaskSettings,
    pace: std::sync::Arc<Pace>,
}

impl Launcher {
    /// A launcher whose `pace` all its clones share.
    pub fn new(client: Client, settings: TaskSettings, pace: Pace) -> Self {
        Self { client, settings, pace: std::sync::Arc::new(pace) }
    }

    /// Starts a task for this attempt and returns its ARN. Asked for again, the same attempt gets the same
    /// task: `clientToken` is the attempt (Amazon ECS API reference, RunTask).
    ///
    /// # Errors
    /// A sentence. All of them mean "try again": throttling, every entry of `failures`, a reply that was lost.
    pub async fn launch(&self, attempt: &AttemptId) -> Result<String, String> {
        if !self.pace.turn().await {
            return Err("tasks are started as fast as is allowed; this one has to wait".to_owned());
        }
        let name = attempt.to_string();
        let command = ["job", "--attempt", &name].map(str::to_owned).to_vec();
        let container =
            ContainerOverride::builder().name(&self.settings.container).set_command(Some(command)).build();
        let capacity = CapacityProviderStrategyItem::builder()
            .capacity_provider(&self.settings.capacity_provider)
            .weight(1);
        let request = self
            .client
            .run_task()
            .cluster(&self.settings.cluster)
            .task_definition(&self.settings.task_definition)
            .capacity_provider_strategy(capacity.build().map_err(|error| error.to_string())?)
            .network_configuration(self.network()?)
            .overrides(TaskOverride::builder().container_overrides(container).build())
            .started_by(&name)
            .client_token(&name)
            .count(1);
        match request.send().await {
            Ok(output) => started(&output),
            // It was launched before, in other words than now: by a router of another version.
            Err(error) if error.code() == Some("ConflictException") => Ok(launched_before(&error, &name)),
            Err(error) => Err(format!("RunTask failed: {}", said(&error))),
        }
    }

    fn network(&self) -> Result<NetworkConfiguration, String> {
        let settings = &self.settings;
        let public_ip = if settings.public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(settings.subnets.clone()))
            .set_security_groups(Some(settings.security_groups.clone()))
            .assign_public_ip(public_ip)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
    }
}

fn launched_before(error: &SdkError<RunTaskError>, name: &str) -> String {
    let task = match error.as_service_error() {
        Some(RunTaskError::ConflictException(conflict)) => conflict.resource_ids().first().cloned(),
        _ => None,
    };
    task.unwrap_or_else(|| format!("launched before as {name}"))
}

fn started(output: &RunTaskOutput) -> Result<String, String> {
    if let Some(arn) = output.tasks().iter().find_map(|task| task.task_arn()) {
        return Ok(arn.to_owned());
    }
    let failures: Vec<String> = output
        .failures()
        .iter()
        .map(|failure| {
            let (reason, detail) =
                (failure.reason().unwrap_or("no reason"), failure.detail().unwrap_or_default());
            format!("{reason} {detail}").trim().to_owned()
        })
        .collect();
    Err(format!("RunTask started nothing: {}", failures.join(", ")))
}
