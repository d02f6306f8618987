//! The ECS stand-in under AWS's own SDK, and our launcher over both.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::types::{AwsVpcConfiguration, ContainerOverride, NetworkConfiguration, TaskOverride};
use calls::ids::{AttemptId, CallKey};
use cloud::launch::{Launcher, Pace, TaskSettings};
use sim::ecs::{Definition, Ecs, Trouble};

const SOON: Duration = Duration::from_secs(10);

/// Its one container says its command and ends, or sleeps for a minute.
async fn ecs(logs: &Path, program: &str) -> Ecs {
    Ecs::start("calls", vec![Definition::new("bridge", "bridge", program)], logs.to_owned()).await.unwrap()
}

fn client(ecs: &Ecs) -> Client {
    let nobodys = Credentials::new("nobody", "nothing", None, None, "tests");
    let config = aws_sdk_ecs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(nobodys)
        .endpoint_url(ecs.url())
        .build();
    Client::from_conf(config)
}

fn launcher(ecs: &Ecs, per_second: f64) -> Launcher {
    let settings = TaskSettings {
        cluster: "calls".to_owned(),
        task_definition: "bridge:1".to_owned(),
        container: "bridge".to_owned(),
        capacity_provider: "FARGATE_SPOT".to_owned(),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        public_ip: true,
    };
    Launcher::new(client(ecs), settings, Pace::new(per_second, SOON))
}

fn attempt(id: &str) -> AttemptId {
    AttemptId::new(CallKey::from_ids(None, None, id), 1)
}

/// What all tasks together have said.
fn said(logs: &Path) -> String {
    std::fs::read_dir(logs)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_task_is_told_its_attempt_and_its_end_is_told() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let attempt = attempt("a");
    let arn = launcher(&ecs, 100.0).launch(&attempt).await.unwrap();
    let event = ecs.wait_for_events(1, SOON).await.unwrap().remove(0);
    assert_eq!(said(logs.path()), format!("job --attempt {attempt}\n"));
    assert_eq!(event["detail-type"], "ECS Task State Change");
    assert_eq!((&event["source"], &event["resources"][0]), (&"aws.ecs".into(), &arn.clone().into()));
    let detail = &event["detail"];
    assert_eq!((&detail["lastStatus"], &detail["taskArn"]), (&"STOPPED".into(), &arn.into()));
    assert_eq!(detail["startedBy"], attempt.to_string());
    assert_eq!(
        (&detail["stopCode"], &detail["containers"][0]["exitCode"]),
        (&"EssentialContainerExited".into(), &0.into())
    );
}

#[tokio::test]
async fn one_attempt_is_one_task_however_often_it_is_launched() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let launcher = launcher(&ecs, 100.0);
    // The reply to the first is lost: the SDK asks again by itself.
    ecs.trouble([Trouble::LoseReply]);
    let first = launcher.launch(&attempt("a")).await.unwrap();
    assert_eq!(launcher.launch(&attempt("a")).await.unwrap(), first);
    assert_ne!(launcher.launch(&attempt("b")).await.unwrap(), first);
    ecs.wait_for_events(2, SOON).await.unwrap();
    assert_eq!(launcher.launch(&attempt("a")).await.unwrap(), first, "also after its end");
    assert_eq!(ecs.tasks().len(), 2);
}

#[tokio::test]
async fn what_was_launched_in_other_words_was_launched() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let token = attempt("a").to_string();
    let first = run(&client(&ecs)).client_token(&token).send().await.unwrap();
    let again = launcher(&ecs, 100.0).launch(&attempt("a")).await.unwrap();
    assert_eq!(Some(again.as_str()), first.tasks()[0].task_arn());
    assert_eq!(ecs.tasks().len(), 1);
}

