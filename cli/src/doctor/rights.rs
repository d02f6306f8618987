//! What the roles of a deployment must be allowed, asked of IAM itself (SimulatePrincipalPolicy): boundaries and
//! policies of an organization count too. The list is that of docs/permissions.md; a test holds the two together.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use cloud::said;
use futures_util::future::join_all;

use super::endpoints::Parts;
use crate::report::Line;
use crate::stack::Stack;

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Router,
    Watcher,
    Task,
    TaskStart,
}

/// One line: whose, what, on what. `{…}` stand for the deployment's own names.
type Right = (Role, &'static [&'static str], &'static str);

const RIGHTS: &[Right] = &[
    (
        Role::Router,
        &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
        "sqs:{queue}",
    ),
    (Role::Router, &["sqs:SendMessage"], "sqs:{dead}"),
    (Role::Router, &["sqs:SendMessage"], "sqs:{queue}"),
    (Role::Router, &["sqs:SendMessage"], "sqs:{history}"),
    (Role::Router, &["ssm:GetParametersByPath"], "ssm:parameter/ocg/{stage}/profiles"),
    (Role::Router, &["s3:ListBucket"], "s3:{bucket}"),
    (Role::Router, &["s3:GetObject", "s3:PutObject"], "s3:{bucket}/calls/any"),
    (Role::Router, &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "s3:{bucket}/open/any"),
    (Role::Router, &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "s3:{bucket}/pace/any"),
    (Role::Router, &["s3:PutObject"], "s3:{bucket}/by-day/any"),
    (Role::Router, &["ecs:RunTask"], "{task-definition}"),
    (Role::Router, &["iam:PassRole"], "{task-role}"),
    (Role::Router, &["iam:PassRole"], "{task-start-role}"),
    (
        Role::Router,
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        "logs:log-group:{router-log}:log-stream:any",
    ),
    (
        Role::Watcher,
        &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
        "sqs:{events}",
    ),
    (Role::Watcher, &["sqs:SendMessage"], "sqs:{queue}"),
    (Role::Watcher, &["sqs:SendMessage"], "sqs:{dead}"),
    (Role::Watcher, &["sqs:SendMessage"], "sqs:{history}"),
    (Role::Watcher, &["ecs:DescribeTasks"], "ecs:task/ocg-{stage}/any"),
    (Role::Watcher, &["ssm:GetParametersByPath"], "ssm:parameter/ocg/{stage}/profiles"),
    (Role::Watcher, &["ssm:GetParameter"], "ssm:parameter/ocg/{stage}/secrets/any"),
    (Role::Watcher, &["kms:Decrypt"], "kms:key/any"),
    (Role::Watcher, &["s3:ListBucket"], "s3:{bucket}"),
    (Role::Watcher, &["s3:GetObject", "s3:PutObject"], "s3:{bucket}/calls/any"),
    (Role::Watcher, &["s3:GetObject", "s3:DeleteObject"], "s3:{bucket}/open/any"),
    (Role::Watcher, &["s3:DeleteObject"], "s3:{bucket}/pace/any"),
    (
        Role::Watcher,
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        "logs:log-group:{watcher-log}:log-stream:any",
    ),
    (Role::Task, &["ssm:GetParameter"], "ssm:parameter/ocg/{stage}/secrets/any"),
    (Role::Task, &["kms:Decrypt"], "kms:key/any"),
    (Role::Task, &["s3:ListBucket"], "s3:{bucket}"),
    (
        Role::Task,
        &["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"],
        "s3:{bucket}/calls/any",
    ),
    (Role::Task, &["s3:DeleteObject"], "s3:{bucket}/pace/any"),
    (Role::Task, &["sqs:SendMessage"], "sqs:{history}"),
    (Role::TaskStart, &["ecr:GetAuthorizationToken"], "*"),
    (
        Role::TaskStart,
        &["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
        "ecr:repository/{repository}",
    ),
    (
        Role::TaskStart,
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        "logs:log-group:{task-log}:log-stream:any",
    ),
];

/// A line for each.
pub async fn check(stack: &Stack, parts: &Parts) -> Vec<Line> {
    let client = aws_sdk_iam::Client::new(&stack.aws);
    let names = Names { stack, parts };
    let asked = RIGHTS.iter().filter(|(.., on)| !on.contains("{history}") || names.history().is_some());
    join_all(asked.map(|right| check_right(&client, right, &names))).await
}

async fn check_right(client: &aws_sdk_iam::Client, right: &Right, names: &Names<'_>) -> Line {
    let (role, actions, on) = right;
    let what = format!("{} may {}", role.word(), actions.join(", "));
    let (arn, resource) = match (names.role(*role), names.arn(on)) {
        (Ok(arn), Ok(resource)) => (arn, resource),
        (Err(detail), _) | (_, Err(detail)) => {
            return Line::yellow(what, detail, "mend the line above that looks this up, then look again");
        }
    };
    let asked = client
        .simulate_principal_policy()
        .policy_source_arn(&arn)
        .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
        .resource_arns(&resource)
        .set_context_entries(Some(names.context(actions)))
        .send();
    match asked.await {
        Err(error) => {
            let todo = "these credentials need iam:SimulatePrincipalPolicy for this check";
            Line::yellow(what, format!("cannot be found out: {}", said(&error)), todo)
        }
        Ok(answer) => {
            let denied: Vec<&str> = answer
                .evaluation_results()
                .iter()
                .filter(|result| result.eval_decision != PolicyEvaluationDecisionType::Allowed)
                .map(|result| result.eval_action_name())
                .collect();
            if denied.is_empty() && answer.evaluation_results().len() == actions.len() {
                return Line::green(what, resource);
            }
            let detail = format!("{} on {resource} is denied", denied.join(", "));
            let todo = format!(
                "{arn}: deploy again, or look for a permissions boundary, an organization's policy, or a hand-made change"
            );
            Line::red(what, detail, todo)
        }
    }
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Watcher => "watcher",
            Self::Task => "task",
            Self::TaskStart => "task start",
        }
    }
}

