//! What the router is told by its environment, read once.

use calls::routing::Policy;
use cloud::launch::TaskSettings;
use router::variables::Reader;

/// The router's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `OCG_STAGE`: the deployment's name, in the parameters' path.
    pub stage: String,
    /// `OCG_BUCKET`: where call folders are.
    pub bucket: String,
    /// `TRIGGER_CALL_QUEUE_URL`: where messages come from, and come from again.
    pub trigger_call_queue_url: String,
    /// `DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_url: String,
    /// `CALL_HISTORY_QUEUE_URL`: where upstream is told; without, it is not.
    pub call_history_queue_url: Option<String>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces go; without, there are none.
    pub traces_endpoint: Option<String>,
    /// `ECS_CLUSTER`, `TASK_DEFINITION`, `TASK_CONTAINER`, `TASK_CAPACITY_PROVIDER`, `TASK_SUBNETS`,
    /// `TASK_SECURITY_GROUPS`, `TASK_PUBLIC_IP`.
    pub task: TaskSettings,
    /// How many tasks this one instance may start in a second: its share of `RUN_TASKS_PER_SECOND`.
    pub run_tasks_per_second: f64,
    /// `ROUTER_INSTANCES` (the event source's MaximumConcurrency): they share what may begin in a second evenly.
    pub routers: f64,
    /// `MAX_RECEIVES`, `MAX_AGE_SECONDS`, `CLAIM_WITHIN_SECONDS`.
    pub policy: Policy,
}

impl Settings {
    /// Reads them with `get`, which looks a variable up.
    ///
    /// # Errors
    /// A line for everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut reader = Reader::new(get);
        let routers = reader.number("ROUTER_INSTANCES", 1.0);
        let settings = Self {
            stage: reader.required("OCG_STAGE", "the deployment's name, such as prod"),
            bucket: reader.required("OCG_BUCKET", "the bucket of the call folders"),
            trigger_call_queue_url: reader.required("TRIGGER_CALL_QUEUE_URL", "where messages come from"),
            dead_letter_queue_url: reader.required("DEAD_LETTER_QUEUE_URL", "where refused messages go"),
            call_history_queue_url: reader.optional("CALL_HISTORY_QUEUE_URL"),
            traces_endpoint: reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT"),
            task: TaskSettings {
                cluster: reader.required("ECS_CLUSTER", "the cluster that runs the calls"),
                task_definition: reader.required("TASK_DEFINITION", "the task definition of a call"),
                container: reader.required("TASK_CONTAINER", "the container in it that is told the attempt"),
                capacity_provider: reader.required("TASK_CAPACITY_PROVIDER", "FARGATE or FARGATE_SPOT"),
                subnets: reader.list("TASK_SUBNETS", "subnet ids with commas between"),
                security_groups: reader
                    .list("TASK_SECURITY_GROUPS", "security group ids with commas between"),
                public_ip: public_ip(&mut reader),
            },
            run_tasks_per_second: reader.number("RUN_TASKS_PER_SECOND", 4.0) / routers,
            routers,
            policy: reader.policy(),
        };
        let problems = reader.into_problems();
        if problems.is_empty() { Ok(settings) } else { Err(problems.join("\n")) }
    }
}

fn public_ip(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> bool {
    let text = reader.required("TASK_PUBLIC_IP", "ENABLED or DISABLED");
    if !["ENABLED", "DISABLED", ""].contains(&text.as_str()) {
        reader.complain(format!("TASK_PUBLIC_IP={text} must be ENABLED or DISABLED"));
    }
    text == "ENABLED"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALL: &[(&str, &str)] = &[
        ("OCG_STAGE", "test"),
        ("OCG_BUCKET", "calls"),
        ("TRIGGER_CALL_QUEUE_URL", "http://queue/trigger"),
        ("DEAD_LETTER_QUEUE_URL", "http://queue/dead"),
        ("ECS_CLUSTER", "calls"),
        ("TASK_DEFINITION", "bridge"),
        ("TASK_CONTAINER", "bridge"),
        ("TASK_CAPACITY_PROVIDER", "FARGATE_SPOT"),
        ("TASK_SUBNETS", "subnet-1, subnet-2"),
        ("TASK_SECURITY_GROUPS", "sg-1"),
        ("TASK_PUBLIC_IP", "ENABLED"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_the_template_sets_is_enough() {
        let settings = read(ALL).unwrap();
        assert_eq!(settings.task.subnets, ["subnet-1", "subnet-2"]);
        assert!(settings.task.public_ip);
        assert_eq!(settings.policy, Policy::default());
        assert_eq!(settings.call_history_queue_url, None);
    }

    #[test]
    fn everything_that_is_missing_or_wrong_is_told_at_once() {
        let wrong = [("MAX_RECEIVES", "many"), ("RUN_TASKS_PER_SECOND", "-1")];
        let problems = read(&wrong).unwrap_err();
        for (name, _) in ALL {
            assert!(problems.contains(&format!("{name} is not set")), "{name}: {problems}");
        }
        assert!(problems.contains("MAX_RECEIVES=many") && problems.contains("RUN_TASKS_PER_SECOND=-1"));
    }

    #[test]
    fn what_is_set_to_nonsense_is_no_default() {
        for (name, value) in [("TASK_PUBLIC_IP", "yes"), ("TASK_SUBNETS", ","), ("MAX_RECEIVES", "0.5")] {
            let problem = read(&[ALL, &[(name, value)]].concat()).unwrap_err();
            assert!(problem.starts_with(&format!("{name}={value}")), "{problem}");
        }
    }

    #[test]
    fn instances_share_the_rate() {
        let share = [("RUN_TASKS_PER_SECOND", "9"), ("ROUTER_INSTANCES", "2")];
        assert_eq!(read(&[ALL, &share].concat()).unwrap().run_tasks_per_second, 4.5);
    }
}
