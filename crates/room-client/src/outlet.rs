//! The way toward the room: what the agent says, queued until the pacer takes it.

mod counts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio::{FrameKind, Head, Playout, SampleRate};
use tokio::sync::Notify;

use self::counts::{Message, Passed};
pub use self::counts::{OutCounts, Report};

/// Agents send seconds ahead, at most their own buffer's half minute; this bounds one that never stops.
const LONGEST_QUEUE: Duration = Duration::from_secs(60);

/// The agent's voice toward the room. Clones share one queue.
///
/// All calls are short (a lock held for a copy) and may come from any thread.
#[derive(Clone)]
pub struct AudioOut {
    shared: Arc<Shared>,
}

/// One utterance of the agent's: what is said from one [`clear`](AudioOut::clear) to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utterance(u64);

/// A frame that the pacer has taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) kind: FrameKind,
    pub(crate) level_dbfs: f64,
}

struct Shared {
    queue: Mutex<Queue>,
    rate: SampleRate,
    drained: Notify,
    /// The end of what was cut has been sent.
    silenced: Notify,
    /// Has speech been sent, and who waits for that.
    spoken: AtomicBool,
    first_speech: Notify,
    /// There is something that the pacer waits for.
    ready: Notify,
    closed: AtomicBool,
}

struct Queue {
    playout: Playout,
    passed: Passed,
    /// Number of the utterance at hand.
    utterance: u64,
    /// The pacer wants to know when there is a frame.
    awaited: bool,
}

