//! For tests: a line with a sender at its other end, in virtual time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::levels::{goertzel_dbfs, tone};
use audio::opus::{Decoder, Encoder};
use audio::{Frame, SampleRate};

use super::Incoming;
use crate::clock;
use crate::counts::Received;
use crate::media::order::Packet;

pub(super) const RATE: SampleRate = SampleRate::Hz16000;
pub(super) const MS: Duration = Duration::from_millis(1);

/// Of all tones here.
pub(super) const HZ: f64 = 440.0;

/// Where the sender's numbers and its clock start.
const FIRST_SEQ: u64 = 70_000;
const FIRST_TIME: u64 = 5_000_000;

/// One packet on its way: when it arrives, which one it is, and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    /// Which of the sender's packets is in it.
    pub(super) n: usize,
    pub(super) seq: u64,
    pub(super) time: u64,
}

/// The n-th packet of 20 ms in its place, `late_ms` after its time.
pub(super) fn arrival(n: usize, late_ms: u32) -> Arrival {
    Arrival {
        at: 20 * MS * n as u32 + late_ms * MS,
        n,
        seq: FIRST_SEQ + n as u64,
        time: FIRST_TIME + n as u64 * 960,
    }
}

pub(super) fn on_time(numbers: impl IntoIterator<Item = usize>) -> Vec<Arrival> {
    numbers.into_iter().map(|n| arrival(n, 0)).collect()
}

/// A tone of −12 dBFS for the first `talk` frames of each `of`, and silence for the rest, as Opus packets of 20 ms.
pub(super) fn talking(talk: usize, of: usize, frames: usize) -> Vec<Vec<u8>> {
    let sound = tone(RATE, HZ, -12.0, frames * RATE.frame_samples());
    let mut encoder = Encoder::with_fec(RATE, 5).expect("encoder");
    let mut packet = [0; 1275];
    sound
        .chunks(RATE.frame_samples())
        .enumerate()
        .map(|(n, frame)| {
            let silence = [0; RATE.frame_samples()];
            let frame = if n % of < talk { frame } else { &silence };
            let length = encoder.encode(frame, &mut packet).expect("encodes");
            packet[..length].to_vec()
        })
        .collect()
}

/// What a decoder makes of them that misses none.
pub(super) fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(RATE).expect("decoder");
    let mut pcm = vec![0; RATE.max_packet_samples()];
    packets
        .iter()
        .flat_map(|packet| {
            let samples = decoder.decode(packet, &mut pcm).expect("decodes");
            pcm[..samples].to_vec()
        })
        .collect()
}

/// Our end, open since its beginning.
pub(super) struct Line {
    pub(super) start: Instant,
    pub(super) incoming: Incoming,
    /// Every frame, and when it was handed on.
    pub(super) frames: Vec<(Duration, Frame)>,
    /// How late we look at the clock.
    pub(super) sleepy: Duration,
}

impl Line {
    pub(super) fn open() -> Self {
        let (start, mut incoming) = (clock::now(), Incoming::new(RATE).expect("decoder"));
        incoming.open(start);
        Self { start, incoming, frames: Vec::new(), sleepy: Duration::ZERO }
    }

    /// Lets `arrivals` of `packets` come, and time pass until `end_ms`.
    pub(super) fn hear(&mut self, packets: &[Vec<u8>], arrivals: &[Arrival], end_ms: u32) -> &mut Self {
        let mut arrivals = arrivals.to_vec();
        arrivals.sort_by_key(|arrival| arrival.at);
        for arrival in arrivals {
            self.pass_until(arrival.at);
            let payload = Arc::from(&packets[arrival.n][..]);
            let at = self.start + arrival.at;
            self.incoming.packet(Packet { seq: arrival.seq, time: arrival.time, at, payload });
            self.take(arrival.at);
        }
        self.pass_until(end_ms * MS);
        self
    }

    fn pass_until(&mut self, end: Duration) {
        while let Some(due) = self.incoming.deadline().map(|due| due - self.start + self.sleepy) {
            if due > end {
                return;
            }
            self.incoming.poll(self.start + due);
            self.take(due);
        }
    }

    pub(super) fn take(&mut self, at: Duration) {
        while let Some(frame) = self.incoming.frame() {
            self.frames.push((at, frame));
        }
    }

    pub(super) fn received(&self) -> Received {
        *self.incoming.received()
    }

    /// The sound, from the first frame that is no digital silence.
    pub(super) fn sound(&self) -> Vec<i16> {
        let silent = |(_, frame): &&(Duration, Frame)| frame.as_slice().iter().all(|&sample| sample == 0);
        self.frames.iter().skip_while(silent).flat_map(|(_, frame)| frame.as_slice().to_vec()).collect()
    }

    /// The level of the tone in each frame.
    pub(super) fn levels(&self) -> Vec<f64> {
        self.frames.iter().map(|(_, frame)| level(frame)).collect()
    }

    /// How far ahead of the clock the stream was after each frame, in frames; behind is negative.
    pub(super) fn ahead(&self) -> Vec<f64> {
        let frames = |at: Duration| at.as_secs_f64() * 50.0;
        (1..).zip(&self.frames).map(|(count, (at, _))| f64::from(count) - frames(*at)).collect()
    }
}

pub(super) fn level(frame: &Frame) -> f64 {
    goertzel_dbfs(frame.as_slice(), RATE, HZ)
}
