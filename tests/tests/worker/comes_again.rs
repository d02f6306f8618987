//! A message that its worker cannot delete.

use anyhow::ensure;
use calls::fact::Fact;
use calls::outcome::EndReason;
use sim::ecs::Cut;
use tests::cloud::{alone_at_the_worker, wait_for};
use tests::person;

/// It comes again and again, while they talk and after it.
#[test]
fn what_cannot_be_deleted_rings_once() {
    alone_at_the_worker(async |cloud| {
        cloud.worker_on_a_new_queue(&[("VISIBILITY_SECONDS", "3")]).await?;
        cloud.deployment.ecs.cut([Cut { service: "sqs", containing: "AmazonSQS.DeleteMessage".to_owned() }]);
        let before = cloud.deployment.ecs.cut_requests();
        let call = cloud.call_to(person::talkative()).await?.send().await?;
        let again = async |times: usize| {
            wait_for("its message comes again", std::time::Duration::from_secs(60), async || {
                let facts = cloud.folders.facts(&call.attempt).await?;
                let again = facts.iter().filter(|line| line.fact == Fact::DuplicateDelivery).count();
                Ok((again >= times).then_some(again))
            })
            .await
        };
        let while_they_talk = again(3).await?;
        let leg = call.phone("they talk still", |leg| leg.heard_voice_ms > 500).await?;
        ensure!(!leg.is_over(), "{leg:#?}");
        call.callee_hangs_up().await?;
        let outcome = call.outcome().await?;
        ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
        again(while_they_talk + 2).await?;
        let cut = cloud.deployment.ecs.cut_requests() - before;
        ensure!(cut > while_they_talk, "{cut} deletes were swallowed");
        cloud.deployment.ecs.cut([]);
        cloud.queue_is_empty().await?;
        call.rang_once().await
    });
}
