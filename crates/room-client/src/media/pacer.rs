//! The 20 ms clock that both directions follow.

use std::time::{Duration, Instant};

use audio::FRAME_MS;

/// Length of a frame.
pub(crate) const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);

/// Ticks on absolute deadlines: a late tick does not move the next one, and after a stall those that were
/// missed are counted, not made up for.
pub(crate) struct Pacer {
    start: Instant,
    /// Number of the next tick.
    next: u64,
}

/// One tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Frames since the start: where on the RTP clock this one is. Advances with the wall clock.
    pub(crate) frame: u64,
    /// Ticks missed right before this one.
    pub(crate) missed: u64,
}

impl Pacer {
    /// The first tick is due at `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, next: 0 }
    }

    /// When the next tick is due.
    pub(crate) fn deadline(&self) -> Instant {
        // A call lasts hours at most; 2^32 frames are years.
        self.start + FRAME * u32::try_from(self.next).unwrap_or(u32::MAX)
    }

    /// The tick, if one is due.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Tick> {
        let late = now.checked_duration_since(self.deadline())?;
        let missed = (late.as_nanos() / FRAME.as_nanos()) as u64;
        let frame = self.next + missed;
        self.next = frame + 1;
        Some(Tick { frame, missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn lateness_does_not_add_up() {
        let start = crate::clock::now();
        let mut pacer = Pacer::new(start);
        for n in 0..1000 {
            let due = start + FRAME * n;
            assert_eq!(pacer.deadline(), due);
            assert_eq!(pacer.tick(due - MS), None);
            assert_eq!(pacer.tick(due + 7 * MS), Some(Tick { frame: n.into(), missed: 0 }));
            assert_eq!(pacer.tick(due + 7 * MS), None);
        }
    }

    #[test]
    fn a_stall_is_skipped_and_rtp_time_stays_with_the_wall_clock() {
        let start = crate::clock::now();
        let mut pacer = Pacer::new(start);
        assert_eq!(pacer.tick(start), Some(Tick { frame: 0, missed: 0 }));
        // Frames 1 to 5 were due at 20 to 100 ms; the one due now goes out, once.
        assert_eq!(pacer.tick(start + 119 * MS), Some(Tick { frame: 5, missed: 4 }));
        assert_eq!(pacer.tick(start + 119 * MS), None);
        assert_eq!(pacer.deadline(), start + 120 * MS);
    }
}
