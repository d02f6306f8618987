//! What we say: one packet of 20 ms every 20 ms, a copy of it for the tap, and what the server reports of it.

mod reports;

use std::sync::Arc;
use std::time::Instant;

use audio::opus::{CodecError, Encoder};
use audio::{FrameKind, OPUS_CLOCK_HZ, SampleRate};
use str0m::stats::MediaEgressStats;
use tokio::sync::mpsc;

use self::reports::Reports;
use super::departures::{Departure, Departures};
use crate::outlet::{AudioOut, Taken};
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
    /// From the first connection on.
    departures: Option<Departures>,
    talking: bool,
    reports: Reports,
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
            departures: None,
            talking: false,
            reports: Reports::default(),
            tap,
        })
    }

    /// The room takes packets: from now on there is one every 20 ms.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.departures.get_or_insert_with(|| Departures::new(now));
    }

    /// The queue, which tells when there is speech that need not wait for the deadline.
    pub(crate) fn outlet(&self) -> AudioOut {
        self.outlet.clone()
    }

    /// When [`next_packet`](Self::next_packet) is to be asked, unless speech is ready before that.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.departures.as_ref().map(|departures| departures.deadline(self.outlet.head(departures.is_open())))
    }

    /// The packet to send out now, if one is.
    pub(crate) fn next_packet(&mut self, now: Instant) -> Option<AudioPacket> {
        let head = self.outlet.head(false);
        let Departure { frame, missed } = self.departures.as_mut()?.depart(head, now)?;
        let Taken { kind, level_dbfs } = self.outlet.next_frame(&mut self.pcm, missed);
        let speech = kind == FrameKind::Speech;
        let was_talking = std::mem::replace(&mut self.talking, speech);
        let mut packet = [0; LONGEST_PACKET];
        // A frame of 20 ms always encodes into a buffer of this size.
        let length = self.encoder.encode(&self.pcm, &mut packet).ok()?;
        let payload: Arc<[u8]> = Arc::from(&packet[..length]);
        let rtp_time = frame * FRAME_TICKS;
        let copy = TappedPacket {
            direction: Direction::ToCallee,
            at: now,
            rtp_time: rtp_time as u32,
            payload: payload.clone(),
        };
        tap(self.tap.as_ref(), copy);
        Some(AudioPacket { rtp_time, payload, level_dbfs, first_of_talk: speech && !was_talking })
    }

    /// The server has told what became of our packets: once a second.
    pub(crate) fn reported(&mut self, stats: &MediaEgressStats) {
        self.outlet.reported(self.reports.note(stats));
    }

    /// The call is over: nobody shall wait for what will not be sent.
    pub(crate) fn close(&self) {
        self.outlet.close();
    }
}

#[cfg(test)]
mod tests;
