//! The end of a session: a goodbye where it is due, and everything closed.

use std::time::Duration;

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;

use super::Session;
use super::link::Link;
use crate::error::JoinError;
use crate::event::{EndReason, RoomEvent};
use crate::media::Command as MediaCommand;
use crate::signal::Incoming;

/// How long the server may take to answer our goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

impl Session {
    /// `was_up`: the websocket is there, of a session that we are in.
    pub(super) async fn finish(mut self, reason: EndReason, was_up: bool) {
        tracing::debug!(%reason, "room session ended");
        // Where the server ended it, it needs no goodbye.
        let goodbye = matches!(reason, EndReason::Left | EndReason::MediaLost(_)) && was_up;
        self.tell(vec![RoomEvent::Ended { reason }]);
        if goodbye {
            // A server that takes longer finds out by itself.
            let _ = tokio::time::timeout(GOODBYE, self.say_goodbye()).await;
        }
        self.tell_media(MediaCommand::Close);
        // Drops a resume under way, which holds the client's lock.
        self.link = Link::up();
        self.signal.close().await;
        if let Some(left) = self.left.take() {
            let _ = left.send(was_up);
        }
    }

    /// Sends Leave and waits for the server's own, a few milliseconds. Inside the server requests and the
    /// websocket's end go separate ways; closed right behind a Leave, it once kept our place for seconds.
    async fn say_goodbye(&mut self) {
        let leave = proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated as i32,
            action: proto::leave_request::Action::Disconnect as i32,
            ..Default::default()
        };
        self.signal.send(Request::Leave(leave)).await;
        while let Incoming::Message(message) = self.wires.incoming.next().await {
            if matches!(*message, Response::Leave(_)) {
                return;
            }
        }
    }
}

/// What it means for a join that the session has ended already.
pub(super) fn join_error(reason: &EndReason) -> JoinError {
    match reason {
        EndReason::SignalLost(_) | EndReason::MediaLost(_) | EndReason::ServerGone(_) => {
            JoinError::Unreachable(reason.to_string())
        }
        _ => JoinError::Other(reason.to_string()),
    }
}
