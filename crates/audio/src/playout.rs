//! The queue between an agent that speaks in bursts and a room that takes 20 ms every 20 ms.

use std::collections::VecDeque;
use std::time::Duration;

use crate::SampleRate;

/// How long a cut takes to reach silence, in milliseconds: short enough to be no rest of a word, long
/// enough not to click.
const FADE_MS: u32 = 5;

/// What the queue has room for before it first grows, in milliseconds: agents that keep pace never make it.
const RESERVED_MS: u32 = 2_000;

/// What [`Playout::next_frame`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// At least one sample of the agent's.
    Speech,
    /// Nothing of the agent's: silence, or the last few milliseconds of a fade into it.
    Silence,
}

/// PCM on its way to the callee: bounded, in order, and emptied in one step at a barge-in.
///
/// Speech comes out sample for sample as it went in. Where it stops short (underrun) the sound slides
/// from the last sample to zero; where it is cut ([`Playout::clear`]) its next few milliseconds fade out.
pub struct Playout {
    queue: VecDeque<i16>,
    capacity: usize,
    frame: usize,
    fade: usize,
    /// The last sample of speech that was played, and how many samples of the slide from it remain.
    last: i16,
    slide: usize,
    played: u64,
    dropped: u64,
    cleared: u64,
}

impl Playout {
    /// An empty queue that holds at most `max` of sound at `rate`.
    pub fn new(rate: SampleRate, max: Duration) -> Self {
        let capacity = (max.as_micros() * u128::from(rate.hz()) / 1_000_000) as usize;
        Self {
            queue: VecDeque::with_capacity(capacity.min(rate.samples_in_ms(RESERVED_MS))),
            capacity,
            frame: rate.frame_samples(),
            fade: rate.samples_in_ms(FADE_MS),
            last: 0,
            slide: 0,
            played: 0,
            dropped: 0,
            cleared: 0,
        }
    }

    /// Appends any number of samples. Returns how many of them (the newest) did not fit and were dropped.
    pub fn push(&mut self, pcm: &[i16]) -> usize {
        let fits = pcm.len().min(self.capacity - self.queue.len());
        self.queue.extend(&pcm[..fits]);
        let dropped = pcm.len() - fits;
        self.dropped += dropped as u64;
        dropped
    }

    /// Barge-in: forgets all that is queued but the next 5 ms, which fade out. Returns how many
    /// samples will never be heard.
    pub fn clear(&mut self) -> usize {
        let queued = self.queue.len();
        self.queue.truncate(self.fade);
        let tail = self.queue.len();
        for (n, sample) in self.queue.iter_mut().enumerate() {
            *sample = scaled(*sample, tail - n - 1, tail);
        }
        self.cleared += (queued - tail) as u64;
        queued - tail
    }

    /// Fills `out`, one frame long, with what comes next; silence where there is nothing.
    pub fn next_frame(&mut self, out: &mut [i16]) -> FrameKind {
        debug_assert_eq!(out.len(), self.frame, "playout goes frame by frame");
        let speech = self.queue.len().min(out.len());
        self.take(&mut out[..speech]);
        self.fill_silence(&mut out[speech..]);
        if speech > 0 { FrameKind::Speech } else { FrameKind::Silence }
    }

    /// Samples waiting to be played.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether all that was pushed has been played or cleared.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Samples of speech handed out so far.
    pub fn played(&self) -> u64 {
        self.played
    }

    /// Samples that did not fit so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Samples that barge-ins threw away so far.
    pub fn cleared(&self) -> u64 {
        self.cleared
    }

    fn take(&mut self, out: &mut [i16]) {
        let Some(end) = out.len().checked_sub(1) else { return };
        let (front, back) = self.queue.as_slices();
        let (first, second) = out.split_at_mut(front.len().min(out.len()));
        first.copy_from_slice(&front[..first.len()]);
        second.copy_from_slice(&back[..second.len()]);
        self.queue.drain(..out.len());
        self.played += out.len() as u64;
        (self.last, self.slide) = (out[end], self.fade);
    }

