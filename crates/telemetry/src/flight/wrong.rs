//! What went wrong in a call: every trouble with its time, and what to do about it.

use calls::fact::{Fact, SoundTrouble};
use calls::outcome::{EndReason, Outcome, OutcomeKind};
use calls::sound::SoundSecond;
use jiff::Timestamp;
use serde::Serialize;

use super::findings::{first_word, meaning, plain};
use super::{Attempt, Bearing, entry};

/// Under this mean opinion score many complain (ITU-T G.107, annex B).
const BAD_MOS: f64 = 3.6;
/// From this loss on words are torn, whatever is rebuilt.
const BAD_LOSS_PERCENT: f64 = 5.0;
/// Frames of 20 ms that make half a second: fewer are heard as a click at most.
const HALF_A_SECOND: u32 = 25;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wrong {
    /// In which attempt.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Until when, if it was over before the call was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What, in a few words.
    pub what: String,
    /// What is particular about it; may be empty.
    pub detail: String,
    /// What to do about it.
    pub to_do: String,
    /// How often; the time is that of the first.
    pub times: usize,
}

/// The same trouble over and over is told once.
pub(super) fn together(all: impl IntoIterator<Item = Wrong>) -> Vec<Wrong> {
    let mut told: Vec<Wrong> = Vec::new();
    for wrong in all {
        let is_same = |it: &&mut Wrong| {
            (it.attempt, &it.what, &it.detail) == (wrong.attempt, &wrong.what, &wrong.detail)
        };
        match told.iter_mut().find(is_same) {
            Some(same) => (same.times, same.until) = (same.times + 1, wrong.until),
            None => told.push(wrong),
        }
    }
    told
}

/// All that went wrong in an attempt, in order of time.
pub(super) fn wrong(attempt: &Attempt) -> Vec<Wrong> {
    let mut found: Vec<Wrong> = Vec::new();
    let mut cause_is_told = false;
    let outcome_to_do = attempt.outcome.as_ref().and_then(|outcome| Some(meaning(outcome)?.to_do));
    for (nth, (at, fact)) in attempt.facts.iter().enumerate() {
        let entry = entry(fact);
        let Bearing::Trouble(to_do) = entry.bearing else { continue };
        cause_is_told |= to_do.is_none();
        found.push(Wrong {
            attempt: attempt.number,
            at: *at,
            until: over_at(fact, &attempt.facts[nth..]),
            what: first_word(entry.title),
            detail: entry.detail,
            to_do: plain(to_do.or(outcome_to_do).unwrap_or("the task's log")),
            times: 1,
        });
    }
    if let Some(outcome) = &attempt.outcome {
        if ended_wrongly(outcome) && !cause_is_told {
            found.push(of_outcome(attempt, outcome));
        }
        found.extend(bad_line(attempt, outcome));
    }
    found.extend(HOPS.iter().filter_map(|hop| hop.wrong(attempt)));
    found.sort_by_key(|wrong| wrong.at);
    found
}

/// When a trouble was over, if what came later says so.
fn over_at(trouble: &Fact, later: &[(Timestamp, Fact)]) -> Option<Timestamp> {
    let heals = |fact: &Fact| match (trouble, fact) {
        (Fact::NoPackets { .. }, Fact::SoundHealed { trouble, .. }) => *trouble == SoundTrouble::NoPackets,
        (Fact::OnlySilence { .. }, Fact::SoundHealed { trouble, .. }) => {
            *trouble == SoundTrouble::OnlySilence
        }
        (Fact::OneWayAudio { .. }, Fact::SoundHealed { trouble, .. }) => {
            *trouble == SoundTrouble::OneWayAudio
        }
        (Fact::NotTranscribed { .. }, Fact::SoundHealed { trouble, .. }) => {
            *trouble == SoundTrouble::NotTranscribed
        }
        (Fact::RoomReconnecting, Fact::RoomResumed | Fact::CalleeBack { .. }) => true,
        (Fact::AgentAskedToWait { .. }, Fact::AgentCreated { .. }) => true,
        _ => false,
    };
    later.iter().find(|(_, fact)| heals(fact)).map(|(at, _)| *at)
}

