//! No bucket, no parameter store: a queue, a directory of profiles, secrets in the environment, call folders on disk.

use anyhow::{Context as _, ensure};
use cloud::call_folder::CallFolders;
use sim::stack::Call;
use tests::cloud::{alone_at_the_worker, wait_for};
use tests::person;

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
        let shown = |path: &std::path::Path| path.to_str().map(str::to_owned).context("no text");
        let arguments = ["--profiles", &shown(&profiles)?, "--calls", &shown(&calls)?];
        cloud.worker_with(&variables, &arguments).await?;
        let told = cloud.worker_log();
        ensure!(
            told.contains("country ready") && told.contains("LIVEKIT_API_SECRET_ES is not set"),
            "{told}"
        );

        let folders = CallFolders::in_directory(&calls)?;
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.phone("it is called", Call::is_over).await?;
        let outcome = wait_for("it has an outcome", std::time::Duration::from_secs(20), async || {
            Ok(folders.outcome(&call.attempt).await?)
        });
        let outcome = outcome.await?;
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
