//! The sweep: looks at everything that is open, asks ECS about the tasks that might still end it, and only then settles
//! what it saw. All of that takes its time, and it may die at every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use calls::ids::AttemptId;
use calls::settle::{Cause, Folder, task_of};

use crate::clock::SECOND;
use crate::event::Event;
use crate::store::AttemptFolder;
use crate::weather::Service;
use crate::world::{Pid, World};

/// Attempts are taken up by so many; ECS is asked about as many tasks at once.
const BATCH: usize = 100;
/// So many folders are looked at at once.
const AT_ONCE: usize = 16;

/// A sweep on its way.
#[derive(Debug)]
pub struct Sweep {
    step: Step,
    /// Open, and not taken up yet.
    left: VecDeque<AttemptId>,
    /// Of those that were taken up: not looked at yet.
    batch: VecDeque<AttemptId>,
    seen: Vec<Seen>,
    /// Places, by country; after the second look: of those that are not open.
    places: VecDeque<(String, AttemptId)>,
}

#[derive(Debug)]
enum Step {
    /// First: who has a place was marked open before, so who is not open by the second look has ended.
    ListPlaces,
    ListOpen,
    Look,
    DescribeTasks,
    Rooms,
}

/// What was seen of an attempt's call.
#[derive(Debug)]
struct Seen {
    id: AttemptId,
    folder: Folder,
    /// Who would have to say how it ended.
    task: Option<String>,
}

impl World {
    /// A sweep begins.
    pub(crate) fn sweep_begins(&mut self) {
        let pid = self.new_pid();
        let timeout = self.lambda_timeout();
        self.clock.after(timeout, Event::Dies(pid));
        let (left, batch, places) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let sweep = Sweep { step: Step::ListPlaces, left, batch, seen: Vec::new(), places };
        self.sweep_further(pid, sweep, Step::ListPlaces);
    }

    fn sweep_further(&mut self, pid: Pid, sweep: Sweep, step: Step) {
        if self.strikes(self.weather.dies) {
            return self.witness.count("sweeps that died");
        }
        self.sweeps.insert(pid, Sweep { step, ..sweep });
        let takes = self.dice.skewed(20, 3 * SECOND);
        self.clock.after(takes, Event::SweepGoesOn(pid));
    }

    /// A step of it is done.
    pub(crate) fn sweep_goes_on(&mut self, pid: Pid) {
        let Some(mut sweep) = self.sweeps.remove(&pid) else { return };
        match sweep.step {
            Step::ListPlaces => {
                if self.store_reads() {
                    sweep.places = self.who_has_places().into_iter().collect();
                }
                self.sweep_further(pid, sweep, Step::ListOpen);
            }
            Step::ListOpen if !self.store_reads() => self.sweep_further(pid, sweep, Step::Rooms),
            Step::ListOpen => {
                sweep.left = self.open_in_no_order();
                sweep.places.retain(|(_, id)| !self.store.open.contains_key(id));
                self.sweep_gives_back(pid, sweep);
            }
            Step::Look => {
                for _ in 0..AT_ONCE {
                    let Some(id) = sweep.batch.pop_front() else { break };
                    // Who cannot be looked at is left to the next sweep.
                    sweep.seen.extend(self.sweep_sees(id));
                }
                let next = if sweep.batch.is_empty() { Step::DescribeTasks } else { Step::Look };
                self.sweep_further(pid, sweep, next);
            }
            Step::DescribeTasks => {
                let named: BTreeSet<&str> =
                    sweep.seen.iter().filter_map(|seen| seen.task.as_deref()).collect();
                // Where ECS does not answer, deadlines decide.
                let stopped = self.describe_tasks(&named).unwrap_or_default();
                for Seen { id, folder, task } in std::mem::take(&mut sweep.seen) {
                    let cause = Cause::found(task.as_deref(), &stopped);
                    if cause != Cause::Swept {
                        self.witness.count("stopped tasks that a sweep found");
                    }
                    self.settle(id, cause, None, Some(folder));
                }
                self.sweep_takes_up(pid, sweep);
            }
            Step::Rooms => self.sweep_rooms(),
        }
    }

