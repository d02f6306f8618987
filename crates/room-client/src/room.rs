//! The room as its user sees it: join, listen, leave.

use std::fmt;
use std::time::Duration;

use audio::SampleRate;
use livekit_protocol as proto;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::error::JoinError;
use crate::event::RoomEvent;
use crate::inlet::{AudioIn, inlet};
use crate::media::{Media, Parts, Sockets};
use crate::outlet::AudioOut;
use crate::peer::Peer;
use crate::session::{self, Command, Session};
use crate::signal::Signal;
use crate::tap::TappedPacket;

/// All that joining may take, from the call to sound being possible.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long leaving in good order may take before the connection is dropped.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Id of our track within the connection; unique there, and nowhere else seen.
const TRACK_CID: &str = "agent-audio";

/// A LiveKit access token (a JWT). Never printed.
#[derive(Clone)]
pub struct Token(String);

/// What to join, and how.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// The server: `ws`, `wss`, `http` or `https`.
    pub url: String,
    /// Says which room, and who we are in it.
    pub token: Token,
    /// Of [`AudioOut`] and [`AudioIn`]; Opus converts from and to it.
    pub sample_rate: SampleRate,
    /// Name of the track that we publish.
    pub track_name: String,
    /// Where to copy the Opus packets of both directions; a full channel loses packets, nothing waits.
    pub packet_tap: Option<mpsc::Sender<TappedPacket>>,
}

/// A joined room. Dropping it leaves too, without waiting for it.
pub struct Room {
    commands: mpsc::UnboundedSender<Command>,
}

impl Room {
    /// Joins, and returns when sound can flow: the room is joined, the media connection is up and our
    /// track is published. Takes 10 s at most. Needs a tokio runtime with time and I/O.
    ///
    /// Nobody is heard until [`listen_to`](Self::listen_to); the events begin with those who are in the
    /// room already.
    ///
    /// # Errors
    /// See [`JoinError`]; nothing is left behind then.
    pub async fn join(
        config: RoomConfig,
    ) -> Result<(Self, AudioOut, AudioIn, mpsc::UnboundedReceiver<RoomEvent>), JoinError> {
        let deadline = clock::now() + JOIN_TIMEOUT;
        let failed = |error: &dyn fmt::Display| JoinError::Other(error.to_string());
        let url = url::Url::parse(&config.url).map_err(|e| failed(&format!("its URL is none: {e}")))?;
        let mut sockets = Sockets::default();
        let local: Vec<_> = sockets.toward(url.host()).into_iter().collect();
        let (peer, offer) = Peer::new(clock::now(), TRACK_CID, &local).map_err(|e| failed(&e))?;
        let outlet = AudioOut::new(config.sample_rate);
        let (inlet, audio_in) = inlet();
        let (to_media, commands) = mpsc::unbounded_channel();
        let (notices, from_media) = mpsc::unbounded_channel();
        let media = Media::new(Parts {
            peer,
            sockets,
            rate: config.sample_rate,
            outlet: outlet.clone(),
            inlet,
            tap: config.packet_tap,
            commands,
            notices,
        })
        .map_err(|e| failed(&e))?;

        let offer = session::description("offer", offer, session::FIRST_OFFER);
        let connecting = Signal::connect(&config.url, &config.token.0, offer.clone());
        let (signal, join, incoming) =
            tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), connecting)
                .await
                .map_err(|_| JoinError::Unreachable("no answer within 10 s".to_owned()))??;
        signal.send(proto::signal_request::Message::AddTrack(published_track(&config.track_name))).await;

        let (to_session, from_user) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let wires = session::Wires { incoming, to_media, from_media, from_user, events };
        let session = Session::new(signal, join, offer, wires, ready, deadline);
        tokio::spawn(media.run());
        tokio::spawn(session.run());
        let room = Self { commands: to_session };
        match is_ready.await {
            Ok(Ok(())) => Ok((room, outlet, audio_in, event_receiver)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(JoinError::Other("the session ended while joining".to_owned())),
        }
    }

    /// Makes `identity`'s first audio track what [`AudioIn`] gives: now, or as soon as there is one, and
    /// again after it has left and returned. Replaces whom we listened to before.
    pub fn listen_to(&self, identity: &str) {
        // A session that has ended hears nobody.
        let _ = self.commands.send(Command::ListenTo(identity.to_owned()));
    }

    /// Leaves the room and closes all connections; done when that is done. Others' calls stay up: delete
    /// the room to end them. The events end with `Ended { Left }`, unless the session had ended before.
    ///
    /// `false`: the websocket was away. The server may still be at our last try to bring it back, and make
    /// the room anew if it was deleted meanwhile.
    pub async fn leave(&self) -> bool {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).is_err() {
            return true;
        }
        // A session that ends by itself just now gives no answer, and needs none.
        !matches!(tokio::time::timeout(LEAVE_TIMEOUT, is_done).await, Ok(Ok(false)) | Err(_))
    }
}

impl From<String> for Token {
    fn from(jwt: String) -> Self {
        Self(jwt)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(set)")
    }
}

fn published_track(name: &str) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: TRACK_CID.to_owned(),
        name: name.to_owned(),
        r#type: proto::TrackType::Audio as i32,
        source: proto::TrackSource::Microphone as i32,
        disable_red: true,
        audio_features: vec![proto::AudioTrackFeature::TfNoDtx as i32],
        ..Default::default()
    }
}
