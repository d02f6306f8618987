//! From packets as they arrive to a constant stream of 20 ms frames, with nothing held back.
//!
//! The receiver has no loudspeaker, so there is no jitter buffer: a packet in its turn is decoded and handed on at once.
//! [`Order`] says what comes next and what is missing before it, [`Steady`] keeps the stream at one second a second; here is
//! what fills a hole: the copy in the next packet (in-band FEC), else a guess that fades, else silence. A packet that came
//! as a copy in the next (RED) is none: str0m gives it before that one, and it is played at once.

use std::time::Instant;

use audio::opus::{CodecError, Decoder, carries_fec, frame_duration_48k, packet_duration_48k};
use audio::{Frame, OPUS_CLOCK_HZ, SampleRate, levels};

use super::arrivals::Arrivals;
use super::order::{Hole, Order, Packet, Place};
use super::steady::Steady;
use crate::counts::Received;

/// Frames in a row that are guessed: longer holes are silence.
const MOST_GUESSED: u32 = 3;

/// A frame below this level is one of silence: what a silent line hisses, and no voice.
const SILENT_DBFS: f64 = -60.0;

/// One participant's sound on its way in.
///
/// After [`packet`](Self::packet) and [`poll`](Self::poll), [`frame`](Self::frame) gives what there is until there is none.
pub(crate) struct Incoming {
    rate: SampleRate,
    decoder: Decoder,
    order: Order,
    steady: Steady,
    arrivals: Arrivals,
    /// Whether the packet that arrived last was kept.
    was_kept: bool,
    scratch: Vec<i16>,
    received: Received,
}

impl Incoming {
    /// Nothing heard yet; frames come at `rate`.
    pub(crate) fn new(rate: SampleRate) -> Result<Self, CodecError> {
        Ok(Self {
            rate,
            decoder: Decoder::new(rate)?,
            order: Order::new(),
            steady: Steady::new(rate),
            arrivals: Arrivals::default(),
            was_kept: false,
            scratch: vec![0; rate.max_packet_samples()],
            received: Received::default(),
        })
    }

    /// The stream begins: one second a second from `at` on.
    pub(crate) fn open(&mut self, at: Instant) {
        self.steady.open(at);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.steady.is_open()
    }

    /// Takes a packet as it arrives. Before the stream is open it is of no interest.
    pub(crate) fn packet(&mut self, packet: Packet) {
        if !self.is_open() {
            return;
        }
        let now = packet.at;
        if !self.arrivals.note(packet.seq, packet.time, now) {
            self.received.packets += 1;
        } else if self.was_kept {
            // The one before was lost, and came as a copy in this one, which was counted with it.
            self.received.hop.lost += 1;
            self.received.hop.recovered += 1;
        }
        self.received.jitter_ms = self.arrivals.jitter_ms();
        let place = self.order.push(packet);
        match place {
            Place::Kept | Place::Useless => {}
            Place::NewStream => self.start_again(),
            Place::Late => self.received.hop.late += 1,
        }
        self.was_kept = place == Place::Kept;
        while let Some((packet, hole)) = self.order.pop(now, false) {
            self.play(&packet, hole, now);
        }
    }