/// What things are called in this deployment.
struct Names<'a> {
    stack: &'a Stack,
    parts: &'a Parts,
}

impl Names<'_> {
    fn role(&self, role: Role) -> Result<String, String> {
        match role {
            Role::Router => self.parts.router_role.clone(),
            Role::Watcher => self.parts.watcher_role.clone(),
            Role::Task => self.parts.task_roles.clone().map(|(task, _)| task),
            Role::TaskStart => self.parts.task_roles.clone().map(|(_, start)| start),
        }
    }

    fn history(&self) -> Option<&str> {
        self.stack.parameter("CallHistoryQueueUrl")
    }

    /// The ARN of what is meant: service, then the resource with its names put in.
    fn arn(&self, on: &str) -> Result<String, String> {
        match on {
            "*" => return Ok("*".to_owned()),
            "{task-definition}" => return self.output("TaskDefinitionArn"),
            "{task-role}" => return self.role(Role::Task),
            "{task-start-role}" => return self.role(Role::TaskStart),
            "sqs:{history}" => return self.history_arn(),
            _ => {}
        }
        let (service, resource) = on.split_once(':').unwrap_or((on, ""));
        let mut resource = resource.replace("{stage}", &self.stack.stage);
        for (name, value) in [
            ("{queue}", self.output("TriggerCallQueueUrl").map(|url| last(&url))),
            ("{dead}", self.output("DeadLetterQueueUrl").map(|url| last(&url))),
            ("{events}", self.output("TaskEventsQueueUrl").map(|url| last(&url))),
            ("{bucket}", self.output("CallFoldersBucket")),
            ("{router-log}", self.output("RouterLogGroup")),
            ("{watcher-log}", self.output("WatcherLogGroup")),
            ("{task-log}", self.output("TaskLogGroup")),
            ("{repository}", self.output("ImageRepositoryUri").map(|uri| last(&uri))),
        ] {
            if resource.contains(name) {
                resource = resource.replace(name, &value?);
            }
        }
        let (partition, region, account) = self.place()?;
        // A bucket's name is the world's own.
        let (region, account) =
            if service == "s3" { (String::new(), String::new()) } else { (region, account) };
        Ok(format!("arn:{partition}:{service}:{region}:{account}:{resource}"))
    }

    /// It may be another account's; both stand in its URL: `…/<account>/<name>`.
    fn history_arn(&self) -> Result<String, String> {
        let (partition, region, _) = self.place()?;
        let url = self.history().unwrap_or_default();
        match url.rsplit('/').collect::<Vec<_>>().as_slice() {
            [name, account, ..] => Ok(format!("arn:{partition}:sqs:{region}:{account}:{name}")),
            _ => Err(format!("{url} is no queue's URL")),
        }
    }

    fn output(&self, name: &str) -> Result<String, String> {
        self.stack.output(name).map(str::to_owned).map_err(|error| error.to_string())
    }

    /// Partition, region, account, as the task definition's ARN has them.
    fn place(&self) -> Result<(String, String, String), String> {
        let arn = self.output("TaskDefinitionArn")?;
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            [_, partition, _, region, account, ..] => {
                Ok(((*partition).to_owned(), (*region).to_owned(), (*account).to_owned()))
            }
            _ => Err(format!("{arn} is no ARN")),
        }
    }

    /// What the conditions of the policies look at.
    fn context(&self, actions: &[&str]) -> Vec<ContextEntry> {
        let entry = |key: &str, value: String| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_values(value)
                .context_key_type(ContextKeyTypeEnum::String)
                .build()
        };
        let (partition, region, account) = self.place().unwrap_or_default();
        match actions {
            ["ecs:RunTask" | "ecs:DescribeTasks"] => {
                let cluster = self.output("ClusterName").unwrap_or_default();
                vec![entry(
                    "ecs:cluster",
                    format!("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}"),
                )]
            }
            ["iam:PassRole"] => vec![entry("iam:PassedToService", "ecs-tasks.amazonaws.com".to_owned())],
            ["kms:Decrypt"] => {
                let secret = format!(
                    "arn:{partition}:ssm:{region}:{account}:parameter/ocg/{}/secrets/any",
                    self.stack.stage
                );
                let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                vec![
                    entry("kms:ViaService", format!("ssm.{region}.{domain}")),
                    entry("kms:EncryptionContext:PARAMETER_ARN", secret),
                ]
            }
            _ => Vec::new(),
        }
    }
}

fn last(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// docs/permissions.md is held to the template by a test of its own.
    #[test]
    fn every_right_that_a_role_has_is_looked_at() {
        let told = include_str!("../../../docs/permissions.md");
        let rows = told.lines().filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let role = match *cells.first()? {
                "RouterRole" => Role::Router,
                "WatcherRole" => Role::Watcher,
                "TaskRole" => Role::Task,
                "TaskStartRole" => Role::TaskStart,
                _ => return None,
            };
            let verbs = cells.get(1)?.split('`').filter(|word| word.contains(':')).map(str::to_owned);
            Some(verbs.map(|verb| (role.word(), verb)).collect::<Vec<_>>())
        });
        let told: BTreeSet<(&str, String)> = rows.flatten().collect();
        let asked = RIGHTS
            .iter()
            .flat_map(|(role, verbs, _)| verbs.iter().map(|verb| (role.word(), (*verb).to_owned())));
        assert!(told.len() > 15, "{told:?}");
        assert_eq!(told, asked.collect());
    }
}
