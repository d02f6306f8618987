//! Were both sides heard?

use calls::fact::Fact;
use calls::outcome::OutcomeKind;

use super::Attempt;

/// Less of a side in all is noise, not speech.
const HEARD_SECONDS: f64 = 0.2;
/// A frame of the counters.
const FRAME_SECONDS: f64 = 0.02;

/// Who was heard, seconds of each; from the counters where there is no outcome yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) callee_seconds: f64,
    pub(super) agent_seconds: f64,
}

impl Heard {
    pub(super) fn of(attempt: &Attempt) -> Self {
        if let Some(outcome) = &attempt.outcome
            && outcome.outcome == OutcomeKind::Answered
        {
            return Self {
                callee_seconds: outcome.callee_audio_seconds,
                agent_seconds: outcome.agent_audio_seconds,
            };
        }
        let mut heard = Self::default();
        for (_, fact) in &attempt.facts {
            if let Fact::SoundSecond(second) = fact {
                heard.callee_seconds += f64::from(second.room_to_agent.loud()) * FRAME_SECONDS;
                heard.agent_seconds += f64::from(second.queue_to_room.loud()) * FRAME_SECONDS;
            }
        }
        heard
    }

    pub(super) fn callee(self) -> bool {
        self.callee_seconds >= HEARD_SECONDS
    }

    pub(super) fn agent(self) -> bool {
        self.agent_seconds >= HEARD_SECONDS
    }
}

/// The answer in a sentence or two.
pub(super) fn in_words(attempt: &Attempt) -> String {
    if attempt.answered_at().is_none() {
        return match attempt.outcome {
            Some(_) => "No: nobody answered, so nobody talked.".to_owned(),
            None => "Nobody has answered yet.".to_owned(),
        };
    }
    let heard = Heard::of(attempt);
    let Heard { callee_seconds, agent_seconds } = heard;
    match (heard.callee(), heard.agent()) {
        (true, true) => {
            format!(
                "Yes: {callee_seconds:.1} s of the callee went to the agent, {agent_seconds:.1} s of the agent to the callee."
            )
        }
        (false, true) => format!(
            "No: the agent was heard ({agent_seconds:.1} s), the callee was not: {}.",
            why_no_callee(attempt)
        ),
        (true, false) => format!(
            "No: the callee was heard ({callee_seconds:.1} s), the agent was not: not a sound of it went out."
        ),
        (false, false) => format!("No: neither was. Of the callee: {}.", why_no_callee(attempt)),
    }
}

fn why_no_callee(attempt: &Attempt) -> &'static str {
    let packets = attempt.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::SoundSecond(second) => Some(second.packets),
        _ => None,
    });
    if packets.sum::<u32>() == 0 {
        "no packet of its voice came"
    } else {
        "its packets held nothing but silence"
    }
}
