//! Places among a country's calls, as the call folder keeps them: one file per delivery, put first and then counted, so
//! that the last one to put its own has counted all others. Every request to the store is a step of its own, which may
//! fail, be done unheard, get through long after, or be the last of its process.

use std::collections::{BTreeSet, VecDeque};

use calls::fact::NotNow;
use calls::ids::AttemptId;
use calls::routing::{Input, Place};
use calls::settle;

use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::paces::Limits;
use crate::store::{PAUSE, TRY_FOR};
use crate::weather::Service;
use crate::world::{Pid, World};

/// No delivery lives for so long between its place and its job.
const LONGEST_DELIVERY: Ms = 15 * MINUTE;

/// `pace/<CC>/<key>-a<n>-<nonce>`, in the order of their paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceFile {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Whose it is.
    pub id: AttemptId,
    nonce: u64,
}

/// For whom something is done at places.
#[derive(Clone, Copy, Debug)]
pub enum For {
    /// A router's process: it takes a place, or closes an attempt.
    Router(Pid),
    /// A settler closes an attempt.
    Settler(Pid),
    /// A hang-up does.
    Hangup(Pid),
    /// A sweep gives a place back.
    Sweep(Pid),
}

/// Something to be done at places, with its next request on the way.
#[derive(Debug)]
pub struct Errand {
    who: For,
    id: AttemptId,
    country: String,
    request: Request,
    /// Until when what is tried again is.
    until: Ms,
}

#[derive(Clone, Debug)]
enum Request {
    Put { mine: PlaceFile, at_once: usize },
    Count { mine: PlaceFile, at_once: usize },
    TakeBack(VecDeque<PlaceFile>),
    ReadNext,
    ReadJob,
    List,
    Delete(VecDeque<PlaceFile>),
    DeleteMark,
}

/// What came of a request.
enum Then {
    Goes(Request),
    /// The store did not say: once more, for a while.
    Again,
    Placed(Place),
    Done,
    Failed(String),
}

/// Who waits in one process to ask for a place in one country, one after the other; the first one asks.
#[derive(Debug, Default)]
pub struct Asking(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    pid: Pid,
    id: AttemptId,
    at_once: usize,
}

impl World {
    /// A router asks for a place, when those before it in its process have. Where a country has no limit at once, there
    /// is nothing to ask for.
    pub(crate) fn takes_place(&mut self, pid: Pid, instance: u8, id: &AttemptId, limits: &Limits) {
        if !self.routers.contains_key(&pid) {
            return;
        }
        let Some(at_once) = limits.at_once else { return self.place(pid, Ok(Place::Taken)) };
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        let of = (instance, limits.country.clone());
        let asking = &mut self.asking.entry(of.clone()).or_default().0;
        asking.push_back(Waiting { pid, id: id.clone(), at_once });
        if asking.len() == 1 {
            self.asks_for_place(&of);
        }
    }

    fn asks_for_place(&mut self, of: &(u8, String)) {
        let nonce = self.dice.bits();
        let Some(Waiting { pid, id, at_once }) = self.asking.get(of).and_then(|asking| asking.0.front())
        else {
            return;
        };
        let (who, at_once, id, country) = (For::Router(*pid), *at_once, id.clone(), of.1.clone());
        let mine = PlaceFile { country: country.clone(), id: id.clone(), nonce };
        let request = Request::Put { mine, at_once };
        self.sends(Errand { who, id, country, request: request.clone(), until: 0 }, request);
    }

    /// It has its answer, or is dead: the next one in its process asks.
    pub(crate) fn asks_no_more(&mut self, pid: Pid) {
        let mut next = Vec::new();
        for (of, asking) in &mut self.asking {
            let was_first = asking.0.front().is_some_and(|first| first.pid == pid);
            asking.0.retain(|waiting| waiting.pid != pid);
            if was_first {
                next.push(of.clone());
            }
        }
        for of in next {
            self.asks_for_place(&of);
        }
    }

    /// What the router hears.
    pub(crate) fn place(&mut self, pid: Pid, place: Result<Place, String>) {
        let takes = self.dice.skewed(2, 200);
        self.clock.after(takes, Event::RouterHears { pid, input: Box::new(Input::Place(place)) });
    }

    /// `open/` goes, after reading `next.json` and giving the place back.
    pub(crate) fn closes(&mut self, who: For, id: &AttemptId) {
        let (id, country) = (id.clone(), String::new());
        self.sends(Errand { who, id, country, request: Request::ReadNext, until: 0 }, Request::ReadNext);
    }

    /// A sweep gives the place of an attempt back that is not open.
    pub(crate) fn gives_back(&mut self, pid: Pid, country: String, id: AttemptId) {
        let errand = Errand { who: For::Sweep(pid), id, country, request: Request::List, until: 0 };
        self.sends(errand, Request::List);
    }

