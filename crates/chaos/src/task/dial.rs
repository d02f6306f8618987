//! A task's permission to ring, and its one dial.

use calls::call::{Input, LegEvent};
use calls::sip_outcome::{DialFailure, NotSent};

use super::TaskProcess;
use crate::broken::Rule;
use crate::clock::{MINUTE, Ms, SECOND};
use crate::ecs::Ecs;
use crate::event::Event;
use crate::livekit::Dialed;
use crate::store::DialClaim;
use crate::world::{Pid, World};

/// After the claim the dial may still leave for so long.
const INVITE_WITHIN: Ms = 30 * SECOND;
/// Beyond `inviteBy`, ring time and longest call, before anyone may settle the attempt.
const SETTLE_MARGIN: Ms = 120 * SECOND;

impl World {
    /// The claim as it is written; the token that dials dies with it.
    pub(super) fn claim_of(
        &mut self,
        pid: Pid,
        process: &mut TaskProcess,
        failed: Option<String>,
    ) -> DialClaim {
        let invite_by = self.clock.now() + INVITE_WITHIN;
        process.invite_by = failed.is_none().then_some(invite_by);
        let dial = &process.plan.profile.dial;
        let call = Ms::from(dial.ring_seconds + dial.max_call_seconds) * SECOND;
        DialClaim {
            by: pid,
            task: Ecs::name_of(process.task),
            room: Some(process.room.clone()),
            agent_call: process.agent.clone(),
            invite_by: self.clock.wall_at(invite_by),
            deadline: self.clock.wall_at(invite_by + call + SETTLE_MARGIN),
            failed,
            decision: None,
        }
    }

    /// The clock is looked at once more before the dial leaves; and then it may still stall on its way.
    pub(super) fn dial(&mut self, pid: Pid, process: &mut TaskProcess, stall: Ms) {
        self.clock.after(0, Event::CallHears { pid, input: Box::new(Input::Leg(LegEvent::Dialing)) });
        let careless = self.breaks(Rule::DialAfterInviteBy);
        let Some(invite_by) = process.invite_by.take() else { return };
        if self.clock.now() + stall >= invite_by && !careless {
            let failure =
                DialFailure::NotSent { cause: NotSent::TooLate, detail: "inviteBy is over".to_owned() };
            return self.tells_later(pid, stall, stall, Input::Leg(LegEvent::DialFailed(failure)));
        }
        if self.strikes(self.weather.fails) {
            let detail = "connection refused".to_owned();
            let failure = DialFailure::NotSent { cause: NotSent::Unreachable, detail };
            return self.tells_later(pid, 10, 3_000, Input::Leg(LegEvent::DialFailed(failure)));
        }
        let on_its_way = if self.strikes(self.weather.stalls) {
            self.dice.skewed(SECOND, 10 * MINUTE)
        } else {
            self.dice.skewed(2, 300)
        };
        let leaves = self.clock.now() + stall + on_its_way;
        process.stalls_until = process.stalls_until.max(leaves);
        let dialed = Dialed {
            attempt: process.attempt.clone(),
            room: process.room.clone(),
            token_expires: if careless { Ms::MAX } else { invite_by },
            ring: Ms::from(process.plan.profile.dial.ring_seconds) * SECOND,
            longest: Ms::from(process.plan.profile.dial.max_call_seconds) * SECOND,
            country: process.plan.profile.country.clone(),
        };
        self.clock.after(stall + on_its_way, Event::DialArrives { pid, dialed: Box::new(dialed) });
    }
}
