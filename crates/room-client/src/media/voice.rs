//! The sound of the call: one frame each way per tick, and the tap on both.

use std::sync::Arc;
use std::time::Instant;

use audio::opus::{CodecError, Encoder};
use audio::{FrameKind, OPUS_CLOCK_HZ, SampleRate, levels};
use str0m::media::MediaData;
use tokio::sync::mpsc;

use super::incoming::Incoming;
use super::pacer::Tick;
use crate::inlet::{Inlet, KEPT_FRAMES};
use crate::outlet::AudioOut;
use crate::peer::AudioPacket;
use crate::tap::{Direction, TappedPacket};

/// The longest Opus packet of 20 ms (RFC 6716 §3.2.1).
const LONGEST_PACKET: usize = 1275;

/// RTP clock ticks in a frame.
const FRAME_TICKS: u64 = OPUS_CLOCK_HZ as u64 * audio::FRAME_MS as u64 / 1000;

pub(crate) struct Voice {
    outlet: AudioOut,
    encoder: Encoder,
    pcm: Vec<i16>,
    talking: bool,
    inlet: Inlet,
    incoming: Incoming,
    tap: Option<mpsc::Sender<TappedPacket>>,
}

impl Voice {
    pub(crate) fn new(
        rate: SampleRate,
        outlet: AudioOut,
        inlet: Inlet,
        tap: Option<mpsc::Sender<TappedPacket>>,
    ) -> Result<Self, CodecError> {
        Ok(Self {
            outlet,
            encoder: Encoder::new(rate)?,
            pcm: vec![0; rate.frame_samples()],
            talking: false,
            inlet,
            incoming: Incoming::new(rate)?,
            tap,
        })
    }

    /// Takes in a packet of the participant that we listen to.
    pub(crate) fn hear(&mut self, data: &MediaData) {
        self.tap(TappedPacket {
            direction: Direction::FromCallee,
            at: data.network_time,
            rtp_time: data.time.numer() as u32,
            payload: data.data.clone(),
        });
        self.incoming.packet(**data.seq_range.start(), &data.data);
    }

    /// Another participant is listened to from now on.
    pub(crate) fn switch(&mut self) {
        // A decoder could be made once, so it can be made again; if not, the old one will do.
        let _ = self.incoming.reset();
    }

    /// One tick: hands a frame in, and returns the packet to send out.
    pub(crate) fn pace(&mut self, tick: &Tick, now: Instant) -> Option<AudioPacket> {
        // Inward the missed frames are made good, so that the stream stays one second a second: their
        // sound has arrived meanwhile. Outward they are skipped: the room's clock has gone on.
        for _ in 0..=tick.missed.min(KEPT_FRAMES as u64) {
            let frame = self.incoming.next_frame();
            if self.inlet.is_open() {
                self.inlet.push(frame);
            }
        }
        let speech = self.outlet.next_frame(&mut self.pcm) == FrameKind::Speech;
        let was_talking = std::mem::replace(&mut self.talking, speech);
        let mut packet = [0; LONGEST_PACKET];
        // A frame of 20 ms always encodes into a buffer of this size.
        let length = self.encoder.encode(&self.pcm, &mut packet).ok()?;
        let payload: Arc<[u8]> = Arc::from(&packet[..length]);
        let rtp_time = tick.frame * FRAME_TICKS;
        self.tap(TappedPacket {
            direction: Direction::ToCallee,
            at: now,
            rtp_time: rtp_time as u32,
            payload: payload.clone(),
        });
        let (level_dbfs, first_of_talk) = (levels::rms_dbfs(&self.pcm), speech && !was_talking);
        Some(AudioPacket { rtp_time, payload, level_dbfs, first_of_talk })
    }

    /// The call is over: nobody shall wait for what will not be sent.
    pub(crate) fn close(&self) {
        self.outlet.close();
    }

    /// A recorder that does not keep up loses packets; the call does not wait for it.
    fn tap(&self, packet: TappedPacket) {
        if let Some(tap) = &self.tap {
            let _ = tap.try_send(packet);
        }
    }
}
