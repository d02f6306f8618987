//! SIGTERM: a deploy, or a Spot instance that is taken away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use jiff::Timestamp;
use rustix::process::Signal;
use sim::stack::{Recording, Script};
use tests::ears::seconds_of;
use tests::{Arrangement, EndedCall, LiveCall, Scene, agent, person, story};

/// What a task keeps of its stop timeout for the end.
const MARGIN_SECONDS: u64 = 15;

/// A call whose task may go on for so long when it is told to stop.
fn may_drain_for(scene: &Scene, seconds: u64) -> Arrangement {
    scene.arrange().env("STOP_TIMEOUT_SECONDS", &(MARGIN_SECONDS + seconds).to_string())
}

async fn is_told_to_stop(call: &mut LiveCall) -> Result<Timestamp> {
    call.task(0)?.signal(Signal::TERM);
    Ok(Timestamp::now())
}

/// How long after it was told to stop the phone's leg ended, in seconds.
fn went_on_for(ended: &EndedCall, told: Timestamp) -> Result<f64> {
    let over = ended.leg()?.ended_at_ms.context("its leg has no end")?;
    Ok((over - told.as_millisecond()) as f64 / 1000.0)
}

#[test]
fn while_it_rings_and_nobody_answers() {
    story(async |scene| {
        let nobody = Script { never_answer: true, ..person::talkative() };
        let mut call = may_drain_for(scene, 3).person(nobody).place().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        let told = is_told_to_stop(&mut call).await?;
        let ended = call.ends().await?;
        let rang_on = went_on_for(&ended, told)?;
        ensure!((2.9..9.0).contains(&rang_on), "it rang on for {rang_on} s");
        // It may have rung: a system error that is not tried again by itself.
        ended.is_failed("drained", None, false)
    });
}

#[test]
fn while_it_rings_and_somebody_answers_then() {
    story(async |scene| {
        let late = Script { answer_after_ms: Some(3000), ..person::talkative() };
        let mut call = may_drain_for(scene, 6).person(late).place().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        is_told_to_stop(&mut call).await?;
        call.is_talking().await?;
        call.callee_hangs_up().await?;
        call.ends().await?.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn while_it_rings_and_there_is_no_time() {
    story(async |scene| {
        let nobody = Script { never_answer: true, ..person::talkative() };
        let mut call = may_drain_for(scene, 0).person(nobody).place().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        let told = is_told_to_stop(&mut call).await?;
        let ended = call.ends().await?;
        ensure!(went_on_for(&ended, told)? < 5.0);
        ended.is_failed("drained", None, false)
    });
}

#[test]
fn twice_it_hangs_up_all_the_same() {
    story(async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        call.task(0)?.signal(Signal::TERM);
        call.task(0)?.signal(Signal::INT);
        // That no room, leg or socket is left is looked at in the end.
        let ended = call.ends().await?;
        ensure!(ended.exit_codes == [Some(130)], "{:?}: {:?}", ended.exit_codes, ended.logs);
        Ok(())
    });
}

#[test]
fn while_they_talk_it_goes_on_and_then_ends_politely() {
    story(async |scene| {
        // The agent is in the middle of a sentence then, and what it has said ahead is in our queue.
        let talks = sim::ultravox::Script { ahead_ms: Some(2000), ..agent::who_says([agent::line(30_000)]) };
        let mut call = may_drain_for(scene, 3).agent(talks).place().await?;
        call.phone("the agent talks", |leg| leg.heard_voice_ms > 500).await?;
        let told = is_told_to_stop(&mut call).await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::Drained)?;
        let hang_ups = ended.agent()?.texts.iter().filter(|text| **text == r#"{"type":"hang_up"}"#).count();
        ensure!(hang_ups == 1, "the agent was told {hang_ups} times: {:?}", ended.agent()?.texts);
        let went_on = went_on_for(&ended, told)?;
        ensure!((4.5..14.0).contains(&went_on), "3 s, and two seconds of last words: {went_on} s");
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!(heard > 4.5, "the agent's last words are heard: {heard} s");
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::PlayingOut { queued_ms: 1000.. })));
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::SoundTotals { .. })), "not all is flushed");
        Ok(())
    });
}

#[test]
fn while_they_talk_and_the_agent_does_not_listen() {
    story(async |scene| {
        let mut call = may_drain_for(scene, 1).place().await?;
        call.is_talking().await?;
        call.vendor().goes_wrong(sim::ultravox::Trouble::Stall);
        let told = is_told_to_stop(&mut call).await?;
        let ended = call.ends_with_frozen_agent().await?;
        let went_on = went_on_for(&ended, told)?;
        // Its answer is waited for as long as last words may take.
        ensure!((5.9..14.0).contains(&went_on), "{went_on} s");
        ended.is_answered(EndReason::Drained)
    });
}

#[test]
fn while_they_talk_and_there_is_no_time() {
    story(async |scene| {
        let mut call = may_drain_for(scene, 0).place().await?;
        call.is_talking().await?;
        let told = is_told_to_stop(&mut call).await?;
        let ended = call.ends().await?;
        ensure!(went_on_for(&ended, told)? < 5.0);
        ended.is_answered(EndReason::Drained)
    });
}

#[test]
fn a_stop_timeout_that_is_none_is_complained_of() {
    story(async |scene| {
        let mut call = scene.arrange().env("STOP_TIMEOUT_SECONDS", "soon").place().await?;
        let code = call.task(0)?.exit(Duration::from_secs(10)).await?.code();
        ensure!(code == Some(2) && call.log(0).contains("STOP_TIMEOUT_SECONDS=soon"), "{}", call.log(0));
        Ok(())
    });
}
