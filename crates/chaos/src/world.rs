//! The world of one day: every service, every process, and the loop that makes things happen in their order.

use std::collections::{BTreeMap, HashMap};

use calls::ids::AttemptId;
use calls::routing::Policy;
use calls::settle;
use jiff::Timestamp;

use crate::broken::Rule;
use crate::clock::{Clock, HOUR, MINUTE, Ms, SECOND};
use crate::countries::Countries;
use crate::dice::Dice;
use crate::ecs::Ecs;
use crate::event::Event;
use crate::hangup::Hangup;
use crate::letters::Letters;
use crate::livekit::Livekit;
use crate::paces::Paces;
use crate::places::Asking;
use crate::queue::{Queue, QueueName};
use crate::router::RouterProcess;
use crate::settler::SettlerProcess;
use crate::store::Store;
use crate::sweep::Sweep;
use crate::task::TaskProcess;
use crate::trace::Trace;
use crate::upstream::Upstream;
use crate::vendor::Vendor;
use crate::weather::{Service, Weather};
use crate::witness::Witness;

/// A process: a router at one message, a task, a settler at one attempt.
pub type Pid = u64;

/// After this long without a new message, everything must have come to its end.
const ENDS_WITHIN: Ms = 4 * 24 * HOUR;
/// Bad weather goes on for so long after upstream's last message.
const CALM_AFTER: Ms = 8 * HOUR;
/// How often the sweep runs.
const SWEEP_EVERY: Ms = 5 * MINUTE;

/// What a day is made from. The same settings make the same day.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of this day.
    pub seed: u64,
    /// Upstream sends until so many attempts were claimed.
    pub attempts: u64,
    /// A rule that is broken on purpose.
    pub broken: Option<Rule>,
    /// Of whose call everything is noted: all of them, or those that begin with this key.
    pub trace: Option<String>,
}

/// The world.
#[derive(Debug)]
pub struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) trace: Trace,
    pub(crate) witness: Witness,
    pub(crate) store: Store,
    pub(crate) calls: Queue,
    pub(crate) watcher: Queue,
    pub(crate) letters: Letters,
    pub(crate) countries: Countries,
    pub(crate) paces: Paces,
    /// By instance of the router and country.
    pub(crate) asking: BTreeMap<(u8, String), Asking>,
    pub(crate) upstream: Upstream,
    pub(crate) ecs: Ecs,
    pub(crate) livekit: Livekit,
    pub(crate) vendor: Vendor,
    pub(crate) routers: HashMap<Pid, RouterProcess>,
    pub(crate) tasks: HashMap<Pid, TaskProcess>,
    pub(crate) settlers: HashMap<Pid, SettlerProcess>,
    pub(crate) sweeps: HashMap<Pid, Sweep>,
    pub(crate) hangups: HashMap<Pid, Hangup>,
    pub(crate) settling: settle::Policy,
    pub(crate) policy: Policy,
    /// A message that is received is hidden for so long.
    pub(crate) visibility: Ms,
    pids: Pid,
}

