//! Many days, side by side, and what they came to.

use std::collections::BTreeMap;
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

/// Lives all days of a run, on as many cores as there are. Stops taking up days once one has gone wrong.
pub fn run(run: &Run) -> Report {
    let days = run.attempts.div_ceil(ATTEMPTS_A_DAY).max(1);
    let numbers: Vec<u64> = run.day.map_or_else(|| (0..days).collect(), |day| vec![day]);
    let next = AtomicU64::new(0);
    let work = || {
        let mut lived = Vec::new();
        while let Some(number) = take(&next, &numbers) {
            let day = Day { number, ..live(settings(run, number)) };
            if !day.violations.is_empty() {
                next.store(u64::MAX / 2, Ordering::Relaxed);
            }
            lived.push(day);
        }
        lived
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(numbers.len());
    let mut lived: Vec<Day> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        // A worker that panics has found a day on which the core does: that is told by its panic.
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    lived.sort_by_key(|day| day.number);
    sum(lived)
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
