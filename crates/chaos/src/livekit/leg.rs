//! A phone's leg, step by step.

use std::collections::BTreeSet;

use calls::call::{Input, LegEnd, LegEvent};

use super::dial::Script;
use super::{Dialed, Room};
use crate::clock::{MINUTE, SECOND};
use crate::event::Event;
use crate::world::{Pid, World};

/// Which leg.
pub type LegNumber = u64;

/// A phone's leg, from its INVITE to its end.
#[derive(Debug)]
pub struct Leg {
    /// Whose.
    pub dialed: Dialed,
    /// Who dialed.
    pub(super) pid: Pid,
    pub(super) in_room: bool,
    /// Its server went away, and it is not back.
    pub(super) away: bool,
    pub(super) answered: bool,
    /// Who dialed will get its reply.
    pub(super) replies: bool,
    pub(super) script: Script,
}

/// How a leg goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegStep {
    /// 180.
    Rings,
    /// 200.
    Answered,
    /// It comes to nothing.
    Fails,
    /// BYE by the person.
    HangsUp,
    /// LiveKit's own limit of the call.
    LastsTooLong,
    /// It has found its server again.
    ComesBack,
}

impl World {
    /// A leg goes on, if it has not ended.
    pub(crate) fn leg_goes_on(&mut self, number: LegNumber, step: LegStep) {
        let Some(leg) = self.livekit.legs.get(&number) else { return };
        let (pid, script, ring) = (leg.pid, leg.script, leg.dialed.ring);
        match step {
            LegStep::Rings => {
                self.watch_ring(number);
                self.leg_comes_in(number);
                self.room_news(number, Input::Leg(LegEvent::Ringing));
                let (after, step) = match script {
                    Script::Answers => (self.dice.skewed(SECOND, ring - SECOND), LegStep::Answered),
                    Script::RingsOut => (ring, LegStep::Fails),
                    _ => (self.dice.skewed(200, ring - SECOND), LegStep::Fails),
                };
                self.clock.after(after, Event::Leg { leg: number, step });
            }
            LegStep::Answered => {
                if let Some(leg) = self.livekit.legs.get_mut(&number) {
                    leg.answered = true;
                    if leg.replies {
                        self.reply(pid, LegEvent::Dialed);
                    }
                }
                self.watch_answer(number);
                self.leg_comes_in(number);
                self.room_news(number, Input::Leg(LegEvent::Active));
                let talks = self.dice.skewed(5 * SECOND, 10 * MINUTE);
                self.clock.after(talks, Event::Leg { leg: number, step: LegStep::HangsUp });
            }
            LegStep::Fails => {
                self.watch_failure(number);
                self.room_news(number, left(LegEnd::HungUp));
                self.reply_failure(number, script.failure());
                self.leg_ends(number);
            }
            LegStep::HangsUp => {
                let why = if self.strikes(50) { LegEnd::Lost } else { LegEnd::HungUp };
                self.room_news(number, left(why));
                self.leg_ends(number);
            }
            LegStep::ComesBack => self.leg_comes_back(number),
            LegStep::LastsTooLong => {
                self.room_news(number, left(LegEnd::HungUp));
                self.leg_ends(number);
            }
        }
    }

    /// The leg is in its room, which it makes anew if it has to.
    pub(super) fn leg_comes_in(&mut self, number: LegNumber) {
        let since = self.clock.now();
        let Some(leg) = self.livekit.legs.get_mut(&number) else { return };
        (leg.in_room, leg.away) = (true, false);
        let room = self.livekit.rooms.entry(leg.dialed.room.clone());
        let room = room.or_insert_with(|| Room { attempt: None, bridge: None, legs: BTreeSet::new(), since });
        room.legs.insert(number);
    }

    pub(super) fn leg_ends(&mut self, number: LegNumber) {
        let Some(leg) = self.livekit.legs.remove(&number) else { return };
        self.note(&leg.dialed.attempt, || format!("phone: the leg ends, answered {}", leg.answered));
        if let Some(room) = self.livekit.rooms.get_mut(&leg.dialed.room) {
            room.legs.remove(&number);
        }
        self.room_may_close(&leg.dialed.room);
    }
}

impl Leg {
    /// The trunk failed, and nothing rang.
    pub fn is_trunk_error(&self) -> bool {
        matches!(self.script, Script::Fails(500..=599))
    }
}

pub(super) fn left(why: LegEnd) -> Input {
    Input::Leg(LegEvent::Left { why, detail: "the leg is gone".to_owned() })
}
