//! When the server sends which piece of what the agent says.

use std::time::Duration;

use audio::SampleRate;
use tokio::time::Instant;

/// The line that is being said, cut into messages, and the clock of the client's playback as the server
/// imagines it: what was sent plays without pause from when it was sent.
pub(super) struct Pace {
    bytes_per_second: u64,
    ahead: Duration,
    message: usize,
    line: Vec<u8>,
    sent: usize,
    playback_ends: Instant,
}

impl Pace {
    /// Messages of `message` bytes, sent up to `ahead` of playback. A message longer than `ahead` goes when
    /// everything before it has been played.
    pub(super) fn new(rate: SampleRate, ahead: Duration, message: usize, now: Instant) -> Self {
        let bytes_per_second = u64::from(rate.hz()) * 2;
        Self { bytes_per_second, ahead, message, line: Vec::new(), sent: 0, playback_ends: now }
    }

    /// From now on messages go up to `ahead` of playback.
    pub(super) fn runs_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// Begins a line. What was left of another is not said.
    pub(super) fn begin(&mut self, pcm: &[i16]) {
        self.line = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.sent = 0;
    }

    /// When the next message may go; `None` when all is sent.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.next();
        if next.is_empty() {
            return None;
        }
        let length = self.time(next.len());
        let early = self.ahead.saturating_sub(length);
        Some(self.playback_ends.checked_sub(early).unwrap_or(self.playback_ends))
    }

    /// The next message, taken to be sent `now`.
    pub(super) fn take(&mut self, now: Instant) -> Vec<u8> {
        let message = self.next().to_vec();
        self.sent += message.len();
        self.playback_ends = self.playback_ends.max(now) + self.time(message.len());
        message
    }

    /// Whether the client is taken to be still playing, or something is left to send.
    pub(super) fn speaking(&self, now: Instant) -> bool {
        !self.next().is_empty() || now < self.playback_ends
    }

    /// Whether every byte of the line has been sent.
    pub(super) fn all_sent(&self) -> bool {
        self.next().is_empty()
    }

    /// When playback of what has been sent ends.
    pub(super) fn playback_ends(&self) -> Instant {
        self.playback_ends
    }

    /// Stops saying the line. Returns the other half of a sample that was sent by half, if there is one:
    /// it still has to go, or every later sample would be read shifted by a byte.
    pub(super) fn interrupt(&mut self, now: Instant) -> Vec<u8> {
        let end = self.sent.next_multiple_of(2).min(self.line.len());
        let half = self.line[self.sent..end].to_vec();
        self.line.clear();
        self.sent = 0;
        self.playback_ends = now;
        half
    }

    fn next(&self) -> &[u8] {
        &self.line[self.sent..self.line.len().min(self.sent + self.message)]
    }

    fn time(&self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// When each message of one second of sound goes, in milliseconds, and its size.
    fn sent(ahead: Duration, message: usize) -> Vec<(u128, usize)> {
        let start = Instant::now();
        let mut pace = Pace::new(SampleRate::Hz8000, ahead, message, start);
        pace.begin(&[1; 8000]);
        let mut messages = Vec::new();
        while let Some(due) = pace.due() {
            let now = due.max(start);
            messages.push(((now - start).as_millis(), pace.take(now).len()));
        }
        assert_eq!(pace.playback_ends() - start, MS(1000));
        messages
    }

    #[test]
    fn speech_goes_at_its_pace_or_ahead_of_it() {
        assert_eq!(sent(MS(0), 320)[..3], [(0, 320), (20, 320), (40, 320)]);
        assert_eq!(sent(MS(60), 320)[..5], [(0, 320), (0, 320), (0, 320), (20, 320), (40, 320)]);
        assert!(sent(MS(30_000), 320).iter().all(|(at, _)| *at == 0));
        assert_eq!(sent(MS(100), 8000), [(0, 8000), (500, 8000)], "longer than the client's buffer");
        assert_eq!(sent(MS(0), 15_999), [(0, 15_999), (999, 1)]);
    }

    #[test]
    fn an_interrupted_line_leaves_no_half_sample_behind() {
        let now = Instant::now();
        let mut pace = Pace::new(SampleRate::Hz8000, MS(1000), 3, now);
        pace.begin(&[0x0201; 4]);
        assert_eq!(pace.take(now), [1, 2, 1]);
        assert!(pace.speaking(now) && !pace.all_sent());
        assert_eq!(pace.interrupt(now), [2]);
        assert!(!pace.speaking(now) && pace.due().is_none());
        pace.begin(&[0x0201; 4]);
        assert_eq!((pace.take(now).len(), pace.take(now).len()), (3, 3));
        assert_eq!(pace.interrupt(now), [0u8; 0]);
    }
}
