//! The room as a call sees it: whose it is, and whether it can tell us anything.

use super::{RoomEvent, RoomLoss};

/// The room of a call, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// Named for this attempt by this process: nobody else's call is ever in it.
    Own(String),
    /// A name that somebody chose: another bridge's call may be in it.
    Shared(String),
}

impl Room {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Own(name) | Self::Shared(name) => name,
        }
    }
}

/// A room and where we stand in it, as it told us last.
#[derive(Debug)]
pub(super) struct OurRoom {
    room: Room,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody has asked for it.
    Unasked,
    /// Asked for: the server may have made it, but we are not in it.
    Outside,
    /// Joined; what happens in it reaches us.
    Inside,
    /// Joined; what happens in it reaches us late or never.
    Deaf,
    /// Another bridge has our place.
    TakenOver,
}

impl OurRoom {
    pub(super) fn new(room: Room) -> Self {
        Self { room, standing: Standing::Unasked }
    }

    pub(super) fn name(&self) -> &str {
        self.room.name()
    }

    pub(super) fn is_asked_for(&mut self) {
        self.standing = Standing::Outside;
    }

    pub(super) fn note(&mut self, event: &RoomEvent) {
        self.standing = match event {
            RoomEvent::Joined { .. } => Standing::Inside,
            // What we are not in, we cannot lose.
            _ if !self.is_joined() => self.standing,
            RoomEvent::Resumed | RoomEvent::Rejoined { .. } => Standing::Inside,
            RoomEvent::Lost { loss: RoomLoss::TakenOver, .. } => Standing::TakenOver,
            RoomEvent::Reconnecting | RoomEvent::Lost { .. } => Standing::Deaf,
            RoomEvent::JoinFailed { .. } | RoomEvent::Deleted { .. } | RoomEvent::DeleteFailed { .. } => {
                self.standing
            }
        };
    }

    fn is_joined(&self) -> bool {
        matches!(self.standing, Standing::Inside | Standing::Deaf)
    }

    /// May a ring go by without our hearing of it?
    pub(super) fn is_deaf(&self) -> bool {
        self.standing != Standing::Inside
    }

    /// Deleting a room hangs up whoever is in it: in a shared one that is our callee only if we are in it,
    /// and nobody has taken our place.
    pub(super) fn is_ours_to_delete(&self) -> bool {
        match self.standing {
            Standing::Unasked => false,
            Standing::Inside | Standing::Deaf => true,
            Standing::Outside | Standing::TakenOver => matches!(self.room, Room::Own(_)),
        }
    }
}
