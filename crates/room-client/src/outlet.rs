//! The way toward the room: what the agent says, queued until the pacer takes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio::{FrameKind, Playout, SampleRate};
use tokio::sync::Notify;

/// Agents send seconds ahead, at most their own buffer's half minute; this bounds one that never stops.
const LONGEST_QUEUE: Duration = Duration::from_secs(60);

/// The agent's voice toward the room. Clones share one queue.
///
/// All calls are short (a lock held for a copy) and may come from any thread.
#[derive(Clone)]
pub struct AudioOut {
    shared: Arc<Shared>,
}

struct Shared {
    playout: Mutex<Playout>,
    rate: SampleRate,
    drained: Notify,
    /// Has speech been sent, and who waits for that.
    spoken: AtomicBool,
    first_speech: Notify,
    closed: AtomicBool,
}

impl AudioOut {
    pub(crate) fn new(rate: SampleRate) -> Self {
        Self {
            shared: Arc::new(Shared {
                playout: Mutex::new(Playout::new(rate, LONGEST_QUEUE)),
                rate,
                drained: Notify::new(),
                spoken: AtomicBool::new(false),
                first_speech: Notify::new(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Appends any number of samples at the room's rate. Returns the milliseconds that did not fit into
    /// the queue (a minute long) and were dropped: 0 unless the agent is far ahead.
    pub fn push(&self, pcm: &[i16]) -> u64 {
        let dropped = self.playout().push(pcm);
        self.in_ms(dropped)
    }

    /// Barge-in: cuts what is queued, with a fade of 5 ms. Returns the milliseconds that will never be heard.
    pub fn clear(&self) -> u64 {
        let dropped = self.playout().clear();
        self.in_ms(dropped)
    }

    /// Sound waiting to be sent, in milliseconds (rounded down).
    pub fn queued_ms(&self) -> u64 {
        let queued = self.playout().queued();
        self.in_ms(queued)
    }

    /// Waits until all that was pushed has been sent or cleared; also returns once the room has ended,
    /// as nothing is sent any more.
    pub async fn drained(&self) {
        loop {
            let notified = self.shared.drained.notified();
            tokio::pin!(notified);
            // Registered before looking, so that a queue emptied in between is not missed.
            notified.as_mut().enable();
            if self.is_closed() || self.playout().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Waits until the first speech is on its way to the room; for good, if there never is any.
    pub async fn first_speech(&self) {
        loop {
            let notified = self.shared.first_speech.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.shared.spoken.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// Speech sent so far, in milliseconds.
    pub fn played_ms(&self) -> u64 {
        let played = self.playout().played();
        played * 1000 / u64::from(self.shared.rate.hz())
    }

    /// Fills `frame` (20 ms) with what comes next. The pacer's side.
    pub(crate) fn next_frame(&self, frame: &mut [i16]) -> FrameKind {
        let mut playout = self.playout();
        let kind = playout.next_frame(frame);
        let empty = playout.is_empty();
        drop(playout);
        if empty {
            self.shared.drained.notify_waiters();
        }
        if kind == FrameKind::Speech && !self.shared.spoken.swap(true, Ordering::AcqRel) {
            self.shared.first_speech.notify_waiters();
        }
        kind
    }

    /// The room has ended: lets those go who wait for the queue to drain.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.drained.notify_waiters();
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    fn in_ms(&self, samples: usize) -> u64 {
        samples as u64 * 1000 / u64::from(self.shared.rate.hz())
    }

    /// A panic while the lock was held leaves samples behind, nothing that could be half true.
    fn playout(&self) -> std::sync::MutexGuard<'_, Playout> {
        self.shared.playout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz16000;

    #[tokio::test]
    async fn drained_waits_for_the_last_frame_and_for_clear() {
        let out = AudioOut::new(RATE);
        out.drained().await;
        assert_eq!(out.push(&[1; 640]), 0);
        assert_eq!(out.queued_ms(), 40);
        let waiter = tokio::spawn({
            let out = out.clone();
            async move { out.drained().await }
        });
        tokio::task::yield_now().await;
        let mut frame = [0; 320];
        out.next_frame(&mut frame);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished(), "one frame is still queued");
        out.next_frame(&mut frame);
        tokio::time::timeout(Duration::from_secs(1), waiter).await.expect("in time").expect("no panic");
    }

    #[test]
    fn what_was_cut_is_told_but_for_the_fade() {
        let out = AudioOut::new(RATE);
        assert_eq!(out.push(&[1; 3200]), 0);
        assert_eq!((out.clear(), out.queued_ms()), (195, 5));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_room_that_has_ended() {
        let out = AudioOut::new(RATE);
        out.push(&[1; 320]);
        out.close();
        tokio::time::timeout(Duration::from_secs(1), out.drained()).await.expect("does not wait");
    }
}
