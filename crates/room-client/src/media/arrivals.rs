//! How unevenly packets arrive, and which of them did not come by themselves.

use std::time::Instant;

/// A step on the sender's clock, against ours, beyond this is another clock: it says nothing about the network.
const MOST_MS: f64 = 10_000.0;

#[derive(Clone, Copy)]
struct Arrival {
    seq: u64,
    time: u64,
    at: Instant,
}

/// Packets in the order of their arrival.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// The last, and the last one that arrived by itself before it.
    last: Option<Arrival>,
    before: Option<Arrival>,
    jitter_ms: f64,
}

impl Arrivals {
    /// Notes a packet by its extended sequence number and RTP time. Returns whether the one noted before it was taken out
    /// of this one: str0m gives a packet that it has rebuilt from a redundant copy (RFC 2198) right before the packet
    /// that carried it, with the same time of arrival.
    pub(crate) fn note(&mut self, seq: u64, time: u64, at: Instant) -> bool {
        let this = Arrival { seq, time, at };
        let Some(last) = self.last.replace(this) else { return false };
        if last.at == at {
            return last.seq < seq;
        }
        if let Some(before) = self.before.replace(last) {
            self.take_in(difference_ms(before, last));
        }
        false
    }

    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub(crate) fn jitter_ms(&self) -> f64 {
        self.jitter_ms
    }

    /// Another stream begins; the jitter so far stays.
    pub(crate) fn start_again(&mut self) {
        (self.last, self.before) = (None, None);
    }

    fn take_in(&mut self, difference_ms: f64) {
        if difference_ms.abs() < MOST_MS {
            self.jitter_ms += (difference_ms.abs() - self.jitter_ms) / 16.0;
        }
    }
}

/// D of RFC 3550: how much longer the second was on its way than the first.
fn difference_ms(first: Arrival, second: Arrival) -> f64 {
    let arrived_ms = second.at.saturating_duration_since(first.at).as_secs_f64() * 1000.0;
    let sent_ms = (second.time as f64 - first.time as f64) / 48.0;
    arrived_ms - sent_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_even_stream_has_no_jitter_and_every_second_packet_10_ms_late_has_10_ms() {
        let (start, mut even, mut uneven) = (crate::clock::now(), Arrivals::default(), Arrivals::default());
        for n in 0..200_u32 {
            even.note(n.into(), u64::from(n) * 960, start + 20 * MS * n);
            uneven.note(n.into(), u64::from(n) * 960, start + 20 * MS * n + 10 * MS * (n % 2));
        }
        assert!(even.jitter_ms() < 1e-6);
        assert!((uneven.jitter_ms() - 10.0).abs() < 0.1, "{}", uneven.jitter_ms());
    }

    #[test]
    fn silence_is_no_jitter_and_neither_is_another_clock() {
        let (start, mut arrivals) = (crate::clock::now(), Arrivals::default());
        arrivals.note(0, 0, start);
        arrivals.note(1, 48_000 * 5, start + 5000 * MS);
        arrivals.note(2, u64::MAX, start + 5020 * MS);
        arrivals.note(3, 0, start + 5040 * MS);
        arrivals.note(4, 960, start + 5060 * MS);
        assert!(arrivals.jitter_ms() < 1e-6);
    }

    #[test]
    fn a_packet_that_came_inside_another_is_told_and_is_no_arrival() {
        let (start, mut arrivals) = (crate::clock::now(), Arrivals::default());
        for n in (0..100_u32).filter(|n| n % 5 != 3) {
            let at = start + 20 * MS * n;
            if n % 5 == 4 {
                assert!(!arrivals.note(u64::from(n) - 1, u64::from(n - 1) * 960, at));
                assert!(arrivals.note(n.into(), u64::from(n) * 960, at));
            } else {
                assert!(!arrivals.note(n.into(), u64::from(n) * 960, at));
            }
        }
        assert!(arrivals.jitter_ms() < 1e-6);
    }
}
