//! How evenly sound leaves a bridge, as the phone sees it behind the server.

use std::ops::Range;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sim::stack::Arrival;

/// RTP time of Opus (RFC 7587 §4.1).
const TICKS_PER_MS: f64 = 48.0;

/// By how much the time between a packet and the one before it misses what their RTP times say, which is 20 ms
/// while somebody talks. The server's own share is in it, for both bridges.
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
        let within: Vec<&Arrival> = arrivals.iter().filter(|arrival| span.contains(&arrival.at_us)).collect();
        let pairs = within.windows(2).filter(|pair| pair[0].ssrc == pair[1].ssrc);
        let mut errors: Vec<f64> = pairs.map(|pair| error_ms(pair[0], pair[1])).collect();
        errors.sort_by(f64::total_cmp);
        let at_most = |share: f64| {
            let nth = (errors.len() as f64 * share).ceil() as usize;
            errors.get(nth.saturating_sub(1)).copied().context("no two packets came")
        };
        let (p50_ms, p99_ms, max_ms) = (at_most(0.5)?, at_most(0.99)?, at_most(1.0)?);
        Ok(Self { p50_ms, p99_ms, max_ms, gaps: errors.len() })
    }
}

fn error_ms(before: &Arrival, after: &Arrival) -> f64 {
    let clock_ms = (after.at_us - before.at_us) as f64 / 1000.0;
    // Its time wraps around, and goes back where packets have changed places.
    let media_ms = f64::from(after.rtp_time.wrapping_sub(before.rtp_time).cast_signed()) / TICKS_PER_MS;
    (clock_ms - media_ms).abs()
}
