//! After the end: the claim that is still asked for, the room, the outcome.

use std::time::Instant;

use super::state::{Closing, State, Storing};
use super::{
    AudioCommand, Call, DELETE_AGAIN, Effect, Input, LegEvent, NotStored, OUTCOME_CAP, RoomEvent, TIDY_CAP,
    WRITE_AGAIN,
};
use crate::fact::Fact;
use crate::outcome::Ending;
use crate::sip_outcome::DialFailure;

impl Call {
    pub(super) fn giving_up(&mut self, ending: Ending, until: Instant, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::ClaimOurs) => self.close(Some(ending), None, now),
            Input::Leg(LegEvent::ClaimTaken { .. } | LegEvent::ClaimFailed { .. }) => {
                self.close(None, None, now)
            }
            Input::Tick if now >= until => self.leave_unclaimed(ending, now),
            _ => State::GivingUp { ending, until },
        }
    }

    /// The claim's reply is overdue. Should it still come and the claim be ours, `ending` is written: a claim
    /// without an outcome would be read as a phone that may have rung.
    pub(super) fn leave_unclaimed(&mut self, ending: Ending, now: Instant) -> State {
        self.tidy_up(None, Some(ending), None, now)
    }

    /// From here on everything is tidying up. Without an `ending` this task leaves no outcome behind.
    /// Until `leg_until` the phone's leg may still come into the room: of a dial without a reply, or back from
    /// a server that was away.
    pub(super) fn close(
        &mut self,
        ending: Option<Ending>,
        leg_until: Option<Instant>,
        now: Instant,
    ) -> State {
        self.tidy_up(ending, None, leg_until, now)
    }

    fn tidy_up(
        &mut self,
        ending: Option<Ending>,
        if_claimed: Option<Ending>,
        leg_until: Option<Instant>,
        now: Instant,
    ) -> State {
        if let Some(ending) = &ending {
            self.tell_the_end(ending);
        }
        self.want(Effect::Audio(AudioCommand::Close));
        self.want(Effect::CloseAgent);
        let until = leg_until.unwrap_or(now).max(now + TIDY_CAP);
        let mut closing = Closing { ending, if_claimed, room_gone: true, delete_again: None, until };
        if self.room.is_ours_to_delete() {
            self.want(Effect::DeleteRoom);
            closing.room_gone = false;
            closing.delete_again = leg_until.map(|_| now + DELETE_AGAIN);
        }
        self.until_tidy(closing, now)
    }

    pub(super) fn closing(&mut self, mut closing: Closing, input: Input, now: Instant) -> State {
        match input {
            Input::Room(RoomEvent::Deleted { .. } | RoomEvent::DeleteFailed { .. }) => {
                closing.room_gone = true;
            }
            Input::Leg(LegEvent::ClaimOurs) => {
                if let Some(ending) = closing.if_claimed.take() {
                    self.tell_the_end(&ending);
                    closing.ending = Some(ending);
                }
            }
            Input::Leg(LegEvent::ClaimTaken { .. } | LegEvent::ClaimFailed { .. }) => {
                closing.if_claimed = None;
            }
            Input::Leg(LegEvent::Dialed) => {
                self.record(Fact::Ignored { detail: "answered after the end".to_owned() });
                closing.delete_again = None;
                if self.room.is_ours_to_delete() {
                    closing.room_gone = false;
                    self.want(Effect::DeleteRoom);
                }
            }
            Input::Leg(LegEvent::DialFailed(failure)) => {
                self.record(Fact::Ignored { detail: failure.to_string() });
                if !matches!(failure, DialFailure::ReplyLost { .. }) {
                    closing.delete_again = None;
                }
            }
            Input::Tick if now >= closing.until => return self.store(closing.ending, now),
            Input::Tick if closing.delete_again.is_some_and(|again| now >= again) => {
                closing.delete_again = self.room.is_ours_to_delete().then_some(now + DELETE_AGAIN);
                if closing.delete_again.is_some() {
                    self.want(Effect::DeleteRoom);
                }
            }
            _ => {}
        }
        self.until_tidy(closing, now)
    }

    fn until_tidy(&mut self, closing: Closing, now: Instant) -> State {
        if closing.room_gone && closing.delete_again.is_none() && closing.if_claimed.is_none() {
            return self.store(closing.ending, now);
        }
        State::Closing(closing)
    }

    fn tell_the_end(&mut self, ending: &Ending) {
        self.record(Fact::Ending {
            outcome: ending.outcome,
            reason: ending.reason_text(),
            end_reason: ending.end_reason,
        });
    }

    /// The room is as gone as it gets: leave the outcome, or just leave.
    fn store(&mut self, ending: Option<Ending>, now: Instant) -> State {
        match ending {
            Some(ending) => {
                self.want(Effect::WriteOutcome(ending.clone()));
                State::Storing(Storing { ending, trouble: None, again: None, until: now + OUTCOME_CAP })
            }
            None => self.finish(),
        }
    }

    pub(super) fn storing(&mut self, mut storing: Storing, input: Input, now: Instant) -> State {
        match input {
            Input::OutcomeStored(Ok(()) | Err(NotStored::AnotherIsThere(_))) => return self.finish(),
            Input::OutcomeStored(Err(NotStored::Failed(detail))) => {
                storing.trouble = Some(detail);
                storing.again = Some(now + WRITE_AGAIN);
            }
            Input::Tick if now >= storing.until => {
                let detail = storing.trouble.unwrap_or_else(|| "the store does not answer".to_owned());
                self.record(Fact::OutcomeNotWritten { detail });
                return self.finish();
            }
            Input::Tick if storing.again.is_some_and(|again| now >= again) => {
                storing.again = None;
                self.want(Effect::WriteOutcome(storing.ending.clone()));
            }
            _ => {}
        }
        State::Storing(storing)
    }

    fn finish(&mut self) -> State {
        self.want(Effect::Finish);
        State::Over
    }
}
