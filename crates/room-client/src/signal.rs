//! LiveKit's own signalling client, wrapped: the only module that knows the `livekit-signaling` crate,
//! which calls itself internal and may change with any release.

mod frame;
mod regions;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalOptions};
use tokio::sync::mpsc;

use crate::error::JoinError;
use crate::event::EndReason;

/// Data channels are opened in band by us up to this version; from 18 on the server expects negotiated
/// ones in single peer connection mode, and no data arrives through ours.
const PROTOCOL_VERSION: u32 = 16;

/// How long one try for the websocket may take; a join must fit into ten seconds with all that follows.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A session's signalling connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Signal {
    client: Arc<SignalClient>,
}

/// What comes in over the websocket.
pub(crate) enum Incoming {
    Message(Box<Response>),
    /// The websocket is gone; [`Signal::resume`] may bring it back.
    Lost(String),
}

/// Why a resume failed.
pub(crate) enum ResumeError {
    /// The server has ended the session: no use trying to resume it again.
    Ended(EndReason),
    /// This try failed.
    Failed(String),
}

/// The stream of [`Incoming`]; goes on across resumes.
pub(crate) struct Incomings {
    events: mpsc::UnboundedReceiver<SignalEvent>,
}

impl Signal {
    /// Opens the websocket, with the publisher's `offer` inside the join request, and joins.
    ///
    /// Nothing is subscribed by itself. The server must know `/rtc/v1` (livekit-server from December 2025).
    pub(crate) async fn connect(
        url: &str,
        token: &str,
        offer: proto::SessionDescription,
    ) -> Result<(Self, proto::JoinResponse, Incomings), JoinError> {
        websocket::register();
        let mut options = SignalOptions::default();
        options.auto_subscribe = false;
        options.single_peer_connection = true;
        options.region_failover = true;
        options.connect_timeout = CONNECT_TIMEOUT;
        options.protocol_version = PROTOCOL_VERSION;
        options.client_capabilities = Vec::new();
        options.client_protocol = livekit_signaling::CLIENT_PROTOCOL_DEFAULT;
        let (client, join, events) =
            SignalClient::connect(url, token, options, Some(offer)).await.map_err(join_error)?;
        if !client.is_single_pc_mode_active() {
            client.close().await;
            return Err(JoinError::Other(
                "this livekit-server is too old: it has no single peer connection (/rtc/v1)".to_owned(),
            ));
        }
        Ok((Self { client: Arc::new(client) }, join, Incomings { events }))
    }

    /// Sends one request. Waits for a [`resume`](Self::resume) under way, so not while there is one.
    pub(crate) async fn send(&self, request: Request) {
        self.client.send(request).await;
    }

    /// One try to bring the websocket back for the same session. Takes up to 13 s (the old socket's
    /// goodbye 3 s, connect 5 s, reply 5 s). [`confirm`](Self::confirm) must follow a success.
    pub(crate) async fn resume(&self) -> Result<(), ResumeError> {
        match self.client.restart(proto::ReconnectReason::RrSignalDisconnected).await {
            Ok(_) => Ok(()),
            Err(SignalError::LeaveRequest { reason, action })
                if action != proto::leave_request::Action::Resume =>
            {
                Err(ResumeError::Ended(EndReason::from_leave(reason, action)))
            }
            Err(error) => Err(ResumeError::Failed(error.to_string())),
        }
    }

    /// Says that the resumed session is in order.
    pub(crate) async fn confirm(&self) {
        self.client.set_reconnected().await;
    }

    /// Closes the websocket.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }
}

impl Incomings {
    /// Nothing ever comes.
    pub(crate) fn none() -> Self {
        Self { events: mpsc::unbounded_channel().1 }
    }

    /// The next message or loss; pends forever once the client is gone. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.events.recv().await {
            Some(SignalEvent::Message(message)) => Incoming::Message(message),
            Some(SignalEvent::Close(why)) => Incoming::Lost(why.into_owned()),
            None => std::future::pending().await,
        }
    }
}

/// 401 and 403 are the token's fault; other client errors will not heal; all else is the way or the server.
fn join_error(error: SignalError) -> JoinError {
    let status = match &error {
        SignalError::Handshake { status } => Some(status.as_u16()),
        SignalError::Client(status, _) | SignalError::Server(status, _) => Some(status.as_u16()),
        _ => None,
    };
    match (status, error) {
        (Some(code @ (401 | 403)), _) => JoinError::Auth(format!("HTTP status {code}")),
        (Some(code), _) if (400..500).contains(&code) && code != 429 => {
            JoinError::Other(format!("the server answered HTTP status {code}"))
        }
        (Some(code), _) => JoinError::Unreachable(format!("the server answered HTTP status {code}")),
        (None, SignalError::TokenFormat) => {
            JoinError::Auth("the token has characters that no token has".to_owned())
        }
        (None, SignalError::LeaveRequest { reason, action }) => match EndReason::from_leave(reason, action) {
            gone @ EndReason::ServerGone(_) => JoinError::Unreachable(gone.to_string()),
            reason => JoinError::Other(reason.to_string()),
        },
        (None, error @ (SignalError::UrlParse(_) | SignalError::ProtoParse(_))) => {
            JoinError::Other(error.to_string())
        }
        (None, error) => JoinError::Unreachable(error.to_string()),
    }
}
