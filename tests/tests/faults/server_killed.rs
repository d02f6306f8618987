//! livekit-server dies in the middle of a call.

use std::time::Duration;

use anyhow::{Result, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use sim::stack::{StackConfig, Step};
use sim::ultravox::{Script, Trouble};
use tests::{LiveCall, Scene, agent, person, story_apart};

/// The server is waited for, the room's deletion is tried for its time, the rest is written.
const AT_THE_LATEST: Duration = Duration::from_secs(75);
/// Long enough for the loss to be noticed.
const A_MOMENT: Duration = Duration::from_secs(2);

/// A person who does not stop talking, and an agent that sends back what it hears: what the person hears of it has gone
/// both ways.
async fn an_endless_talk(scene: &Scene) -> Result<LiveCall> {
    let echo = Script { echo: true, ..agent::silent() };
    let talks = person::who([Step::wait(300), person::talk(120_000)]);
    let arranged = scene.arrange().person(talks).agent(echo).profile("/dial/maxCallSeconds", 110);
    let call = arranged.place().await?;
    call.phone("they talk", |leg| leg.heard_voice_ms > 500).await?;
    Ok(call)
}

#[test]
fn the_call_goes_on_when_the_server_comes_back() {
    story_apart(StackConfig::default(), async |scene| {
        let call = an_endless_talk(scene).await?;
        scene.stage().stack_mut().await.livekit_mut().restart().await?;
        let heard = call.phone("the call is still up", |leg| !leg.is_over()).await?.heard_voice_ms;
        call.phone("they talk again", |leg| leg.heard_voice_ms > heard + 2_000).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::RoomRejoined { .. })), "{:#?}", ended.kept.facts);
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::CalleeBack { .. })), "{:#?}", ended.kept.facts);
        let answers =
            ended.kept.facts.iter().filter(|fact| matches!(fact.fact, Fact::Answered { .. })).count();
        ensure!(answers == 1, "answered {answers} times");
        ensure!(scene.stage().stack().await.rooms().await?.is_empty());
        Ok(())
    });
}

#[test]
fn the_call_ends_without_its_server() {
    story_apart(StackConfig::default(), async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        scene.stage().stack_mut().await.livekit_mut().kill();
        call.task(0)?.exit(AT_THE_LATEST).await?;
        call.agent("the agent's socket is closed", |agent| agent.ended.is_some()).await?;
        let ended = call.ends_without_server().await?;
        ended.is_answered(EndReason::RoomLost)
    });
}

#[test]
fn nothing_is_left_of_a_call_that_ends_while_its_server_is_away() {
    story_apart(StackConfig::default(), async |scene| {
        let call = an_endless_talk(scene).await?;
        scene.stage().stack_mut().await.livekit_mut().kill();
        tokio::time::sleep(A_MOMENT).await;
        call.vendor().goes_wrong(Trouble::Drop);
        call.agent("the agent is gone", |agent| agent.ended.is_some()).await?;
        scene.stage().stack_mut().await.livekit_mut().restart().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::AgentClosed)?;
        ensure!(scene.stage().stack().await.rooms().await?.is_empty());
        Ok(())
    });
}

#[test]
fn a_phone_that_hangs_up_while_the_server_is_away_is_not_waited_for_without_end() {
    story_apart(StackConfig::default(), async |scene| {
        let call = an_endless_talk(scene).await?;
        scene.stage().stack_mut().await.livekit_mut().kill();
        tokio::time::sleep(A_MOMENT).await;
        call.callee_hangs_up().await?;
        scene.stage().stack_mut().await.livekit_mut().restart().await?;
        let ended = call.ends().await?;
        let why = ended.outcome()?.end_reason;
        // By whether the server still knows of the room, we wait for the callee in it or for the room.
        ensure!(matches!(why, Some(EndReason::MediaLost | EndReason::RoomLost)), "{why:?}");
        ended.is_answered(why.unwrap_or(EndReason::Unknown))?;
        ensure!(scene.stage().stack().await.rooms().await?.is_empty());
        Ok(())
    });
}
