//! A dial: what becomes of the request, what the person does, and what who dialed hears.

use calls::call::{Input, LegEvent};
use calls::ids::AttemptId;
use calls::sip_outcome::DialFailure;

use super::{LEEWAY, Leg, LegNumber, LegStep};
use crate::clock::{Ms, SECOND};
use crate::event::Event;
use crate::weather::Service;
use crate::world::{Pid, World};

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

/// What the person, or the network, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
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

impl World {
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
        let leg = Leg { dialed, pid, in_room: false, away: false, answered: false, replies, script };
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

    pub(super) fn reply_failure(&mut self, number: LegNumber, failure: DialFailure) {
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

    pub(super) fn reply(&mut self, pid: Pid, event: LegEvent) {
        self.reply_after(pid, 2, 300, event);
    }

    fn reply_after(&mut self, pid: Pid, least: Ms, most: Ms, event: LegEvent) {
        let after = self.dice.skewed(least, most);
        self.clock.after(after, Event::CallHears { pid, input: Box::new(Input::Leg(event)) });
    }
}

impl Script {
    pub(super) fn failure(self) -> DialFailure {
        match self {
            Self::Fails(code) | Self::RingsAndFails(code) => DialFailure::Sip { code, text: "no".to_owned() },
            Self::NoResponse => server("canceled", "request canceled (0 intermediate responses)"),
            Self::RingsOut | Self::Answers => server("canceled", "ringing timeout"),
        }
    }
}

pub(super) fn server(code: &str, message: &str) -> DialFailure {
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
