//! The agent's vendor fails: before the dial nobody is rung, during the call the line is not kept open.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use sim::ultravox::{CreateStep, Script, Trouble};
use tests::{EndedCall, agent, story};

/// The longest that a person may be kept on a line without an agent.
const LEFT_ALONE_MS: i64 = 2_000;

#[test]
fn an_account_that_does_not_pay_rings_nobody() {
    story(async |scene| {
        let ended = scene.arrange().agent(agent::refused(402, 9)).place().await?.ends().await?;
        ensure!(ended.create_statuses == [402], "asked again: {:?}", ended.create_statuses);
        ended.is_failed_without_dial("agent-account")
    });
}

#[test]
fn a_busy_vendor_is_asked_again_when_it_says_so() {
    story(async |scene| {
        let busy =
            CreateStep { status: Some(429), retry_after: Some("2".to_owned()), ..CreateStep::default() };
        let call = scene.arrange().agent(Script { create: vec![busy], ..agent::silent() }).place().await?;
        call.is_talking().await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ensure!(ended.create_statuses == [429, 201], "{:?}", ended.create_statuses);
        let waited = |fact: &Fact| matches!(fact, Fact::AgentAskedToWait { status: 429, wait_ms: 2000.. });
        ensure!(ended.has_fact(waited), "{:#?}", ended.kept.facts);
        ended.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn a_vendor_that_is_busy_for_too_long_rings_nobody() {
    story(async |scene| {
        let busy =
            CreateStep { status: Some(429), retry_after: Some("300".to_owned()), ..CreateStep::default() };
        let call = scene.arrange().agent(Script { create: vec![busy], ..agent::silent() }).place().await?;
        let ended = call.ends().await?;
        ensure!(ended.create_statuses == [429], "asked again: {:?}", ended.create_statuses);
        ended.is_failed_without_dial("agent-busy")
    });
}

#[test]
fn a_vendor_in_trouble_rings_nobody() {
    story(async |scene| {
        let ended = scene.arrange().agent(agent::refused(500, 99)).place().await?.ends().await?;
        ended.is_failed_without_dial("agent-error")
    });
}

#[test]
fn an_agent_call_that_cannot_be_joined_rings_nobody() {
    story(async |scene| {
        let unjoinable = CreateStep { join_url: false, ..CreateStep::default() };
        let call =
            scene.arrange().agent(Script { create: vec![unjoinable], ..agent::silent() }).place().await?;
        call.ends().await?.is_failed_without_dial("agent-error")
    });
}

/// The person on the line notices at once, and the outcome says whose fault it was.
fn line_is_closed(ended: &EndedCall) -> anyhow::Result<()> {
    ended.is_answered(EndReason::AgentClosed)?;
    let died = ended.agent()?.ended.context("its socket did not end")?.as_millisecond();
    let closed = ended.leg()?.ended_at_ms.context("the leg did not end")?;
    ensure!(closed - died < LEFT_ALONE_MS, "left alone on the line for {} ms", closed - died);
    Ok(())
}

#[test]
fn an_agent_socket_that_dies_closes_the_line() {
    story(async |scene| {
        let dies = agent::with_trouble(agent::silent(), 1500, Trouble::Drop);
        line_is_closed(&scene.arrange().agent(dies).place().await?.ends().await?)
    });
}

#[test]
fn an_agent_that_fails_closes_the_line() {
    story(async |scene| {
        let fails = agent::with_trouble(agent::silent(), 1500, Trouble::Close(1011));
        line_is_closed(&scene.arrange().agent(fails).place().await?.ends().await?)
    });
}

#[test]
fn an_agent_that_has_frozen_is_noticed_though_its_socket_stays_open() {
    story(async |scene| {
        let freezes = agent::with_trouble(agent::silent(), 500, Trouble::Stall);
        let ended = scene.arrange().agent(freezes).place().await?.ends_with_frozen_agent().await?;
        ended.is_answered(EndReason::AgentClosed)
    });
}

#[test]
fn what_the_agent_sends_and_nobody_understands_changes_nothing() {
    story(async |scene| {
        let odd = ["[1, 2]", "{", r#"{"type":"of-tomorrow"}"#, r#"{"type":"of-tomorrow"}"#];
        let odd = odd.map(|text| Trouble::SendText(text.to_owned())).into_iter();
        let script = odd
            .chain([Trouble::SendLongText(200_000)])
            .fold(agent::who_says([agent::line(1000)]), |script, does| {
                agent::with_trouble(script, 300, does)
            });
        let call = scene.arrange().agent(script).place().await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        let noted =
            ended.kept.facts.iter().filter(|f| matches!(f.fact, Fact::AgentMessageIgnored { .. })).count();
        ensure!(noted == 4, "{noted} of 4 kinds noted: {:#?}", ended.kept.facts);
        ended.is_answered(EndReason::CalleeHangup)
    });
}