#[tokio::test]
async fn throttles_and_failures_are_try_again() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let launcher = launcher(&ecs, 100.0);
    ecs.trouble([Trouble::NoCapacity]);
    let failed = launcher.launch(&attempt("a")).await.unwrap_err();
    assert!(failed.contains("Capacity is unavailable"), "{failed}");
    // The SDK's own three tries.
    ecs.trouble([Trouble::Throttle; 3]);
    let throttled = launcher.launch(&attempt("a")).await.unwrap_err();
    assert!(throttled.contains("ThrottlingException"), "{throttled}");
    assert!(ecs.tasks().is_empty());
    launcher.launch(&attempt("a")).await.unwrap();
}

#[tokio::test]
async fn no_second_sees_more_calls_than_are_allowed() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let launcher = launcher(&ecs, 20.0);
    let launches = (0..50).map(|n| {
        let launcher = launcher.clone();
        tokio::spawn(async move { launcher.launch(&attempt(&n.to_string())).await.unwrap() })
    });
    for launch in launches.collect::<Vec<_>>() {
        launch.await.unwrap();
    }
    let calls = ecs.run_task_calls();
    let in_a_second = |start: &tokio::time::Instant| {
        calls.iter().filter(|call| (*start..*start + Duration::from_secs(1)).contains(call)).count()
    };
    // The pace is kept where it leaves; the network may push two together.
    assert!(calls.iter().map(in_a_second).max().unwrap() <= 21, "{calls:?}");
    assert_eq!(ecs.tasks().len(), 50);
}

#[tokio::test]
async fn a_stopped_task_and_one_that_never_starts_say_why() {
    let logs = tempfile::tempdir().unwrap();
    // Takes its command for the names of files that never end.
    let ecs = ecs(logs.path(), "/usr/bin/yes").await;
    let client = client(&ecs);
    let started = run(&client).send().await.unwrap();
    let arn = started.tasks()[0].task_arn().unwrap().to_owned();
    let listed = client.list_tasks().cluster("calls").send().await.unwrap();
    assert_eq!(listed.task_arns(), std::slice::from_ref(&arn));
    client.stop_task().cluster("calls").task(&arn).reason("enough").send().await.unwrap();
    ecs.trouble([Trouble::NeverStart]);
    run(&client).send().await.unwrap();

    let events = ecs.wait_for_events(2, SOON).await.unwrap();
    let of = |code: &str| events.iter().find(|event| event["detail"]["stopCode"] == code).unwrap();
    assert_eq!(of("UserInitiated")["detail"]["stoppedReason"], "enough");
    assert!(of("TaskFailedToStart")["detail"]["stoppedReason"].as_str().unwrap().contains("CannotPull"));
    let described =
        client.describe_tasks().cluster("calls").tasks(&arn).tasks("another").send().await.unwrap();
    assert_eq!(described.tasks()[0].last_status(), Some("STOPPED"));
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));
}

#[tokio::test]
async fn the_limits_of_run_task_are_kept() {
    let logs = tempfile::tempdir().unwrap();
    let ecs = ecs(logs.path(), "/bin/echo").await;
    let client = client(&ecs);
    let container = |name: &str, word: &str| {
        let container = ContainerOverride::builder().name(name).command(word).build();
        TaskOverride::builder().container_overrides(container).build()
    };
    for (what, request) in [
        ("startedBy", run(&client).started_by("x".repeat(129))),
        ("clientToken", run(&client).client_token("x".repeat(65))),
        ("count", run(&client).count(11)),
        ("overrides", run(&client).overrides(container("bridge", &"x".repeat(8192)))),
        ("container", run(&client).overrides(container("another", "x"))),
        ("network", run(&client).set_network_configuration(None)),
    ] {
        let error = request.send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterException"), "{what}: {error:?}");
    }
    let nowhere = run(&client).cluster("another").send().await.unwrap_err();
    assert_eq!(nowhere.code(), Some("ClusterNotFoundException"));
    assert!(ecs.tasks().is_empty());
}

fn run(client: &Client) -> aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder {
    let vpc = AwsVpcConfiguration::builder().subnets("subnet-1").build().unwrap();
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
    client.run_task().cluster("calls").task_definition("bridge").network_configuration(network)
}
