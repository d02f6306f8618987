//! The only place of this program that reads clocks; everything else is told the time.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Now, for measuring.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Now, for people and deadlines that others share.
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// When `at` will be on our own clock; now, if it has passed.
pub fn instant_of(at: Timestamp) -> Instant {
    let left = at.duration_since(wall());
    now() + Duration::try_from(left).unwrap_or_default()
}

/// Whole milliseconds since `start`.
pub fn ms_since(start: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
}