impl World {
    /// The world at the beginning of a day.
    pub fn new(settings: Settings) -> Self {
        let mut dice = Dice::new(settings.seed);
        // A broken rule must show: it is the weather that brings it out.
        let weather = Weather::of_day(&mut dice, settings.broken.is_some());
        let countries = Countries::of_day(&mut dice);
        // Few deliveries and a short deadline on some days: giving up is what they are about.
        let max_receives = *dice.one_of(&[3, 6, 20]);
        let claim_within = std::time::Duration::from_secs(*dice.one_of(&[10 * 60, 60 * 60, 4 * 60 * 60]));
        let max_age = *dice.one_of(&[None, None, Some(std::time::Duration::from_secs(30 * 60))]);
        let visibility = *dice.one_of(&[20 * SECOND, 90 * SECOND, 360 * SECOND]);
        let begins: Timestamp = Timestamp::from_second(1_784_635_200).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            clock: Clock::new(begins),
            trace: Trace::of(settings.trace.clone()),
            witness: Witness::default(),
            store: Store::default(),
            calls: Queue::default(),
            watcher: Queue::default(),
            letters: Letters::default(),
            paces: Paces::default(),
            asking: BTreeMap::new(),
            upstream: Upstream::default(),
            ecs: Ecs::default(),
            livekit: Livekit::default(),
            vendor: Vendor::default(),
            routers: HashMap::new(),
            tasks: HashMap::new(),
            settlers: HashMap::new(),
            sweeps: HashMap::new(),
            hangups: HashMap::new(),
            settling: settle::Policy::default(),
            policy: Policy { max_age, max_receives, claim_within },
            visibility,
            pids: 0,
            settings,
            dice,
            weather,
            countries,
        }
    }

    /// Lives the day to its end: until nothing is left to do, or too long after that, or until a rule is seen broken.
    pub fn live(&mut self) {
        self.clock.after(0, Event::Upstream);
        self.clock.after(MINUTE, Event::Weather);
        self.clock.after(30 * MINUTE, Event::Operator);
        self.clock.after(SWEEP_EVERY, Event::Sweep);
        while let Some(event) = self.clock.next() {
            self.happens(event);
            if self.witness.has_violations() || self.is_over() {
                break;
            }
        }
        if !self.witness.has_violations() {
            self.balance();
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Upstream => self.upstream_sends(),
            Event::Operator => self.operator_looks(),
            Event::HangUp(key) => self.hang_up(key),
            Event::HangupGoesOn(pid) => self.hangup_goes_on(pid),
            Event::Weather => self.weather_changes(),
            Event::Sweep => self.sweep(),
            Event::SweepGoesOn(pid) => self.sweep_goes_on(pid),
            Event::Deliver { queue, place, version } => self.deliver(queue, place, version),
            Event::LandsLate { id, document, owner } => drop(self.write(&id, &document, owner)),
            Event::Dies(pid) => self.dies(pid, "killed"),
            Event::Drains(pid) => self.drains(pid),
            Event::RouterAsks { pid, ask } => self.router_asks(pid, *ask),
            Event::RouterHears { pid, input } => self.router_hears(pid, *input),
            Event::TurnComes { pid, instance, id, limits } => self.turn_comes(pid, instance, &id, &limits),
            Event::AtPlaces(errand) => self.at_places(*errand),
            Event::PlaceLandsLate(place) => self.place_lands(place),
            gone @ (Event::PlaceGoesLate(_) | Event::MarkGoesLate(_)) => self.is_gone(gone),
            Event::SettlerAsks { pid, ask } => self.settler_asks(pid, *ask),
            Event::SettlerHears { pid, input } => self.settler_hears(pid, *input),
            Event::TaskStarts(task) => self.task_starts(task),
            Event::TaskReads { task, until } => self.task_reads(task, until),
            Event::TaskStopped { task, why } => self.tell_of_a_task(task, why),
            Event::CallAsks { pid, request } => self.call_asks(pid, *request),
            Event::DialArrives { pid, dialed } => self.dial_arrives(pid, *dialed),
            Event::CallHears { pid, input } => self.call_hears(pid, *input),
            Event::CallWakes { pid, at } => self.call_wakes(pid, at),
            Event::Leg { leg, step } => self.leg_goes_on(leg, step),
            Event::BridgeReturns { pid, until } => self.bridge_returns(pid, until),
            Event::RoomCloses { name, since } => self.room_closes(&name, since),
            Event::AgentCallEnds { id, only_unjoined } => self.vendor.ends(&id, only_unjoined),
        }
    }

    fn weather_changes(&mut self) {
        let now = self.clock.now();
        if self.upstream.last_sent().is_some_and(|last| now > last + CALM_AFTER) {
            self.weather.calm_down();
            return;
        }
        if self.weather.change(&mut self.dice, now) == Some(Service::Livekit) && self.dice.in_thousand(500) {
            self.livekit_restarts();
        }
        let next = self.dice.between(5 * MINUTE, 90 * MINUTE);
        self.clock.after(next, Event::Weather);
    }

    fn sweep(&mut self) {
        self.sweep_begins();
        if !self.is_over() {
            self.clock.after(SWEEP_EVERY, Event::Sweep);
        }
    }

    /// Nothing is left to do, or it has been tried for too long.
    fn is_over(&self) -> bool {
        let Some(last) = self.upstream.last_sent() else { return false };
        let nothing_left = self.store.open.is_empty()
            && self.calls.messages.is_empty()
            && self.watcher.messages.is_empty()
            && self.routers.is_empty()
            && self.tasks.is_empty()
            && self.settlers.is_empty()
            && self.hangups.is_empty()
            && self.store.places.is_empty()
            && self.ecs.is_empty()
            && self.livekit.is_empty()
            && self.vendor.is_empty()
            && self.letters.are_looked_through();
        nothing_left || self.clock.now() > last + ENDS_WITHIN
    }

    /// A process of its own.
    pub(crate) fn new_pid(&mut self) -> Pid {
        self.pids += 1;
        self.pids
    }

    /// Does this go wrong now?
    pub(crate) fn strikes(&mut self, per_mille: u32) -> bool {
        self.weather.strikes(&mut self.dice, per_mille)
    }

    /// Is this rule broken on purpose?
    pub(crate) fn breaks(&self, rule: Rule) -> bool {
        self.settings.broken == Some(rule)
    }

    /// Notes what happened in an attempt, if somebody wants to read it.
    pub(crate) fn note(&mut self, id: &AttemptId, what: impl FnOnce() -> String) {
        if self.trace.wants(&id.key) {
            self.trace.note(self.clock.wall(), id, what());
        }
    }

    /// A rule is seen broken.
    pub(crate) fn violated(&mut self, id: &AttemptId, what: impl Into<String>) {
        let what = what.into();
        self.note(id, || format!("VIOLATED: {what}"));
        self.witness.violated(Some(id.clone()), what);
    }

    /// A process is gone in the midst of what it did.
    pub(crate) fn dies(&mut self, pid: Pid, why: &'static str) {
        if let Some(router) = self.routers.remove(&pid) {
            self.note(&router.attempt(), || format!("router {pid} dies"));
            self.asks_no_more(pid);
        } else if self.tasks.contains_key(&pid) {
            self.task_ends(pid, why);
        } else {
            self.settlers.remove(&pid);
            self.sweeps.remove(&pid);
            self.hangups.remove(&pid);
        }
    }

    /// A function is killed when it has run for so long.
    pub(crate) fn lambda_timeout(&mut self) -> Ms {
        self.dice.between(60 * SECOND, 90 * SECOND)
    }

    /// Puts a message into the queue of calls and says nothing of it.
    pub(crate) fn send_to_calls(&mut self, message: crate::queue::Message, delay: Ms) -> String {
        self.enqueue(QueueName::Calls, message, delay)
    }
}
