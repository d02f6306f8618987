//! The queue between an agent that speaks in bursts and a room that takes 20 ms every 20 ms.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{FRAME_MS, SampleRate, levels};

/// How long a cut takes to reach silence, in milliseconds: short enough to be no rest of a word, long
/// enough not to click.
const FADE_MS: u32 = 5;

/// What the queue has room for before it grows, in milliseconds: agents that keep pace never make it, and what one
/// that ran ahead made it grow to is given back when all is played.
const RESERVED_MS: u32 = 500;

/// Silence between speech and speech that is taken for sound that came too late, in milliseconds: a turn takes longer.
const LONGEST_HOLE_MS: u32 = 500;

/// A pause that the agent sends as sound is at least so long, in frames, before any of it is left out.
const SHORTEST_PAUSE: usize = 5;

/// So many frames stay queued then: as much as an agent that keeps pace sends ahead (60 ms is what vendors do).
const KEPT_FRAMES: usize = 3;

/// What is not louder than this is a pause, in dBFS: recorded rooms are quieter.
const PAUSE_DBFS: f64 = -50.0;

/// What [`Playout::next_frame`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// At least one sample of the agent's.
    Speech,
    /// Nothing of the agent's: silence, or the last few milliseconds of a fade into it.
    Silence,
}

/// What waits at the head of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Nothing.
    Nothing,
    /// Less than a frame: the rest may be on its way.
    Part,
    /// What a cut has left, maybe nothing but the slide to silence. Nothing more will come to it: not to wait for.
    Cut,
    /// A whole frame at least.
    Frame,
}

/// PCM on its way to the callee: bounded, in order, and emptied in one step at a barge-in.
///
/// Speech comes out sample for sample as it went in. Where it stops short (underrun) the sound slides
/// from the last sample to zero; where it is cut ([`Playout::clear`]) its next few milliseconds fade out.
///
/// What holes and missed frames have cost is heard as delay from then on, if the agent sends all that it has to say.
/// It is won back at the next pause: where the queue runs empty by itself, and where the pause comes as sound, some of
/// it is left out, never more than was lost.
pub struct Playout {
    queue: VecDeque<i16>,
    /// Samples that there is room for while it is empty, and at most.
    reserved: usize,
    capacity: usize,
    frame: usize,
    fade: usize,
    /// The last sample of speech that was played, and how many samples of the slide from it remain.
    last: i16,
    slide: usize,
    /// The next frame ends what was cut.
    cut: bool,
    /// Frames in which sound was missing since it stopped short, while that may still turn out to be a hole.
    hole: Option<u64>,
    concealed: u64,
    /// By how many samples speech is behind the agent's own time at most; and how many frames of a pause were played
    /// since.
    behind: usize,
    quiet: usize,
    played: u64,
    dropped: u64,
    cleared: u64,
    skipped: u64,
}

impl Playout {
    /// An empty queue that holds at most `max` of sound at `rate`.
    pub fn new(rate: SampleRate, max: Duration) -> Self {
        let capacity = (max.as_micros() * u128::from(rate.hz()) / 1_000_000) as usize;
        let reserved = capacity.min(rate.samples_in_ms(RESERVED_MS));
        Self {
            queue: VecDeque::with_capacity(reserved),
            reserved,
            capacity,
            frame: rate.frame_samples(),
            fade: rate.samples_in_ms(FADE_MS),
            last: 0,
            slide: 0,
            cut: false,
            hole: None,
            concealed: 0,
            behind: 0,
            quiet: 0,
            played: 0,
            dropped: 0,
            cleared: 0,
            skipped: 0,
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
        self.cut = tail > 0 || self.slide > 0;
        self.behind = 0;
        queued - tail
    }

    /// So many frames' time has passed without a frame being taken.
    pub fn missed(&mut self, frames: u64) {
        if !self.queue.is_empty() {
            self.fall_behind(frames);
        }
    }

    /// What [`next_frame`](Self::next_frame) would begin with.
    pub fn head(&self) -> Head {
        match self.queue.len() {
            queued if queued >= self.frame => Head::Frame,
            _ if self.cut => Head::Cut,
            0 => Head::Nothing,
            _ => Head::Part,
        }
    }

    /// Whether the next frame ends what was cut.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Fills `out`, one frame long, with what comes next; silence where there is nothing.
    pub fn next_frame(&mut self, out: &mut [i16]) -> FrameKind {
        debug_assert_eq!(out.len(), self.frame, "playout goes frame by frame");
        if self.behind > 0 {
            self.catch_up();
        }
        let speech = self.queue.len().min(out.len());
        self.mind_the_hole(speech);
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

    /// Samples of pauses that were left out so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Frames of holes so far: speech stopped short, slid to silence, and went on within half a second. Longer ones are
    /// pauses, and what comes after a cut is something new.
    pub fn concealed(&self) -> u64 {
        self.concealed
    }

    fn mind_the_hole(&mut self, speech: usize) {
        let cut = std::mem::take(&mut self.cut);
        if speech > 0 {
            let frames = self.hole.take().unwrap_or(0);
            self.concealed += frames;
            self.fall_behind(frames);
        }
        let begins = speech > 0 || self.slide == self.fade;
        self.hole = match self.hole {
            _ if cut || speech == self.frame => None,
            None => begins.then_some(1),
            Some(frames) => {
                Some(frames + 1).filter(|frames| *frames <= u64::from(LONGEST_HOLE_MS / FRAME_MS))
            }
        };
    }

    fn fall_behind(&mut self, frames: u64) {
        let samples = usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(self.frame);
        self.behind = self.behind.saturating_add(samples);
    }

    /// Leaves out what can be of a pause at the head of the queue.
    fn catch_up(&mut self) {
        while self.queue.len() > (1 + KEPT_FRAMES) * self.frame {
            if !self.is_paused() {
                self.quiet = 0;
                return;
            }
            if self.quiet < SHORTEST_PAUSE || self.behind == 0 {
                self.quiet += 1;
                return;
            }
            self.queue.drain(..self.frame);
            self.skipped += self.frame as u64;
            self.behind = self.behind.saturating_sub(self.frame);
        }
    }

    /// Whether the next frame is one of a pause.
    fn is_paused(&self) -> bool {
        let next = self.queue.iter().take(self.frame);
        let square_sum = next.map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
        levels::dbfs_of(square_sum, self.frame as u64) <= PAUSE_DBFS
    }

    fn take(&mut self, out: &mut [i16]) {
        let Some(end) = out.len().checked_sub(1) else { return };
        let (front, back) = self.queue.as_slices();
        let (first, second) = out.split_at_mut(front.len().min(out.len()));
        first.copy_from_slice(&front[..first.len()]);
        second.copy_from_slice(&back[..second.len()]);
        self.queue.drain(..out.len());
        if self.queue.is_empty() {
            self.behind = 0;
            self.queue.shrink_to(self.reserved);
        }
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
mod tests;
