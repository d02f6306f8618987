//! Virtual time: what is due next, and nothing that could be read from a real clock but one instant to count from.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::event::Event;

/// Milliseconds since the day began.
pub type Ms = u64;

/// A second, in [`Ms`].
pub const SECOND: Ms = 1_000;
/// A minute, in [`Ms`].
pub const MINUTE: Ms = 60 * SECOND;
/// An hour, in [`Ms`].
pub const HOUR: Ms = 60 * MINUTE;

/// The virtual clock and everything that is due on it.
#[derive(Debug)]
pub struct Clock {
    now: Ms,
    base: Instant,
    begins: Timestamp,
    due: BinaryHeap<Due>,
    scheduled: u64,
}

#[derive(Debug)]
struct Due {
    at: Ms,
    /// Of two events at one time the one that was scheduled first comes first: a seed must replay.
    turn: u64,
    event: Event,
}

impl Clock {
    /// A clock at the beginning of a day that begins at `begins` for those who read a calendar.
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences are used"
    )]
    pub fn new(begins: Timestamp) -> Self {
        Self { now: 0, base: Instant::now(), begins, due: BinaryHeap::new(), scheduled: 0 }
    }

    /// Milliseconds since the day began.
    pub fn now(&self) -> Ms {
        self.now
    }

    /// Now, as a call counts it.
    pub fn instant(&self) -> Instant {
        self.instant_at(self.now)
    }

    /// A time of the day, as a call counts it.
    pub fn instant_at(&self, at: Ms) -> Instant {
        self.base + Duration::from_millis(at)
    }

    /// What a call calls `instant`, rounded up: nobody is woken too early.
    pub fn ms_of(&self, instant: Instant) -> Ms {
        let since = instant.saturating_duration_since(self.base);
        u64::try_from(since.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    /// Now, by the calendar.
    pub fn wall(&self) -> Timestamp {
        self.wall_at(self.now)
    }

    /// A time of the day, by the calendar.
    pub fn wall_at(&self, at: Ms) -> Timestamp {
        let since = SignedDuration::from_millis(i64::try_from(at).unwrap_or(i64::MAX));
        self.begins.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    /// What the calendar calls `wall`; times before the day are its beginning.
    pub fn ms_of_wall(&self, wall: Timestamp) -> Ms {
        u64::try_from(wall.duration_since(self.begins).as_millis()).unwrap_or(0)
    }

    /// Makes `event` happen `after` from now.
    pub fn after(&mut self, after: Ms, event: Event) {
        self.scheduled += 1;
        self.due.push(Due { at: self.now.saturating_add(after), turn: self.scheduled, event });
    }

    /// Moves on to what is due next.
    pub fn next(&mut self) -> Option<Event> {
        let due = self.due.pop()?;
        self.now = self.now.max(due.at);
        Some(due.event)
    }
}

impl Ord for Due {
    /// The heap's greatest is what is due first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.turn).cmp(&(self.at, self.turn))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
