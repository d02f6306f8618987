//! News of a room, on its way to the bridge that is in it.

use calls::call::{Input, RoomEvent, RoomLoss};

use super::LegNumber;
use crate::clock::{Ms, SECOND};
use crate::event::Event;
use crate::world::{Pid, World};

impl World {
    /// What happens in a room reaches the bridge that is in it: late, or lost while its signalling is.
    pub(super) fn room_news(&mut self, number: LegNumber, input: Input) {
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

    /// Its room is gone: what hears nothing now learns it when it asks to resume.
    pub(super) fn room_is_deleted(&mut self, pid: Pid) {
        let Some(process) = self.tasks.get(&pid) else { return };
        let deaf = process.deaf_until.saturating_sub(self.clock.now());
        let lost = RoomEvent::Lost { detail: "the room was deleted".to_owned(), loss: RoomLoss::Room };
        self.news(pid, deaf + 2, deaf + 200, Input::Room(lost));
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

    pub(super) fn news(&mut self, pid: Pid, least: Ms, most: Ms, input: Input) {
        let at = self.clock.now() + self.dice.between(least, most);
        let Some(process) = self.tasks.get_mut(&pid) else { return };
        process.last_news = process.last_news.max(at);
        let after = process.last_news.saturating_sub(self.clock.now());
        self.clock.after(after, Event::CallHears { pid, input: Box::new(input) });
    }
}
