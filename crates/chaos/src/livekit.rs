//! LiveKit, its SIP service, the carrier and the person: rooms, legs, and every way a dial can end.

use std::collections::{BTreeMap, BTreeSet};

use calls::call::{Input, LegEnd, LegEvent, RoomEvent, RoomLoss};
use calls::ids::AttemptId;
use calls::sip_outcome::DialFailure;

use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::weather::Service;
use crate::world::{Pid, World};

/// Which leg.
pub type LegNumber = u64;

/// Whoever verifies a token allows so much more.
pub const LEEWAY: Ms = MINUTE;
/// After the last one has left, a room closes.
const DEPARTURE_TIMEOUT: Ms = 20 * SECOND;
/// A room that nobody ever came into closes.
const EMPTY_TIMEOUT: Ms = 5 * MINUTE;
/// Beyond ring time and longest call, before LiveKit ends the leg by itself.
const LEG_MARGIN: Ms = 30 * SECOND;

/// A request to dial.
#[derive(Clone, Debug)]
pub struct Dialed {
    /// For which attempt.
    pub attempt: AttemptId,
    /// Into which room.
    pub room: String,
    /// Its token is good until then.
    pub token_expires: Ms,
    /// It may ring for so long.
    pub ring: Ms,
    /// And last for so long.
    pub longest: Ms,
    /// Whose trunk.
    pub country: String,
}

/// A room.
#[derive(Debug)]
pub struct Room {
    /// The attempt in its metadata; none in a room that a leg made anew.
    pub attempt: Option<AttemptId>,
    bridge: Option<Pid>,
    legs: BTreeSet<LegNumber>,
    since: Ms,
}

/// A phone's leg, from its INVITE to its end.
#[derive(Debug)]
pub struct Leg {
    /// Whose.
    pub dialed: Dialed,
    /// Who dialed.
    pid: Pid,
    in_room: bool,
    answered: bool,
    /// Who dialed will get its reply.
    replies: bool,
    script: Script,
}

