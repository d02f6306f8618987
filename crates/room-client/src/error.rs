//! Why a room could not be joined.

/// Why [`Room::join`](crate::Room::join) failed. The texts carry no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The server refused the token: wrong key or secret, expired, or not for this room.
    #[error("LiveKit refused the access token: {0}")]
    Auth(String),
    /// No session came about for reasons of the network or the server's health. May be tried again.
    #[error("LiveKit cannot be reached: {0}")]
    Unreachable(String),
    /// Anything else; trying again as it is will not help.
    #[error("the room cannot be joined: {0}")]
    Other(String),
}

impl JoinError {
    /// Whether the same join may succeed later.
    pub fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}
