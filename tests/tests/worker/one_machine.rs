//! No bucket, no parameter store: a queue, profiles and secrets in files or in the environment, call folders on disk;
//! and `ocg`, which reads them there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::EndReason;
use cloud::call_folder::CallFolders;
use sim::stack::{CALLER_ID, Call};
use tests::cloud::{Sent, alone_at_the_worker, wait_for};
use tests::person;

const SOON: Duration = Duration::from_secs(20);

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("no text")
}

async fn outcome_of(call: &Sent<'_>, folders: &CallFolders) -> Result<calls::outcome::Outcome> {
    wait_for("it has an outcome", SOON, async || Ok(folders.outcome(&call.attempt).await?)).await
}

#[test]
fn profiles_from_files_secrets_from_the_environment_folders_on_disk() {
    alone_at_the_worker(async |cloud| {
        let dir = cloud.deployment.dir().join("one-machine");
        let (profiles, calls) = (dir.join("profiles"), dir.join("calls"));
        std::fs::create_dir_all(&profiles)?;
        std::fs::write(profiles.join("br.json"), cloud.profile("BR", &["+55"]).to_string())?;
        let incomplete = cloud.profile("ES", &["+34"]).to_string();
        std::fs::write(profiles.join("es.json"), incomplete)?;
        let (key, secret) = cloud.stack.livekit().credentials();
        let variables = [
            ("OCG_BUCKET", ""),
            ("OCG_STAGE", ""),
            ("LIVEKIT_API_KEY_BR", key),
            ("LIVEKIT_API_SECRET_BR", secret.expose()),
            ("ULTRAVOX_API_KEY", cloud.vendor_key()),
        ];
        let arguments = ["--profiles", shown(&profiles)?, "--calls", shown(&calls)?];
        cloud.worker_with(&variables, &arguments).await?;
        let told = cloud.worker_log();
        ensure!(
            told.contains("country ready") && told.contains("LIVEKIT_API_SECRET_ES is not set"),
            "{told}"
        );

        let folders = CallFolders::in_directory(&calls)?;
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.phone("it is called", Call::is_over).await?;
        let outcome = outcome_of(&call, &folders).await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        cloud.queue_is_empty().await?;
        let standing = folders.look(&call.attempt.key).await?;
        let attempt = standing.attempts.first().context("no attempt")?;
        let (launched, dial) = (attempt.launched.as_ref(), attempt.dial.as_ref());
        ensure!(launched.map(|l| &l.task) == dial.map(|d| &d.task) && dial.is_some(), "{attempt:#?}");
        ensure!(!call.is_claimed().await?, "the bucket was not to be used");
        call.rang_once().await
    });
}

/// A queue's name and variables are enough. The parameter store knows nothing of this country.
#[test]
fn a_queue_by_its_name_and_everything_else_from_the_environment() {
    alone_at_the_worker(async |cloud| {
        let calls = cloud.deployment.dir().join("from-the-environment");
        let queue = cloud.new_queue().await?;
        let (key, secret) = cloud.stack.livekit().credentials();
        let (livekit, vendor) = (cloud.stack.livekit().url(), cloud.vendor.calls_url());
        let variables = [
            ("OCG_BUCKET", ""),
            ("OCG_STAGE", ""),
            ("SQS_QUEUE_URL", ""),
            ("SQS_QUEUE_NAME", &queue),
            ("LIVEKIT_URL_CL", &livekit),
            ("LIVEKIT_API_KEY_CL", key),
            ("LIVEKIT_API_SECRET_CL", secret.expose()),
            ("SIP_TRUNK_ID_CL", cloud.stack.trunk_id()),
            ("SIP_FROM_NUMBER_CL", CALLER_ID),
            ("ULTRAVOX_API_KEY", cloud.vendor_key()),
            ("ULTRAVOX_CALLS_URL", &vendor),
            ("ULTRAVOX_VOICE", "another-voice"),
        ];
        cloud.worker_with(&variables, &["--calls", shown(&calls)?]).await?;
        let told = cloud.worker_log();
        ensure!(told.contains("(SQS_QUEUE_NAME)") && told.contains("profiles the environment"), "{told}");

        let number = "+56987654321";
        cloud.stack.phone()?.script(number, &person::hears_out()).await?;
        let call = cloud.call_to_number(number).send().await?;
        let outcome = outcome_of(&call, &CallFolders::in_directory(&calls)?).await?;
        ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
        ensure!(outcome.callee_audio_seconds >= 1.0 && outcome.agent_audio_seconds > 1.0, "{outcome:#?}");
        let agents = cloud.vendor.calls();
        let agent = agents.iter().find(|agent| Some(&agent.id) == outcome.agent_call_id.as_ref());
        ensure!(agent.context("no agent")?.request["voice"] == "another-voice", "{agent:#?}");
        cloud.queue_is_empty().await?;
        call.rang_once().await
    });
}

#[test]
fn an_operator_follows_a_call_in_folders_on_disk() {
    alone_at_the_worker(async |cloud| {
        let calls = cloud.deployment.dir().join("followed");
        let calls = shown(&calls)?;
        cloud.worker_with(&[("OCG_BUCKET", "")], &["--profiles", "ssm", "--calls", calls]).await?;
        let call = cloud.call_to(person::who([person::talk(30_000)])).await?.send().await?;
        call.phone("they talk", Call::is_answered).await?;
        // The directory may know calls of days before.
        let is_listed = async |state: &str| -> Result<bool> {
            let words = ["calls", "ls", "--calls", calls, "--outcome", state, "--json"];
            let listed = cloud.ocg(&words).await?.ends_with(0)?.objects()?;
            Ok(listed.iter().any(|listed| listed["callId"] == call.id))
        };
        ensure!(is_listed("in-progress").await? && !is_listed("answered").await?);
        let told = ["tail", call.attempt.key.as_str(), "--calls", calls];
        let hang_up = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            call.callee_hangs_up().await
        };
        let (told, ()) = tokio::try_join!(cloud.ocg(&told), hang_up)?;
        let told = told.ends_with(0)?.said;
        for part in ["dialing", "answered", "callee-hangup"] {
            ensure!(told.contains(part), "{part}: {told}");
        }
        ensure!(!told.contains(&call.number), "the number is masked: {told}");
        ensure!(is_listed("answered").await? && !is_listed("in-progress").await?);
        // Where somebody else's calls are there is none of these.
        cloud.ocg(&["tail", call.attempt.key.as_str()]).await?.ends_with(3)?;
        call.rang_once().await
    });
}
