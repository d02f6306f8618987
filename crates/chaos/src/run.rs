//! Many days, side by side, and what they came to.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::broken::Rule;
use crate::dice::seed_of_day;
use crate::witness::Violation;
use crate::world::{Settings, World};

/// So many attempts are one day: what one day remembers fits into memory, however many there are in all.
const ATTEMPTS_A_DAY: u64 = 20_000;

/// What to live through.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of all days.
    pub seed: u64,
    /// In all days together.
    pub attempts: u64,
    /// Only this day of them.
    pub day: Option<u64>,
    /// A rule that is broken on purpose.
    pub broken: Option<Rule>,
    /// Of these calls everything is noted.
    pub trace: Option<String>,
}

impl Run {
    /// How one day of it is lived again.
    pub fn again(&self, day: u64) -> String {
        let broken = self.broken.map(|rule| format!(" BREAK={}", rule.name())).unwrap_or_default();
        format!("make chaos ATTEMPTS={} SEED={} DAY={day}{broken}", self.attempts, self.seed)
    }

    /// The numbers of the days to be lived.
    fn days(&self) -> Vec<u64> {
        let days = self.attempts.div_ceil(ATTEMPTS_A_DAY).max(1);
        self.day.map_or_else(|| (0..days).collect(), |day| vec![day])
    }

    /// In all days that are to be lived.
    pub fn attempts_asked(&self) -> u64 {
        self.days().iter().map(|day| settings(self, *day).attempts).sum()
    }
}

/// What one day came to.
#[derive(Clone, Debug, Default)]
pub struct Day {
    /// Which.
    pub number: u64,
    /// Attempts that were claimed.
    pub attempts: u64,
    /// Messages that came from outside: upstream's, and letters that were sent back.
    pub messages: u64,
    /// Phones that rang twice.
    pub double_rings: u64,
    /// Messages and calls that nobody has any more.
    pub lost: u64,
    /// What was left at the end.
    pub left_over: u64,
    /// Everything that was seen broken; the day ends at the first.
    pub violations: Vec<Violation>,
    /// How often things happened.
    pub tally: BTreeMap<&'static str, u64>,
    /// The trace that was asked for.
    pub trace: Vec<String>,
}

/// What all days came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All sums; the violations are those of the first day that had any.
    pub sum: Day,
    /// How many days were lived.
    pub days: u64,
}

/// Lives one day.
pub fn live(settings: Settings) -> Day {
    let mut world = World::new(settings);
    world.live();
    let witness = &world.witness;
    Day {
        number: 0,
        attempts: world.store.attempts,
        messages: world.upstream.sent.len() as u64,
        double_rings: witness.double_rings,
        lost: witness.lost,
        left_over: witness.left_over,
        violations: witness.violations().to_vec(),
        tally: witness.tally.clone(),
        trace: world.trace.lines().to_vec(),
    }
}

impl Report {
    /// No promise was seen broken, in as many attempts as were asked for.
    pub fn holds(&self, run: &Run) -> bool {
        self.sum.violations.is_empty() && self.sum.attempts >= run.attempts_asked()
    }
}

/// Lives all days of a run, on as many cores as there are. Stops taking up days once one has gone wrong.
///
/// # Panics
/// When the core does, on one of the days; which one is written to standard error.
pub fn run(run: &Run) -> Report {
    let numbers = run.days();
    let next = AtomicU64::new(0);
    let work = || {
        let mut lived = Vec::new();
        while let Some(number) = take(&next, &numbers) {
            let day = Day { number, ..live_or_say(run, number, &next) };
            if !day.violations.is_empty() {
                stop(&next);
            }
            lived.push(day);
        }
        lived
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(numbers.len());
    let mut lived: Vec<Day> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let lived = workers.into_iter().map(|worker| worker.join());
        lived.flat_map(|days| days.unwrap_or_else(|panicked| panic::resume_unwind(panicked))).collect()
    });
    lived.sort_by_key(|day| day.number);
    sum(lived)
}

/// Lives a day; one that panics has said so already, and which it was is said beside it.
fn live_or_say(run: &Run, number: u64, next: &AtomicU64) -> Day {
    let day = panic::catch_unwind(AssertUnwindSafe(|| live(settings(run, number))));
    day.unwrap_or_else(|panicked| {
        stop(next);
        let said = format!("PANICKED on day {number}\nagain: {}\n", run.again(number));
        drop(std::io::stderr().write_all(said.as_bytes()));
        panic::resume_unwind(panicked)
    })
}

/// No further day is taken up.
fn stop(next: &AtomicU64) {
    next.store(u64::MAX / 2, Ordering::Relaxed);
}

fn take(next: &AtomicU64, numbers: &[u64]) -> Option<u64> {
    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok()?;
    numbers.get(place).copied()
}

fn settings(run: &Run, number: u64) -> Settings {
    let before = number * ATTEMPTS_A_DAY;
    Settings {
        seed: seed_of_day(run.seed, number),
        attempts: run.attempts.saturating_sub(before).min(ATTEMPTS_A_DAY),
        broken: run.broken,
        trace: run.trace.clone(),
    }
}

fn sum(lived: Vec<Day>) -> Report {
    let mut report = Report { days: lived.len() as u64, ..Report::default() };
    for day in lived {
        let sum = &mut report.sum;
        sum.attempts += day.attempts;
        sum.messages += day.messages;
        sum.double_rings += day.double_rings;
        sum.lost += day.lost;
        sum.left_over += day.left_over;
        for (what, times) in day.tally {
            *sum.tally.entry(what).or_default() += times;
        }
        if sum.violations.is_empty() && !day.violations.is_empty() {
            sum.number = day.number;
            sum.violations = day.violations;
        }
        sum.trace.extend(day.trace);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_attempts_than_were_asked_for_are_no_success() {
        let run = Run { seed: 1, attempts: ATTEMPTS_A_DAY + 10, day: None, broken: None, trace: None };
        let report = |attempts| Report { sum: Day { attempts, ..Day::default() }, days: 2 };
        assert!(report(ATTEMPTS_A_DAY + 10).holds(&run));
        assert!(!report(ATTEMPTS_A_DAY + 9).holds(&run));
        let last = Run { day: Some(1), ..run };
        assert!(report(10).holds(&last) && !report(9).holds(&last));
    }
}
