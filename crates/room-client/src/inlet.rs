//! The way from the room: a constant stream of 20 ms frames.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use audio::Frame;
use tokio::sync::Notify;

use crate::clock;
use crate::counts::{InCounts, Received, Tally};

/// Frames kept for a reader that stalls: older sound is worth less than fresh sound. What a path brings in one burst after
/// it has stalled (a second, see `media::steady`) must fit before the reader has its turn.
const KEPT_FRAMES: usize = 64;

/// What the listened-to participant says: one [`Frame`] of 20 ms at the room's rate for every 20 ms, one second a second,
/// silence included, from [`open`](AudioIn::open) until the room ends.
///
/// A frame is here as soon as its packet is: nothing is held back to smooth them, so they come as evenly as the network
/// brings them. Where nothing comes, silence does, at the latest 80 ms after its time.
pub struct AudioIn {
    shared: Arc<Shared>,
}

/// The media task's end.
pub(crate) struct Inlet {
    shared: Arc<Shared>,
}

struct Shared {
    frames: Mutex<VecDeque<Frame>>,
    arrived: Notify,
    opened_at: OnceLock<Instant>,
    opened: Notify,
    closed: AtomicBool,
    dropped: AtomicU64,
    tally: Arc<Tally>,
}

/// A stream that is not open yet, both ends.
pub(crate) fn inlet() -> (Inlet, AudioIn) {
    let shared = Arc::new(Shared {
        // Grows to what a reader leaves lying, which is a frame or two.
        frames: Mutex::new(VecDeque::new()),
        arrived: Notify::new(),
        opened_at: OnceLock::new(),
        opened: Notify::new(),
        closed: AtomicBool::new(false),
        dropped: AtomicU64::new(0),
        tally: Arc::new(Tally::default()),
    });
    (Inlet { shared: shared.clone() }, AudioIn { shared })
}

impl AudioIn {
    /// Starts the stream, now. What was said before is not in it. Again, it changes nothing.
    pub fn open(&self) {
        self.shared.opened_at.get_or_init(clock::now);
        self.shared.opened.notify_one();
    }

    /// The next frame, or `None` once the room has ended and all frames were read. Cancel safe.
    pub async fn recv(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames().pop_front() {
                return Some(frame);
            }
            if self.shared.closed.load(Ordering::Acquire) {
                // A last frame may have come between the two looks.
                return self.frames().pop_front();
            }
            // One reader, and a permit is kept: a frame that comes now is not missed.
            self.shared.arrived.notified().await;
        }
    }

    /// Frames that were thrown away so far because nobody read them for more than a second.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Tells what came in so far.
    pub fn counts(&self) -> InCounts {
        InCounts::new(self.shared.tally.clone())
    }

    fn frames(&self) -> std::sync::MutexGuard<'_, VecDeque<Frame>> {
        self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inlet {
    /// When the stream was opened; waits until it is. Cancel safe.
    pub(crate) async fn opened(&self) -> Instant {
        loop {
            if let Some(&at) = self.shared.opened_at.get() {
                return at;
            }
            self.shared.opened.notified().await;
        }
    }

    /// The same, if it is.
    pub(crate) fn opened_at(&self) -> Option<Instant> {
        self.shared.opened_at.get().copied()
    }

    /// Hands over one frame; drops the oldest when the reader is too far behind.
    pub(crate) fn push(&self, frame: Frame) {
        let mut frames = self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() == KEPT_FRAMES {
            frames.pop_front();
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        frames.push_back(frame);
        drop(frames);
        self.shared.arrived.notify_one();
    }

    /// Tells what came in so far.
    pub(crate) fn count(&self, received: &Received) {
        self.shared.tally.put(received);
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: i16) -> Frame {
        Frame::from_slice(&[n; 320]).expect("fits")
    }

    #[tokio::test]
    async fn a_reader_that_stalls_loses_the_oldest_frames_and_it_is_counted() {
        let (inlet, mut audio_in) = inlet();
        for n in 0..70 {
            inlet.push(frame(n));
        }
        assert_eq!(audio_in.dropped(), 6);
        assert_eq!(audio_in.recv().await, Some(frame(6)));
    }

    #[tokio::test]
    async fn the_stream_ends_after_its_last_frame() {
        let (inlet, mut audio_in) = inlet();
        inlet.push(frame(1));
        drop(inlet);
        assert_eq!(audio_in.recv().await, Some(frame(1)));
        assert_eq!(audio_in.recv().await, None);
    }

    #[tokio::test]
    async fn who_waits_for_the_opening_is_woken_by_it_and_told_when_it_was() {
        let (inlet, audio_in) = inlet();
        let waiting = tokio::spawn(async move { (inlet.opened().await, inlet.opened().await) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        audio_in.open();
        let (first, again) = waiting.await.expect("no panic");
        audio_in.open();
        assert_eq!(first, again);
    }
}
