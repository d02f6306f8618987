//! How evenly sound leaves a bridge: on the wire, or as the phone sees it behind the server.

use std::ops::Range;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sim::stack::Arrival;

use crate::measure::spread::at_most;

/// RTP time of Opus (RFC 7587 §4.1).
const TICKS_PER_MS: f64 = 48.0;

/// By how much the time between a packet and the one before it misses what their RTP times say, which is 20 ms
/// while somebody talks. At a phone the server's own share is in it, for both bridges.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GapErrors {
    /// Half of them are at most this, in ms.
    pub p50_ms: f64,
    /// 99 of 100 are.
    pub p99_ms: f64,
    /// All are.
    pub max_ms: f64,
    /// How many there were.
    pub gaps: usize,
}

impl GapErrors {
    /// Of the packets that came within `span` (Unix microseconds).
    ///
    /// # Errors
    /// When there are no two.
    pub fn of(arrivals: &[Arrival], span: Range<i64>) -> Result<Self> {
        Self::of_errors(&errors_ms(arrivals, span))
    }

    /// Of these, in ms: those of several calls, perhaps.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_errors(errors: &[f64]) -> Result<Self> {
        let at_most = |share| at_most(errors, share).context("no two packets came");
        let (p50_ms, p99_ms, max_ms) = (at_most(0.5)?, at_most(0.99)?, at_most(1.0)?);
        Ok(Self { p50_ms, p99_ms, max_ms, gaps: errors.len() })
    }
}

/// Each of them, in the order of the packets, in ms to the microsecond.
pub fn errors_ms(arrivals: &[Arrival], span: Range<i64>) -> Vec<f64> {
    let within: Vec<&Arrival> = arrivals.iter().filter(|arrival| span.contains(&arrival.at_us)).collect();
    let pairs = within.windows(2).filter(|pair| pair[0].ssrc == pair[1].ssrc);
    pairs.map(|pair| (error_ms(pair[0], pair[1]) * 1000.0).round() / 1000.0).collect()
}

fn error_ms(before: &Arrival, after: &Arrival) -> f64 {
    let clock_ms = (after.at_us - before.at_us) as f64 / 1000.0;
    // Its time wraps around, and goes back where packets have changed places.
    let media_ms = f64::from(after.rtp_time.wrapping_sub(before.rtp_time).cast_signed()) / TICKS_PER_MS;
    (clock_ms - media_ms).abs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Packets 20 ms of sound apart that came at these milliseconds; their RTP time wraps around on the way.
    fn came_at(times_ms: &[i64]) -> Vec<Arrival> {
        let first = u32::MAX - 1000;
        let packets = (0u16..).zip(times_ms);
        let arrival = |(sequence, at_ms): (u16, &i64)| Arrival {
            at_us: at_ms * 1000,
            rtp_time: first.wrapping_add(u32::from(sequence) * 960),
            sequence,
            ssrc: 1,
        };
        packets.map(arrival).collect()
    }

    #[test]
    fn late_and_early_packets_are_errors_and_even_ones_are_none() {
        let even = GapErrors::of(&came_at(&[0, 20, 40, 60]), 0..100_000).unwrap();
        assert_eq!((even.p50_ms, even.max_ms, even.gaps), (0.0, 0.0, 3));
        let late = GapErrors::of(&came_at(&[0, 20, 47, 60]), 0..100_000).unwrap();
        assert_eq!((late.p50_ms, late.p99_ms, late.max_ms), (7.0, 7.0, 7.0));
        let before = GapErrors::of(&came_at(&[0, 20, 47, 60]), 0..47_000).unwrap();
        assert_eq!((before.max_ms, before.gaps), (0.0, 1));
        assert!(GapErrors::of(&came_at(&[0]), 0..100_000).is_err());
    }

    #[test]
    fn a_pause_that_the_rtp_time_tells_is_none_and_a_lost_packet_neither() {
        let mut arrivals = came_at(&[0, 20, 40, 60, 80]);
        arrivals.remove(2);
        assert_eq!(GapErrors::of(&arrivals, 0..100_000).unwrap().max_ms, 0.0);
        arrivals.swap(1, 2);
        (arrivals[1].at_us, arrivals[2].at_us) = (20_000, 21_000);
        assert!(GapErrors::of(&arrivals, 0..100_000).unwrap().max_ms > 40.0, "out of order");
    }

    #[test]
    fn the_last_percent_is_beyond_the_99th() {
        let mut times: Vec<i64> = (0..=200).map(|nth| nth * 20).collect();
        times[200] += 30;
        let one_of_200 = GapErrors::of(&came_at(&times), 0..10_000_000).unwrap();
        assert_eq!((one_of_200.p99_ms, one_of_200.max_ms), (0.0, 30.0));
    }
}
