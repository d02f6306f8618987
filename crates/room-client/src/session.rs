//! The session task: signalling, who is in the room, whom we hear, and bringing a lost websocket back.

mod again;
mod ending;
mod keys;
mod link;
mod listening;

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use tokio::sync::{mpsc, oneshot};

use self::again::Anew;
use self::link::Link;
use self::listening::Listening;
use crate::clock;
use crate::entry::Entry;
use crate::error::JoinError;
use crate::event::{EndReason, RoomEvent};
use crate::media::{Command as MediaCommand, Notice};
use crate::rejoin::Rejoin;
use crate::roster::Roster;
use crate::signal::{Incoming, Incomings, Signal};

/// Id of the offer inside the join request; later offers count on from it.
pub(crate) const FIRST_OFFER: u32 = 1;

/// When the media connection is closed, the server's reason follows on the websocket within milliseconds; on a busy
/// machine later. It says whether we may come again.
const REASON_GRACE: Duration = Duration::from_millis(500);

/// How long ICE may look for a new way through the network.
const MEDIA_LOSS_TIMEOUT: Duration = Duration::from_secs(20);

/// The same while the websocket is away too: then it is the server that is gone, most likely, and a server
/// that comes back knows nothing of us.
const BOTH_LOST_TIMEOUT: Duration = Duration::from_secs(5);

/// What the room's user asks for.
pub(crate) enum Command {
    ListenTo(String),
    /// From now on.
    Rejoin(Rejoin),
    /// Press a key of the phone that we listen to; answered with whether it left us.
    PressKey(char, oneshot::Sender<bool>),
    /// Answered with whether the websocket was there.
    Leave(oneshot::Sender<bool>),
}

/// The session's ends of all channels.
pub(crate) struct Wires {
    pub(crate) incoming: Incomings,
    pub(crate) to_media: mpsc::UnboundedSender<MediaCommand>,
    pub(crate) from_media: mpsc::UnboundedReceiver<Notice>,
    pub(crate) from_user: mpsc::UnboundedReceiver<Command>,
    pub(crate) events: mpsc::UnboundedSender<RoomEvent>,
}

pub(crate) struct Session {
    entry: Entry,
    signal: Signal,
    wires: Wires,
    stage: Stage,
    link: Link,
    roster: Roster,
    /// The media task has ended; nothing more comes from it.
    media_gone: bool,
    /// What lets us join anew, once that is wanted.
    rejoin: Option<Rejoin>,
    /// Since when something is lost that is being brought back.
    away_since: Option<Instant>,
    /// When we have last joined anew.
    rejoined_at: Option<Instant>,
    published: Option<proto::TrackPublishedResponse>,
    media_up: bool,
    /// The last offer that we made, whether its answer is still to come, and the last answer.
    offer: proto::SessionDescription,
    awaiting_answer: bool,
    answer: Option<proto::SessionDescription>,
    listening: Listening,
    /// Subscriptions to be sent when the websocket is back.
    kept: Vec<Request>,
    /// After a resume, until everybody was described once.
    recounting: bool,
    /// What happens when time runs out: one thing at a time, as each excludes the others.
    deadline: Option<Deadline>,
    left: Option<oneshot::Sender<bool>>,
    ended: Option<EndReason>,
}

/// How far a session has come.
enum Stage {
    /// Being joined; told when that is decided.
    Joining(oneshot::Sender<Result<(), JoinError>>),
    Joined,
    /// Lost, and being joined anew.
    Anew(Anew),
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    what: Late,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    /// The join has not succeeded.
    Join,
    /// ICE has found no new way.
    Media,
    /// The media connection was closed and no reason came.
    Reason,
}

impl Session {
    pub(crate) fn new(
        entry: Entry,
        signal: Signal,
        join: proto::JoinResponse,
        offer: proto::SessionDescription,
        wires: Wires,
        ready: oneshot::Sender<Result<(), JoinError>>,
        join_by: Instant,
    ) -> Self {
        let mut session = Self {
            entry,
            signal,
            wires,
            stage: Stage::Joining(ready),
            link: Link::up(),
            roster: Roster::new(String::new()),
            media_gone: false,
            rejoin: None,
            away_since: None,
            rejoined_at: None,
            published: None,
            media_up: false,
            offer,
            awaiting_answer: true,
            answer: None,
            listening: Listening::default(),
            kept: Vec::new(),
            recounting: false,
            deadline: Some(Deadline { at: join_by, what: Late::Join }),
            left: None,
            ended: None,
        };
        session.meet(join);
        session
    }