    /// The next place, or, when there are none, what is open.
    fn sweep_gives_back(&mut self, pid: Pid, mut sweep: Sweep) {
        match sweep.places.pop_front() {
            Some((country, id)) => {
                self.sweeps.insert(pid, sweep);
                self.gives_back(pid, country, id);
            }
            None => self.sweep_takes_up(pid, sweep),
        }
    }

    /// A place is given back, or left to the next sweep.
    pub(crate) fn sweep_has_given_back(&mut self, pid: Pid, is_done: bool) {
        if is_done {
            self.witness.count("places that a sweep gave back");
        }
        if let Some(sweep) = self.sweeps.remove(&pid) {
            self.sweep_gives_back(pid, sweep);
        }
    }

    /// The next attempts, or, when there are none, the rooms.
    fn sweep_takes_up(&mut self, pid: Pid, mut sweep: Sweep) {
        let some = sweep.left.len().min(BATCH);
        sweep.batch = sweep.left.drain(..some).collect();
        let next = if sweep.batch.is_empty() { Step::Rooms } else { Step::Look };
        self.sweep_further(pid, sweep, next);
    }

    fn open_in_no_order(&mut self) -> VecDeque<AttemptId> {
        let mut open: Vec<AttemptId> = self.store.open.keys().cloned().collect();
        for place in (1..open.len()).rev() {
            let other = self.dice.between(0, place as u64);
            open.swap(place, usize::try_from(other).unwrap_or(place));
        }
        open.into()
    }

    fn sweep_sees(&mut self, id: AttemptId) -> Option<Seen> {
        if !self.store_reads() {
            return None;
        }
        let clock = &self.clock;
        let folder = self.store.look_to_settle(&id.key, |at| clock.wall_at(at));
        let seen = folder.attempts.get(&id.number);
        let launched = self.store.attempt(&id).and_then(AttemptFolder::launched);
        let dial = |seen: &calls::settle::AttemptSeen| {
            let dial = seen.dial.as_ref()?;
            Some((dial.task.clone(), dial.decision.is_some()))
        };
        let dial = seen.and_then(dial);
        let dial = dial.as_ref().map(|(task, is_decided)| (task.as_str(), *is_decided));
        let has_outcome = seen.is_some_and(|seen| seen.outcome.is_some());
        let task = task_of(has_outcome, dial, launched).map(str::to_owned);
        Some(Seen { id, folder, task })
    }

    /// DescribeTasks: which of these ECS knows as STOPPED, and why; `None`: it does not answer. It may not have heard of
    /// a stop yet, and it forgets.
    fn describe_tasks(&mut self, named: &BTreeSet<&str>) -> Option<BTreeMap<String, String>> {
        let now = self.clock.now();
        let fails = self.weather.fails + self.weather.reply_lost;
        if self.weather.is_away(Service::Ecs, now) || self.strikes(fails) {
            return None;
        }
        let mut stopped = BTreeMap::new();
        for name in named {
            let is_late = self.strikes(self.weather.doubles);
            let late = if is_late { self.dice.skewed(0, 120 * SECOND) } else { 0 };
            if let Some(why) = self.ecs.says_stopped(name, now.saturating_sub(late), now) {
                stopped.insert((*name).to_owned(), why.to_owned());
            }
        }
        Some(stopped)
    }

    /// Rooms whose metadata names an attempt that has an outcome.
    fn sweep_rooms(&mut self) {
        if self.weather.is_away(Service::Livekit, self.clock.now()) {
            return;
        }
        let has_outcome =
            |id: &AttemptId| self.store.attempt(id).is_some_and(|folder| folder.outcome.is_some());
        let rooms = self.livekit.rooms.iter();
        let settled = rooms.filter(|(_, room)| room.attempt.as_ref().is_some_and(has_outcome));
        let names: Vec<String> = settled.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.delete_room(&name);
        }
    }
}
