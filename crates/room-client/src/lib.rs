//! Joins one LiveKit room: publishes one Opus track, hears one participant.
//!
//! Two tasks. The *media task* (`media`) owns the peer connection, the sockets, the codec and the 20 ms
//! pacer in one loop and waits for nobody. The *session task* (`session`) owns the signalling
//! websocket, knows who is in the room, and may wait: a websocket that is cut and resumed costs no
//! sound. They talk through channels only.
//!
//! Media runs over a single peer connection that we offer (LiveKit's `/rtc/v1`): the offer rides inside
//! the join request, later ones add a receiving section when the server asks for it.

mod clock;
mod error;
mod event;
mod inlet;
mod media;
mod outlet;
mod peer;
mod room;
mod roster;
mod session;
mod signal;
mod tap;

pub use error::JoinError;
pub use event::{EndReason, ParticipantKind, RoomEvent};
pub use inlet::AudioIn;
pub use outlet::AudioOut;
pub use room::{Room, RoomConfig, Token};
pub use tap::{Direction, TappedPacket};
