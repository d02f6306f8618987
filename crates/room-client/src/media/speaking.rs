//! What we say: one packet of 20 ms for each tick, and a copy of it for the tap.

use std::sync::Arc;
use std::time::Instant;

use audio::opus::{CodecError, Encoder};
use audio::{FrameKind, OPUS_CLOCK_HZ, SampleRate, levels};
use tokio::sync::mpsc;

use super::pacer::Tick;
use crate::outlet::AudioOut;
use crate::peer::AudioPacket;
use crate::tap::{Direction, TappedPacket, tap};

/// The longest Opus packet of 20 ms (RFC 6716 §3.2.1).
const LONGEST_PACKET: usize = 1275;

/// RTP clock ticks in a frame.
const FRAME_TICKS: u64 = OPUS_CLOCK_HZ as u64 * audio::FRAME_MS as u64 / 1000;

pub(crate) struct Speaking {
    outlet: AudioOut,
    encoder: Encoder,
    pcm: Vec<i16>,
    talking: bool,
    tap: Option<mpsc::Sender<TappedPacket>>,
}

impl Speaking {
    pub(crate) fn new(
        rate: SampleRate,
        outlet: AudioOut,
        tap: Option<mpsc::Sender<TappedPacket>>,
    ) -> Result<Self, CodecError> {
        Ok(Self {
            outlet,
            encoder: Encoder::new(rate)?,
            pcm: vec![0; rate.frame_samples()],
            talking: false,
            tap,
        })
    }

    /// One tick: the packet to send out. Ticks that were missed are skipped: the room's clock has gone on.
    pub(crate) fn pace(&mut self, tick: &Tick, now: Instant) -> Option<AudioPacket> {
        let speech = self.outlet.next_frame(&mut self.pcm) == FrameKind::Speech;
        let was_talking = std::mem::replace(&mut self.talking, speech);
        let mut packet = [0; LONGEST_PACKET];
        // A frame of 20 ms always encodes into a buffer of this size.
        let length = self.encoder.encode(&self.pcm, &mut packet).ok()?;
        let payload: Arc<[u8]> = Arc::from(&packet[..length]);
        let rtp_time = tick.frame * FRAME_TICKS;
        tap(
            self.tap.as_ref(),
            TappedPacket {
                direction: Direction::ToCallee,
                at: now,
                rtp_time: rtp_time as u32,
                payload: payload.clone(),
            },
        );
        let (level_dbfs, first_of_talk) = (levels::rms_dbfs(&self.pcm), speech && !was_talking);
        Some(AudioPacket { rtp_time, payload, level_dbfs, first_of_talk })
    }

    /// The call is over: nobody shall wait for what will not be sent.
    pub(crate) fn close(&self) {
        self.outlet.close();
    }
}
