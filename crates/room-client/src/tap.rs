//! A tap on the wire, for the recorder.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the participant that we listen to.
    FromCallee,
    /// From us to the room.
    ToCallee,
}

/// One Opus packet as it was on the wire. Packets from the callee come as they arrived, so possibly out
/// of order or with holes: `rtp_time` tells. One that came as a copy in the next (RED) comes right before that.
#[derive(Clone, Debug)]
pub struct TappedPacket {
    /// Which way it went.
    pub direction: Direction,
    /// When it was received or handed to the peer connection.
    pub at: Instant,
    /// RTP timestamp, 48 kHz clock, wrapping (RFC 7587 §4.1).
    pub rtp_time: u32,
    /// The Opus packet; shared, so that tapping copies nothing.
    pub payload: Arc<[u8]>,
}

/// A recorder that does not keep up loses packets; the call does not wait for it.
pub(crate) fn tap(to: Option<&mpsc::Sender<TappedPacket>>, packet: TappedPacket) {
    if let Some(to) = to {
        let _ = to.try_send(packet);
    }
}
