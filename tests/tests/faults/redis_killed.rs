//! livekit-server's Redis dies in the middle of a call, and comes back empty.

use std::time::Duration;

use calls::outcome::EndReason;
use sim::stack::StackConfig;
use sim::ultravox::Trouble;
use tests::story_apart;

#[test]
fn the_call_goes_on_and_at_its_end_the_line_is_closed() {
    story_apart(StackConfig::default(), async |scene| {
        let call = scene.arrange().place().await?;
        call.is_talking().await?;
        scene.stage().stack_mut().await.kill_redis();
        tokio::time::sleep(Duration::from_secs(4)).await;
        scene.stage().stack_mut().await.start_redis().await?;
        // The server writes its rooms down again, but not where they are.
        tokio::time::sleep(Duration::from_secs(3)).await;
        call.agent("it talks on", |agent| agent.ended.is_none()).await?;
        call.phone("so does the callee", |leg| !leg.is_over()).await?;
        call.vendor().goes_wrong(Trouble::Drop);
        call.ends().await?.is_answered(EndReason::AgentClosed)
    });
}
