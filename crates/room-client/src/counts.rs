//! What came in of the participant that we listen to, counted for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audio::HopCounts;

/// The hop from the trunk to the room, as seen by who hears it, from [`AudioIn::open`](crate::AudioIn::open) on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Received {
    /// Packets that came, in time or not; what was rebuilt from a copy (RED) came in another.
    pub packets: u64,
    /// `frames` are those handed to the reader; `late` and `lost` are counted in frames of the sender's.
    pub hop: HopCounts,
    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
}

/// [`Received`] as it stands, at any time and from any thread; clones look at the same. It outlives the room, and
/// tells then how it ended.
#[derive(Clone, Debug)]
pub struct InCounts {
    tally: Arc<Tally>,
}

/// Written by the media task alone, with plain stores: a reader never waits for it nor it for a reader. Two counts of one
/// look may be a frame apart.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [AtomicU64; 8],
    square_sum: AtomicU64,
    jitter_ms: AtomicU64,
}

impl InCounts {
    pub(crate) fn new(tally: Arc<Tally>) -> Self {
        Self { tally }
    }

    /// The counts as they stand.
    pub fn now(&self) -> Received {
        let [packets, frames, late, lost, recovered, concealed, silent, samples] =
            std::array::from_fn(|n| self.tally.counts[n].load(Ordering::Relaxed));
        let real = |bits: &AtomicU64| f64::from_bits(bits.load(Ordering::Relaxed));
        let square_sum = real(&self.tally.square_sum);
        let hop = HopCounts { frames, late, lost, recovered, concealed, silent, samples, square_sum };
        Received { packets, hop, jitter_ms: real(&self.tally.jitter_ms) }
    }
}

impl Tally {
    pub(crate) fn put(&self, received: &Received) {
        let HopCounts { frames, late, lost, recovered, concealed, silent, samples, square_sum } =
            received.hop;
        let counts = [received.packets, frames, late, lost, recovered, concealed, silent, samples];
        for (at, count) in self.counts.iter().zip(counts) {
            at.store(count, Ordering::Relaxed);
        }
        self.square_sum.store(square_sum.to_bits(), Ordering::Relaxed);
        self.jitter_ms.store(received.jitter_ms.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_read_as_it_was_put() {
        let tally = Arc::new(Tally::default());
        let counts = InCounts::new(tally.clone());
        assert_eq!(counts.now(), Received::default());
        let hop = HopCounts {
            frames: 1,
            late: 2,
            lost: 3,
            recovered: 4,
            concealed: 5,
            silent: 6,
            samples: 7,
            square_sum: 8.5,
        };
        let received = Received { packets: 10, hop, jitter_ms: 9.25 };
        tally.put(&received);
        assert_eq!(counts.clone().now(), received);
    }
}
