//! How fast calls to a country begin: the routers share its pace evenly, each hands out turns one after the other, and
//! who would have to wait too long is sent away.

use std::collections::BTreeMap;
use std::time::Duration;

use calls::fact::NotNow;
use calls::ids::AttemptId;
use calls::routing::Place;

use crate::broken::Rule;
use crate::clock::{MINUTE, Ms};
use crate::event::Event;
use crate::world::{Pid, World};

/// The instances of the router that share every country's pace (the event source's `MaximumConcurrency`).
const ROUTERS: u8 = 2;
/// A message waits so long for its turn; one that would have to wait longer is put back.
const LONGEST_WAIT: Ms = 500;
/// An instance lives about so long; the one in its place knows nothing of its turns.
const INSTANCE_LIVES: Ms = 90 * MINUTE;

/// What a profile allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// At most so many at once.
    pub at_once: Option<u32>,
    /// At most so many begin in a second.
    pub per_second: Option<f64>,
}

/// The instances' turns.
#[derive(Debug, Default)]
pub struct Paces {
    /// By instance and country: not before then the next turn.
    next: BTreeMap<(u8, String), Ms>,
    /// Until when each instance lives.
    lives_until: [Ms; ROUTERS as usize],
    /// When instances began, newest last.
    begun: Vec<Ms>,
    /// By country: when its last turns were.
    turns: BTreeMap<String, Vec<Ms>>,
}

impl World {
    /// A router takes its turn first, and then a place: a turn that is taken in vain is lost where nobody could begin
    /// anyway.
    pub(crate) fn waits_for_its_turn(&mut self, pid: Pid, id: &AttemptId, limits: Limits) {
        let instance = self.an_instance();
        let Some(per_second) = limits.per_second else {
            return self.takes_place(pid, instance, id, &limits);
        };
        let now = self.clock.now();
        let routers = if self.breaks(Rule::WholePaceEach) { 1 } else { ROUTERS };
        let next = self.paces.next.entry((instance, limits.country.clone())).or_insert(now);
        let at = (*next).max(now);
        if at - now > LONGEST_WAIT {
            self.witness.count("turns refused");
            let wait = Duration::from_millis(LONGEST_WAIT);
            return self.place(pid, Ok(Place::NotNow { why: NotNow::TooManyPerSecond, wait }));
        }
        *next = at + interval(per_second, routers);
        let limits = Box::new(limits);
        self.clock.after(at - now, Event::TurnComes { pid, instance, id: id.clone(), limits });
    }

    /// The turn has come, for whoever still lives to take it.
    pub(crate) fn turn_comes(&mut self, pid: Pid, instance: u8, id: &AttemptId, limits: &Limits) {
        if self.routers.contains_key(&pid) {
            self.note(id, || format!("router {pid}: its turn has come in {}", limits.country));
            self.watch_turn(id, limits);
            self.takes_place(pid, instance, id, limits);
        }
    }

    /// The instance of the router that has a message in hand.
    fn an_instance(&mut self) -> u8 {
        let now = self.clock.now();
        let instance = u8::from(self.dice.in_thousand(500));
        let place = usize::from(instance);
        if now >= self.paces.lives_until[place] {
            self.paces.lives_until[place] = now + self.dice.skewed(MINUTE, 2 * INSTANCE_LIVES);
            self.paces.next.retain(|(of, _), _| *of != instance);
            self.paces.begun.push(now);
        }
        instance
    }

    /// In the time in which each router has one turn, no more begin than there are routers: that is the pace. An
    /// instance that began in this time, or while its forerunner's last ones still waited, could not know better.
    fn watch_turn(&mut self, id: &AttemptId, limits: &Limits) {
        let (Some(per_second), now) = (limits.per_second, self.clock.now()) else { return };
        self.witness.count("turns");
        let since = (now + 1).saturating_sub(interval(per_second, ROUTERS));
        let begun_since = since.saturating_sub(LONGEST_WAIT);
        let begun = self.paces.begun.iter().rev().take_while(|at| **at >= begun_since).count();
        let turns = self.paces.turns.entry(limits.country.clone()).or_default();
        turns.retain(|at| *at >= since);
        turns.push(now);
        let (turns, country) = (turns.len(), &limits.country);
        if turns > usize::from(ROUTERS) + begun {
            self.violated(id, format!("{turns} calls to {country} began where {per_second} a second may"));
        }
        self.witness.had_turn(id);
    }
}

/// From one turn of a router to its next: a little more than its share asks for.
fn interval(per_second: f64, routers: u8) -> Ms {
    let seconds = 1.001 * f64::from(routers) / per_second.max(0.001);
    Ms::try_from(Duration::from_secs_f64(seconds).as_millis()).unwrap_or(Ms::MAX)
}
