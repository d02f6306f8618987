//! What the agent says is heard whole, however it comes; and not at all once the callee talks over it.

use anyhow::{Context as _, ensure};
use calls::outcome::EndReason;
use sim::stack::{Recording, Step};
use sim::ultravox::{EndReason as AgentEnd, Script};
use tests::ears::{seconds_of, span_of};
use tests::{agent, person, story};

/// The agent talks for so long, in messages of one kind, and hangs up at once: every word is heard.
fn is_heard_in_full(ms: u32, script: Script) {
    story(async |scene| {
        let script = Script { lines: vec![agent::line(ms)], hang_up: true, ..script };
        let ended = scene.arrange().agent(script).place().await?.ends().await?;
        ended.is_answered(EndReason::AgentHangup)?;
        ensure!(ended.agent()?.end_reason == Some(AgentEnd::AgentHangup), "{:#?}", ended.agent);
        let (heard, said) =
            (seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ), f64::from(ms) / 1000.0);
        ensure!((heard - said).abs() < 0.1, "{heard:.2} s heard of {said} s");
        Ok(())
    });
}

#[test]
fn the_goodbye_is_heard_before_the_agent_hangs_up() {
    // Sent at real pace, so only its end waits in our queue.
    is_heard_in_full(1500, Script { ahead_ms: Some(0), ..Script::default() });
}

#[test]
fn a_vendor_that_does_not_know_at_once_why_it_ended_is_asked_again() {
    is_heard_in_full(1500, Script { ahead_ms: Some(0), unsure_why: 2, ..Script::default() });
}

#[test]
fn the_goodbye_is_heard_though_it_was_sent_seconds_ahead() {
    is_heard_in_full(3000, Script::default());
}

#[test]
fn messages_of_10_ms() {
    is_heard_in_full(2000, Script { message_ms: 10, ..Script::default() });
}

#[test]
fn messages_of_5_s() {
    is_heard_in_full(4900, Script { message_ms: 5000, ..Script::default() });
}

#[test]
fn messages_that_split_samples() {
    is_heard_in_full(2000, Script { message_bytes: Some(641), ..Script::default() });
}

#[test]
fn a_long_speech_in_messages_of_5_s_is_heard_in_full() {
    story(async |scene| {
        let script = Script { message_ms: 5000, ..agent::who_says([agent::line(12_000)]) };
        let call = scene.arrange().agent(script).place().await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 11_900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 12.0).abs() < 0.15, "{heard:.2} s heard of 12 s");
        ended.is_answered(EndReason::CalleeHangup)
    });
}

/// The agent is ten seconds ahead when the callee interrupts it after one; its answer comes whole.
fn barges_in(script: Script) {
    story(async |scene| {
        let interrupts = [Step::wait_for_voice(10_000), Step::wait(1000), person::talk(1000)];
        let person = person::who([Step::wait(300), person::talk(600)].into_iter().chain(interrupts));
        let script = Script { lines: vec![agent::line(10_000), agent::line(1000)], hang_up: true, ..script };
        let ended = scene.arrange().person(person).agent(script).place().await?.ends().await?;

        ended.is_answered(EndReason::AgentHangup)?;
        ensure!(ended.outcome()?.barge_ins == 1, "{:#?}", ended.outcome()?);
        let (heard, said) = (ended.heard()?, ended.said()?);
        let talks_again =
            span_of(said, Recording::RATE, person::TONE_HZ).context("the person said nothing")?.1 - 1.0;
        let begin = (talks_again * Recording::RATE.hz() as f64) as usize;
        let before = seconds_of(&heard[..begin], Recording::RATE, agent::TONE_HZ);
        ensure!((0.8..2.0).contains(&before), "{before:.2} s of speech before the interruption");
        let after = seconds_of(&heard[begin..], Recording::RATE, agent::TONE_HZ);
        ensure!((1.0..2.0).contains(&after), "{after:.2} s heard after it: the answer has 1 s");
        Ok(())
    });
}

#[test]
fn a_callee_who_interrupts_is_not_talked_over() {
    barges_in(Script::default());
}

#[test]
fn the_clear_message_in_its_other_spelling() {
    barges_in(Script { camel_case_clear: true, ..Script::default() });
}

#[test]
fn a_prompt_of_40_kb_arrives_whole() {
    story(async |scene| {
        let prompt = "Você confirma uma consulta. ".repeat(40_000 / 29 + 1);
        ensure!(prompt.len() >= 40_000);
        let call = scene.arrange().prompt(prompt.clone()).place().await?;
        call.is_talking().await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        let told = ended.agent()?.request["systemPrompt"].as_str().context("no prompt")?.to_owned();
        ensure!(told.starts_with(prompt.trim_end()), "the agent was told {} bytes", told.len());
        ended.is_answered(EndReason::CalleeHangup)
    });
}
