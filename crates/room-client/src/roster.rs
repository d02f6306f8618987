//! Who is in the room, and what has changed.

use std::collections::HashMap;

use livekit_protocol::{DisconnectReason, ParticipantInfo, TrackType, participant_info};

use crate::event::{ParticipantKind, RoomEvent};

/// The attribute in which livekit-sip keeps a call's state.
const CALL_STATUS: &str = "sip.callStatus";

/// More participants than this are not known here: a server that names more is broken, or this is no call's room.
const MOST_KNOWN: usize = 1000;

/// Identities, ids and states that are longer are not believed. LiveKit's own identities have 256 bytes at most.
const LONGEST_NAME: usize = 1024;

/// All participants but ourselves, as the server last described them.
pub(crate) struct Roster {
    own_identity: String,
    known: HashMap<String, Participant>,
}

struct Participant {
    sid: String,
    version: u32,
    call_status: Option<String>,
    /// The track id of its first audio, in the server's order.
    audio: Option<String>,
}

impl Roster {
    pub(crate) fn new(own_identity: String) -> Self {
        Self { own_identity, known: HashMap::new() }
    }

    pub(crate) fn own_identity(&self) -> &str {
        &self.own_identity
    }

    /// Takes in a batch of descriptions, appends what they mean to `news`.
    pub(crate) fn update(&mut self, infos: Vec<ParticipantInfo>, news: &mut Vec<RoomEvent>) {
        for info in infos {
            if info.identity == self.own_identity || !self.has_room_for(&info) {
                continue;
            }
            if info.state == participant_info::State::Disconnected as i32 {
                self.left(&info, news);
            } else {
                self.here(info, news);
            }
        }
    }

    /// Takes in a description of everybody, as it comes after a resume: who is missing has left unseen.
    pub(crate) fn replace(&mut self, infos: Vec<ParticipantInfo>, news: &mut Vec<RoomEvent>) {
        let missing: Vec<String> =
            self.known.keys().filter(|known| infos.iter().all(|i| i.identity != **known)).cloned().collect();
        for identity in missing {
            self.known.remove(&identity);
            let reason = DisconnectReason::UnknownReason.as_str_name().to_owned();
            news.push(RoomEvent::ParticipantLeft { identity, reason });
        }
        self.update(infos, news);
    }

    /// Whether `infos` is everybody rather than a change: only then does it describe ourselves too.
    pub(crate) fn names_us(&self, infos: &[ParticipantInfo]) -> bool {
        infos.iter().any(|info| info.identity == self.own_identity)
    }

    /// The track to hear `identity` by: its first audio track.
    pub(crate) fn audio_track(&self, identity: &str) -> Option<&str> {
        self.known.get(identity)?.audio.as_deref()
    }

    fn has_room_for(&self, info: &ParticipantInfo) -> bool {
        let is_short = info.identity.len() <= LONGEST_NAME && info.sid.len() <= LONGEST_NAME;
        is_short && (self.known.len() < MOST_KNOWN || self.known.contains_key(&info.identity))
    }

    fn left(&mut self, info: &ParticipantInfo, news: &mut Vec<RoomEvent>) {
        // The old session of somebody who is back under a new one ends late: that is not a departure.
        if self.known.get(&info.identity).is_some_and(|known| known.sid == info.sid) {
            self.known.remove(&info.identity);
            news.push(RoomEvent::ParticipantLeft {
                identity: info.identity.clone(),
                reason: info.disconnect_reason().as_str_name().to_owned(),
            });
        }
    }

