//! Joins one LiveKit room: publishes one Opus track, hears one participant.
//!
//! Two tasks. The *media task* (`media`) owns the peer connection, the sockets, the codec and the 20 ms
//! pacer in one loop and waits for nobody. The *session task* (`session`) owns the signalling
//! websocket, knows who is in the room, and may wait: a websocket that is cut and resumed costs no
//! sound. They talk through channels only. A session that cannot be resumed is joined anew, if its user wants that:
//! the media task then goes on over another peer connection.
//!
//! The two directions have nothing in common. What we hear (`media::hearing`) follows the packets: each is decoded and handed to
//! [`AudioIn`] as it comes, and silence only where none does. What we say (`media::speaking`) follows the pacer.
//!
//! Media runs over a single peer connection that we offer (LiveKit's `/rtc/v1`): the offer rides inside
//! the join request, later ones add a receiving section when the server asks for it.

mod clock;
mod counts;
mod entry;
mod error;
mod event;
mod inlet;
mod media;
mod outlet;
mod peer;
mod rejoin;
mod room;
mod roster;
mod session;
mod signal;
mod tap;

pub use counts::{InCounts, Received};
pub use error::JoinError;
pub use event::{EndReason, ParticipantKind, RoomEvent};
pub use inlet::AudioIn;
pub use outlet::{AudioOut, OutCounts, Report, Utterance};
pub use rejoin::Rejoin;
pub use room::{Room, RoomConfig, Token};
pub use tap::{Direction, TappedPacket};
