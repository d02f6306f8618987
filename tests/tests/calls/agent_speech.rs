//! What the agent says is heard whole, however it comes; and not at all once the callee talks over it.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use sim::stack::{Recording, Step};
use sim::ultravox::{EndReason as AgentEnd, Script, Trouble};
use tests::ears::seconds_of;
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
fn messages_of_200_ms_in_real_time() {
    is_heard_in_full(2000, Script { message_ms: 200, ahead_ms: Some(0), ..Script::default() });
}

#[test]
fn messages_of_1_s_at_the_vendors_own_pace() {
    is_heard_in_full(3000, Script { message_ms: 1000, ahead_ms: Some(60), ..Script::default() });
}

#[test]
fn messages_at_the_vendors_own_pace() {
    is_heard_in_full(2000, Script { ahead_ms: Some(60), ..Script::default() });
}

#[test]
fn messages_of_10_ms_at_the_vendors_own_pace() {
    is_heard_in_full(2000, Script { message_ms: 10, ahead_ms: Some(60), ..Script::default() });
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
fn messages_of_odd_sizes() {
    for bytes in [333, 1279, 9001] {
        is_heard_in_full(1000, Script { message_bytes: Some(bytes), ..Script::default() });
    }
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

/// By how much the agent's sound was behind when it had sent the last of `lines` in real time. Its connection stalls for
/// 400 ms in the first, and all of that comes at once.
fn behind_ms_after_a_stall(lines: &[u32], is_right: impl Fn(u64) -> bool + Send + 'static) {
    let lines: Vec<_> = lines.iter().map(|ms| agent::line(*ms)).collect();
    let said: f64 = 1.5 * lines.len() as f64;
    story(async |scene| {
        let script = Script { ahead_ms: Some(0), hang_up: true, ..agent::who_says(lines) };
        let script = agent::with_trouble(script, 600, Trouble::HoldUp(400));
        let person = person::who([Step::wait(2500), person::talk(600)]);
        let arranged = scene.arrange().person(person).agent(script);
        let ended = arranged.profile("/agent/firstSpeaker", "agent").place().await?.ends().await?;
        ended.is_answered(EndReason::AgentHangup)?;
        let behind_ms = ended.kept.facts.iter().find_map(|recorded| match recorded.fact {
            Fact::PlayingOut { queued_ms } => Some(queued_ms),
            _ => None,
        });
        let behind_ms = behind_ms.context("nothing was played out")?;
        ensure!(is_right(behind_ms), "{behind_ms} ms behind");
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        // The phone hears a moment less than was said: it subscribes when it has answered.
        ensure!((said - 0.4..said + 0.1).contains(&heard), "{heard:.2} s heard of {said} s");
        Ok(())
    });
}

#[test]
fn while_the_agent_goes_on_after_a_stall_it_is_behind() {
    behind_ms_after_a_stall(&[1500], |behind_ms| behind_ms > 250);
}

#[test]
fn the_delay_of_a_stall_is_won_back_at_the_next_pause() {
    behind_ms_after_a_stall(&[1500, 1500], |behind_ms| behind_ms < 200);
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
