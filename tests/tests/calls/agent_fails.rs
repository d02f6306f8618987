//! The agent's vendor fails: before the dial nobody is rung, during the call the line is not kept open.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use jiff::Timestamp;
use sim::stack::Recording;
use sim::ultravox::{CreateStep, Script, Trouble};
use tests::ears::seconds_of;
use tests::{EndedCall, agent, story};

/// The longest that it takes to notice that nobody is at the other end of a socket that stays open.
const NOTICED_WITHIN_MS: i64 = 20_000;
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
        let call = scene.arrange().place().await?;
        call.is_talking().await?;
        let frozen = Timestamp::now();
        call.vendor().goes_wrong(Trouble::Stall);
        let ended = call.ends_with_frozen_agent().await?;
        ended.is_answered(EndReason::AgentClosed)?;
        let closed =
            ended.kept.facts.iter().find(|f| matches!(f.fact, Fact::AgentClosed { clean: false, .. }));
        let noticed = closed.context("it was not noticed")?.at;
        let after = noticed.as_millisecond() - frozen.as_millisecond();
        ensure!(after <= NOTICED_WITHIN_MS, "noticed after {after} ms");
        let over = ended.leg()?.ended_at_ms.context("the leg did not end")?;
        ensure!(over - noticed.as_millisecond() < LEFT_ALONE_MS, "noticed, and left alone on the line");
        Ok(())
    });
}

#[test]
fn an_agent_that_says_nothing_though_it_is_there_is_given_up() {
    story(async |scene| {
        let never = agent::with_trouble(agent::silent(), 0, Trouble::Mute);
        let arranged = scene.arrange().agent(never).profile("/agent/silenceSeconds", 3);
        let ended = arranged.place().await?.ends().await?;
        ended.is_answered(EndReason::SilenceWatchdog)?;
        ensure!(ended.has_fact(|fact| *fact == Fact::AgentSilent { silent_seconds: 3 }));
        let lasted = ended.outcome()?.duration_seconds.context("no duration")?;
        ensure!((3.0..9.0).contains(&lasted), "{lasted} s");
        Ok(())
    });
}

#[test]
fn what_an_agent_has_said_ahead_and_is_still_being_heard_is_no_silence() {
    story(async |scene| {
        // All of it within a moment, and nothing after.
        let script = agent::with_trouble(agent::who_says([agent::line(6000)]), 2500, Trouble::Mute);
        let call = scene.arrange().agent(script).profile("/agent/silenceSeconds", 3).place().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::SilenceWatchdog)?;
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 6.0).abs() < 0.2, "{heard:.2} s heard of 6 s");
        Ok(())
    });
}

/// The agent calls a tool that runs at our end.
fn calls_tool(id: u32) -> Trouble {
    Trouble::SendText(format!(
        r#"{{"type":"client_tool_invocation","toolName":"lookUp","invocationId":"i-{id}","parameters":{{}}}}"#
    ))
}

fn is_told_that_there_is_none(ended: &EndedCall, id: u32) -> anyhow::Result<()> {
    let result = format!(r#""invocationId":"i-{id}""#);
    let told: Vec<_> = ended.agent()?.texts.iter().filter(|text| text.contains(&result)).collect();
    ensure!(told.len() == 1, "tool call {id} has these answers: {told:?}");
    ensure!(told[0].contains("client_tool_result") && told[0].contains("errorType"), "{}", told[0]);
    Ok(())
}

#[test]
fn a_tool_that_nobody_knows_is_no_reason_to_end() {
    story(async |scene| {
        let script = agent::with_trouble(agent::who_says([agent::line(1000)]), 300, calls_tool(1));
        let call = scene.arrange().agent(script).place().await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        is_told_that_there_is_none(&ended, 1)?;
        ended.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn an_agent_that_calls_a_tool_again_and_again_is_sent_home() {
    story(async |scene| {
        let script = (0..30)
            .fold(agent::silent(), |script, id| agent::with_trouble(script, 500 + id * 100, calls_tool(id)));
        let ended = scene.arrange().agent(script).place().await?.ends().await?;
        ended.is_answered(EndReason::AgentClosed)?;
        ensure!(ended.has_fact(|fact| *fact == Fact::AgentLoops { tool: "lookUp".into(), calls: 11 }));
        let detail = ended.outcome()?.detail.as_deref().unwrap_or_default();
        ensure!(detail.contains("11 times") && detail.contains("lookUp"), "{detail}");
        (0..11).try_for_each(|id| is_told_that_there_is_none(&ended, id))?;
        let hang_ups = ended.agent()?.texts.iter().filter(|text| text.contains("hang_up")).count();
        ensure!(hang_ups == 1, "{:?}", ended.agent()?.texts);
        Ok(())
    });
}

#[test]
fn a_hang_up_that_is_asked_for_again_and_again_cuts_nothing_off() {
    story(async |scene| {
        let asks = |script, at_ms| {
            agent::with_trouble(script, at_ms, Trouble::SendText(r#"{"type":"hang_up"}"#.to_owned()))
        };
        // It asks before its goodbye is heard, goes on asking, and never closes its socket.
        let script =
            (0..10).fold(agent::who_says([agent::line(2500)]), |script, nth| asks(script, 2500 + nth * 20));
        let ended = scene.arrange().agent(script).place().await?.ends().await?;
        ended.is_answered(EndReason::AgentHangup)?;
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 2.5).abs() < 0.15, "{heard:.2} s heard of 2.5 s");
        let asked = ended.kept.facts.iter().filter(|f| matches!(f.fact, Fact::AgentHangUp { .. })).count();
        ensure!(asked == 10, "it asked {asked} times");
        let lasted = ended.outcome()?.duration_seconds.context("no duration")?;
        ensure!((7.0..12.0).contains(&lasted), "last words have their cap: {lasted} s");
        Ok(())
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