    /// Takes in who we are, and who else is in the room.
    fn meet(&mut self, join: proto::JoinResponse) {
        self.roster = Roster::new(join.participant.unwrap_or_default().identity);
        let mut news = Vec::new();
        self.roster.update(join.other_participants, &mut news);
        self.tell(news);
    }

    /// Runs until the session ends, then closes everything and says so, once.
    pub(crate) async fn run(mut self) {
        let reason = loop {
            if let Some(reason) = self.ended.take() {
                break reason;
            }
            let at = self.deadline.map(|d| tokio::time::Instant::from_std(d.at));
            tokio::select! {
                incoming = self.wires.incoming.next() => self.on_incoming(incoming).await,
                notice = self.wires.from_media.recv(), if self.hears_media() => self.on_notice(notice).await,
                command = self.wires.from_user.recv() => self.on_command(command).await,
                retry = self.link.retried() => self.on_retried(retry).await,
                entered = self.stage.entered() => self.on_entered(entered),
                () = until(at) => self.on_deadline(),
            }
        };
        let was_up = self.link.is_up() && !self.stage.is_outside();
        if let Stage::Joining(ready) = std::mem::replace(&mut self.stage, Stage::Joined) {
            // Nobody may wait any more: the join was given up.
            let _ = ready.send(Err(ending::join_error(&reason)));
        }
        self.finish(reason, was_up).await;
    }

    fn hears_media(&self) -> bool {
        !self.media_gone && !self.stage.is_outside()
    }