    fn fill_silence(&mut self, out: &mut [i16]) {
        let slide = self.slide.min(out.len());
        for sample in &mut out[..slide] {
            self.slide -= 1;
            *sample = scaled(self.last, self.slide, self.fade);
        }
        out[slide..].fill(0);
    }
}

/// `sample * part / whole`.
fn scaled(sample: i16, part: usize, whole: usize) -> i16 {
    (i64::from(sample) * part as i64 / whole as i64) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: SampleRate = SampleRate::Hz8000;
    const FRAME: usize = 160;
    const FADE: usize = 40;

    fn next(playout: &mut Playout) -> (Vec<i16>, FrameKind) {
        let mut out = vec![i16::MAX; FRAME];
        let kind = playout.next_frame(&mut out);
        (out, kind)
    }

    #[test]
    fn an_empty_queue_plays_silence() {
        let mut playout = Playout::new(RATE, Duration::from_secs(1));
        assert_eq!(next(&mut playout), (vec![0; FRAME], FrameKind::Silence));
        assert_eq!((playout.played(), playout.clear()), (0, 0));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_oldest_is_kept() {
        let mut playout = Playout::new(RATE, Duration::from_millis(20));
        assert_eq!(playout.push(&[1; 100]), 0);
        assert_eq!(playout.push(&[2; 100]), 40);
        assert_eq!((playout.queued(), playout.dropped()), (FRAME, 40));
        let (frame, _) = next(&mut playout);
        assert_eq!((&frame[..100], &frame[100..]), (&[1; 100][..], &[2; 60][..]));
    }

    #[test]
    fn an_underrun_slides_to_silence_even_across_a_frame_border() {
        let mut playout = Playout::new(RATE, Duration::from_secs(1));
        playout.push(&[8000; FRAME]);
        assert_eq!(next(&mut playout), (vec![8000; FRAME], FrameKind::Speech));
        let (frame, kind) = next(&mut playout);
        assert_eq!(kind, FrameKind::Silence);
        assert!(frame[0] > 7500 && frame[..FADE].is_sorted_by(|a, b| a > b));
        assert_eq!(frame[FADE - 1..], [0; FRAME - FADE + 1]);
        playout.push(&[-8000; 150]);
        let (frame, kind) = next(&mut playout);
        assert_eq!((kind, &frame[..150]), (FrameKind::Speech, &[-8000; 150][..]));
        assert!(frame[150] > -8000 && frame[159] < -5000, "the slide begins in this frame …");
        assert_eq!(next(&mut playout).0[30..], [0; 130], "… and ends in the next");
    }

    #[test]
    fn a_clear_fades_out_within_5_ms_and_lets_new_speech_in() {
        let mut playout = Playout::new(RATE, Duration::from_secs(10));
        playout.push(&[8000; 5 * FRAME]);
        next(&mut playout);
        assert_eq!(playout.clear(), 4 * FRAME - FADE);
        assert_eq!(playout.cleared(), (4 * FRAME - FADE) as u64);
        playout.push(&[100; FRAME]);
        let (frame, _) = next(&mut playout);
        assert!(frame[0] > 7500 && frame[..FADE].is_sorted_by(|a, b| a > b) && frame[FADE - 1] == 0);
        assert_eq!(frame[FADE..], [100; FRAME - FADE]);
        assert_eq!(next(&mut playout).0[..FADE], [100; FADE]);
    }

    #[test]
    fn what_a_stall_has_cost_is_won_back_at_the_next_pause() {
        let mut playout = Playout::new(RATE, Duration::from_secs(30));
        // The agent keeps pace, stalls for 300 ms, sends them all at once, and keeps pace again.
        for arrived in [1; 50].into_iter().chain([0; 15]).chain([16]).chain([1; 50]) {
            playout.push(&[7; FRAME].repeat(arrived));
            next(&mut playout);
        }
        assert_eq!(playout.queued(), 15 * FRAME, "not a word of it is skipped");
        // It has said what it had to say, and is silent for as long as people are between two sentences.
        (0..15).for_each(|_| drop(next(&mut playout)));
        playout.push(&[9; FRAME]);
        assert_eq!(
            next(&mut playout),
            (vec![9; FRAME], FrameKind::Speech),
            "what comes next is heard at once"
        );
    }

    #[test]
    fn the_queue_grows_past_what_was_reserved_up_to_its_bound() {
        let mut playout = Playout::new(RATE, Duration::from_secs(30));
        assert_eq!(playout.push(&[5; 30 * 8000]), 0);
        assert_eq!(playout.push(&[5; 3]), 3);
        for _ in 0..1500 {
            assert_eq!(next(&mut playout).0, [5; FRAME]);
        }
        assert!(playout.is_empty());
    }

    #[test]
    fn the_order_holds_over_a_long_call() {
        // Room for 808 samples, no multiple of a frame: frames straddle the seam of the ring buffer.
        let mut playout = Playout::new(RATE, Duration::from_millis(101));
        let (mut said, mut heard) = (0u32, 0u32);
        let sample = |n: u32| (n % 30_011) as i16;
        while heard < 10 * 60 * 8000 {
            let chunk: Vec<i16> = (0..333).map(|n| sample(said + n)).collect();
            assert_eq!(playout.push(&chunk), 0);
            said += 333;
            while playout.queued() >= FRAME {
                let (frame, _) = next(&mut playout);
                assert!(frame.iter().zip(heard..).all(|(s, n)| *s == sample(n)), "after {heard} samples");
                heard += FRAME as u32;
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Play,
        Clear,
    }

    fn steps(clears: bool) -> impl Strategy<Value = Vec<Step>> {
        let push = (0usize..900).prop_map(Step::Push);
        let step = if clears {
            prop_oneof![3 => push, 4 => Just(Step::Play), 1 => Just(Step::Clear)].boxed()
        } else {
            prop_oneof![3 => push, 4 => Just(Step::Play)].boxed()
        };
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered_whatever_the_chunks(steps in steps(false)) {
            let mut playout = Playout::new(RATE, Duration::from_secs(600));
            let (mut pushed, mut heard) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Push(len) => {
                        let chunk: Vec<i16> = (0..len).map(|n| ((pushed.len() + n) % 30_000 + 1) as i16).collect();
                        prop_assert_eq!(playout.push(&chunk), 0);
                        pushed.extend(chunk);
                    }
                    _ => {
                        let speech = playout.queued().min(FRAME);
                        let (frame, kind) = next(&mut playout);
                        prop_assert_eq!(kind == FrameKind::Speech, speech > 0);
                        heard.extend_from_slice(&frame[..speech]);
                        prop_assert!(frame[speech..].iter().skip(FADE).all(|s| *s == 0));
                    }
                }
                prop_assert_eq!(playout.queued(), pushed.len() - heard.len());
            }
            prop_assert_eq!(playout.played(), heard.len() as u64);
            prop_assert_eq!(&heard[..], &pushed[..heard.len()]);
        }

        #[test]
        fn nothing_stale_is_heard_more_than_5_ms_after_a_clear(steps in steps(true)) {
            let mut playout = Playout::new(RATE, Duration::from_millis(100));
            let (mut pushed, mut dropped, mut cleared) = (0u64, 0u64, 0u64);
            // Speech of an even number of clears is +1000, of an odd one −1000: staleness has a sign.
            let (mut voice, mut since_clear) = (1000i16, usize::MAX);
            for step in steps {
                match step {
                    Step::Push(len) => {
                        pushed += len as u64;
                        dropped += playout.push(&vec![voice; len]) as u64;
                    }
                    Step::Clear => {
                        cleared += playout.clear() as u64;
                        prop_assert!(playout.queued() <= FADE);
                        (voice, since_clear) = (-voice, 0);
                    }
                    Step::Play => {
                        let (frame, _) = next(&mut playout);
                        for sample in frame {
                            let stale = since_clear >= FADE && sample.signum() == -voice.signum();
                            prop_assert!(!stale, "{since_clear} samples after the clear");
                            since_clear = since_clear.saturating_add(1);
                        }
                    }
                }
                prop_assert_eq!(pushed, playout.played() + playout.queued() as u64 + dropped + cleared);
            }
            prop_assert_eq!((playout.dropped(), playout.cleared()), (dropped, cleared));
        }
    }
}
