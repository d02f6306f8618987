//! livekit-server dies in the middle of a call.

use std::time::Duration;

use anyhow::ensure;
use calls::outcome::EndReason;
use sim::stack::StackConfig;
use tests::story_apart;

/// The loss is noticed, the room's deletion is tried for its time, the rest is written.
const AT_THE_LATEST: Duration = Duration::from_secs(45);

#[test]
fn the_call_ends_without_its_server() {
    story_apart(StackConfig::default(), async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        scene.stage().stack_mut().await.livekit_mut().kill();
        call.agent("the agent's socket is closed", |agent| agent.ended.is_some()).await?;
        call.task(0)?.exit(AT_THE_LATEST).await?;
        let ended = call.ends_without_server().await?;
        ended.is_answered(EndReason::RoomLost)
    });
}

#[test]
fn nothing_is_left_when_the_server_comes_back() {
    story_apart(StackConfig::default(), async |scene| {
        let call = scene.arrange().place().await?;
        call.is_talking().await?;
        scene.stage().stack_mut().await.livekit_mut().restart().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::RoomLost)?;
        ensure!(scene.stage().stack().await.rooms().await?.is_empty());
        Ok(())
    });
}
