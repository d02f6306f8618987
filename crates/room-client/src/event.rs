//! What a room tells the one who joined it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use livekit_protocol::leave_request::Action;
use livekit_protocol::{DisconnectReason, participant_info};

/// News from the room, in the order in which it was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// Somebody is in the room: joined now, or was there before us. The same identity joins again when
    /// it comes back under a new session (livekit-sip does so after a server restart).
    ParticipantJoined {
        /// Unique in the room.
        identity: String,
        /// What sort of client it is.
        kind: ParticipantKind,
        /// All its attributes, `sip.*` among them.
        attributes: HashMap<String, String>,
    },
    /// The participant's `sip.callStatus` was first seen or has changed (`dialing`, `ringing`, `active`,
    /// `automation`, `hangup`). After a server restart a live call may read `dialing` again: latch "was
    /// answered".
    CallStatus {
        /// Whose call.
        identity: String,
        /// The attribute's new value.
        status: String,
    },
    /// Somebody is gone.
    ParticipantLeft {
        /// Who.
        identity: String,
        /// LiveKit's reason: `CLIENT_INITIATED`, `USER_REJECTED`, … (livekit_models.proto).
        reason: String,
    },
    /// The sound of the participant that we listen to arrives from now on.
    TrackSubscribed {
        /// Whose sound.
        identity: String,
    },
    /// A key was pressed on a phone (a `SipDTMF` data packet).
    Dtmf {
        /// Whose phone.
        identity: String,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: String,
    },
    /// The websocket or the media path is lost and being brought back. Sound may go on meanwhile.
    Reconnecting,
    /// What was lost is back, and nothing was missed.
    Resumed,
    /// The session was lost for good, and the room is joined anew under the same identity: see
    /// [`Room::rejoin_when_lost`](crate::Room::rejoin_when_lost). Those who are in the room follow, as after the first
    /// join; who does not has left, or has yet to come back.
    Rejoined {
        /// How long we were away, from the first sign of the loss.
        away: Duration,
    },
    /// The session is over, for good. Comes exactly once, last.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// What sort of client a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantKind {
    /// An app or a browser.
    Standard,
    /// A phone, through livekit-sip.
    Sip,
    /// An agent worker.
    Agent,
    /// Ingress, egress, or a kind newer than this list.
    Other,
}

impl ParticipantKind {
    pub(crate) fn from_wire(kind: i32) -> Self {
        match participant_info::Kind::try_from(kind) {
            Ok(participant_info::Kind::Standard) => Self::Standard,
            Ok(participant_info::Kind::Sip) => Self::Sip,
            Ok(participant_info::Kind::Agent) => Self::Agent,
            _ => Self::Other,
        }
    }
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// We left.
    Left,
    /// The room was deleted or closed.
    RoomDeleted,
    /// We were removed from the room.
    Removed,
    /// Another client joined under our identity. Joining again would throw that one out.
    DuplicateIdentity,
    /// The server is shutting down, or has lost the session and wants a new one.
    ServerGone(String),
    /// The websocket was lost and could not be brought back in time.
    SignalLost(String),
    /// The peer connection was closed by the server, or failed.
    MediaLost(String),
    /// The server's own reason, where none of the above fits.
    Other(String),
}

impl EndReason {
    /// Of the server's goodbye. One that asks for a new session (`RECONNECT`) is no end of our stay, unless its reason
    /// says that we are not wanted.
    pub(crate) fn from_leave(reason: DisconnectReason, action: Action) -> Self {
        match (Self::from_wire(reason), action) {
            (Self::Other(reason), Action::Reconnect) => Self::ServerGone(reason),
            (reason, _) => reason,
        }
    }

    pub(crate) fn from_wire(reason: DisconnectReason) -> Self {
        match reason {
            DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Self::RoomDeleted,
            DisconnectReason::ParticipantRemoved => Self::Removed,
            DisconnectReason::DuplicateIdentity => Self::DuplicateIdentity,
            DisconnectReason::ServerShutdown
            | DisconnectReason::StateMismatch
            | DisconnectReason::Migration => Self::ServerGone(reason.as_str_name().to_owned()),
            other => Self::Other(other.as_str_name().to_owned()),
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("we left"),
            Self::RoomDeleted => f.write_str("the room was deleted"),
            Self::Removed => f.write_str("we were removed from the room"),
            Self::DuplicateIdentity => f.write_str("another client joined under our identity"),
            Self::ServerGone(why) => write!(f, "the server ended the session ({why})"),
            Self::SignalLost(why) => write!(f, "signalling was lost ({why})"),
            Self::MediaLost(why) => write!(f, "the media connection was lost ({why})"),
            Self::Other(why) => write!(f, "the server ended the session ({why})"),
        }
    }
}