impl AudioOut {
    pub(crate) fn new(rate: SampleRate) -> Self {
        Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    playout: Playout::new(rate, LONGEST_QUEUE),
                    passed: Passed::new(rate),
                    utterance: 0,
                    awaited: false,
                }),
                rate,
                drained: Notify::new(),
                silenced: Notify::new(),
                spoken: AtomicBool::new(false),
                first_speech: Notify::new(),
                ready: Notify::new(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// The utterance at hand, for [`push`](Self::push). Ask when sound comes in, not when it is decoded: what was
    /// cut meanwhile shall not be heard.
    pub fn utterance(&self) -> Utterance {
        Utterance(self.queue().utterance)
    }

    /// Appends any number of samples at the room's rate to `utterance`. Returns the milliseconds that did not fit into
    /// the queue (a minute long) and were dropped: 0 unless the agent is far ahead. Of an utterance that was cut
    /// nothing is taken, and nothing said to be dropped.
    pub fn push(&self, utterance: Utterance, pcm: &[i16]) -> u64 {
        let mut message = Message::of(pcm, self.shared.rate);
        let mut queue = self.queue();
        if queue.utterance != utterance.0 {
            queue.passed.came_late(pcm.len());
            return 0;
        }
        let dropped = queue.playout.push(pcm);
        if dropped > 0 {
            message = Message::of(&pcm[..pcm.len() - dropped], self.shared.rate);
            queue.passed.came_late(dropped);
        }
        queue.passed.came(&message);
        self.wake(&mut queue);
        self.in_ms(dropped)
    }

    /// Barge-in: cuts what is queued, with a fade of 5 ms, and ends the utterance. Returns the milliseconds that will
    /// never be heard.
    pub fn clear(&self) -> u64 {
        let mut queue = self.queue();
        queue.utterance += 1;
        let dropped = queue.playout.clear();
        self.wake(&mut queue);
        self.in_ms(dropped)
    }

    /// Sound waiting to be sent, in milliseconds (rounded down).
    pub fn queued_ms(&self) -> u64 {
        let queued = self.queue().playout.queued();
        self.in_ms(queued)
    }

    /// What has passed so far.
    pub fn counts(&self) -> OutCounts {
        let queue = self.queue();
        queue.passed.counts(queue.playout.concealed())
    }

    /// Waits until all that was pushed has been sent or cleared; also returns once the room has ended,
    /// as nothing is sent any more.
    pub async fn drained(&self) {
        loop {
            let notified = self.shared.drained.notified();
            tokio::pin!(notified);
            // Registered before looking, so that a queue emptied in between is not missed.
            notified.as_mut().enable();
            if self.is_closed() || self.queue().playout.is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Waits until the end of what was cut by [`clear`](Self::clear) has been sent: from then on nothing stale leaves
    /// us. Also returns once the room has ended.
    pub async fn silenced(&self) {
        loop {
            let notified = self.shared.silenced.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_closed() || !self.queue().playout.is_cut() {
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
        let played = self.queue().playout.played();
        played * 1000 / u64::from(self.shared.rate.hz())
    }

    /// What waits for the pacer. If it is not a frame and the pacer would have one `awaited`, then
    /// [`ready`](Self::ready) tells of it.
    pub(crate) fn head(&self, awaited: bool) -> Head {
        let mut queue = self.queue();
        let head = queue.playout.head();
        queue.awaited = awaited && !matches!(head, Head::Frame | Head::Cut);
        head
    }

    /// Waits for what [`head`](Self::head) was asked to tell of. For one pacer; cancel safe.
    pub(crate) async fn ready(&self) {
        self.shared.ready.notified().await;
    }

    /// Fills `frame` (20 ms) with what comes next, after `missed` frames whose time passed without a packet. The pacer's
    /// side.
    pub(crate) fn next_frame(&self, frame: &mut [i16], missed: u64) -> Taken {
        let mut queue = self.queue();
        queue.playout.missed(missed);
        let ends_cut = queue.playout.is_cut();
        let kind = queue.playout.next_frame(frame);
        let empty = queue.playout.is_empty();
        let level_dbfs = queue.passed.went(frame, missed);
        drop(queue);
        if empty {
            self.shared.drained.notify_waiters();
        }
        if ends_cut {
            self.shared.silenced.notify_waiters();
        }
        if kind == FrameKind::Speech && !self.shared.spoken.swap(true, Ordering::AcqRel) {
            self.shared.first_speech.notify_waiters();
        }
        Taken { kind, level_dbfs }
    }

    /// The server has told this of what was sent.
    pub(crate) fn reported(&self, report: Report) {
        self.queue().passed.reported(report);
    }

    /// The room has ended: lets those go who wait for the queue to drain.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.drained.notify_waiters();
        self.shared.silenced.notify_waiters();
    }

    fn wake(&self, queue: &mut Queue) {
        if queue.awaited && matches!(queue.playout.head(), Head::Frame | Head::Cut) {
            queue.awaited = false;
            self.shared.ready.notify_one();
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    fn in_ms(&self, samples: usize) -> u64 {
        samples as u64 * 1000 / u64::from(self.shared.rate.hz())
    }

    /// A panic while the lock was held leaves samples behind, nothing that could be half true.
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz16000;

    fn push(out: &AudioOut, pcm: &[i16]) -> u64 {
        out.push(out.utterance(), pcm)
    }

    #[tokio::test]
    async fn drained_waits_for_the_last_frame_and_for_clear() {
        let out = AudioOut::new(RATE);
        out.drained().await;
        assert_eq!(push(&out, &[1; 640]), 0);
        assert_eq!(out.queued_ms(), 40);
        let waiter = tokio::spawn({
            let out = out.clone();
            async move { out.drained().await }
        });
        tokio::task::yield_now().await;
        let mut frame = [0; 320];
        out.next_frame(&mut frame, 0);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished(), "one frame is still queued");
        out.next_frame(&mut frame, 0);
        tokio::time::timeout(Duration::from_secs(1), waiter).await.expect("in time").expect("no panic");
    }

    #[test]
    fn what_was_cut_is_told_but_for_the_fade() {
        let out = AudioOut::new(RATE);
        assert_eq!(push(&out, &[1; 3200]), 0);
        assert_eq!((out.clear(), out.queued_ms()), (195, 5));
    }

    #[test]
    fn what_comes_late_of_an_utterance_that_was_cut_is_not_heard() {
        let out = AudioOut::new(RATE);
        let cut = out.utterance();
        push(&out, &[1; 320]);
        out.clear();
        assert_eq!((out.push(cut, &[2; 640]), out.queued_ms()), (0, 5));
        push(&out, &[3; 240]);
        assert_eq!(out.queued_ms(), 20);
        let counts = out.counts().agent_to_queue;
        assert_eq!((counts.frames, counts.late), (1, 2));
    }

    #[tokio::test]
    async fn the_pacer_is_told_of_a_frame_that_it_waits_for_and_of_no_other() {
        let out = AudioOut::new(RATE);
        let is_told = async || tokio::time::timeout(Duration::ZERO, out.ready()).await.is_ok();
        push(&out, &[1; 320]);
        assert!(!is_told().await, "nobody had asked");
        assert_eq!(out.head(true), Head::Frame);
        out.next_frame(&mut [0; 320], 0);
        assert_eq!(out.head(true), Head::Nothing);
        push(&out, &[1; 319]);
        assert!(!is_told().await, "it is not a frame yet");
        push(&out, &[1; 1]);
        assert!(is_told().await);
        push(&out, &[1; 320]);
        assert!(!is_told().await, "once is enough");
    }

    #[test]
    fn what_passed_is_counted_at_both_hops() {
        let out = AudioOut::new(RATE);
        push(&out, &[1000; 480]);
        push(&out, &[0; 320]);
        push(&out, &[1000; 160]);
        for missed in [0, 0, 3, 0, 0] {
            out.next_frame(&mut [0; 320], missed);
        }
        let OutCounts { agent_to_queue: came, queue_to_room: went, .. } = out.counts();
        assert_eq!((came.frames, came.silent, came.late, came.samples), (3, 1, 0, 960));
        assert_eq!((went.frames, went.silent, went.lost, went.samples), (5, 1, 3, 1600));
        assert!((came.level_dbfs() + 32.07).abs() < 0.01, "{}", came.level_dbfs());
        assert!(went.level_dbfs() < came.level_dbfs());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_room_that_has_ended() {
        let out = AudioOut::new(RATE);
        push(&out, &[1; 320]);
        out.close();
        tokio::time::timeout(Duration::from_secs(1), out.drained()).await.expect("does not wait");
    }
}
