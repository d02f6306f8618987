//! What the template promises, read from what CloudFormation gets: the template with SAM's transform applied.

#![allow(clippy::unwrap_used)]

mod dashboards;
mod given;
mod permissions;
mod variables;

use std::collections::BTreeSet;

use given::{Template, file};
use serde_json::{Value, json};

#[test]
fn every_function_is_a_program_and_every_program_a_function() {
    let Some(template) = Template::translated() else { return };
    // A function's zip is made by the make target of its name: `build-<LogicalId>:`, then `scripts/function <bin> …`.
    let makefile = file("Makefile");
    let program = |id: &str| {
        let (_, target) = makefile.split_once(&format!("\nbuild-{id}:\n"))?;
        let recipe = target.lines().next()?;
        recipe.split_whitespace().skip_while(|word| !word.ends_with("scripts/function")).nth(1)
    };
    let functions = template.of_type("AWS::Lambda::Function");
    let built: BTreeSet<String> = functions
        .keys()
        .map(|id| program(id).unwrap_or_else(|| panic!("no make target builds {id}")).to_owned())
        .collect();
    assert_eq!(built.len(), functions.len(), "two functions are one program");
    let sources = std::fs::read_dir(given::root().join("lambdas/src/bin")).unwrap();
    let programs =
        sources.map(|source| source.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    assert_eq!(built, programs.collect());
}

#[test]
fn a_message_stays_invisible_six_times_as_long_as_its_function_may_take() {
    let Some(template) = Template::translated() else { return };
    let sources = template.of_type("AWS::Lambda::EventSourceMapping");
    assert!(!sources.is_empty());
    for (id, source) in sources {
        let queue = template.resource(given::name_in(&source["EventSourceArn"]));
        let function = template.resource(given::name_in(&source["FunctionName"]));
        let (visible_after, timeout) = (queue["VisibilityTimeout"].as_u64(), function["Timeout"].as_u64());
        assert!(visible_after.unwrap() >= 6 * timeout.unwrap(), "{id}: {visible_after:?}, {timeout:?}");
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{id}");
        let most = &source["ScalingConfig"]["MaximumConcurrency"];
        assert!(most.is_u64(), "{id} may take all that the account has");
        // The router shares its pace out by the number that really limits it; a variable is a text.
        let instances = &function["Environment"]["Variables"]["ROUTER_INSTANCES"];
        assert!(instances.is_null() || *instances == json!(most.to_string()), "{id}");
    }
    let routers = &template.resource("RouterFunction")["Environment"]["Variables"]["ROUTER_INSTANCES"];
    assert!(routers.is_string());
}

#[test]
fn only_news_of_tasks_of_this_deployment_that_have_stopped_wakes_the_watcher() {
    let Some(template) = Template::translated() else { return };
    let rule = template.resource("TaskStopped");
    let cluster = json!({ "Fn::GetAtt": ["Cluster", "Arn"] });
    let pattern = json!({
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": { "clusterArn": [cluster], "lastStatus": ["STOPPED"] },
    });
    assert_eq!(rule["EventPattern"], pattern);
    let [target] = &rule["Targets"].as_array().unwrap()[..] else { panic!("one target") };
    assert_eq!(given::name_in(&target["Arn"]), "TaskEventsQueue");
    // What the queue lets in is what the rule sends.
    let policy = template.resource("TaskEventsQueuePolicy");
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    let allowed = statements.iter().find(|statement| statement["Effect"] == "Allow").unwrap();
    assert_eq!(allowed["Principal"], json!({ "Service": "events.amazonaws.com" }));
    let by = &allowed["Condition"]["ArnEquals"]["aws:SourceArn"];
    assert_eq!(given::name_in(by), "TaskStopped");
    // What does not come through is told of, and found by the sweep, soon; and so is that there are no sweeps.
    let lost = template.resource("TaskEventsLostAlarm");
    assert_eq!(
        (&lost["Namespace"], &lost["MetricName"]),
        (&json!("AWS/Events"), &json!("FailedInvocations"))
    );
    assert_eq!(given::name_in(&lost["Dimensions"][0]["Value"]), "TaskStopped");
    assert_eq!(template.resource("SweepProblemsAlarm")["TreatMissingData"], json!("breaching"));
    let rules = template.of_type("AWS::Events::Rule");
    assert!(rules.values().any(|rule| rule["ScheduleExpression"] == "rate(5 minutes)"), "{rules:?}");
}

#[test]
fn no_message_is_lost_between_the_queues() {
    let Some(template) = Template::translated() else { return };
    let (queue, dead) = (template.resource("TriggerCallQueue"), template.resource("DeadLetterQueue"));
    assert_eq!(given::name_in(&queue["RedrivePolicy"]["deadLetterTargetArn"]), "DeadLetterQueue");
    // Ours comes first, with a reason on the letter.
    let ours = template.parameter("MaxReceives")["MaxValue"].as_u64().unwrap();
    assert!(queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap() > ours);
    // The last of them while the queue still keeps it: they are up to a quarter of an hour apart.
    let kept_for = queue["MessageRetentionPeriod"].as_u64().unwrap();
    assert!(ours * 15 * 60 < kept_for);
    // And SQS's own, should ours never be able to act: a letter without a reason is better than none.
    assert!(queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap() * 15 * 60 < kept_for);
    let allowed = dead["RedriveAllowPolicy"]["sourceQueueArns"][0]["Fn::Sub"].as_str().unwrap();
    let name = queue["QueueName"]["Fn::Sub"].as_str().unwrap();
    assert!(allowed.ends_with(&format!(":{name}")), "{allowed} is not the ARN of {name}");
    let days = |queue: &Value| queue["MessageRetentionPeriod"].as_u64().unwrap() / 86_400;
    assert_eq!(days(dead), 14);
    // In the queue, among the letters, and in the queue again: all that time its folder must still be there.
    let kept = template.parameter("FolderRetentionDays")["MinValue"].as_u64().unwrap();
    assert!(kept >= days(queue) + days(dead) + days(queue), "{kept} days");
    for (id, queue) in template.of_type("AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], json!(true), "{id}");
    }
}

#[test]
fn a_task_can_write_nothing_but_its_one_volume_and_is_nobody() {
    let Some(template) = Template::translated() else { return };
    let task = template.resource("TaskDefinition");
    let [container] = &task["ContainerDefinitions"].as_array().unwrap()[..] else { panic!("one container") };
    assert_eq!(container["ReadonlyRootFilesystem"], json!(true));
    assert_eq!(
        container["MountPoints"],
        json!([{ "SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": false }])
    );
    assert_eq!(task["Volumes"], json!([{ "Name": "tmp" }]));
    let user = container["User"].as_str().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().unwrap() > 0), "{user}");
    // ECS ends a task by force then, and the task knows of it by its environment alone.
    let stop_timeout = container["StopTimeout"].as_u64().unwrap();
    assert_eq!(stop_timeout, 120, "the longest that Fargate has");
    let parameter = template.parameter("StopTimeoutSeconds");
    assert_eq!((&parameter["Default"], &parameter["MaxValue"]), (&json!(stop_timeout), &json!(stop_timeout)));
    let told = json!({ "Name": "STOP_TIMEOUT_SECONDS", "Value": { "Ref": "StopTimeoutSeconds" } });
    assert!(container["Environment"].as_array().unwrap().contains(&told), "{}", container["Environment"]);
    assert_eq!(container["Secrets"], Value::Null, "secrets are read by the task itself");
    // The router tells this very container what to do.
    let router = template.resource("RouterFunction");
    assert_eq!(container["Name"], router["Environment"]["Variables"]["TASK_CONTAINER"]);
    let group = template.resource("TaskSecurityGroup");
    assert_eq!(group["SecurityGroupIngress"], Value::Null);
}

