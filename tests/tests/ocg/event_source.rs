//! Everything stopped, and on again.

use anyhow::ensure;
use tests::cloud::in_a_cloud_apart;
use tests::person;

#[test]
fn a_paused_deployment_keeps_its_messages_until_it_is_resumed() {
    in_a_cloud_apart(&[], async |cloud| {
        cloud.ocg(&["pause"]).await?.ends_with(0)?;
        let call = cloud.call_to(person::busy()).await?.send().await?;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        ensure!(!call.is_claimed().await?, "nobody takes it up");
        // Twice is once.
        let said = cloud.ocg(&["pause", "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(said[0]["paused"] == true && said[0]["waiting"] == 1, "{said:?}");
        cloud.ocg(&["resume"]).await?.ends_with(0)?;
        call.outcome().await?;
        call.rang_once().await
    });
}
