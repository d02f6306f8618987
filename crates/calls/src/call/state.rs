//! The states of a call, each with the data that only it has.

use std::time::{Duration, Instant};

use super::PREPARE_CAP;
use crate::outcome::{EndReason, Ending};
use crate::plan::{CallPlan, Leg};

#[derive(Debug)]
pub(super) enum State {
    /// Joining the room and having the agent created, at the same time.
    Preparing { room: bool, agent: bool, until: Instant },
    /// Everything is ready; asking for the permission to ring.
    Claiming { drain: bool, until: Instant },
    /// The dial request is on its way or the phone rings.
    Dialing(Dialing),
    /// Inbound: in the room, or about to be, until a caller is connected.
    WaitingForCaller { caller: bool, agent: bool },
    /// Answered.
    Talking(Talk),
    /// The agent has ended the call; its last words are being played.
    LastWords(LastWords),
    /// Failed before the dial; the claim that says so is asked for.
    GivingUp { ending: Ending, until: Instant },
    /// Tidying up.
    Closing(Closing),
    /// The outcome is being written.
    Storing { until: Instant },
    /// Nothing more to come.
    Over,
}

#[derive(Debug)]
pub(super) struct Dialing {
    pub(super) since: Instant,
    pub(super) rang: bool,
    pub(super) reply_lost: bool,
    pub(super) guard: Instant,
}

#[derive(Debug)]
pub(super) struct LastWords {
    pub(super) talk: Talk,
    pub(super) reason: EndReason,
    pub(super) socket_open: bool,
    pub(super) played: bool,
    /// The vendor is asked why, and waited for until then.
    pub(super) why_by: Option<Instant>,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Closing {
    /// `None`: this task may not write an outcome.
    pub(super) ending: Option<Ending>,
    pub(super) room_gone: bool,
    /// While the phone's leg may still come up, or back, and make the room anew: delete it again then.
    pub(super) delete_again: Option<Instant>,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) answered: Instant,
    pub(super) answer_delay: Duration,
    pub(super) agent_created: bool,
    pub(super) agent_connected: bool,
    pub(super) callee_heard: bool,
    pub(super) bridge_active: bool,
    pub(super) first_agent_audio: Option<Duration>,
    pub(super) barge_ins: u32,
    /// The room is lost, the phone's leg perhaps not.
    pub(super) leg_may_return: bool,
}

impl State {
    pub(super) fn first(plan: &CallPlan, claim_by: Option<Instant>, now: Instant) -> Self {
        if plan.leg == Leg::Inbound {
            return Self::WaitingForCaller { caller: false, agent: false };
        }
        let cap = now + PREPARE_CAP;
        Self::Preparing {
            room: false,
            agent: false,
            until: claim_by.map_or(cap, |claim_by| claim_by.min(cap)),
        }
    }

    pub(super) fn deadline(&self, max_call: Duration) -> Option<Instant> {
        match self {
            Self::Preparing { until, .. }
            | Self::Claiming { until, .. }
            | Self::GivingUp { until, .. }
            | Self::Storing { until } => Some(*until),
            Self::Dialing(dialing) => Some(dialing.guard),
            Self::Closing(closing) => {
                Some(closing.delete_again.map_or(closing.until, |again| again.min(closing.until)))
            }
            Self::Talking(talk) => Some(talk.answered + max_call),
            Self::LastWords(words) => {
                Some(words.why_by.map_or(words.until, |why_by| why_by.min(words.until)))
            }
            Self::WaitingForCaller { .. } | Self::Over => None,
        }
    }
}

impl Talk {
    pub(super) fn new(answered: Instant, answer_delay: Duration, agent_created: bool) -> Self {
        Self {
            answered,
            answer_delay,
            agent_created,
            agent_connected: false,
            callee_heard: false,
            bridge_active: false,
            first_agent_audio: None,
            barge_ins: 0,
            leg_may_return: false,
        }
    }
}
