//! Whom we hear: the subscription to its track, and the section that it arrives in.

use std::collections::HashMap;

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;

use super::{Session, Stage};
use crate::event::RoomEvent;
use crate::media::Command as MediaCommand;

/// Whom we listen to.
#[derive(Default)]
pub(super) struct Listening {
    /// Its identity.
    pub(super) to: Option<String>,
    /// The track that is subscribed for it.
    pub(super) track: Option<String>,
    /// Its sound was announced.
    announced: bool,
    /// Where each subscribed track is received: track id → mid.
    sections: HashMap<String, String>,
}

impl Listening {
    /// Nothing is subscribed any more; whom we listen to stays.
    pub(super) fn forget(&mut self) {
        *self = Self { to: self.to.take(), ..Self::default() };
    }
}

impl Session {
    pub(super) fn on_answer(&mut self, answer: proto::SessionDescription) {
        // Id 0: a server that does not number them. An answer to an older offer says nothing any more.
        if answer.id != 0 && answer.id != self.offer.id {
            return;
        }
        self.awaiting_answer = false;
        let sections = answer.mid_to_track_id.iter();
        self.listening.sections = sections.map(|(mid, track)| (track.clone(), mid.clone())).collect();
        self.tell_media(MediaCommand::Answer(answer.sdp.clone()));
        self.answer = Some(answer);
        self.hear();
    }

    /// Subscribes to the track to hear, if that has changed, and unsubscribes from the one before.
    pub(super) async fn subscribe(&mut self) {
        if matches!(self.stage, Stage::Anew(_)) {
            return;
        }
        let wanted = self.listening.to.as_deref().and_then(|identity| self.roster.audio_track(identity));
        if wanted == self.listening.track.as_deref() {
            return;
        }
        let wanted = wanted.map(str::to_owned);
        let before = std::mem::replace(&mut self.listening.track, wanted.clone());
        self.listening.announced = false;
        for (track, subscribe) in [(before, false), (wanted, true)] {
            if let Some(track) = track {
                // Where it was received says nothing about where it will be the next time.
                self.listening.sections.remove(&track);
                self.send(Request::Subscription(subscription(track, subscribe))).await;
            }
        }
        self.hear();
    }

    /// Points the media task at the section in which the wanted track arrives.
    pub(super) fn hear(&mut self) {
        let section =
            self.listening.track.as_ref().and_then(|track| self.listening.sections.get(track)).cloned();
        let found = section.is_some();
        self.tell_media(MediaCommand::Hear(section));
        if let (true, false, Some(identity)) = (found, self.listening.announced, &self.listening.to) {
            self.listening.announced = true;
            self.tell(vec![RoomEvent::TrackSubscribed { identity: identity.clone() }]);
        }
    }
}

pub(super) fn subscription(track: String, subscribe: bool) -> proto::UpdateSubscription {
    proto::UpdateSubscription { track_sids: vec![track], subscribe, ..Default::default() }
}
