//! The room: joining it, and its news in the call's words.

use std::time::Duration;

use calls::call::{Input, LegEnd, LegEvent, RoomEvent, RoomFailure, RoomLoss};
use calls::ids::BRIDGE_IDENTITY;
use calls::secret::Secret;
use room_client::{EndReason, JoinError, ParticipantKind, Rejoin, RoomConfig};
use tokio::sync::mpsc;

use crate::clock;
use crate::job::Job;
use crate::last_word::LastWord;
use crate::perform::News;

/// How long the token can be used to join.
const JOIN_WITHIN: Duration = Duration::from_secs(60);
/// How long LiveKit may take to say whether a room is there.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// The name of the track that we publish.
const TRACK_NAME: &str = "ultravox-agent-audio";

/// A joined room with its two streams.
pub struct Joined {
    /// The room.
    pub room: room_client::Room,
    /// Toward the callee.
    pub out: room_client::AudioOut,
    /// From the callee.
    pub sound_in: room_client::AudioIn,
}

/// How to join a job's room.
pub fn config(
    job: &Job,
    livekit: &rooms::Livekit,
    rate: audio::SampleRate,
    tap: mpsc::Sender<room_client::TappedPacket>,
) -> Result<RoomConfig, String> {
    let metadata = rooms::RoomMetadata::of(&job.stage, &job.attempt);
    let token = token(livekit, &job.room, &metadata).map_err(|error| error.to_string())?;
    Ok(RoomConfig {
        url: livekit.signal_url().to_owned(),
        token: token.expose().to_owned().into(),
        sample_rate: rate,
        track_name: TRACK_NAME.to_owned(),
        packet_tap: Some(tap),
    })
}

/// Lets a job's room be joined anew, for as long as it is there. A join would make it again: a room that somebody
/// has deleted meanwhile is to stay deleted, and where it went with its server, the phone's leg brings it back.
pub fn rejoin(job: &Job, livekit: &rooms::Livekit) -> Rejoin {
    let metadata = rooms::RoomMetadata::of(&job.stage, &job.attempt);
    let (room, livekit) = (job.room.clone(), livekit.clone());
    Rejoin::new(move || {
        let (room, livekit, metadata) = (room.clone(), livekit.clone(), metadata.clone());
        async move {
            let unreachable = |why: &dyn std::fmt::Display| JoinError::Unreachable(why.to_string());
            match tokio::time::timeout(LOOK_WITHIN, livekit.room_exists(&room)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Err(unreachable(&"the room is not there")),
                Ok(Err(error)) => return Err(unreachable(&error)),
                Err(_) => return Err(unreachable(&"no answer in time")),
            }
            let token = token(&livekit, &room, &metadata);
            token.map(|token| token.expose().to_owned().into()).map_err(|e| JoinError::Other(e.to_string()))
        }
    })
}

fn token(
    livekit: &rooms::Livekit,
    room: &str,
    metadata: &rooms::RoomMetadata,
) -> Result<Secret, rooms::TokenError> {
    livekit.join_token(&rooms::JoinToken {
        room,
        identity: BRIDGE_IDENTITY,
        name: BRIDGE_IDENTITY,
        room_metadata: Some(metadata),
        ttl: JOIN_WITHIN,
    })
}

/// Joins, listens to the callee, and from then on turns what the room says into news.
pub async fn join(config: RoomConfig, callee: Option<String>, news: mpsc::UnboundedSender<News>) {
    let started = clock::now();
    let url = config.url.clone();
    match room_client::Room::join(config).await {
        Ok((room, out, sound_in, events)) => {
            if let Some(callee) = &callee {
                room.listen_to(callee);
            }
            // A receiver that is gone has ended the call already.
            let _ = news.send(News::Joined(Box::new(Joined { room, out, sound_in })));
            let _ = news.send(News::Of(Input::Room(RoomEvent::Joined { took_ms: clock::ms_since(started) })));
            watch(events, callee, news).await;
        }
        Err(error) => {
            let failure = match &error {
                JoinError::Auth(_) => RoomFailure::Auth,
                JoinError::Unreachable(_) => RoomFailure::Unreachable,
                JoinError::Other(_) => RoomFailure::Other,
            };
            let detail = format!("{error} ({url})");
            let _ = news.send(News::Of(Input::Room(RoomEvent::JoinFailed { failure, detail })));
        }
    }
}

