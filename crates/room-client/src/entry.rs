//! Coming into a room: the peer connection's first offer, and the websocket that carries it.

use livekit_protocol as proto;

use crate::clock;
use crate::error::JoinError;
use crate::media::Sockets;
use crate::peer::Peer;
use crate::room::Token;
use crate::session;
use crate::signal::{Incomings, Signal};

/// Id of our track within the connection; unique there, and nowhere else seen.
const TRACK_CID: &str = "agent-audio";

/// What every entry into the same room has in common.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) url: String,
    pub(crate) track_name: String,
}

/// What came of an entry: we are in the room, and media may follow.
pub(crate) struct Entered {
    pub(crate) peer: Peer,
    pub(crate) sockets: Sockets,
    pub(crate) signal: Signal,
    pub(crate) join: proto::JoinResponse,
    pub(crate) incoming: Incomings,
    pub(crate) offer: proto::SessionDescription,
}

impl Entry {
    /// Opens the websocket, joins, and publishes our track.
    pub(crate) async fn enter(&self, token: &Token) -> Result<Entered, JoinError> {
        let url = url::Url::parse(&self.url)
            .map_err(|error| JoinError::Other(format!("its URL is none: {error}")))?;
        let mut sockets = Sockets::default();
        let local: Vec<_> = sockets.toward(url.host()).into_iter().collect();
        let (peer, offer) = Peer::new(clock::now(), TRACK_CID, &local)
            .map_err(|error| JoinError::Other(error.to_string()))?;
        let offer = session::description("offer", offer, session::FIRST_OFFER);
        let (signal, join, incoming) = Signal::connect(&self.url, token.expose(), offer.clone()).await?;
        signal.send(proto::signal_request::Message::AddTrack(self.published_track())).await;
        Ok(Entered { peer, sockets, signal, join, incoming, offer })
    }

    fn published_track(&self) -> proto::AddTrackRequest {
        proto::AddTrackRequest {
            cid: TRACK_CID.to_owned(),
            name: self.track_name.clone(),
            r#type: proto::TrackType::Audio as i32,
            source: proto::TrackSource::Microphone as i32,
            disable_red: true,
            audio_features: vec![proto::AudioTrackFeature::TfNoDtx as i32],
            ..Default::default()
        }
    }
}