#[test]
fn folders_are_private_and_nothing_is_kept_for_ever() {
    let Some(template) = Template::translated() else { return };
    let bucket = template.resource("CallFolders");
    let blocked = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(blocked.len() == 4 && blocked.values().all(|value| value == true), "{blocked:?}");
    assert!(bucket["BucketEncryption"].is_object());
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let rule = |id: &str| rules.iter().find(|rule| rule["Id"] == id).unwrap();
    assert_eq!(rule("folders")["ExpirationInDays"], json!({ "Ref": "FolderRetentionDays" }));
    assert_eq!(rule("recordings")["ExpirationInDays"], json!({ "Ref": "RecordingRetentionDays" }));
    assert_eq!(rule("recordings")["TagFilters"], json!([{ "Key": "kind", "Value": "recording" }]));
    for (id, logs) in template.of_type("AWS::Logs::LogGroup") {
        assert_eq!(logs["RetentionInDays"], json!({ "Ref": "LogRetentionDays" }), "{id}");
    }
}

#[test]
fn every_alarm_names_its_section_of_the_runbook_and_every_section_has_its_alarm() {
    let Some(template) = Template::translated() else { return };
    let runbook = file("docs/operations.md");
    let sections: BTreeSet<&str> =
        runbook.lines().filter_map(|line| line.strip_prefix("### Alarm: ")).collect();
    let mut named = BTreeSet::new();
    for (id, alarm) in template.of_type("AWS::CloudWatch::Alarm") {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (_, section) =
            description.split_once("See docs/operations.md, Alarm: ").unwrap_or_else(|| panic!("{id}"));
        named.insert(section);
        for actions in ["AlarmActions", "OKActions"] {
            assert!(alarm[actions].to_string().contains(r#"{"Ref":"AlarmTopicArn"}"#), "{id} tells nobody");
        }
    }
    assert_eq!(named, sections);
    // And all of them are seen at a glance.
    let dashboard = template.resource("Dashboard")["DashboardBody"].to_string();
    for id in template.of_type("AWS::CloudWatch::Alarm").keys() {
        assert!(dashboard.contains(&format!("${{{id}.Arn}}")), "{id} is not on the dashboard");
    }
}
