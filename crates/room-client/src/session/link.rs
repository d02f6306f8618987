//! The websocket's ups and downs: lost, tried again, resumed.
//!
//! Media needs no websocket, so nothing here is in a hurry; but what happens in the room stays unseen
//! until it is back. The server keeps a session without a websocket for a while, then forgets it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;

use super::again::AWAY_AT_MOST;
use super::listening::subscription;
use super::{Session, Stage};
use crate::clock;
use crate::event::EndReason;
use crate::signal::{ResumeError, Signal};

/// After this long without a websocket its session is given up, where it may be joined anew: what is left of the time
/// that we may be away is for that.
const RESUME_AT_MOST: Duration = Duration::from_secs(20);

/// Pauses between tries: at once, then ever longer.
const PAUSES_MS: [u64; 5] = [0, 200, 500, 1000, 2000];

/// After so many tries the pause is as long as it gets.
pub(super) const MANY_TRIES: usize = PAUSES_MS.len();

/// The pause before a try that comes after so many.
pub(super) fn pause(tries: usize) -> Duration {
    Duration::from_millis(PAUSES_MS[tries.min(PAUSES_MS.len() - 1)])
}

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
        let pause = pause(tries);
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
        if !matches!(self.stage, Stage::Joined) {
            return self.lose(EndReason::SignalLost(why));
        }
        tracing::info!(%why, "signalling lost, resuming");
        self.is_away();
        self.link.retry(self.signal.clone());
    }

    pub(super) async fn on_retried(&mut self, retry: Retry) {
        match retry {
            Ok(()) => self.on_resumed().await,
            Err(ResumeError::Ended(reason)) => self.dismissed(reason),
            Err(ResumeError::Failed(why)) if self.link.down_for() >= self.patience() => {
                self.lose(EndReason::SignalLost(why));
            }
            Err(ResumeError::Failed(_)) => self.link.retry(self.signal.clone()),
        }
    }

    fn patience(&self) -> Duration {
        if self.rejoin.is_some() { RESUME_AT_MOST } else { AWAY_AT_MOST }
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
        self.is_back();
    }

    fn sync_state(&self) -> proto::SyncState {
        proto::SyncState {
            offer: Some(self.offer.clone()),
            answer: self.answer.clone(),
            publish_tracks: self.published.iter().cloned().collect(),
            subscription: self.listening.track.clone().map(|track| subscription(track, true)),
            ..Default::default()
        }
    }
}
