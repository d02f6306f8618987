//! One line a fact: a title that never changes, and what is particular about this one.

mod sound;

use calls::fact::{Fact, NotNow, Speaker, TaskPhases};
use tracing::Level;

/// A fact as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How loud.
    pub level: Level,
    /// The same words for the same kind of fact.
    pub title: &'static str,
    /// What is particular about this one; may be empty.
    pub detail: String,
}

/// Puts a fact into words. Phone numbers are masked; transcripts are in it only if `words` allows them.
/// One arm a fact: a new fact does not compile until it has its line.
pub fn line(fact: &Fact, words: bool) -> Line {
    let (level, title, detail) = match fact {
        Fact::MessageAccepted { call_id, to, country } => {
            (Level::INFO, "message accepted", format!("call {call_id} to {to} ({country})"))
        }
        Fact::MessageRefused { code, path, detail } => {
            let path = path.as_ref().map(|path| format!(" at {path}")).unwrap_or_default();
            (Level::WARN, "message refused", format!("{code}{path}: {detail}"))
        }
        Fact::DuplicateMessage => {
            (Level::WARN, "duplicate message", "this call was taken up before; not dialed".into())
        }
        Fact::DuplicateDelivery => {
            (Level::INFO, "duplicate delivery", "goes on where its folder stands".into())
        }
        Fact::Continued { attempt } => (Level::INFO, "continued", format!("with attempt {attempt}")),
        Fact::AttemptClaimed { attempt, waited_ms } => {
            let waited = waited_ms.map(|ms| format!(", {:.1} s after its message", ms_to_s(ms)));
            (Level::INFO, "attempt claimed", format!("number {attempt}{}", waited.unwrap_or_default()))
        }
        Fact::TaskLaunched { task } => (Level::INFO, "task launched", task.clone()),
        Fact::ProfilesStale { age_seconds, detail } => (
            Level::WARN,
            "profiles not read again",
            format!("those of {age_seconds} s ago are used: {detail}"),
        ),
        Fact::TryAgain { detail } => (Level::WARN, "try again", detail.clone()),
        Fact::Deferred { why, delay_seconds } => {
            let why = match why {
                NotNow::CallHours => "outside the call hours",
                NotNow::TooManyCalls => "as many calls to this country as there may be",
                NotNow::TooManyPerSecond => "as many calls to this country a second as may begin",
            };
            (Level::INFO, "deferred", format!("{why}; comes again in {delay_seconds} s"))
        }
        Fact::TaskPhases(phases) => (Level::INFO, "task start", started(phases)),
        Fact::TaskStopped { task, detail } => (Level::WARN, "task stopped", format!("{task}: {detail}")),
        Fact::Settled { next } => (Level::INFO, "settled", format!("followed by: {next}")),
        Fact::Stuck { detail } => (Level::ERROR, "stuck", detail.clone()),
        Fact::JobTaken { country, to, room } => {
            let to = to.as_ref().map(|to| format!("{to} ")).unwrap_or_default();
            (Level::INFO, "job taken", format!("{to}({country}), room {room}"))
        }
        Fact::AgentCreated { agent_call_id, took_ms } => {
            (Level::INFO, "agent created", format!("{agent_call_id} in {took_ms} ms"))
        }
        Fact::AgentAskedToWait { status, wait_ms } => {
            (Level::WARN, "agent asks to wait", format!("HTTP {status}, {wait_ms} ms"))
        }
        Fact::AgentCreateFailed { detail } => (Level::ERROR, "no agent", detail.clone()),
        Fact::RoomJoined { took_ms } => (Level::INFO, "room joined", format!("in {took_ms} ms")),
        Fact::RoomJoinFailed { detail } => (Level::ERROR, "room not joined", detail.clone()),
        Fact::WaitingForCaller { room } => (Level::INFO, "waiting for a caller", format!("in room {room}")),
        Fact::DialClaimed => (Level::INFO, "dial claimed", "this task alone may ring".into()),
        Fact::Duplicate { detail } => (Level::WARN, "duplicate", detail.clone()),
        Fact::DialClaimFailed { detail } => (Level::ERROR, "no dial claim", detail.clone()),
        Fact::Dialing { to, trunk, ring_seconds, .. } => {
            (Level::INFO, "dialing", format!("{to} over {trunk}, ringing up to {ring_seconds} s"))
        }
        Fact::DialNotSent { detail } => (Level::ERROR, "dial not sent", detail.clone()),
        Fact::Ringing { after_ms } => (Level::INFO, "ringing", format!("after {after_ms} ms")),
        Fact::DialReplyLost { detail } => {
            (Level::WARN, "dial reply lost", format!("{detail}; the room will tell"))
        }
        Fact::DialFailed { detail, .. } => (Level::WARN, "dial failed", detail.clone()),
        Fact::CallerJoined { identity } => (Level::INFO, "caller joined", identity.to_string()),
        Fact::Answered { after_ms } => {
            (Level::INFO, "answered", format!("after {:.1} s", ms_to_s(*after_ms)))
        }
        Fact::AgentConnected { took_ms } => (Level::INFO, "agent connected", format!("in {took_ms} ms")),
        Fact::AgentStarted => (Level::DEBUG, "agent started", String::new()),
        Fact::BridgeActive => (Level::INFO, "bridge active", "sound flows both ways".into()),
        Fact::FirstAgentAudio { after_answer_ms } => {
            (Level::INFO, "first agent audio", format!("{after_answer_ms} ms after the answer"))
        }
        Fact::AgentState { state } => (Level::DEBUG, "agent state", state.clone()),
        Fact::Said { by, text } => {
            let title = match by {
                Speaker::Callee => "callee said",
                Speaker::Agent => "agent said",
            };
            (Level::INFO, title, spoken(text, words))
        }
        Fact::BargeIn { dropped_ms, tail_ms } => {
            let tail = tail_ms.map(|ms| format!(", silent after {ms} ms")).unwrap_or_default();
            (Level::INFO, "barge-in", format!("{dropped_ms} ms of queued speech thrown away{tail}"))
        }
        Fact::SoundSecond(second) => (Level::DEBUG, "sound, a second", sound::second(second)),
        Fact::NoPackets { after_answer_ms } => (
            Level::WARN,
            "no packets",
            format!("not one of the callee's in {:.0} s", ms_to_s(*after_answer_ms)),
        ),
        Fact::OnlySilence { after_answer_ms } => (
            Level::WARN,
            "only silence",
            format!(
                "packets come, but the callee is not heard, {:.0} s after the answer",
                ms_to_s(*after_answer_ms)
            ),
        ),
        Fact::OneWayAudio { after_answer_ms } => (
            Level::WARN,
            "one-way audio",
            format!(
                "the callee is heard, the agent is not, {:.0} s after the answer",
                ms_to_s(*after_answer_ms)
            ),
        ),
        Fact::NotTranscribed { after_answer_ms } => (
            Level::WARN,
            "not transcribed",
            format!(
                "the callee talks, the vendor has no word of it, {:.0} s after the answer",
                ms_to_s(*after_answer_ms)
            ),
        ),
        Fact::SoundHealed { trouble, after_answer_ms } => (
            Level::INFO,
            "sound healed",
            format!("{}, {:.0} s after the answer", sound::healed(*trouble), ms_to_s(*after_answer_ms)),
        ),
        Fact::AgentMessageIgnored { detail } => (Level::WARN, "agent message ignored", detail.clone()),
        // Never which: it may be the number of a card.
        Fact::Dtmf { .. } => (Level::INFO, "key pressed", String::new()),
        Fact::KeysSent { keys } => (Level::INFO, "keys sent", format!("{keys} for the agent")),
        Fact::TransferAsked { to } => (Level::INFO, "transfer asked for", format!("to {to}")),
        Fact::Transferred { to, took_ms } => {
            (Level::INFO, "transferred", format!("to {to} after {:.1} s", ms_to_s(*took_ms)))
        }
        Fact::TransferFailed { to, detail, .. } => {
            (Level::WARN, "transfer failed", format!("to {to}: {detail}"))
        }
        Fact::ToolFailed { tool, detail } => (Level::WARN, "tool failed", format!("{tool}: {detail}")),
        Fact::RoomReconnecting => (Level::WARN, "room reconnecting", "sound goes on meanwhile".into()),
        Fact::RoomResumed => (Level::INFO, "room resumed", String::new()),
        Fact::RoomRejoined { away_ms } => (Level::WARN, "room rejoined", format!("away for {away_ms} ms")),
        Fact::CalleeBack { after_ms } => (Level::INFO, "callee back", format!("{after_ms} ms after we were")),
        // Its reason may be its farewell.
        Fact::AgentHangUp { detail } => (Level::INFO, "agent hangs up", spoken(detail, words)),
        Fact::AgentClosed { clean, detail } => {
            (if *clean { Level::INFO } else { Level::ERROR }, "agent closed", detail.clone())
        }
        Fact::AgentSilent { silent_seconds } => {
            (Level::ERROR, "agent silent", format!("nothing came from it for {silent_seconds} s"))
        }
        Fact::AgentLoops { tool, calls } => {
            (Level::ERROR, "agent in a loop", format!("{calls} calls of tools, {tool} the last"))
        }
        Fact::PlayingOut { queued_ms } => (Level::INFO, "last words", format!("{queued_ms} ms to play")),
        Fact::CalleeGone { detail } => (Level::INFO, "callee gone", detail.clone()),
        Fact::RoomLost { detail } => (Level::ERROR, "room lost", detail.clone()),
        Fact::MaxDuration => (Level::WARN, "longest call over", String::new()),
        Fact::Draining => (Level::WARN, "told to stop", String::new()),
        Fact::Ending { outcome, reason, end_reason } => {
            let why = end_reason.map(|why| why.to_string()).or_else(|| reason.clone()).unwrap_or_default();
            (Level::INFO, "call ends", format!("{outcome}: {why}"))
        }
        Fact::RoomDeleted { took_ms } => {
            (Level::INFO, "room deleted", format!("in {took_ms} ms; nothing is left of it"))
        }
        Fact::RoomDeleteFailed { detail } => (Level::ERROR, "room not deleted", detail.clone()),
        Fact::Cost(cost) => (Level::INFO, "cost", cost.to_string()),
        Fact::AgentBilled { seconds } => (Level::INFO, "agent billed", format!("{seconds} s")),
        Fact::OutcomeWritten => (Level::INFO, "outcome written", String::new()),
        Fact::OutcomeNotWritten { detail } => (Level::ERROR, "outcome not written", detail.clone()),
        Fact::SoundTotals {
            callee_audio_seconds: callee,
            agent_audio_seconds: agent,
            callee_concealed_seconds: made_up,
            agent_concealed_seconds: holes,
        } => (
            Level::INFO,
            "sound",
            format!("callee {callee:.1} s, made up {made_up:.1} s; agent {agent:.1} s, holes {holes:.1} s"),
        ),
        Fact::RecordingNotStored { detail } => (Level::ERROR, "recording not stored", detail.clone()),
        Fact::Ignored { detail } => (Level::DEBUG, "ignored", detail.clone()),
    };
    Line { level, title, detail }
}

/// What somebody said, or, where nobody may read that, how much it was.
fn spoken(text: &str, words: bool) -> String {
    match text.chars().count() {
        0 => String::new(),
        _ if words => text.to_owned(),
        count => format!("{count} characters"),
    }
}

fn started(phases: &TaskPhases) -> String {
    let steps =
        [("provisioning", phases.provisioning_ms), ("pull", phases.pull_ms), ("process", phases.process_ms)];
    let steps = steps.into_iter().filter_map(|(name, ms)| Some(format!("{name} {:.1} s", ms_to_s(ms?))));
    steps.collect::<Vec<_>>().join(", ")
}

fn ms_to_s(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_shown_only_where_words_may_be() {
        let text = "Goodbye, Ana!".to_owned();
        let said = Fact::Said { by: Speaker::Agent, text: text.clone() };
        for fact in [said, Fact::AgentHangUp { detail: text.clone() }] {
            assert_eq!(line(&fact, true).detail, text);
            assert_eq!(line(&fact, false).detail, "13 characters");
        }
        assert_eq!(line(&Fact::AgentHangUp { detail: String::new() }, false).detail, "");
    }
}
