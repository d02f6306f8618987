//! What the participant that we listen to says: packets in, frames out to the reader at once, and a copy of each packet for
//! the tap.

use std::time::Instant;

use audio::SampleRate;
use audio::opus::CodecError;
use str0m::media::MediaData;
use tokio::sync::mpsc;

use super::incoming::Incoming;
use super::order::Packet;
use crate::inlet::Inlet;
use crate::tap::{Direction, TappedPacket, tap};

pub(crate) struct Hearing {
    inlet: Inlet,
    incoming: Incoming,
    tap: Option<mpsc::Sender<TappedPacket>>,
}

impl Hearing {
    pub(crate) fn new(
        rate: SampleRate,
        inlet: Inlet,
        tap: Option<mpsc::Sender<TappedPacket>>,
    ) -> Result<Self, CodecError> {
        Ok(Self { inlet, incoming: Incoming::new(rate)?, tap })
    }

    /// When the reader has opened the stream; never again after [`open`](Self::open). Cancel safe.
    pub(crate) async fn opened(&mut self) -> Instant {
        if self.incoming.is_open() { std::future::pending().await } else { self.inlet.opened().await }
    }

    /// The reader has opened the stream.
    pub(crate) fn open(&mut self, at: Instant) {
        self.incoming.open(at);
    }

    /// Takes in a packet of the participant that we listen to.
    pub(crate) fn hear(&mut self, data: &MediaData) {
        let packet = TappedPacket {
            direction: Direction::FromCallee,
            at: data.network_time,
            rtp_time: data.time.numer() as u32,
            payload: data.data.clone(),
        };
        tap(self.tap.as_ref(), packet);
        // Opened, and we have not been woken for it yet.
        if let Some(at) = self.inlet.opened_at() {
            self.incoming.open(at);
        }
        self.incoming.packet(Packet {
            seq: **data.seq_range.start(),
            time: data.time.numer(),
            at: data.network_time,
            payload: data.data.clone(),
        });
        self.hand_over();
    }

    /// Another participant is listened to from now on.
    pub(crate) fn switch(&mut self) {
        self.incoming.switch();
    }

    /// When [`on_time`](Self::on_time) has something to do, if no packet comes before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.incoming.deadline()
    }

    /// Lets time pass.
    pub(crate) fn on_time(&mut self, now: Instant) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.incoming.poll(now);
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        while let Some(frame) = self.incoming.frame() {
            self.inlet.push(frame);
        }
        self.inlet.count(self.incoming.received());
    }
}
