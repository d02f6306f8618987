//! The websocket's ups and downs: lost, tried again, resumed.
//!
//! Media needs no websocket, so nothing here is in a hurry; but what happens in the room stays unseen
//! until it is back. The server keeps a session without a websocket for a while, then forgets it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;

use super::{Session, subscription};
use crate::clock;
use crate::event::{EndReason, RoomEvent};
use crate::signal::{ResumeError, Signal};

/// After this long without a websocket the session is given up.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Pauses between tries: at once, then ever longer.
const PAUSES_MS: [u64; 5] = [0, 200, 500, 1000, 2000];

/// What became of one try to resume.
pub(super) type Retry = Result<(), ResumeError>;

/// Whether the websocket is there.
pub(super) struct Link {
    down: Option<Down>,
}

struct Down {
    since: Instant,
    tries: usize,
    retry: Pin<Box<dyn Future<Output = Retry> + Send>>,
}

impl Link {
    pub(super) fn up() -> Self {
        Self { down: None }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// The outcome of the try under way; pends while the websocket is up. Cancel safe.
    pub(super) async fn retried(&mut self) -> Retry {
        match &mut self.down {
            Some(down) => (&mut down.retry).await,
            None => std::future::pending().await,
        }
    }

    /// Starts a try, the first or one more.
    fn retry(&mut self, signal: Signal) {
        let (since, tries) =
            self.down.as_ref().map_or((clock::now(), 0), |down| (down.since, down.tries + 1));
        let pause = Duration::from_millis(PAUSES_MS[tries.min(PAUSES_MS.len() - 1)]);
        let retry = Box::pin(async move {
            tokio::time::sleep(pause).await;
            signal.resume().await
        });
        self.down = Some(Down { since, tries, retry });
    }

    fn down_for(&self) -> Duration {
        self.down.as_ref().map_or(Duration::ZERO, |down| clock::now().duration_since(down.since))
    }
}

impl Session {
    /// The websocket is gone, or the server wants it renewed.
    pub(super) fn on_lost(&mut self, why: String) {
        if !self.link.is_up() {
            return;
        }
        if self.ready.is_some() {
            return self.end(EndReason::SignalLost(why));
        }
        tracing::info!(%why, "signalling lost, resuming");
        if self.media_up {
            self.tell(vec![RoomEvent::Reconnecting]);
        }
        self.link.retry(self.signal.clone());
    }

    pub(super) async fn on_retried(&mut self, retry: Retry) {
        match retry {
            Ok(()) => self.on_resumed().await,
            Err(ResumeError::Ended(reason)) => self.end(reason),
            Err(ResumeError::Failed(why)) if self.link.down_for() >= GIVE_UP => {
                self.end(EndReason::SignalLost(why));
            }
            Err(ResumeError::Failed(_)) => self.link.retry(self.signal.clone()),
        }
    }

    /// The order matters: our state, then the session's confirmation, then what was kept, and an offer that
    /// was lost with the old websocket or made without one.
    async fn on_resumed(&mut self) {
        self.link = Link::up();
        self.recounting = true;
        self.signal.send(Request::SyncState(self.sync_state())).await;
        self.signal.confirm().await;
        for request in std::mem::take(&mut self.kept) {
            self.signal.send(request).await;
        }
        if self.awaiting_answer {
            self.signal.send(Request::Offer(self.offer.clone())).await;
        }
        if self.media_up {
            self.tell(vec![RoomEvent::Resumed]);
        }
    }

    fn sync_state(&self) -> proto::SyncState {
        proto::SyncState {
            offer: Some(self.offer.clone()),
            answer: self.answer.clone(),
            publish_tracks: self.published.iter().cloned().collect(),
            subscription: self.track.clone().map(|track| subscription(track, true)),
            ..Default::default()
        }
    }
}
