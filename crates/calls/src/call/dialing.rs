//! From the permission to ring until it is known what the dial came to.

use std::time::{Duration, Instant};

use super::state::{Dialing, State, Talk};
use super::{Call, DIAL_GUARD, DOUBT_CAP, Effect, Input, LegEnd, LegEvent, RoomEvent, millis};
use crate::fact::Fact;
use crate::outcome::{Ending, Reason};
use crate::sip_outcome::{self, DialFailure, DialVerdict, Phase};

impl Call {
    pub(super) fn start_dialing(&mut self, now: Instant) -> State {
        self.want(Effect::Dial);
        let guard = now + self.ring() + DIAL_GUARD;
        let deaf = self.room.is_deaf();
        State::Dialing(Dialing { since: now, rang: false, deaf, left: None, reply_lost: false, guard })
    }

    pub(super) fn dial(&mut self, mut dialing: Dialing, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::Active) => return self.answered(&dialing, now),
            Input::Leg(LegEvent::Dialed) => {
                return match dialing.left {
                    Some((why, _)) => self.answered_and_gone(&dialing, why, now),
                    None => self.answered(&dialing, now),
                };
            }
            Input::Leg(LegEvent::Ringing) => {
                dialing.left = None;
                self.rings(&mut dialing, now);
            }
            Input::Leg(LegEvent::DialFailed(DialFailure::ReplyLost { detail })) => {
                self.record(Fact::DialReplyLost { detail });
                dialing.reply_lost = true;
            }
            Input::Leg(LegEvent::DialFailed(failure)) => return self.dial_failed(dialing, failure, now),
            Input::Leg(LegEvent::Left { why, detail }) => {
                self.record(Fact::CalleeGone { detail: detail.clone() });
                dialing.left = Some((why, detail));
            }
            Input::Room(RoomEvent::Reconnecting) => dialing.deaf = true,
            Input::Room(RoomEvent::Lost { detail, .. }) => {
                let ending = Ending::failed(Reason::LivekitUnreachable, &detail, false);
                return self.close(Some(ending), Some(dialing.guard), now);
            }
            Input::Drain | Input::Tick if self.is_drained(now) => {
                let ending = Ending::failed(Reason::Drained, "told to stop while dialing", false);
                return self.close(Some(ending), Some(dialing.guard), now);
            }
            Input::Tick if now >= dialing.guard => {
                let ending = Ending::not_answered(Reason::DialTimeout, "no reply to the dial in time");
                return self.close(Some(ending), Some(dialing.guard), now);
            }
            _ => {}
        }
        // Without a reply the room is all that tells, and it has told of the end.
        match &dialing.left {
            Some((_, detail)) if dialing.reply_lost => {
                let ending = Ending::not_answered(Reason::DialTimeout, detail);
                self.close(Some(ending), None, now)
            }
            _ => State::Dialing(dialing),
        }
    }

    fn rings(&mut self, dialing: &mut Dialing, now: Instant) {
        if !std::mem::replace(&mut dialing.rang, true) {
            self.record(Fact::Ringing { after_ms: millis(dialing.since, now) });
        }
    }

    fn answered(&mut self, dialing: &Dialing, now: Instant) -> State {
        State::Talking(self.start_talking(now.saturating_duration_since(dialing.since), true, now))
    }

    /// The reply says that it was answered, the room has said before that the leg is gone: the answer itself
    /// was missed, and nobody is left to talk with.
    fn answered_and_gone(&mut self, dialing: &Dialing, why: LegEnd, now: Instant) -> State {
        self.record(Fact::Answered { after_ms: millis(dialing.since, now) });
        let talk = Talk::new(now, now.saturating_duration_since(dialing.since), true);
        self.hang_up(&talk, why.end_reason(), now)
    }

    fn dial_failed(&mut self, dialing: Dialing, failure: DialFailure, now: Instant) -> State {
        let was_sent = !matches!(failure, DialFailure::NotSent { .. });
        // Once the leg is gone, the room has told all there is to tell of it.
        let is_open =
            self.verdict(&dialing, &failure).retryable || self.is_cut_short(&dialing, &failure, now);
        if was_sent && dialing.left.is_none() && is_open {
            return State::Doubting { dialing, failure, until: now + DOUBT_CAP };
        }
        self.give_up_dialing(&dialing, &failure, now)
    }

    /// Canceled, and not because nobody answered in time: the room tells whose doing it was.
    fn is_cut_short(&self, dialing: &Dialing, failure: &DialFailure, now: Instant) -> bool {
        let ring = Duration::from_secs(self.plan.profile.dial.ring_seconds.into());
        let canceled = matches!(failure, DialFailure::Server { code, .. } if code == "canceled");
        canceled && dialing.rang && now.saturating_duration_since(dialing.since) < ring
    }

    pub(super) fn doubt(
        &mut self,
        mut dialing: Dialing,
        failure: DialFailure,
        until: Instant,
        input: Input,
        now: Instant,
    ) -> State {
        match input {
            // Against all that the reply said: somebody took the call.
            Input::Leg(LegEvent::Active) => return self.answered(&dialing, now),
            Input::Leg(LegEvent::Ringing) => self.rings(&mut dialing, now),
            Input::Room(RoomEvent::Reconnecting | RoomEvent::Lost { .. }) => dialing.deaf = true,
            Input::Leg(LegEvent::Left { why, detail }) => dialing.left = Some((why, detail)),
            Input::Tick if now >= until => {}
            _ => return State::Doubting { dialing, failure, until },
        }
        self.give_up_dialing(&dialing, &failure, now)
    }

    fn give_up_dialing(&mut self, dialing: &Dialing, failure: &DialFailure, now: Instant) -> State {
        let verdict = self.verdict(dialing, failure);
        let detail = failure.to_string();
        self.record(match failure {
            DialFailure::NotSent { .. } => Fact::DialNotSent { detail: detail.clone() },
            _ => Fact::DialFailed { sip_status: verdict.sip_status, detail: detail.clone() },
        });
        let leg_until = verdict.leg_may_follow.then_some(dialing.guard);
        let ending = match &dialing.left {
            // To the trunk that is a ring that nobody heard; but it was a person's wish, and nobody tries again.
            Some((LegEnd::Removed, _)) => Ending {
                sip_status: verdict.sip_status,
                ..Ending::failed(Reason::Drained, "an operator hung up before the answer", false)
            },
            _ => Ending::dialed(&verdict, &detail),
        };
        self.close(Some(ending), leg_until, now)
    }

    /// What the failure comes to. Where a ring may have gone by unheard, it is not tried again; but what
    /// was not heard is not told as a ring either.
    fn verdict(&self, dialing: &Dialing, failure: &DialFailure) -> DialVerdict {
        let phase = if dialing.rang { Phase::Ringing } else { Phase::Dialing };
        let mut verdict = sip_outcome::classify(failure, phase, self.plan.profile.dial.retry_trunk_errors);
        verdict.retryable &= !dialing.deaf || matches!(failure, DialFailure::NotSent { .. });
        verdict
    }
}
