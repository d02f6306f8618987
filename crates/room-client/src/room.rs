//! The room as its user sees it: join, listen, leave.

use std::fmt;
use std::time::Duration;

use audio::SampleRate;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::entry::{Entered, Entry};
use crate::error::JoinError;
use crate::event::RoomEvent;
use crate::inlet::{AudioIn, inlet};
use crate::media::{Media, Parts};
use crate::outlet::AudioOut;
use crate::rejoin::Rejoin;
use crate::session::{self, Command, Session};
use crate::tap::TappedPacket;

/// All that joining may take, from the call to sound being possible.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long leaving in good order may take before the connection is dropped.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

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
        let entry = Entry { url: config.url, track_name: config.track_name };
        let entering = entry.enter(&config.token);
        let entered = tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), entering)
            .await
            .map_err(|_| JoinError::Unreachable("no answer within 10 s".to_owned()))??;
        let outlet = AudioOut::new(config.sample_rate);
        let (inlet, audio_in) = inlet();
        let (to_media, commands) = mpsc::unbounded_channel();
        let (notices, from_media) = mpsc::unbounded_channel();
        let Entered { peer, sockets, signal, join, incoming, offer } = entered;
        let media = Media::new(Parts {
            peer,
            sockets,
            rate: config.sample_rate,
            outlet: outlet.clone(),
            inlet,
            tap: config.packet_tap,
            commands,
            notices,
        });
        let media = match media {
            Ok(media) => media,
            Err(error) => {
                signal.close().await;
                return Err(JoinError::Other(error.to_string()));
            }
        };

        let (to_session, from_user) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let wires = session::Wires { incoming, to_media, from_media, from_user, events };
        let session = Session::new(entry, signal, join, offer, wires, ready, deadline);
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

    /// From now on the room is joined anew when the session is lost, with the same two streams of sound going on:
    /// [`AudioIn`] gives silence meanwhile, and what [`AudioOut`] would have played then is never heard. Until now,
    /// such a loss ends the session.
    ///
    /// Lost is what the server has forgotten or wants renewed, and what cannot be brought back in time. What ends by
    /// anybody's wish (the room deleted, we removed or replaced) has ended. After half a minute away it has, too.
    pub fn rejoin_when_lost(&self, rejoin: Rejoin) {
        let _ = self.commands.send(Command::Rejoin(rejoin));
    }

    /// Presses a key (`0` to `9`, `*`, `#`, `A` to `D`) toward the phone that we [listen to](Self::listen_to): its SIP
    /// node makes the tone. Keys come out in the order of the calls; how far apart is the caller's to see to, from the
    /// moment of the call and not of the waiting.
    ///
    /// `false`: it did not leave us, as there is nobody to press it for, no such key, or no connection.
    pub fn press_key(&self, key: char) -> impl Future<Output = bool> + Send + 'static {
        let (done, is_done) = oneshot::channel();
        // A session that has ended drops the question, which answers it.
        let _ = self.commands.send(Command::PressKey(key, done));
        async move { is_done.await.unwrap_or(false) }
    }

    /// Leaves the room and closes all connections; done when that is done. Others' calls stay up: delete
    /// the room to end them. The events end with `Ended { Left }`, unless the session had ended before.
    ///
    /// `false`: the websocket was away. The server may still be at our last try to bring it back or to join anew, and
    /// make the room anew if it was deleted meanwhile.
    pub async fn leave(&self) -> bool {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).is_err() {
            return true;
        }
        // A session that ends by itself just now gives no answer, and needs none.
        !matches!(tokio::time::timeout(LEAVE_TIMEOUT, is_done).await, Ok(Ok(false)) | Err(_))
    }
}

impl Token {
    pub(crate) fn expose(&self) -> &str {
        &self.0
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
