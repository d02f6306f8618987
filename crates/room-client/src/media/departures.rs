//! When a packet leaves for the room.

use std::time::{Duration, Instant};

use audio::{FRAME_MS, Head};

/// Length of a frame.
const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);

/// How long past its time a packet waits for speech that is about to come: what the room's own buffer bridges without
/// anybody hearing it (livekit-sip plays 40 to 60 ms behind).
const PATIENCE: Duration = Duration::from_millis(10);

/// No packet leaves closer than this to the one before.
const CLOSEST: Duration = Duration::from_millis(5);

/// One packet every 20 ms on absolute deadlines, from the first connection to the end.
///
/// Packet `n` is of the time `n` · 20 ms, and says so in its RTP time; silence leaves at that time. Speech does not
/// wait for it: the first frame after silence leaves as soon as it is there, up to 20 ms ahead of its time, and those
/// that follow keep to that phase. The next silence leaves in its time again. So the room never has more than one
/// frame in advance, gets neither overlap nor gap, and RTP time goes with the wall clock.
///
/// Packets whose time passed while our own process stood still are skipped and counted, not made up for.
pub(crate) struct Departures {
    start: Instant,
    /// Number of the next packet.
    next: u64,
    /// How long before their time packets leave.
    early: Duration,
    /// The last packet was a whole frame of speech: more is expected.
    talking: bool,
    /// The next one is due, and waits for speech.
    waiting: bool,
    last: Option<Instant>,
}

/// A packet that leaves now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// Frames since the start: where on the RTP clock it is.
    pub(crate) frame: u64,
    /// Packets skipped right before it.
    pub(crate) missed: u64,
}

impl Departures {
    /// The first packet is due at `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, next: 0, early: Duration::ZERO, talking: false, waiting: false, last: None }
    }

    /// Whether a frame that comes now would leave before [`deadline`](Self::deadline).
    pub(crate) fn is_open(&self) -> bool {
        !self.talking || self.waiting
    }

    /// When to look next, with this at the queue's head.
    pub(crate) fn deadline(&self, head: Head) -> Instant {
        let at = match head {
            // Not more than a frame ahead of its time.
            Head::Frame | Head::Cut if self.is_open() => self.time_of(self.next.saturating_sub(1)),
            _ if self.waiting => self.time_of(self.next) + PATIENCE,
            _ => self.time_of(self.next) - self.early,
        };
        self.last.map_or(at, |last| at.max(last + CLOSEST))
    }

    /// The packet that leaves now, if one does; to be filled with what is at the queue's head.
    pub(crate) fn depart(&mut self, head: Head, now: Instant) -> Option<Departure> {
        if now < self.deadline(head) {
            return None;
        }
        let time = self.time_of(self.next);
        let ready = match head {
            Head::Frame | Head::Cut => true,
            Head::Part => false,
            Head::Nothing => !self.talking,
        };
        if !ready && now < time + PATIENCE {
            self.waiting = true;
            return None;
        }
        let due = if self.waiting { time } else { time - self.early };
        let missed = (now.saturating_duration_since(due).as_nanos() / FRAME.as_nanos()) as u64;
        let frame = self.next + missed;
        let talking = head == Head::Frame;
        if !talking {
            self.early = Duration::ZERO;
        } else if !self.talking {
            self.early = self.time_of(frame).saturating_duration_since(now);
        }
        (self.next, self.talking, self.waiting, self.last) = (frame + 1, talking, false, Some(now));
        Some(Departure { frame, missed })
    }

    /// A call lasts hours at most; 2^32 frames are years.
    fn time_of(&self, frame: u64) -> Instant {
        self.start + FRAME * u32::try_from(frame).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