    /// Everybody who has a place.
    pub(crate) fn who_has_places(&self) -> BTreeSet<(String, AttemptId)> {
        self.store.places.keys().map(|place| (place.country.clone(), place.id.clone())).collect()
    }

    fn lives(&self, who: For) -> bool {
        match who {
            For::Router(pid) => self.routers.contains_key(&pid),
            For::Settler(pid) => self.settlers.contains_key(&pid),
            For::Hangup(pid) => self.hangups.contains_key(&pid),
            For::Sweep(pid) => self.sweeps.contains_key(&pid),
        }
    }

    /// The next request sets out, unless its process dies before; or it dies right after.
    fn sends(&mut self, errand: Errand, request: Request) {
        let (For::Router(pid) | For::Settler(pid) | For::Hangup(pid) | For::Sweep(pid)) = errand.who;
        if !self.lives(errand.who) {
            return;
        }
        if self.strikes(self.weather.dies) {
            return self.dies(pid, "killed");
        }
        let stalls = self.strikes(self.weather.stalls);
        let takes = if stalls { self.dice.skewed(SECOND, 2 * 60 * SECOND) } else { self.dice.skewed(2, 200) };
        let until = self.clock.now() + takes + TRY_FOR;
        self.clock.after(takes, Event::AtPlaces(Box::new(Errand { request, until, ..errand })));
        if self.strikes(self.weather.dies) {
            self.dies(pid, "killed");
        }
    }

    /// A request about places arrives. It was sent, so it is carried out, whether its sender still lives or not.
    pub(crate) fn at_places(&mut self, errand: Errand) {
        let then = self.carries_out(&errand);
        if !self.lives(errand.who) {
            return;
        }
        match then {
            Then::Goes(request) => self.sends(errand, request),
            Then::Again if self.clock.now() < errand.until => {
                self.clock.after(PAUSE, Event::AtPlaces(Box::new(errand)));
            }
            Then::Again => self.hears(errand.who, Err("the store does not answer".to_owned())),
            Then::Failed(detail) => self.hears(errand.who, Err(detail)),
            Then::Done => {
                self.note(&errand.id, || format!("{:?} has given back what it held", errand.who));
                self.hears(errand.who, Ok(None));
            }
            Then::Placed(place) => {
                self.note(&errand.id, || {
                    format!("{:?} among the calls to {}: {place:?}", errand.who, errand.country)
                });
                self.hears(errand.who, Ok(Some(place)));
            }
        }
    }

    fn hears(&mut self, who: For, answer: Result<Option<Place>, String>) {
        let takes = self.dice.skewed(2, 200);
        match (who, answer) {
            (For::Router(pid), answer) if self.asks(pid) => {
                let full = Place::NotNow { why: NotNow::TooManyCalls, wait: std::time::Duration::ZERO };
                self.place(pid, answer.map(|place| place.unwrap_or(full)));
                self.asks_no_more(pid);
            }
            (For::Router(pid), answer) => {
                let input = Box::new(Input::Stored(answer.map(drop)));
                self.clock.after(takes, Event::RouterHears { pid, input });
            }
            (For::Settler(pid), answer) => {
                let input = Box::new(settle::Input::Done(answer.map(drop)));
                self.clock.after(takes, Event::SettlerHears { pid, input });
            }
            (For::Hangup(pid), answer) => self.hangup_has_closed(pid, answer.is_ok()),
            (For::Sweep(pid), answer) => self.sweep_has_given_back(pid, answer.is_ok()),
        }
    }

    fn asks(&self, pid: Pid) -> bool {
        self.asking.values().any(|asking| asking.0.front().is_some_and(|first| first.pid == pid))
    }

