//! Did the call go as scripted? Asked at both ends, and of the call folder.

use std::path::Path;

use calls::outcome::{EndReason, Outcome, OutcomeKind};
use cloud::call_folder::paths;

use super::call::Finished;
use super::cast::Part;
use super::screen::Screen;
use crate::stack::Recording;
use crate::ultravox::EndReason as AgentEnd;

/// Shows a check for everything that the script promises; `true` if all hold.
pub(super) fn judge(call: &Finished, part: Part, screen: &mut Screen) -> bool {
    let checks = match part {
        Part::Conversation => conversation(call),
        Part::Busy => busy(call),
        Part::Refused => vec![(false, "this message should have been refused".to_owned())],
    };
    for (passed, what) in &checks {
        screen.check(*passed, what);
    }
    checks.iter().all(|(passed, _)| *passed)
}

type Checks = Vec<(bool, String)>;

fn conversation(call: &Finished) -> Checks {
    let Some(outcome) = &call.outcome else { return vec![(false, "there is no outcome".into())] };
    let (heard, said) = call.recording.as_ref().map_or((0.0, 0.0), |recording| {
        (Recording::voice_seconds(&recording.heard), Recording::voice_seconds(&recording.said))
    });
    let reached =
        call.agent.as_ref().is_some_and(|agent| agent.callee_turns >= 4 && agent.level_received_dbfs > -45.0);
    let turns = call.agent.as_ref().map_or(0, |agent| agent.callee_turns);
    let clears = call.agent.as_ref().map_or(0, |agent| agent.clears_sent);
    let agent_end = call.agent.as_ref().and_then(|agent| agent.end_reason);
    let (goodbye, last_words) = (goodbye_seconds(), last_words_seconds(call));
    vec![
        (call.exit == 0, "bridge-task ended with exit code 0".into()),
        (call.phone.len() == 1, format!("the phone rang {}", times(call.phone.len()))),
        (outcome.outcome == OutcomeKind::Answered, "the call folder says: answered".into()),
        (heard > 6.0, format!("the phone heard {heard:.1} s of the agent")),
        (
            said > 4.0 && reached,
            format!("the agent heard the callee's {said:.1} s, in {}", turns_text(turns)),
        ),
        (
            outcome.barge_ins == 1 && clears == 1,
            format!("the callee interrupted the agent {}", times(outcome.barge_ins as usize)),
        ),
        (
            (last_words - goodbye).abs() < 0.2,
            format!("the goodbye was heard in full: {last_words:.1} s of {goodbye:.1} s"),
        ),
        (
            outcome.end_reason == Some(EndReason::AgentHangup) && agent_end == Some(AgentEnd::AgentHangup),
            "the agent hung up, and both sides say so".into(),
        ),
        (
            call.phone.iter().all(|leg| leg.ended_by == "room"),
            "the phone's leg was ended by the gateway".into(),
        ),
    ]
}

fn busy(call: &Finished) -> Checks {
    let Some(outcome) = &call.outcome else { return vec![(false, "there is no outcome".into())] };
    let says = format!(
        "the call folder says: not answered, {}{}",
        outcome.reason.as_deref().unwrap_or("without a reason"),
        outcome.sip_status.map(|code| format!(" (SIP {code})")).unwrap_or_default()
    );
    let is_busy = outcome.outcome == OutcomeKind::NotAnswered && outcome.reason.as_deref() == Some("busy");
    vec![
        (call.exit == 0, "bridge-task ended with exit code 0".into()),
        (call.phone.len() == 1, format!("the phone was dialed {}", times(call.phone.len()))),
        (is_busy && outcome.sip_status == Some(486), says),
        (!outcome.retryable, "it is not tried again: redialing belongs to the campaign".into()),
    ]
}

/// The figures of one call, and where everything about it is.
pub(super) fn summary(call: &Finished, run_dir: &Path, screen: &mut Screen) {
    if let Some(outcome) = call.outcome.as_ref().filter(|outcome| outcome.outcome == OutcomeKind::Answered) {
        figures(call, outcome, screen);
    }
    let folder = run_dir.join(paths::attempt_folder(&call.attempt).as_ref());
    screen.figure(&format!("call folder ({})", call.plan.profile.country), &super::shown(&folder));
}

fn figures(call: &Finished, outcome: &Outcome, screen: &mut Screen) {
    let seconds = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2} s"));
    let leg = call.phone.first();
    let at_phone = leg.and_then(|leg| Some((leg.answered_at_ms? - leg.dialed_at_ms) as f64 / 1000.0));
    screen.figure(
        "answer delay",
        &format!(
            "{} ({} at the phone, from the dial's arrival)",
            seconds(outcome.answer_delay_seconds),
            seconds(at_phone)
        ),
    );
    let heard =
        leg.and_then(|leg| Some((leg.heard_first_voice_at_ms? - leg.answered_at_ms?) as f64 / 1000.0));
    screen.figure(
        "first agent audio",
        &format!(
            "{} after the answer ({} at the phone, after the callee's own first word)",
            seconds(outcome.first_agent_audio_seconds),
            seconds(heard)
        ),
    );
    let tail = call.recording.as_ref().and_then(barge_in_tail);
    screen.figure(
        "barge-in tail",
        &format!("{} of the agent still heard under the callee's interruption", seconds(tail)),
    );
    screen.figure("duration", &seconds(outcome.duration_seconds));
    let who = match outcome.end_reason {
        Some(EndReason::AgentHangup) => "the agent".to_owned(),
        Some(EndReason::CalleeHangup) => "the callee".to_owned(),
        Some(other) => other.to_string(),
        None => "nobody knows".to_owned(),
    };
    screen.figure("who hung up", &who);
}

/// How long the agent is still heard at the phone after the callee began to talk over it: the detection
/// at the agent, the way there and the way back together.
fn barge_in_tail(recording: &Recording) -> Option<f64> {
    let heard = Recording::stretches(&recording.heard, 0.4);
    let begins = Recording::stretches(&recording.said, 0.5).into_iter().map(|(begin, _)| begin);
    let mut interrupted = begins.filter_map(|begin| {
        heard.iter().find(|(from, to)| *from < begin && begin < *to).map(|(_, to)| to - begin)
    });
    interrupted.next()
}

/// How long the goodbye is, as a phone would measure it.
fn goodbye_seconds() -> f64 {
    crate::ultravox::speech::pcm("agent-goodbye", Recording::RATE)
        .map_or(f64::INFINITY, |pcm| last_stretch(&pcm))
}

fn last_words_seconds(call: &Finished) -> f64 {
    call.recording.as_ref().map_or(0.0, |recording| last_stretch(&recording.heard))
}

/// The last thing said in `pcm`, pauses within a sentence included.
fn last_stretch(pcm: &[i16]) -> f64 {
    Recording::stretches(pcm, 0.6).last().map_or(0.0, |(from, to)| to - from)
}

fn times(count: usize) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{count} times"),
    }
}

fn turns_text(turns: u32) -> String {
    format!("{turns} turn{}", if turns == 1 { "" } else { "s" })
}
