//! Places among a country's calls: put first, then counted, so that the last to put has counted all others.

use calls::fact::NotNow;
use calls::ids::AttemptId;
use calls::routing::{Input, Place};

use crate::clock::{Ms, SECOND};
use crate::event::Event;
use crate::paces::Limits;
use crate::world::{Pid, World};

/// Who has to wait for a place asks again after this.
const WAIT: std::time::Duration = std::time::Duration::from_secs(30);

impl World {
    /// A router puts its place. Where a country has no limit at once, there is nothing to put.
    pub(crate) fn takes_place(&mut self, pid: Pid, id: &AttemptId, limits: &Limits) {
        let Some(at_once) = limits.at_once else { return self.place(pid, Ok(Place::Taken)) };
        if !self.store_reads() {
            return self.place(pid, Err("the store does not answer".to_owned()));
        }
        let now = self.clock.now();
        let place = (limits.country.clone(), id.clone());
        let ours = !self.store.places.contains_key(&place);
        self.store.places.entry(place).or_insert(now);
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        let takes = self.dice.skewed(2, 3 * SECOND);
        let counts =
            Event::CountsPlaces { pid, id: id.clone(), country: limits.country.clone(), at_once, ours };
        self.clock.after(takes, counts);
    }

    /// It counts all there are; one too many, it takes its own back.
    pub(crate) fn counts_places(
        &mut self,
        pid: Pid,
        id: &AttemptId,
        country: &str,
        at_once: usize,
        ours: bool,
    ) {
        if !self.routers.contains_key(&pid) {
            return;
        }
        if !self.store_reads() {
            return self.place(pid, Err("the store does not answer".to_owned()));
        }
        let of_country = self.store.places.iter().filter(|((of, _), _)| of == country);
        let mut places: Vec<(Ms, AttemptId)> =
            of_country.map(|((_, id), since)| (*since, id.clone())).collect();
        if places.len() <= at_once {
            return self.place(pid, Ok(Place::Taken));
        }
        let not_now = Place::NotNow { why: NotNow::TooManyCalls, wait: WAIT };
        if ours {
            self.store.places.remove(&(country.to_owned(), id.clone()));
            return self.place(pid, Ok(not_now));
        }
        places.sort();
        let is_old = places.iter().take(at_once).any(|(_, place)| place == id);
        self.place(pid, Ok(if is_old { Place::Taken } else { not_now }));
    }

    /// What the router hears.
    pub(crate) fn place(&mut self, pid: Pid, place: Result<Place, String>) {
        let takes = self.dice.skewed(2, 200);
        self.clock.after(takes, Event::RouterHears { pid, input: Box::new(Input::Place(place)) });
    }

    /// Places of attempts that are not open: whoever put them came too late.
    pub(crate) fn sweep_places(&mut self) {
        let open = &self.store.open;
        self.store.places.retain(|(_, id), _| open.contains_key(id));
    }
}
