//! What a call tells about its sound: what passed each hop in each second, what is wrong, and the mark that it gets.

use anyhow::{Result, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use calls::sound::{HopSecond, SoundSecond};
use sim::stack::{Script, Step};
use tests::{EndedCall, agent, person, story};

fn seconds(ended: &EndedCall) -> Vec<SoundSecond> {
    let facts = ended.kept.facts.iter();
    let second = |fact: &Fact| match fact {
        Fact::SoundSecond(second) => Some(*second),
        _ => None,
    };
    facts.filter_map(|recorded| second(&recorded.fact)).collect()
}

/// What is told to be wrong, in order, by the name of its fact.
fn troubles(ended: &EndedCall) -> Vec<&'static str> {
    let name = |fact: &Fact| match fact {
        Fact::NoPackets { .. } => Some("no-packets"),
        Fact::OnlySilence { .. } => Some("only-silence"),
        Fact::OneWayAudio { .. } => Some("one-way-audio"),
        Fact::NotTranscribed { .. } => Some("not-transcribed"),
        Fact::SoundHealed { .. } => Some("sound-healed"),
        _ => None,
    };
    ended.kept.facts.iter().filter_map(|recorded| name(&recorded.fact)).collect()
}

fn sum(seconds: &[SoundSecond], of: impl Fn(&SoundSecond) -> u32) -> u32 {
    seconds.iter().map(of).sum()
}

/// One second a second, within a tenth and the quarter of a second by which the counting begins and ends apart.
fn is_constant(what: &str, frames: u32, ended: &EndedCall) -> Result<()> {
    let wanted = ended.outcome()?.duration_seconds.unwrap_or_default() * 50.0;
    let within = wanted * 0.1 + 12.0;
    ensure!((f64::from(frames) - wanted).abs() < within, "{what}: {frames} frames of {wanted:.0}");
    Ok(())
}

#[test]
fn every_second_of_a_call_is_counted_at_every_hop() {
    story(async |scene| {
        let call = scene.arrange().agent(agent::who_says([agent::line(2000)])).place().await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 1900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;

        let seconds = seconds(&ended);
        let duration = ended.outcome()?.duration_seconds.unwrap_or_default();
        ensure!((seconds.len() as f64 - duration).abs() < 2.0, "{} seconds of {duration} s", seconds.len());
        for (hop, of) in [
            ("trunk→room", (|second| second.trunk_to_room) as fn(&SoundSecond) -> HopSecond),
            ("room→agent", |second| second.room_to_agent),
            ("queue→room", |second| second.queue_to_room),
        ] {
            is_constant(hop, sum(&seconds, |second| of(second).frames), &ended)?;
        }
        let said = sum(&seconds, |second| second.agent_to_queue.frames);
        ensure!((98..=102).contains(&said), "{said} frames of the agent's two seconds were queued");
        let played = sum(&seconds, |second| second.queue_to_room.loud());
        ensure!((95..=105).contains(&played), "{played} frames of the agent's two seconds were played");
        let heard = sum(&seconds, |second| second.room_to_agent.loud());
        ensure!((45..=58).contains(&heard), "{heard} frames of the callee's one second were heard");
        ensure!(seconds.iter().any(|second| second.queued_ms > 500), "the agent runs ahead: {seconds:#?}");
        let loudest = seconds.iter().filter_map(|second| second.room_to_agent.level_dbfs).max();
        ensure!(loudest.is_some_and(|level| level > -30), "{loudest:?} dBFS");

        ensure!(troubles(&ended).is_empty(), "{:?}", troubles(&ended));
        let outcome = ended.outcome()?;
        ensure!(outcome.mos.is_some_and(|mos| mos > 4.2), "{outcome:#?}");
        ensure!(outcome.loss_percent.is_some_and(|loss| loss < 1.0), "{outcome:#?}");
        ensure!(outcome.jitter_ms.is_some_and(|jitter_ms| jitter_ms < 30.0), "{outcome:#?}");
        Ok(())
    });
}