    fn here(&mut self, info: ParticipantInfo, news: &mut Vec<RoomEvent>) {
        let before = self.known.get(&info.identity).filter(|known| known.sid == info.sid);
        if before.is_some_and(|known| info.version < known.version) {
            return;
        }
        let call_status =
            info.attributes.get(CALL_STATUS).filter(|status| status.len() <= LONGEST_NAME).cloned();
        let changed =
            call_status.is_some() && before.and_then(|b| b.call_status.as_ref()) != call_status.as_ref();
        if before.is_none() {
            news.push(RoomEvent::ParticipantJoined {
                identity: info.identity.clone(),
                kind: ParticipantKind::from_wire(info.kind),
                attributes: info.attributes,
            });
        }
        if let (true, Some(status)) = (changed, &call_status) {
            news.push(RoomEvent::CallStatus { identity: info.identity.clone(), status: status.clone() });
        }
        let mut audio = info.tracks.iter().filter(|t| t.r#type == TrackType::Audio as i32);
        let audio = audio.find(|t| t.sid.len() <= LONGEST_NAME).map(|t| t.sid.clone());
        self.known
            .insert(info.identity, Participant { sid: info.sid, version: info.version, call_status, audio });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::TrackInfo;

    fn info(identity: &str, sid: &str, version: u32) -> ParticipantInfo {
        ParticipantInfo {
            identity: identity.into(),
            sid: sid.into(),
            version,
            state: participant_info::State::Active as i32,
            kind: participant_info::Kind::Sip as i32,
            ..Default::default()
        }
    }

    fn with_status(mut info: ParticipantInfo, status: &str) -> ParticipantInfo {
        info.attributes.insert(CALL_STATUS.into(), status.into());
        info
    }

    fn gone(mut info: ParticipantInfo) -> ParticipantInfo {
        info.state = participant_info::State::Disconnected as i32;
        info.disconnect_reason = DisconnectReason::UserRejected as i32;
        info
    }

    fn roster() -> Roster {
        Roster::new("us".into())
    }

    fn news(roster: &mut Roster, infos: Vec<ParticipantInfo>) -> Vec<RoomEvent> {
        let mut news = Vec::new();
        roster.update(infos, &mut news);
        news
    }

    fn left(identity: &str, reason: &str) -> RoomEvent {
        RoomEvent::ParticipantLeft { identity: identity.into(), reason: reason.into() }
    }

    fn status(identity: &str, status: &str) -> RoomEvent {
        RoomEvent::CallStatus { identity: identity.into(), status: status.into() }
    }

    #[test]
    fn a_call_is_joined_rings_answers_and_leaves() {
        let mut roster = roster();
        let joined =
            news(&mut roster, vec![info("us", "PA_0", 1), with_status(info("p", "PA_1", 1), "dialing")]);
        assert!(
            matches!(&joined[0], RoomEvent::ParticipantJoined { identity, kind: ParticipantKind::Sip, attributes }
            if identity == "p" && attributes[CALL_STATUS] == "dialing")
        );
        assert_eq!(joined[1..], [status("p", "dialing")]);
        assert_eq!(news(&mut roster, vec![with_status(info("p", "PA_1", 2), "dialing")]), []);
        assert_eq!(
            news(&mut roster, vec![with_status(info("p", "PA_1", 3), "active")]),
            [status("p", "active")]
        );
        assert_eq!(news(&mut roster, vec![gone(info("p", "PA_1", 4))]), [left("p", "USER_REJECTED")]);
        assert_eq!(news(&mut roster, vec![gone(info("p", "PA_1", 4))]), [], "only once");
    }

    #[test]
    fn an_older_description_is_not_believed() {
        let mut roster = roster();
        news(&mut roster, vec![with_status(info("p", "PA_1", 5), "active")]);
        assert_eq!(news(&mut roster, vec![with_status(info("p", "PA_1", 4), "ringing")]), []);
    }

    #[test]
    fn who_comes_back_under_a_new_session_has_not_left() {
        let mut roster = roster();
        news(&mut roster, vec![info("p", "PA_1", 9)]);
        assert_eq!(news(&mut roster, vec![info("p", "PA_2", 1)]).len(), 1, "joined again");
        assert_eq!(news(&mut roster, vec![gone(info("p", "PA_1", 10))]), []);
        assert_eq!(news(&mut roster, vec![gone(info("p", "PA_2", 2))]), [left("p", "USER_REJECTED")]);
    }

    #[test]
    fn who_left_while_the_websocket_was_away_is_missed_after_it() {
        let mut roster = roster();
        news(&mut roster, vec![info("p", "PA_1", 1), info("q", "PA_2", 1)]);
        let everybody = vec![info("us", "PA_0", 1), info("q", "PA_2", 1)];
        assert!(roster.names_us(&everybody));
        let mut news = Vec::new();
        roster.replace(everybody, &mut news);
        assert_eq!(news, [left("p", "UNKNOWN_REASON")]);
    }

    #[test]
    fn the_first_audio_track_is_the_one_to_hear() {
        let mut roster = roster();
        let mut p = info("p", "PA_1", 1);
        let track = |sid: &str, kind: TrackType| TrackInfo {
            sid: sid.into(),
            r#type: kind as i32,
            ..Default::default()
        };
        p.tracks = vec![
            track("TR_v", TrackType::Video),
            track("TR_a", TrackType::Audio),
            track("TR_b", TrackType::Audio),
        ];
        news(&mut roster, vec![p]);
        assert_eq!(roster.audio_track("p"), Some("TR_a"));
        assert_eq!(roster.audio_track("q"), None);
    }
}