    /// When to [`poll`](Self::poll), if no packet comes before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.order.deadline(), self.steady.deadline()].into_iter().flatten().min()
    }

    /// Lets time pass: gives up what is missing, and makes up what is due.
    pub(crate) fn poll(&mut self, now: Instant) {
        while let Some((packet, hole)) = self.order.pop(now, false) {
            self.play(&packet, hole, now);
        }
        while self.steady.is_due(now) {
            // Behind a hole there is something better than a guess.
            match self.order.pop(now, true) {
                Some((packet, hole)) => self.play(&packet, hole, now),
                None => self.make_up(),
            }
        }
    }

    /// The next frame, while there is one.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let frame = self.steady.frame_out()?;
        let (pcm, hop) = (frame.as_slice(), &mut self.received.hop);
        let (samples, square_sum) = (pcm.len() as u64, levels::square_sum(pcm));
        hop.frames += 1;
        hop.samples += samples;
        hop.square_sum += square_sum;
        hop.silent += u64::from(levels::dbfs_of(square_sum, samples) < SILENT_DBFS);
        Some(frame)
    }

    /// What came in so far.
    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    /// Another participant is listened to from now on.
    pub(crate) fn switch(&mut self) {
        self.order = Order::new();
        self.start_again();
    }

    fn start_again(&mut self) {
        // Cannot fail; a decoder that remembers another stream would only start a little rough.
        let _ = self.decoder.reset();
        self.arrivals.start_again();
        self.steady.start_again();
    }

    /// Decodes the packet whose turn it is, after what fills the hole before it.
    fn play(&mut self, packet: &Packet, hole: Hole, now: Instant) {
        let samples = self.samples(packet_duration_48k(&packet.payload).unwrap_or(0).into());
        let missing = self.steady.missing_frames(self.samples(hole.ticks));
        let here = samples.saturating_add(self.samples(self.order.held_ticks()));
        if hole.lost > 0 {
            self.received.hop.lost += self.lost_frames(hole, samples);
            self.fill(missing, packet, here, now);
        } else {
            self.stay_silent(missing.min(self.steady.room_before(here, now)));
        }
        match self.decoder.decode(&packet.payload, &mut self.scratch) {
            Ok(decoded) => self.received.hop.late += self.steady.hear(&self.scratch[..decoded], now),
            // It cannot be decoded: as good as lost.
            Err(_) => {
                self.received.hop.lost += self.in_frames(samples);
                for _ in 0..self.in_frames(samples).min(MOST_GUESSED.into()) {
                    self.make_up();
                }
            }
        }
    }

    /// Fills a hole of `missing` frames before `packet`: guesses, then silence as far as the clock has room for it, and the
    /// copy of the last frame that `packet` may carry.
    fn fill(&mut self, missing: usize, packet: &Packet, here: usize, now: Instant) {
        if self.steady.is_full() {
            return;
        }
        let copied = self.copied_samples(packet).min(missing * self.rate.frame_samples());
        let made_up = missing - copied / self.rate.frame_samples();
        let guessed = made_up.min(MOST_GUESSED as usize);
        for _ in 0..guessed {
            self.make_up();
        }
        let room = self.steady.room_before(here.saturating_add(copied), now);
        self.stay_silent((made_up - guessed).min(room));
        if copied > 0
            && let Ok(samples) = self.decoder.decode_fec(&packet.payload, &mut self.scratch[..copied])
        {
            self.received.hop.recovered += self.in_frames(samples);
            self.received.hop.late += self.steady.hear(&self.scratch[..samples], now);
        }
    }

    /// How much of what came before `packet` can be rebuilt from it: as much as one of its own Opus frames holds, and of
    /// shorter ones a whole frame of ours, the rest of which is guessed.
    fn copied_samples(&self, packet: &Packet) -> usize {
        if !carries_fec(&packet.payload) {
            return 0;
        }
        let frame = frame_duration_48k(&packet.payload).unwrap_or(0);
        self.samples(frame.into()).max(self.rate.frame_samples())
    }

    /// One frame in place of what did not come.
    fn make_up(&mut self) {
        let in_a_row = self.steady.frames_made_up();
        let frame = self.rate.frame_samples();
        if in_a_row < MOST_GUESSED
            && self.steady.is_speaking()
            && self.decoder.conceal(&mut self.scratch[..frame]).is_ok()
        {
            self.received.hop.concealed += 1;
            self.steady.make_up(&mut self.scratch[..frame], in_a_row + 1 == MOST_GUESSED);
            return;
        }
        self.steady.fall_silent();
    }

    fn stay_silent(&mut self, frames: usize) {
        for _ in 0..frames {
            self.steady.fall_silent();
        }
    }

    /// A sender's packet is as long as the one after it, as a rule; and more than the hole was not lost.
    fn lost_frames(&self, hole: Hole, samples: usize) -> u64 {
        let lost = hole.lost.saturating_mul(samples as u64);
        let lost = usize::try_from(lost).unwrap_or(usize::MAX).min(self.samples(hole.ticks));
        self.in_frames(lost).max(1)
    }

    fn in_frames(&self, samples: usize) -> u64 {
        samples.div_ceil(self.rate.frame_samples()) as u64
    }

    /// Ticks of the RTP clock, in samples.
    fn samples(&self, ticks: u64) -> usize {
        usize::try_from(ticks / u64::from(OPUS_CLOCK_HZ / self.rate.hz())).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod line;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;