    fn carries_out(&mut self, errand: &Errand) -> Then {
        let reads = |then: Then, silent: Then, answers: bool| if answers { then } else { silent };
        let silent = || Then::Failed("the store does not answer".to_owned());
        match &errand.request {
            Request::Put { mine, at_once } => self.puts_place(mine, *at_once),
            Request::Count { mine, at_once } => {
                let then = self.counts(mine, *at_once);
                reads(then, silent(), self.store_reads())
            }
            Request::TakeBack(places) => {
                let mut left = places.clone();
                match left.pop_front() {
                    Some(place) if !self.deletes(Event::PlaceGoesLate(place.clone())) => silent(),
                    _ if left.is_empty() => Then::Done,
                    _ => Then::Goes(Request::TakeBack(left)),
                }
            }
            Request::ReadNext => {
                let is_settled = self.store.attempt(&errand.id).is_some_and(|attempt| attempt.next.is_some());
                let unsettled = Then::Failed("there is no next.json".to_owned());
                let then = if is_settled { Then::Goes(Request::ReadJob) } else { unsettled };
                reads(then, Then::Again, self.store_reads())
            }
            Request::ReadJob => {
                let has_job = self.store.attempt(&errand.id).is_some_and(|attempt| attempt.job.is_some());
                let next = if has_job { Request::List } else { Request::DeleteMark };
                reads(Then::Goes(next), Then::Again, self.store_reads())
            }
            Request::List => {
                let then = self.goes_to_delete(errand, self.places_of(errand));
                reads(then, silent(), self.store_reads())
            }
            Request::Delete(places) => {
                let mut left = places.clone();
                match left.pop_front() {
                    Some(place) if !self.deletes(Event::PlaceGoesLate(place.clone())) => silent(),
                    _ => self.goes_to_delete(errand, left),
                }
            }
            Request::DeleteMark if self.deletes(Event::MarkGoesLate(errand.id.clone())) => Then::Done,
            Request::DeleteMark => silent(),
        }
    }

    /// Tried again until the store says that it is there.
    fn puts_place(&mut self, mine: &PlaceFile, at_once: usize) -> Then {
        if self.weather.is_away(Service::Store, self.clock.now()) || self.strikes(self.weather.fails) {
            return Then::Again;
        }
        if self.strikes(self.weather.lands_late) {
            let after = self.dice.skewed(SECOND, 120 * SECOND);
            self.clock.after(after, Event::PlaceLandsLate(mine.clone()));
            return Then::Again;
        }
        self.place_lands(mine.clone());
        if self.strikes(self.weather.reply_lost) {
            return Then::Again;
        }
        Then::Goes(Request::Count { mine: mine.clone(), at_once })
    }

    /// It stands there from now on. The store tells the time of it in whole seconds (Amazon S3, ListObjectsV2).
    pub(crate) fn place_lands(&mut self, place: PlaceFile) {
        let now = self.clock.now();
        self.store.places.entry(place).or_insert(now - now % SECOND);
    }

    fn counts(&self, mine: &PlaceFile, at_once: usize) -> Then {
        let of_country = || self.store.places.iter().filter(|(place, _)| place.country == mine.country);
        let holders: BTreeSet<&AttemptId> = of_country().map(|(place, _)| &place.id).collect();
        if holders.len() <= at_once {
            return Then::Placed(Place::Taken);
        }
        // And what its deliveries left long ago that have come to nothing.
        let now = self.store.places.get(mine).copied().unwrap_or_default();
        let is_dead = |place: &PlaceFile, since: Ms| place.id == mine.id && since + LONGEST_DELIVERY < now;
        let dead = of_country().filter(|(place, since)| is_dead(place, **since)).map(|(place, _)| place);
        Then::Goes(Request::TakeBack([mine].into_iter().chain(dead).cloned().collect()))
    }

    fn places_of(&self, errand: &Errand) -> VecDeque<PlaceFile> {
        let job = self.store.attempt(&errand.id).and_then(|attempt| attempt.job.as_ref());
        let country = match (errand.who, job) {
            (For::Sweep(_), _) | (_, None) => &errand.country,
            (_, Some(job)) => &job.is.plan.profile.country,
        };
        let of_it = |place: &&PlaceFile| place.id == errand.id && place.country == *country;
        self.store.places.keys().filter(of_it).cloned().collect()
    }

    fn goes_to_delete(&self, errand: &Errand, left: VecDeque<PlaceFile>) -> Then {
        match errand.who {
            _ if !left.is_empty() => Then::Goes(Request::Delete(left)),
            For::Sweep(_) => Then::Done,
            _ => Then::Goes(Request::DeleteMark),
        }
    }

    /// A deletion arrives. Does who asked for it hear that it is done? `gone`: what happens when it is.
    fn deletes(&mut self, gone: Event) -> bool {
        if self.weather.is_away(Service::Store, self.clock.now()) || self.strikes(self.weather.fails) {
            return false;
        }
        if self.strikes(self.weather.lands_late) {
            let after = self.dice.skewed(SECOND, 120 * SECOND);
            self.clock.after(after, gone);
            return false;
        }
        self.is_gone(gone);
        !self.strikes(self.weather.reply_lost)
    }

    /// A deletion is done.
    pub(crate) fn is_gone(&mut self, gone: Event) {
        match gone {
            Event::PlaceGoesLate(place) => drop(self.store.places.remove(&place)),
            Event::MarkGoesLate(id) => {
                self.store.open.remove(&id);
                self.note(&id, || "store: open/ deleted".to_owned());
            }
            _ => {}
        }
    }
}
