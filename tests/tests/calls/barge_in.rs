//! A callee who interrupts is not talked over, however far the agent has sent ahead.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use sim::stack::{Recording, Step};
use sim::ultravox::{Script, Trouble};
use tests::ears::{seconds_of, span_of};
use tests::{agent, person, story};

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

/// The agent clears its sound three seconds after its socket was opened, so far ahead of playback.
fn nothing_stale_is_heard(ahead_ms: u32, cut_ms: std::ops::Range<u64>) {
    story(async |scene| {
        let script = Script { ahead_ms: Some(ahead_ms), ..agent::who_says([agent::line(30_000)]) };
        let script = agent::with_trouble(script, 3000, Trouble::Clear);
        let arranged = scene.arrange().person(person::who([])).agent(script);
        let call = arranged.profile("/agent/firstSpeaker", "agent").place().await?;
        call.agent("it has cleared", |agent| agent.clears_sent == 1).await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;

        let cut = ended.kept.facts.iter().find_map(|recorded| match recorded.fact {
            Fact::BargeIn { dropped_ms, tail_ms } => {
                Some((recorded.at.as_millisecond(), dropped_ms, tail_ms))
            }
            _ => None,
        });
        let (cut_at_ms, dropped_ms, own_tail_ms) = cut.context("nothing was cut")?;
        ensure!(cut_ms.contains(&dropped_ms), "{dropped_ms} ms were cut");
        let own_tail_ms = own_tail_ms.context("its tail is not told")?;
        ensure!(own_tail_ms < 100, "the last stale packet left us {own_tail_ms} ms after the clear");
        let heard_until_ms = ended.leg()?.heard_last_voice_at_ms.context("nothing was heard")?;
        // Our own tail is 20 ms; the SIP node plays up to 100 ms behind, and the line's clock is 20 ms.
        let tail_ms = heard_until_ms - cut_at_ms;
        ensure!(tail_ms < 200, "heard until {tail_ms} ms after the clear");
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((2.2..3.2).contains(&heard), "{heard:.2} s heard of 3 s");
        Ok(())
    });
}

#[test]
fn nothing_stale_is_heard_of_an_agent_100_ms_ahead() {
    nothing_stale_is_heard(100, 1..120);
}

#[test]
fn nothing_stale_is_heard_of_an_agent_half_a_minute_ahead() {
    nothing_stale_is_heard(30_000, 26_000..28_000);
}