/// Not what people do, and not what was agreed.
fn ended_wrongly(outcome: &Outcome) -> bool {
    match outcome.outcome {
        OutcomeKind::NotAnswered | OutcomeKind::Deferred => false,
        OutcomeKind::Failed | OutcomeKind::Unknown => true,
        OutcomeKind::Answered => outcome.end_reason.is_none_or(|reason| match reason {
            EndReason::CalleeHangup
            | EndReason::AgentHangup
            | EndReason::Transferred
            | EndReason::MaxDuration
            | EndReason::Operator => false,
            EndReason::AgentClosed
            | EndReason::SilenceWatchdog
            | EndReason::RoomLost
            | EndReason::MediaLost
            | EndReason::BridgeError
            | EndReason::Drained
            | EndReason::Unknown => true,
        }),
    }
}

fn of_outcome(attempt: &Attempt, outcome: &Outcome) -> Wrong {
    let meaning = meaning(outcome);
    let word = outcome.end_reason.map(EndReason::as_str).or(outcome.reason.as_deref());
    Wrong {
        attempt: attempt.number,
        at: outcome.ended_at,
        until: None,
        what: first_word(word.unwrap_or(outcome.outcome.as_str())),
        detail: outcome.detail.clone().unwrap_or_else(|| plain(meaning.map_or("", |it| it.means))),
        to_do: plain(meaning.map_or("the task's log", |it| it.to_do)),
        times: 1,
    }
}

/// The callee's sound was bad on its way to us.
fn bad_line(attempt: &Attempt, outcome: &Outcome) -> Option<Wrong> {
    let (mos, loss) = (outcome.mos?, outcome.loss_percent?);
    if mos >= BAD_MOS && loss < BAD_LOSS_PERCENT {
        return None;
    }
    let lossy = |fact: &Fact| matches!(fact, Fact::SoundSecond(second) if second.trunk_to_room.lost > 0);
    Some(Wrong {
        attempt: attempt.number,
        at: attempt.find(lossy).unwrap_or(outcome.ended_at),
        until: None,
        what: "Bad line".to_owned(),
        detail: format!(
            "{loss:.1} % of the callee's packets were lost on the way to us; MOS {mos:.1} of 4.4"
        ),
        to_do: "one call: its telephone; a country: its trunk; everywhere: LiveKit or the network to it"
            .to_owned(),
        times: 1,
    })
}

/// Somewhere on our side of the call sound was lost or made up.
struct Hop {
    frames: fn(&SoundSecond) -> u32,
    what: &'static str,
    detail: &'static str,
    to_do: &'static str,
}

const HOPS: [Hop; 3] = [
    Hop {
        frames: |second| second.room_to_agent.late,
        what: "Sound for the agent thrown away",
        detail: "its socket was too slow",
        to_do: "the network to the vendor; the vendor's status page",
    },
    Hop {
        frames: |second| second.queue_to_room.lost,
        what: "Our process stood still",
        detail: "the callee heard a gap",
        to_do: "the machine: too many calls on it, or another program beside it",
    },
    Hop {
        frames: |second| second.queue_to_room.concealed,
        what: "Holes in the agent's speech",
        detail: "it came too slowly from the vendor",
        to_do: "the vendor's pace; the network from it",
    },
];

impl Hop {
    fn wrong(&self, attempt: &Attempt) -> Option<Wrong> {
        let seconds = attempt.facts.iter().filter_map(|(at, fact)| match fact {
            Fact::SoundSecond(second) => Some((*at, (self.frames)(second))),
            _ => None,
        });
        let bad: Vec<(Timestamp, u32)> = seconds.filter(|(_, frames)| *frames > 0).collect();
        let frames: u32 = bad.iter().map(|(_, frames)| frames).sum();
        let at = bad.iter().max_by_key(|(_, frames)| *frames)?.0;
        (frames >= HALF_A_SECOND).then(|| Wrong {
            attempt: attempt.number,
            at,
            until: None,
            what: self.what.to_owned(),
            detail: format!("{}: {:.1} s in all, most of it here", self.detail, f64::from(frames) / 50.0),
            to_do: self.to_do.to_owned(),
            times: 1,
        })
    }
}