    async fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) => self.on_message(*message).await,
            Incoming::Lost(why) => self.on_lost(why),
        }
    }

    async fn on_message(&mut self, message: Response) {
        match message {
            Response::Answer(answer) => self.on_answer(answer),
            Response::Trickle(trickle) => self.on_trickle(&trickle),
            Response::Update(update) => self.on_update(update.participants).await,
            Response::TrackPublished(published) => {
                self.published = Some(published);
                self.check_ready().await;
            }
            Response::MediaSectionsRequirement(needed) => {
                self.tell_media(MediaCommand::OpenSections(needed.num_audios));
            }
            Response::Leave(leave) => match leave.action() {
                proto::leave_request::Action::Resume => self.on_lost("the server asks to resume".to_owned()),
                action => self.dismissed(EndReason::from_leave(leave.reason(), action)),
            },
            _ => {}
        }
    }

    /// The server has said that the session is over.
    fn dismissed(&mut self, reason: EndReason) {
        match reason {
            EndReason::ServerGone(_) => self.lose(reason),
            _ => self.end(reason),
        }
    }

    fn on_trickle(&self, trickle: &proto::TrickleRequest) {
        let init: Result<serde_json::Value, _> = serde_json::from_str(&trickle.candidate_init);
        if let Some(candidate) = init.ok().as_ref().and_then(|init| init["candidate"].as_str()) {
            self.tell_media(MediaCommand::Candidate(candidate.to_owned()));
        }
    }

    async fn on_update(&mut self, participants: Vec<proto::ParticipantInfo>) {
        let mut news = Vec::new();
        if self.recounting && self.roster.names_us(&participants) {
            self.recounting = false;
            self.roster.replace(participants, &mut news);
        } else {
            self.roster.update(participants, &mut news);
        }
        self.tell(news);
        self.subscribe().await;
    }

    async fn on_notice(&mut self, notice: Option<Notice>) {
        match notice {
            Some(Notice::Offer(sdp)) => {
                self.offer = description("offer", sdp, self.offer.id + 1);
                self.awaiting_answer = true;
                self.send(Request::Offer(self.offer.clone())).await;
            }
            Some(Notice::Connected) => {
                self.deadline = self.deadline.filter(|d| d.what != Late::Media);
                self.media_up = true;
                self.check_ready().await;
                self.is_back();
            }
            Some(Notice::Disconnected) => {
                self.media_up = false;
                let patience = if self.link.is_up() { MEDIA_LOSS_TIMEOUT } else { BOTH_LOST_TIMEOUT };
                self.deadline = Some(Deadline { at: clock::now() + patience, what: Late::Media });
                self.is_away();
                self.tell_media(MediaCommand::RestartIce);
            }
            Some(Notice::Data(data)) => self.on_data(&data),
            Some(Notice::Closed) => self.await_reason(),
            Some(Notice::Failed(why)) => self.lose(EndReason::MediaLost(why)),
            None => {
                self.media_gone = true;
                self.await_reason();
            }
        }
    }

    /// The end of the media connection is the end; the websocket may say why, so it is given a moment.
    fn await_reason(&mut self) {
        if !self.link.is_up() {
            self.end(EndReason::MediaLost("closed by the server".to_owned()));
        } else if self.deadline.is_none_or(|d| d.what != Late::Reason) {
            self.deadline = Some(Deadline { at: clock::now() + REASON_GRACE, what: Late::Reason });
        }
    }

    fn on_data(&mut self, data: &[u8]) {
        self.tell(keys::pressed_key(data).into_iter().collect());
    }

    async fn on_command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::ListenTo(identity)) => {
                self.listening.to = Some(identity);
                self.subscribe().await;
            }
            Some(Command::Rejoin(rejoin)) => self.rejoin = Some(rejoin),
            Some(Command::PressKey(key, done)) => self.press_key(key, done),
            Some(Command::Leave(left)) => {
                self.left = Some(left);
                self.end(EndReason::Left);
            }
            None => self.end(EndReason::Left),
        }
    }

    fn on_deadline(&mut self) {
        match self.deadline.take().map(|d| d.what) {
            Some(Late::Join) => {
                let missing = match (self.media_up, &self.published) {
                    (false, _) => "the room was joined, but no media connection came about (UDP or TCP)",
                    (true, _) => "the room was joined, but our track was not published",
                };
                self.join_is_late(missing);
            }
            Some(Late::Media) => self.lose(EndReason::MediaLost("no way through the network".to_owned())),
            Some(Late::Reason) => self.end(EndReason::MediaLost("closed by the server".to_owned())),
            None => {}
        }
    }

    fn join_is_late(&mut self, missing: &str) {
        if matches!(self.stage, Stage::Anew(_)) {
            return self.lose(EndReason::MediaLost(missing.to_owned()));
        }
        if let Stage::Joining(ready) = std::mem::replace(&mut self.stage, Stage::Joined) {
            let _ = ready.send(Err(JoinError::Unreachable(missing.to_owned())));
        }
        self.end(EndReason::Left);
    }

    async fn check_ready(&mut self) {
        if !self.media_up || self.published.is_none() || matches!(self.stage, Stage::Joined) {
            return;
        }
        self.deadline = self.deadline.filter(|d| d.what != Late::Join);
        match std::mem::replace(&mut self.stage, Stage::Joined) {
            Stage::Joining(ready) => {
                // Nobody waits any more: the join was given up, and with it all commands end.
                let _ = ready.send(Ok(()));
                self.is_back();
            }
            Stage::Anew(anew) => self.rejoined(anew.held).await,
            Stage::Joined => {}
        }
    }

    /// Sends a request. While the websocket is away the try to bring it back holds the client, and whoever
    /// sends would wait for it: subscriptions are kept, an offer is made known after the resume.
    async fn send(&mut self, request: Request) {
        match request {
            request if self.link.is_up() => self.signal.send(request).await,
            Request::Subscription(_) => self.kept.push(request),
            _ => {}
        }
    }

    fn end(&mut self, reason: EndReason) {
        self.ended.get_or_insert(reason);
    }

    /// The media task may be over: its last notice is on its way to us then.
    fn tell_media(&self, command: MediaCommand) {
        let _ = self.wires.to_media.send(command);
    }

    /// Nobody may be listening: that is theirs to decide.
    fn tell(&mut self, news: Vec<RoomEvent>) {
        if let Stage::Anew(anew) = &mut self.stage {
            return anew.held.extend(news);
        }
        for event in news {
            let _ = self.wires.events.send(event);
        }
    }
}

/// A session description as it is signalled.
pub(crate) fn description(kind: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: kind.to_owned(), sdp, id, ..Default::default() }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod bad_input;