#[test]
fn what_is_lost_on_the_way_is_counted_and_costs_the_call_its_mark() {
    story(async |scene| {
        let person = Script {
            loss: Some(0.1),
            seed: Some(7),
            hang_up_after_ms: Some(8000),
            ..person::who([Step::wait(300), person::talk(4000)])
        };
        let call = scene.arrange().person(person).agent(agent::who_says([agent::line(1000)])).place().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;

        let seconds = seconds(&ended);
        let packets = sum(&seconds, |second| second.packets);
        let lost = sum(&seconds, |second| second.trunk_to_room.lost);
        let recovered = sum(&seconds, |second| second.trunk_to_room.recovered);
        let share = f64::from(lost) * 100.0 / f64::from(packets + lost);
        ensure!((5.0..16.0).contains(&share), "{lost} lost, {packets} came");
        ensure!(recovered <= lost, "{recovered} of {lost} recovered");
        let filled = sum(&seconds, |second| second.room_to_agent.frames);
        is_constant("room→agent", filled, &ended)?;
        let outcome = ended.outcome()?;
        ensure!(
            outcome.loss_percent.is_some_and(|loss| (loss - share).abs() < 0.01),
            "{share}: {outcome:#?}"
        );
        ensure!(outcome.mos.is_some_and(|mos| mos < 4.3), "{outcome:#?}");

        let told: Vec<f64> = seconds.iter().filter_map(|second| second.round_trip_ms).collect();
        ensure!(!told.is_empty() && told.iter().all(|ms| (0.0..1000.0).contains(ms)), "{told:?}");
        let round_trip_ms = told.iter().sum::<f64>() / told.len() as f64;
        let torn = f64::from(lost - recovered) * 100.0 / f64::from(packets + lost);
        let mos = audio::mos::estimate(torn, Some(round_trip_ms));
        ensure!(outcome.mos.is_some_and(|told| (told - mos).abs() < 0.006), "{mos}: {outcome:#?}");
        Ok(())
    });
}

/// Who does this and hears nothing of an agent that waits to be talked to, until it hangs up.
fn is_told_of(steps: impl IntoIterator<Item = Step>, hangs_up_after_ms: u64, wanted: &[&str]) {
    let person = Script { hang_up_after_ms: Some(hangs_up_after_ms), ..person::who(steps) };
    story(async |scene| {
        let ended = scene.arrange().person(person).place().await?.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;
        ensure!(troubles(&ended) == wanted, "{:?} is told: {:#?}", troubles(&ended), seconds(&ended));
        Ok(())
    });
}

#[test]
fn a_telephone_that_sends_nothing_is_told_of_and_nothing_else() {
    is_told_of([Step::stop_sending()], 7000, &["no-packets"]);
}

#[test]
fn a_telephone_that_sends_only_silence_is_told_of_and_nothing_else() {
    is_told_of([], 12_000, &["only-silence"]);
}

#[test]
fn an_agent_of_whom_the_callee_hears_nothing_is_told_of_and_nothing_else() {
    is_told_of([Step::wait(300), person::talk(1000)], 14_000, &["one-way-audio"]);
}

#[test]
fn a_callee_whose_words_the_vendor_does_not_understand_is_told_of_and_nothing_else() {
    let person =
        Script { hang_up_after_ms: Some(25_000), ..person::who([Step::wait(300), person::talk(5000)]) };
    story(async |scene| {
        let lines = [agent::line(500), agent::line(1000)];
        let agent = sim::ultravox::Script { understands_nothing: true, ..agent::who_says(lines) };
        let ended = scene.arrange().person(person).agent(agent).place().await?.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;
        ensure!(troubles(&ended) == ["not-transcribed"], "{:?}: {:#?}", troubles(&ended), seconds(&ended));
        Ok(())
    });
}

#[test]
fn a_callee_who_mutes_the_telephone_during_the_call_is_told_of_by_nothing() {
    let steps = [Step::wait(300), person::talk(1000), Step::wait_for_voice(10_000), Step::mute(12_000)];
    let person = Script { hang_up_after_ms: Some(14_000), ..person::who(steps) };
    story(async |scene| {
        let agent = agent::who_says([agent::line(1000)]);
        let ended = scene.arrange().person(person).agent(agent).place().await?.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)?;
        ensure!(troubles(&ended).is_empty(), "{:?} is told", troubles(&ended));
        // The agent gets its second a second all the same.
        is_constant("room→agent", sum(&seconds(&ended), |second| second.room_to_agent.frames), &ended)
    });
}
