//! What a worker wants to know before it takes its first message.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::cloud::alone_at_the_worker;
use tests::given;

/// Exit code and everything that was said.
fn worker(program: &std::path::Path, variables: &[(&str, &str)]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(program);
    command.arg("worker").env_clear().envs(variables.iter().copied());
    // A directory without a .env of somebody's.
    let ended = command.current_dir(std::env::temp_dir()).output()?;
    let said = [ended.stdout, ended.stderr].concat();
    Ok((ended.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn everything_that_is_missing_or_wrong_is_told_at_once() {
    let Some(program) = given("BRIDGE_TASK") else { return };
    let wrong = [("OCG_BUCKET", "calls"), ("MAX_CONCURRENT_CALLS", "many"), ("LOG_FORMAT", "xml")];
    let (code, said) = worker(&program, &wrong).expect("it runs");
    assert_eq!(code, Some(2), "{said}");
    for part in [
        "SQS_QUEUE_URL nor SQS_QUEUE_NAME",
        "OCG_STAGE is not set",
        "MAX_CONCURRENT_CALLS=many",
        "LOG_FORMAT=xml",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_cannot_serve_is_told_before_the_first_message() {
    alone_at_the_worker(async |cloud| {
        let program = &cloud.stack.binaries().bridge_task;
        let sqs = cloud.deployment.sqs();
        let lonely = sqs.create_queue().queue_name("lonely").send().await?.queue_url.unwrap_or_default();
        let aws = cloud.deployment.variables();
        let bucket = cloud.deployment.output("CallFoldersBucket").await?;
        let mut usual: Vec<(&str, &str)> = aws.iter().map(|(name, value)| (*name, value.as_str())).collect();
        usual.extend([("OCG_STAGE", "test"), ("OCG_BUCKET", bucket.as_str())]);
        let url = cloud.deployment.output("TriggerCallQueueUrl").await?;
        let gone = url.replace("trigger-call", "gone");
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[("SQS_QUEUE_NAME", "nowhere")], "no queue nowhere"),
            (&[("SQS_QUEUE_URL", &lonely)], "nobody says where refused messages go"),
            (&[("SQS_QUEUE_URL", &url), ("MAX_RECEIVES", "350")], "before MAX_RECEIVES=350"),
            (&[("SQS_QUEUE_URL", &url), ("DEAD_LETTER_QUEUE_URL", &gone)], "dead-letter queue"),
            (&[("SQS_QUEUE_URL", &url), ("OCG_BUCKET", "nobody-s-bucket")], "nobody-s-bucket"),
            (&[("SQS_QUEUE_URL", &url), ("AWS_REGION", "")], "no AWS Region"),
        ];
        for (variables, wanted) in cases {
            let all = [&usual[..], variables].concat();
            let program = program.clone();
            let owned: Vec<(String, String)> =
                all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let ran = tokio::task::spawn_blocking(move || {
                let all: Vec<(&str, &str)> = owned.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                worker(&program, &all)
            });
            let (code, said) = ran.await??;
            ensure!(code == Some(2) && said.contains(wanted), "{wanted}: {code:?} {said}");
        }
        Ok(())
    });
}
