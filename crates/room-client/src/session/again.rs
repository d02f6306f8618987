//! A session that is lost for good is joined anew: another connection for signalling and media, the same identity, and
//! the same two streams of sound, which never stop meanwhile.
//!
//! The old media connection goes on until the new session is there: where only the server's memory of us was lost,
//! hardly anything is missed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

use super::link::{Link, MANY_TRIES, pause};
use super::{Deadline, Late, Session, Stage};
use crate::clock;
use crate::entry::Entered;
use crate::error::JoinError;
use crate::event::{EndReason, RoomEvent};
use crate::media::{Command as MediaCommand, Replacement};
use crate::rejoin::Rejoin;
use crate::room::JOIN_TIMEOUT;
use crate::roster::Roster;
use crate::signal::Incomings;

/// How long we may be away in all, from the first sign of the loss. A server that restarts, and livekit-sip behind it,
/// need some ten seconds; a person who hears nothing for half a minute has hung up.
pub(super) const AWAY_AT_MOST: Duration = Duration::from_secs(30);

/// A session that is being joined anew.
pub(super) struct Anew {
    /// Why it has to be.
    reason: EndReason,
    tries: usize,
    /// The way into the room; `None` once we are in, and media and track are to follow.
    entering: Option<Entering>,
    /// What the new session has told so far: it is no news before we are there.
    pub(super) held: Vec<RoomEvent>,
}

type Entering = Pin<Box<dyn Future<Output = Result<Entered, JoinError>> + Send>>;

impl Stage {
    /// What came of entering the room anew; pends unless that is under way. Cancel safe.
    pub(super) async fn entered(&mut self) -> Result<Entered, JoinError> {
        match self {
            Self::Anew(Anew { entering: Some(entering), .. }) => entering.await,
            _ => std::future::pending().await,
        }
    }

    /// Neither the old session's news count any more, nor are there any of a new one.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self, Self::Anew(Anew { entering: Some(_), .. }))
    }
}

impl Session {
    /// The session is lost, and by nobody's wish: it is joined anew, if that is wanted and there is time left for it.
    pub(super) fn lose(&mut self, reason: EndReason) {
        if self.ended.is_some() {
            return;
        }
        let (reason, tries) = match &self.stage {
            Stage::Joining(_) => return self.end(reason),
            Stage::Joined => (reason, self.tries_of_late()),
            // The first reason is the reason.
            Stage::Anew(anew) => (anew.reason.clone(), anew.tries),
        };
        match self.rejoin.clone().filter(|_| !self.time_left().is_zero()) {
            Some(rejoin) => self.enter_anew(reason, tries, rejoin),
            None => self.end(reason),
        }
    }

    /// A session that is lost soon after it was joined anew is not joined again at once: a server that does not want us
    /// would be asked without end.
    fn tries_of_late(&self) -> usize {
        let is_late = self.rejoined_at.is_some_and(|at| clock::now().duration_since(at) < AWAY_AT_MOST);
        if is_late { MANY_TRIES } else { 0 }
    }

    fn enter_anew(&mut self, reason: EndReason, tries: usize, rejoin: Rejoin) {
        tracing::info!(%reason, tries, "joining anew");
        self.is_away();
        self.forget();
        let (entry, pause) = (self.entry.clone(), pause(tries));
        let within = JOIN_TIMEOUT.min(self.time_left());
        let entering = async move {
            tokio::time::sleep(pause).await;
            let token = rejoin.ask().await?;
            entry.enter(&token).await
        };
        let entering = async move {
            let late = |_| JoinError::Unreachable("no answer in time".to_owned());
            tokio::time::timeout(within, entering).await.map_err(late)?
        };
        let entering = Some(Box::pin(entering) as Entering);
        self.stage = Stage::Anew(Anew { reason, tries: tries + 1, entering, held: Vec::new() });
    }

    /// Closes the old websocket, and leaves nothing of what came over it.
    fn forget(&mut self) {
        // Drops a resume under way, which holds the client's lock.
        self.link = Link::up();
        self.wires.incoming = Incomings::none();
        let signal = self.signal.clone();
        tokio::spawn(async move { signal.close().await });
        self.roster = Roster::new(self.roster.own_identity().to_owned());
        self.deadline = None;
        (self.media_up, self.published, self.answer) = (false, None, None);
        self.listening.forget();
        self.recounting = false;
        self.kept.clear();
    }

    pub(super) fn on_entered(&mut self, entered: Result<Entered, JoinError>) {
        match (entered, &mut self.stage) {
            (Ok(entered), Stage::Anew(anew)) => {
                anew.entering = None;
                self.go_on_with(entered);
            }
            (Err(error), Stage::Anew(anew)) => {
                let reason = anew.reason.clone();
                tracing::info!(%error, "the room cannot be joined anew");
                if error.may_be_tried_again() { self.lose(reason) } else { self.end(reason) }
            }
            (_, Stage::Joining(_) | Stage::Joined) => {}
        }
    }

    fn go_on_with(&mut self, entered: Entered) {
        let (notices, from_media) = mpsc::unbounded_channel();
        self.signal = entered.signal;
        (self.wires.incoming, self.wires.from_media) = (entered.incoming, from_media);
        (self.offer, self.awaiting_answer) = (entered.offer, true);
        let new = Replacement { peer: entered.peer, sockets: entered.sockets, notices };
        self.tell_media(MediaCommand::Replace(Box::new(new)));
        let within = JOIN_TIMEOUT.min(self.time_left());
        self.deadline = Some(Deadline { at: clock::now() + within, what: Late::Join });
        self.meet(entered.join);
    }

    /// Media flows again, and our track is there.
    pub(super) async fn rejoined(&mut self, held: Vec<RoomEvent>) {
        let away = self.away_since.take().map_or(Duration::ZERO, |since| clock::now().duration_since(since));
        self.rejoined_at = Some(clock::now());
        self.tell(vec![RoomEvent::Rejoined { away }]);
        self.tell(held);
        self.subscribe().await;
    }

    fn time_left(&self) -> Duration {
        let away = self.away_since.map_or(Duration::ZERO, |since| clock::now().duration_since(since));
        AWAY_AT_MOST.saturating_sub(away)
    }

    /// Something is lost: said once, until it is back.
    pub(super) fn is_away(&mut self) {
        if self.away_since.is_none() {
            self.away_since = Some(clock::now());
            self.tell(vec![RoomEvent::Reconnecting]);
        }
    }

    /// Something is back; if nothing else is lost, we are.
    pub(super) fn is_back(&mut self) {
        let whole = matches!(self.stage, Stage::Joined) && self.link.is_up() && self.media_up;
        if whole && self.away_since.take().is_some() {
            self.tell(vec![RoomEvent::Resumed]);
        }
    }
}