/// What the person, or the network, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    /// Nothing rings: this SIP code.
    Fails(u16),
    /// Nobody answers the INVITE.
    NoResponse,
    /// It rings, then this SIP code.
    RingsAndFails(u16),
    /// It rings until the ring time is over.
    RingsOut,
    /// It rings and is answered.
    Answers,
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

    /// DeleteRoom: everybody in it is hung up. A leg that is only just being dialed may be missed.
    pub(crate) fn delete_room(&mut self, name: &str) {
        let room = self.livekit.rooms.remove(name);
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
            let in_room = self.livekit.legs.get(&number).is_some_and(|leg| leg.in_room);
            if in_room || !self.strikes(400) {
                self.reply_failure(number, server("canceled", "room deleted"));
                self.leg_ends(number);
            }
        }
    }

    /// LiveKit restarts: its rooms are gone, legs are not, and may make their room anew.
    pub(crate) fn livekit_restarts(&mut self) {
        let rooms = std::mem::take(&mut self.livekit.rooms);
        for room in rooms.into_values() {
            if let Some(pid) = room.bridge {
                let detail = "LiveKit went away".to_owned();
                let lost = RoomEvent::Lost { detail, loss: RoomLoss::Server };
                self.news(pid, SECOND, 15 * SECOND, Input::Room(lost));
            }
        }
        let legs: Vec<LegNumber> = self.livekit.legs.keys().copied().collect();
        for number in legs {
            let comes_back = self.dice.in_thousand(500);
            if let Some(leg) = self.livekit.legs.get_mut(&number) {
                leg.in_room = false;
                leg.replies = false;
            }
            if comes_back {
                self.leg_comes_in(number);
            } else {
                self.leg_ends(number);
            }
        }
    }

    /// A dial request arrives.
    pub(crate) fn dial_arrives(&mut self, pid: Pid, dialed: Dialed) {
        let now = self.clock.now();
        if now > dialed.token_expires.saturating_add(LEEWAY) {
            return self.reply(pid, LegEvent::DialFailed(server("unauthenticated", "token is expired")));
        }
        if self.weather.is_away(Service::Livekit, now) {
            return self.reply(pid, LegEvent::DialFailed(server("unavailable", "bad gateway")));
        }
        match self.dice.weighted(&[80, 10, 4, 3, 3]) {
            1 => {
                let (code, message) = *self.dice.one_of(&NO_INVITE);
                self.reply(pid, LegEvent::DialFailed(server(code, message)));
            }
            // The connection breaks right after: the leg goes on without us.
            2 => {
                self.invite(pid, dialed, false);
                let detail = "connection reset".to_owned();
                self.reply_after(
                    pid,
                    SECOND,
                    30 * SECOND,
                    LegEvent::DialFailed(DialFailure::ReplyLost { detail }),
                );
            }
            // An error that does not tell whether an INVITE left.
            3 => {
                if self.dice.in_thousand(500) {
                    self.invite(pid, dialed, false);
                }
                let (code, message) = *self.dice.one_of(&NOBODY_KNOWS);
                self.reply_after(pid, 10, 20 * SECOND, LegEvent::DialFailed(server(code, message)));
            }
            // No reply at all.
            4 => self.invite(pid, dialed, false),
            _ => self.invite(pid, dialed, true),
        }
    }

    fn invite(&mut self, pid: Pid, dialed: Dialed, replies: bool) {
        self.watch_invite(pid, &dialed);
        self.livekit.dials += 1;
        let number = self.livekit.dials;
        let script = self.script();
        let (rings, step) = match script {
            Script::Fails(_) => (self.dice.skewed(100, 5 * SECOND), LegStep::Fails),
            Script::NoResponse => (32 * SECOND, LegStep::Fails),
            _ => (self.dice.skewed(300, 4 * SECOND), LegStep::Rings),
        };
        let longest = dialed.ring + dialed.longest + LEG_MARGIN;
        let leg = Leg { dialed, pid, in_room: false, answered: false, replies, script };
        self.livekit.legs.insert(number, leg);
        self.clock.after(rings, Event::Leg { leg: number, step });
        self.clock.after(longest, Event::Leg { leg: number, step: LegStep::LastsTooLong });
    }

    fn script(&mut self) -> Script {
        match self.dice.weighted(&[50, 16, 14, 4, 16]) {
            0 => Script::Answers,
            1 => Script::RingsOut,
            2 => Script::RingsAndFails(*self.dice.one_of(&[486, 603, 480, 408, 503, 500, 487, 600])),
            3 => Script::NoResponse,
            _ => Script::Fails(
                *self.dice.one_of(&[404, 484, 604, 401, 403, 407, 500, 503, 503, 480, 486, 488, 408]),
            ),
        }
    }

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
            LegStep::LastsTooLong => {
                self.room_news(number, left(LegEnd::HungUp));
                self.leg_ends(number);
            }
        }
    }

    /// The leg is in its room, which it makes anew if it has to.
    fn leg_comes_in(&mut self, number: LegNumber) {
        let since = self.clock.now();
        let Some(leg) = self.livekit.legs.get_mut(&number) else { return };
        leg.in_room = true;
        let room = self.livekit.rooms.entry(leg.dialed.room.clone());
        let room = room.or_insert_with(|| Room { attempt: None, bridge: None, legs: BTreeSet::new(), since });
        room.legs.insert(number);
    }

    fn leg_ends(&mut self, number: LegNumber) {
        let Some(leg) = self.livekit.legs.remove(&number) else { return };
        self.note(&leg.dialed.attempt, || format!("phone: the leg ends, answered {}", leg.answered));
        if let Some(room) = self.livekit.rooms.get_mut(&leg.dialed.room) {
            room.legs.remove(&number);
        }
        self.room_may_close(&leg.dialed.room);
    }

    fn reply_failure(&mut self, number: LegNumber, failure: DialFailure) {
        let Some(leg) = self.livekit.legs.get(&number).filter(|leg| leg.replies && !leg.answered) else {
            return;
        };
        let pid = leg.pid;
        if self.strikes(self.weather.reply_lost) {
            let detail = "connection reset".to_owned();
            return self.reply(pid, LegEvent::DialFailed(DialFailure::ReplyLost { detail }));
        }
        self.reply(pid, LegEvent::DialFailed(failure));
    }

    fn reply(&mut self, pid: Pid, event: LegEvent) {
        self.reply_after(pid, 2, 300, event);
    }

    fn reply_after(&mut self, pid: Pid, least: Ms, most: Ms, event: LegEvent) {
        let after = self.dice.skewed(least, most);
        self.clock.after(after, Event::CallHears { pid, input: Box::new(Input::Leg(event)) });
    }

    /// What happens in a room reaches the bridge that is in it: late, or lost while its signalling is.
    fn room_news(&mut self, number: LegNumber, input: Input) {
        let Some(leg) = self.livekit.legs.get(&number) else { return };
        let pid = leg.pid;
        let there = self.livekit.rooms.get(&leg.dialed.room).is_some_and(|room| room.bridge == Some(pid));
        let now = self.clock.now();
        let Some(deaf_until) = self.tasks.get(&pid).filter(|_| there).map(|process| process.deaf_until)
        else {
            return;
        };
        if now < deaf_until {
            if self.dice.in_thousand(500) {
                self.news(pid, deaf_until - now, deaf_until - now + SECOND, input);
            }
            return;
        }
        if self.strikes(self.weather.fails * 2) {
            self.signalling_is_lost(pid);
            return;
        }
        let late = if self.strikes(self.weather.stalls * 10) { 900 } else { 200 };
        self.news(pid, 2, late, input);
    }

    fn signalling_is_lost(&mut self, pid: Pid) {
        let lasts = self.dice.skewed(SECOND, 20 * SECOND);
        if let Some(process) = self.tasks.get_mut(&pid) {
            process.deaf_until = self.clock.now() + lasts;
        }
        self.news(pid, 0, 0, Input::Room(RoomEvent::Reconnecting));
        let after = if self.dice.in_thousand(700) {
            RoomEvent::Resumed
        } else {
            let loss = *self.dice.one_of(&[RoomLoss::Room, RoomLoss::Server]);
            RoomEvent::Lost { detail: "signalling lost".to_owned(), loss }
        };
        self.news(pid, lasts, lasts, Input::Room(after));
    }

    fn news(&mut self, pid: Pid, least: Ms, most: Ms, input: Input) {
        let at = self.clock.now() + self.dice.between(least, most);
        let Some(process) = self.tasks.get_mut(&pid) else { return };
        process.last_news = process.last_news.max(at);
        let after = process.last_news.saturating_sub(self.clock.now());
        self.clock.after(after, Event::CallHears { pid, input: Box::new(input) });
    }
}

