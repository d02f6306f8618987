//! Deploying again.

use anyhow::ensure;
use sim::ecs::Trouble;
use tests::cloud::alone_in_the_cloud;
use tests::person;

#[test]
fn a_second_deployment_without_a_change_does_nothing() {
    alone_in_the_cloud(async |cloud| {
        let said = cloud.deploy(&[]).await?;
        ensure!(said.contains("No changes to deploy"), "{said}");
        Ok(())
    });
}

#[test]
fn an_update_keeps_what_is_in_flight() {
    alone_in_the_cloud(async |cloud| {
        // The emulator ends a function in the middle of its work when it is updated, which Lambda does not; what it had
        // in hand comes again when the queue's own time is over.
        cloud.hide_messages_for(10).await?;
        // In flight: received, not done, hidden for some seconds.
        let before = cloud.deployment.ecs.run_task_calls().len();
        cloud.deployment.ecs.trouble([Trouble::NoCapacity; 2]);
        let calls = [
            cloud.call_to(person::busy()).await?.send().await?,
            cloud.call_to(person::busy()).await?.send().await?,
        ];
        tests::cloud::wait_for("both were tried", std::time::Duration::from_secs(30), async || {
            Ok((cloud.deployment.ecs.run_task_calls().len() >= before + 2).then_some(()))
        })
        .await?;
        let said = cloud.deploy(&[("MaxAgeSeconds", "86400")]).await?;
        ensure!(said.contains("Successfully created/updated stack"), "{said}");
        for call in &calls {
            call.outcome().await?;
            call.rang_once().await?;
        }
        cloud.hide_messages_for(180).await?;
        cloud.deploy(&[]).await.map(drop)
    });
}
