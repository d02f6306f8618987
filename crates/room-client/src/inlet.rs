//! The way from the room: a constant stream of 20 ms frames.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use audio::Frame;
use tokio::sync::Notify;

/// Frames kept for a reader that stalls, half a second: older sound is worth less than fresh sound.
pub(crate) const KEPT_FRAMES: usize = 25;

/// What the listened-to participant says: one [`Frame`] of 20 ms at the room's rate every 20 ms, one second
/// a second, silence included, from [`open`](AudioIn::open) until the room ends.
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
    open: AtomicBool,
    closed: AtomicBool,
    dropped: AtomicU64,
}

/// A stream that is not open yet, both ends.
pub(crate) fn inlet() -> (Inlet, AudioIn) {
    let shared = Arc::new(Shared {
        frames: Mutex::new(VecDeque::with_capacity(KEPT_FRAMES)),
        arrived: Notify::new(),
        open: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        dropped: AtomicU64::new(0),
    });
    (Inlet { shared: shared.clone() }, AudioIn { shared })
}

impl AudioIn {
    /// Starts the stream. What was said before is not in it.
    pub fn open(&self) {
        self.shared.open.store(true, Ordering::Release);
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

    /// Frames that were thrown away so far because nobody read them for half a second.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn frames(&self) -> std::sync::MutexGuard<'_, VecDeque<Frame>> {
        self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inlet {
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Hands over one frame; drops the oldest when the reader is half a second behind.
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
        for n in 0..30 {
            inlet.push(frame(n));
        }
        assert_eq!(audio_in.dropped(), 5);
        assert_eq!(audio_in.recv().await, Some(frame(5)));
    }

    #[tokio::test]
    async fn the_stream_ends_after_its_last_frame() {
        let (inlet, mut audio_in) = inlet();
        assert!(!inlet.is_open());
        audio_in.open();
        assert!(inlet.is_open());
        inlet.push(frame(1));
        drop(inlet);
        assert_eq!(audio_in.recv().await, Some(frame(1)));
        assert_eq!(audio_in.recv().await, None);
    }
}
