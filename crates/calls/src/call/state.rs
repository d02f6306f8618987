//! The states of a call, each with the data that only it has.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::keys::Typed;
use super::soundness::Soundness;
use super::tools::Sending;
use super::transfer::Transferring;
use super::{LegEnd, PREPARE_CAP, RETURN_CAP, RoomEvent, RoomLoss};
use crate::outcome::{EndReason, Ending};
use crate::plan::{CallPlan, Leg};
use crate::profile::CountryProfile;
use crate::sip_outcome::DialFailure;

#[derive(Debug)]
pub(super) enum State {
    /// Joining the room and having the agent created, at the same time.
    Preparing { room: bool, agent: bool, until: Instant },
    /// Everything is ready; asking for the permission to ring.
    Claiming {
        /// What has ended the call meanwhile: the claim's reply decides whether that may be written.
        ending: Option<Ending>,
        until: Instant,
    },
    /// The dial request is on its way or the phone rings.
    Dialing(Dialing),
    /// The dial failed in a way that may be tried again, unless the room still tells that it rang.
    Doubting { dialing: Dialing, failure: DialFailure, until: Instant },
    /// Inbound: in the room, or about to be, until a caller is connected.
    WaitingForCaller { caller: bool, agent: bool },
    /// Answered.
    Talking(Talk),
    /// Answered, and the callee is being passed on to somebody else.
    Transferring(Transferring),
    /// The callee was passed on; its leg leaves by itself, until then at the latest.
    Transferred { talk: Talk, until: Instant },
    /// The agent has ended the call; its last words are being played.
    LastWords(LastWords),
    /// Failed before the dial; the claim that says so is asked for.
    GivingUp { ending: Ending, until: Instant },
    /// Tidying up.
    Closing(Closing),
    /// The outcome is being written.
    Storing(Storing),
    /// Nothing more to come.
    Over,
}

#[derive(Debug)]
pub(super) struct Dialing {
    pub(super) since: Instant,
    pub(super) rang: bool,
    /// The room's news may have been lost while it dialed, and a ring with it.
    pub(super) deaf: bool,
    /// The leg is gone, by whose doing, why; what its dial came to is still to be told.
    pub(super) left: Option<(LegEnd, String)>,
    pub(super) reply_lost: bool,
    pub(super) guard: Instant,
}

#[derive(Debug)]
pub(super) struct LastWords {
    pub(super) talk: Talk,
    pub(super) reason: EndReason,
    pub(super) socket_open: bool,
    pub(super) played: Played,
    /// The vendor is asked why, and waited for until then.
    pub(super) why_by: Option<Instant>,
    pub(super) until: Instant,
}

/// How far what is queued has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// Some of it waits in our queue.
    No,
    /// It has left us, and is with the callee by then.
    Leaving(Instant),
    /// The callee has heard it.
    Heard,
}

