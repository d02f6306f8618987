//! LiveKit restarts: bridges and legs lose it, and come back, or do not.

use calls::call::{Input, LegEvent, RoomEvent, RoomLoss};

use super::{LegNumber, LegStep, Room};
use crate::clock::{Ms, SECOND};
use crate::event::Event;
use crate::world::{Pid, World};

/// A bridge that has lost its server is away for so long at most.
const AWAY_AT_MOST: Ms = 30 * SECOND;
/// It looks again for its room after this.
const LOOKS_AGAIN: Ms = 2 * SECOND;

impl World {
    /// Its rooms are empty, and only some are remembered. Legs are not gone with it, and may make their room anew.
    pub(crate) fn livekit_restarts(&mut self) {
        let since = self.clock.now();
        for (name, room) in std::mem::take(&mut self.livekit.rooms) {
            if let Some(pid) = room.bridge {
                self.bridge_loses_its_server(pid);
            }
            if self.dice.in_thousand(300) {
                let remembered = Room { bridge: None, legs: Default::default(), since, ..room };
                self.livekit.rooms.insert(name.clone(), remembered);
                self.room_may_close(&name);
            }
        }
        let legs: Vec<LegNumber> = self.livekit.legs.keys().copied().collect();
        for number in legs {
            let comes_back = self.dice.in_thousand(500);
            if let Some(leg) = self.livekit.legs.get_mut(&number) {
                (leg.in_room, leg.away, leg.replies) = (false, true, false);
            }
            if comes_back {
                let after = self.dice.between(0, 10 * SECOND);
                self.clock.after(after, Event::Leg { leg: number, step: LegStep::ComesBack });
            } else {
                self.leg_ends(number);
            }
        }
    }

    fn bridge_loses_its_server(&mut self, pid: Pid) {
        self.news(pid, 0, SECOND, Input::Room(RoomEvent::Reconnecting));
        let after = self.dice.between(SECOND, 15 * SECOND);
        self.clock.after(after, Event::BridgeReturns { pid, until: self.clock.now() + AWAY_AT_MOST });
    }

    /// A bridge whose call is answered joins anew, once its room is there. Any other has lost it.
    pub(crate) fn bridge_returns(&mut self, pid: Pid, until: Ms) {
        let Some(process) = self.tasks.get(&pid) else { return };
        let (name, attempt, keeps) = (process.room.clone(), process.attempt.clone(), process.keeps_its_room);
        let now = self.clock.now();
        if !keeps || now >= until {
            let lost = RoomEvent::Lost { detail: "LiveKit went away".to_owned(), loss: RoomLoss::Server };
            return self.news(pid, 0, SECOND, Input::Room(lost));
        }
        let Some(room) = self
            .livekit
            .rooms
            .get(&name)
            .filter(|_| !self.weather.is_away(crate::weather::Service::Livekit, now))
        else {
            return self.clock.after(LOOKS_AGAIN, Event::BridgeReturns { pid, until });
        };
        let is_there = !room.legs.is_empty();
        self.open_room(&name, &attempt, Some(pid));
        let away_ms = now.saturating_sub(until.saturating_sub(AWAY_AT_MOST));
        self.witness.count("rooms joined anew");
        self.news(pid, 0, SECOND, Input::Room(RoomEvent::Rejoined { away_ms }));
        if is_there {
            self.news(pid, 0, SECOND, Input::Leg(LegEvent::InRoom));
        }
    }

    pub(super) fn leg_comes_back(&mut self, number: LegNumber) {
        self.leg_comes_in(number);
        self.room_news(number, Input::Leg(LegEvent::InRoom));
    }
}