impl Script {
    fn failure(self) -> DialFailure {
        match self {
            Self::Fails(code) | Self::RingsAndFails(code) => DialFailure::Sip { code, text: "no".to_owned() },
            Self::NoResponse => server("canceled", "request canceled (0 intermediate responses)"),
            Self::RingsOut | Self::Answers => server("canceled", "ringing timeout"),
        }
    }
}

impl Leg {
    /// The trunk failed, and nothing rang.
    pub fn is_trunk_error(&self) -> bool {
        matches!(self.script, Script::Fails(500..=599))
    }
}

fn left(why: LegEnd) -> Input {
    Input::Leg(LegEvent::Left { why, detail: "the leg is gone".to_owned() })
}

fn server(code: &str, message: &str) -> DialFailure {
    DialFailure::Server { code: code.to_owned(), message: message.to_owned() }
}

/// What LiveKit says when it is certain that no INVITE left.
const NO_INVITE: [(&str, &str); 9] = [
    ("unavailable", "twirp error: cpu exhausted"),
    ("unavailable", "no response from servers"),
    ("internal", "sip not connected (redis required)"),
    ("not_found", "trunk not found"),
    ("unauthenticated", "invalid token"),
    ("permission_denied", "missing sip.call grant"),
    ("invalid_argument", "bad number"),
    ("malformed", "bad request"),
    ("bad_route", "no such route"),
];

/// What it says when nobody knows.
const NOBODY_KNOWS: [(&str, &str); 4] = [
    ("unavailable", "upstream connect error"),
    ("internal", "something broke"),
    ("deadline_exceeded", "timeout"),
    ("unknown", ""),
];