#[derive(Debug)]
pub(super) struct Closing {
    /// `None`: this task may not write an outcome.
    pub(super) ending: Option<Ending>,
    /// The claim has no reply yet: the outcome that it permits, should it be ours after all.
    pub(super) if_claimed: Option<Ending>,
    pub(super) room_gone: bool,
    /// While the phone's leg may still come up, or back, and make the room anew: delete it again then.
    pub(super) delete_again: Option<Instant>,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Storing {
    pub(super) ending: Ending,
    /// Why the last try failed, if one has.
    pub(super) trouble: Option<String>,
    /// When the next try is due; `None`: one is on its way.
    pub(super) again: Option<Instant>,
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
    /// Whether both can be heard.
    pub(super) soundness: Soundness,
    /// Nothing has come from the agent since then; `None` before it is connected.
    pub(super) silent_since: Option<Instant>,
    /// What the callee has typed and the agent was not told yet.
    pub(super) typed: Typed,
    /// What the agent has us press.
    pub(super) sending: Option<Sending>,
    /// When it has called tools of late.
    pub(super) tool_calls: VecDeque<Instant>,
    /// What is to be said of its end besides the word for it.
    pub(super) detail: Option<String>,
    /// The room has been joined anew, and the callee is not seen in it yet.
    pub(super) awaited_since: Option<Instant>,
    /// We are not in the room, or the callee is not: its leg may come back into it later.
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

    /// Rings or talks: does not end at once when we are told to stop.
    pub(super) fn goes_on_when_drained(&self) -> bool {
        matches!(self, Self::Dialing(_) | Self::Talking(_) | Self::Transferring(_))
    }

    pub(super) fn deadline(&self, profile: &CountryProfile) -> Option<Instant> {
        match self {
            Self::Preparing { until, .. }
            | Self::Claiming { until, .. }
            | Self::Doubting { until, .. }
            | Self::Transferred { until, .. }
            | Self::GivingUp { until, .. } => Some(*until),
            Self::Storing(storing) => {
                Some(storing.again.map_or(storing.until, |again| again.min(storing.until)))
            }
            Self::Dialing(dialing) => Some(dialing.guard),
            Self::Closing(closing) => {
                Some(closing.delete_again.map_or(closing.until, |again| again.min(closing.until)))
            }
            Self::Talking(talk) => {
                let ends = [
                    Some(talk.longest_end(profile)),
                    talk.silent_end(profile),
                    talk.return_end(),
                    talk.next_step(),
                ];
                ends.into_iter().flatten().min()
            }
            Self::Transferring(transfer) => {
                transfer.talk.next_step().into_iter().chain([transfer.deadline()]).min()
            }
            Self::LastWords(words) => {
                let heard = match words.played {
                    Played::Leaving(heard) => Some(heard),
                    Played::No | Played::Heard => None,
                };
                [heard, words.why_by].into_iter().flatten().chain([words.until]).min()
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
            soundness: Soundness::default(),
            silent_since: None,
            typed: Typed::default(),
            sending: None,
            tool_calls: VecDeque::new(),
            detail: None,
            awaited_since: None,
            leg_may_return: false,
        }
    }

    /// When the longest call is over.
    pub(super) fn longest_end(&self, profile: &CountryProfile) -> Instant {
        self.answered + Duration::from_secs(profile.dial.max_call_seconds.into())
    }

    /// When a callee that is not back is not waited for any longer.
    pub(super) fn return_end(&self) -> Option<Instant> {
        self.awaited_since.map(|since| since + RETURN_CAP)
    }

    /// Where callee and we stand, after this news of the room.
    pub(super) fn follow(&mut self, event: &RoomEvent, now: Instant) {
        match event {
            RoomEvent::Reconnecting => self.leg_may_return = true,
            RoomEvent::Resumed => self.leg_may_return = self.awaited_since.is_some(),
            RoomEvent::Rejoined { .. } => {
                self.awaited_since = Some(now);
                self.leg_may_return = true;
            }
            RoomEvent::Lost { loss, .. } => self.leg_may_return = *loss == RoomLoss::Server,
            RoomEvent::Joined { .. }
            | RoomEvent::JoinFailed { .. }
            | RoomEvent::Deleted { .. }
            | RoomEvent::DeleteFailed { .. } => {}
        }
    }

    /// When there is something to do although nothing comes in.
    fn next_step(&self) -> Option<Instant> {
        let typed = self.typed.due().filter(|_| self.agent_connected);
        [typed, self.sending.as_ref().map(Sending::due)].into_iter().flatten().min()
    }

    /// When an agent that goes on sending nothing has been silent for too long; one that waits for its tool may be.
    pub(super) fn silent_end(&self, profile: &CountryProfile) -> Option<Instant> {
        let longest = Duration::from_secs(profile.agent.silence_seconds.into());
        let counts = self.sending.is_none() && !longest.is_zero();
        self.silent_since.filter(|_| counts).map(|since| since + longest)
    }
}
