//! LiveKit, its SIP service, the carrier and the person: rooms here, then every way a dial can begin and a leg end.

mod dial;
mod leg;
mod news;
mod restart;

use std::collections::{BTreeMap, BTreeSet};

use calls::call::LegEnd;
use calls::ids::AttemptId;

use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::world::{Pid, World};
pub use dial::Dialed;
use dial::server;
use leg::left;
pub use leg::{Leg, LegNumber, LegStep};

/// Whoever verifies a token allows so much more.
pub const LEEWAY: Ms = MINUTE;
/// After the last one has left, a room closes.
const DEPARTURE_TIMEOUT: Ms = 20 * SECOND;
/// A room that nobody ever came into closes.
const EMPTY_TIMEOUT: Ms = 5 * MINUTE;
/// A room.
#[derive(Debug)]
pub struct Room {
    /// The attempt in its metadata; none in a room that a leg made anew.
    pub attempt: Option<AttemptId>,
    bridge: Option<Pid>,
    legs: BTreeSet<LegNumber>,
    since: Ms,
}

/// All rooms and legs.
#[derive(Debug, Default)]
pub struct Livekit {
    /// By name.
    pub rooms: BTreeMap<String, Room>,
    /// By number.
    pub legs: BTreeMap<LegNumber, Leg>,
    dials: LegNumber,
}

impl Livekit {
    /// No room is left, and no leg.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.legs.is_empty()
    }
}

impl World {
    /// Somebody joins a room, or makes it and fails to.
    pub(crate) fn open_room(&mut self, name: &str, attempt: &AttemptId, bridge: Option<Pid>) {
        let since = self.clock.now();
        let room = self.livekit.rooms.entry(name.to_owned()).or_insert_with(|| Room {
            attempt: Some(attempt.clone()),
            bridge: None,
            legs: BTreeSet::new(),
            since,
        });
        room.bridge = bridge.or(room.bridge);
        if bridge.is_none() {
            self.clock.after(EMPTY_TIMEOUT, Event::RoomCloses { name: name.to_owned(), since });
        }
    }

    /// A bridge is gone from its room; the phone's leg stays.
    pub(crate) fn bridge_leaves(&mut self, name: &str, pid: Pid) {
        let Some(room) = self.livekit.rooms.get_mut(name).filter(|room| room.bridge == Some(pid)) else {
            return;
        };
        room.bridge = None;
        self.room_may_close(name);
    }

    fn room_may_close(&mut self, name: &str) {
        let now = self.clock.now();
        let Some(room) = self.livekit.rooms.get_mut(name) else { return };
        if room.bridge.is_none() && room.legs.is_empty() {
            room.since = now;
            self.clock.after(DEPARTURE_TIMEOUT, Event::RoomCloses { name: name.to_owned(), since: now });
        }
    }

    /// A room closes by itself, if nobody came since.
    pub(crate) fn room_closes(&mut self, name: &str, since: Ms) {
        let empty = |room: &Room| room.since == since && room.bridge.is_none() && room.legs.is_empty();
        if self.livekit.rooms.get(name).is_some_and(empty) {
            self.livekit.rooms.remove(name);
        }
    }

    /// DeleteRoom: everybody in it is hung up, and a bridge that hears anything hears so. A leg that is only just being dialed may be missed.
    pub(crate) fn delete_room(&mut self, name: &str) {
        let room = self.livekit.rooms.remove(name);
        if let Some(pid) = room.as_ref().and_then(|room| room.bridge) {
            self.room_is_deleted(pid);
        }
        if let Some(attempt) = room.as_ref().and_then(|room| room.attempt.clone()) {
            self.note(&attempt, || format!("livekit: room {name} deleted"));
        }
        let legs: Vec<LegNumber> = self
            .livekit
            .legs
            .iter()
            .filter(|(_, leg)| leg.dialed.room == name)
            .map(|(number, _)| *number)
            .collect();
        for number in legs {
            let Some(leg) = self.livekit.legs.get(&number) else { continue };
            let (in_room, away) = (leg.in_room, leg.away);
            if in_room || (!away && !self.strikes(400)) {
                self.reply_failure(number, server("canceled", "room deleted"));
                self.leg_ends(number);
            }
        }
    }

    /// RemoveParticipant: the callee is hung up; `false`: nobody is in that room.
    pub(crate) fn take_callee_out(&mut self, name: &str) -> bool {
        let legs = self.livekit.rooms.get(name).map(|room| room.legs.clone()).unwrap_or_default();
        for number in &legs {
            self.room_news(*number, left(LegEnd::Removed));
            self.reply_failure(*number, server("canceled", "participant removed"));
            self.leg_ends(*number);
        }
        !legs.is_empty()
    }
}