/// The callee is the identity that we dialed; inbound it is the first participant of kind SIP. Nobody
/// else's news is the callee's. A session that breaks without a word is a lost room.
async fn watch(
    mut events: mpsc::UnboundedReceiver<room_client::RoomEvent>,
    mut callee: Option<String>,
    news: mpsc::UnboundedSender<News>,
) {
    use room_client::RoomEvent as Event;
    let broken = RoomEvent::Lost { detail: "our session in the room broke".to_owned(), loss: RoomLoss::Room };
    let last_word = LastWord::new(&news, Input::Room(broken));
    while let Some(event) = events.recv().await {
        let is_callee = |identity: &str| callee.as_deref() == Some(identity);
        let input = match event {
            Event::ParticipantJoined { identity, kind: ParticipantKind::Sip, attributes }
                if callee.is_none() =>
            {
                callee = Some(identity.clone());
                let _ = news.send(News::ListenTo(identity.clone()));
                let _ = news.send(News::Of(Input::Leg(LegEvent::CallerJoined { identity })));
                if attributes.contains_key("sip.callStatus") {
                    continue; // its status comes as an event of its own
                }
                Input::Leg(LegEvent::Active)
            }
            Event::ParticipantJoined { identity, .. } if is_callee(&identity) => Input::Leg(LegEvent::InRoom),
            Event::CallStatus { identity, status } if is_callee(&identity) => match status.as_str() {
                "ringing" => Input::Leg(LegEvent::Ringing),
                "active" => Input::Leg(LegEvent::Active),
                "hangup" => {
                    let detail = "the callee hung up".to_owned();
                    Input::Leg(LegEvent::Left { why: LegEnd::HungUp, detail })
                }
                _ => continue,
            },
            Event::ParticipantLeft { identity, reason } if is_callee(&identity) => {
                let detail = format!("the callee left ({reason})");
                Input::Leg(LegEvent::Left { why: whose_doing(&reason), detail })
            }
            Event::Dtmf { identity, digit } if is_callee(&identity) => Input::Leg(LegEvent::Dtmf { digit }),
            Event::Reconnecting => Input::Room(RoomEvent::Reconnecting),
            Event::Resumed => Input::Room(RoomEvent::Resumed),
            Event::Rejoined { away } => {
                let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
                Input::Room(RoomEvent::Rejoined { away_ms })
            }
            Event::Ended { reason: EndReason::Left } => return last_word.withdraw(),
            Event::Ended { reason } => {
                let loss = match reason {
                    EndReason::DuplicateIdentity => RoomLoss::TakenOver,
                    EndReason::ServerGone(_) | EndReason::SignalLost(_) | EndReason::MediaLost(_) => {
                        RoomLoss::Server
                    }
                    EndReason::Left | EndReason::RoomDeleted | EndReason::Removed | EndReason::Other(_) => {
                        RoomLoss::Room
                    }
                };
                let lost = RoomEvent::Lost { detail: reason.to_string(), loss };
                return last_word.say(Input::Room(lost));
            }
            _ => continue,
        };
        if news.send(News::Of(input)).is_err() {
            return last_word.withdraw();
        }
    }
}

/// Whose doing a participant's end was, by LiveKit's reason (`DisconnectReason` in livekit_models.proto).
fn whose_doing(reason: &str) -> LegEnd {
    match reason {
        "CLIENT_INITIATED" => LegEnd::HungUp,
        "PARTICIPANT_REMOVED" | "ROOM_DELETED" | "ROOM_CLOSED" => LegEnd::Removed,
        _ => LegEnd::Lost,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use room_client::RoomEvent as Event;

    use super::*;

    /// What a call hears when its session says this and is gone.
    async fn heard(said: Vec<Event>) -> Vec<Input> {
        let (events, receiver) = mpsc::unbounded_channel();
        for event in said {
            events.send(event).unwrap();
        }
        drop(events);
        let (news, mut inbox) = mpsc::unbounded_channel();
        watch(receiver, Some("callee".to_owned()), news).await;
        let mut heard = Vec::new();
        while let Some(next) = inbox.recv().await {
            if let News::Of(input) = next {
                heard.push(input);
            }
        }
        heard
    }

    #[tokio::test]
    async fn a_session_that_breaks_without_a_word_is_a_lost_room() {
        let heard = heard(vec![Event::Reconnecting]).await;
        assert!(matches!(heard[..], [_, Input::Room(RoomEvent::Lost { .. })]), "{heard:?}");
    }

    #[tokio::test]
    async fn not_every_leaving_is_a_hang_up() {
        let identity = || "callee".to_owned();
        let left = |reason: &str| Event::ParticipantLeft { identity: identity(), reason: reason.to_owned() };
        let hung_up = Event::CallStatus { identity: identity(), status: "hangup".to_owned() };
        for (event, expected) in [
            (hung_up, LegEnd::HungUp),
            (left("CLIENT_INITIATED"), LegEnd::HungUp),
            (left("PARTICIPANT_REMOVED"), LegEnd::Removed),
            (left("CONNECTION_TIMEOUT"), LegEnd::Lost),
        ] {
            let heard = heard(vec![event]).await;
            let Input::Leg(LegEvent::Left { why, .. }) = &heard[0] else { panic!("{heard:?}") };
            assert_eq!(*why, expected);
        }
    }

    #[tokio::test]
    async fn an_end_is_told_once_and_our_own_leaving_is_no_news() {
        let lost = heard(vec![Event::Ended { reason: EndReason::RoomDeleted }]).await;
        assert!(matches!(lost[..], [Input::Room(RoomEvent::Lost { .. })]), "{lost:?}");
        assert_eq!(heard(vec![Event::Ended { reason: EndReason::Left }]).await, []);
    }
}
