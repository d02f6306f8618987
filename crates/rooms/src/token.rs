//! Access tokens: who may join which room, who may dial, and until when.

use std::time::Duration;

use calls::ids::{AttemptId, CallKey};
use calls::secret::Secret;
use jiff::Timestamp;
use livekit_api::access_token::{AccessToken, AccessTokenError, Claims, SIPGrants, VideoGrants};
use livekit_protocol::RoomConfiguration;
use serde::{Deserialize, Serialize};

use crate::Livekit;

/// How long a token for one request of ours lives.
const REQUEST_TTL: Duration = Duration::from_secs(60);

/// What stands in the metadata of every room that we create, so that a sweep knows whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMetadata {
    /// The deployment: `prod`, `local` …
    pub stage: String,
    /// The call's key.
    pub key: String,
    /// Which attempt at it.
    pub attempt: u32,
}

impl RoomMetadata {
    /// Reads a room's metadata; `None`: it is none of ours.
    pub fn read(metadata: &str) -> Option<Self> {
        serde_json::from_str(metadata).ok()
    }

    /// The attempt whose room it is; `None`: there can be none of that name.
    pub fn attempt(&self) -> Option<AttemptId> {
        let key: CallKey = self.key.parse().ok()?;
        (self.attempt > 0).then(|| AttemptId::new(key, self.attempt))
    }

    /// The metadata of the room of one attempt.
    pub fn of(stage: &str, attempt: &AttemptId) -> Self {
        Self { stage: stage.to_owned(), key: attempt.key.as_str().to_owned(), attempt: attempt.number }
    }
}

/// What a token to join a room says.
#[derive(Clone, Debug)]
pub struct JoinToken<'a> {
    /// The room; created by the server when the first participant joins.
    pub room: &'a str,
    /// Our identity in it.
    pub identity: &'a str,
    /// Our name in it.
    pub name: &'a str,
    /// The room's metadata if this join creates the room. It travels in the token (LiveKit's room
    /// configuration), which saves a request before the join.
    pub room_metadata: Option<&'a RoomMetadata>,
    /// How long the token can be used to join. A client that is in the room gets fresh ones.
    pub ttl: Duration,
}

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It would have expired already.
    #[error("the token would have expired before it was made")]
    TooLate,
    /// LiveKit's library refused.
    #[error("no token: {0}")]
    Refused(#[from] AccessTokenError),
}

impl Livekit {
    /// A token to join a room, publish, subscribe, and exchange data (key presses) there.
    pub fn join_token(&self, wanted: &JoinToken<'_>) -> Result<Secret, TokenError> {
        let grants = VideoGrants {
            room_join: true,
            room: wanted.room.to_owned(),
            can_publish: Some(true),
            can_subscribe: Some(true),
            can_publish_data: Some(true),
            ..VideoGrants::default()
        };
        let mut token = self
            .access_token()
            .with_identity(wanted.identity)
            .with_name(wanted.name)
            .with_grants(grants)
            .with_ttl(wanted.ttl);
        if let Some(metadata) = wanted.room_metadata {
            let metadata = serde_json::to_string(metadata).unwrap_or_default();
            token = token.with_room_config(RoomConfiguration { metadata, ..RoomConfiguration::default() });
        }
        Ok(Secret::new(token.to_jwt()?))
    }

    /// A token that may dial and nothing else, until `expires_at` (rounded down to a whole second).
    ///
    /// It is half of the fence around the dial: a process that stalls cannot ring later, because
    /// the server no longer accepts its token. LiveKit allows 60 s of leeway on top.
    pub fn dial_token(&self, expires_at: Timestamp) -> Result<Secret, TokenError> {
        let token = self.access_token().with_sip_grants(SIPGrants { admin: false, call: true });
        expiring_at(&token, expires_at)
    }

    /// A short-lived token for one request to the room service.
    pub(crate) fn request_token(&self, grants: VideoGrants) -> Result<Secret, TokenError> {
        Ok(Secret::new(self.access_token().with_grants(grants).with_ttl(REQUEST_TTL).to_jwt()?))
    }

    /// A short-lived token for one request about a call in a room.
    pub(crate) fn transfer_token(&self, grants: VideoGrants, sip: SIPGrants) -> Result<Secret, TokenError> {
        let token = self.access_token().with_grants(grants).with_sip_grants(sip).with_ttl(REQUEST_TTL);
        Ok(Secret::new(token.to_jwt()?))
    }

    pub(crate) fn sip_token(&self, grants: SIPGrants) -> Result<Secret, TokenError> {
        Ok(Secret::new(self.access_token().with_sip_grants(grants).with_ttl(REQUEST_TTL).to_jwt()?))
    }

    fn access_token(&self) -> AccessToken {
        AccessToken::with_api_key(self.api_key.expose(), self.api_secret.expose())
    }
}

/// Signs `token` so that it expires at exactly `expires_at`. The library only takes a time to live,
/// counted from whenever it reads the clock, and we may be stopped on the way there. So what it made
/// is read back and the difference taken off, until it is exact.
fn expiring_at(token: &AccessToken, expires_at: Timestamp) -> Result<Secret, TokenError> {
    let wanted = expires_at.as_second();
    let mut ttl = 0_i64;
    for _ in 0..8 {
        let jwt = token.clone().with_ttl(Duration::from_secs(ttl.unsigned_abs())).to_jwt()?;
        let late_by = i64::try_from(Claims::from_unverified(&jwt)?.exp).unwrap_or(i64::MAX) - wanted;
        if late_by == 0 {
            return Ok(Secret::new(jwt));
        }
        ttl -= late_by;
        if ttl < 0 {
            return Err(TokenError::TooLate);
        }
    }
    // The clock jumped under every one of the tries.
    Err(TokenError::TooLate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn livekit() -> Livekit {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (key, secret) = (Secret::new("devkey"), Secret::new("a secret of more than thirty-two letters"));
        Livekit::new("ws://127.0.0.1:1", &key, &secret).unwrap()
    }

    fn claims(token: &Secret) -> Claims {
        Claims::from_unverified(token.expose()).unwrap()
    }

    #[test]
    fn a_dial_token_expires_exactly_when_told() {
        let now = Timestamp::now();
        for ahead_ms in [1_500, 30_000, 30_001, 30_999, 60_000] {
            let at = now + Duration::from_millis(ahead_ms);
            let claims = claims(&livekit().dial_token(at).unwrap());
            assert_eq!(claims.exp as i64, at.as_second());
            assert!(claims.sip.call && !claims.sip.admin);
            assert_eq!(claims.video, VideoGrants::default(), "nothing but the dial");
        }
    }

    #[test]
    fn a_dial_token_for_the_past_is_not_made() {
        let past = Timestamp::now() - Duration::from_secs(2);
        assert!(matches!(livekit().dial_token(past), Err(TokenError::TooLate)));
    }

    #[test]
    fn a_join_token_names_room_identity_and_the_rooms_metadata() {
        let attempt = AttemptId::new(calls::ids::CallKey::from_sqs_message("m"), 2);
        let metadata = RoomMetadata::of("local", &attempt);
        let wanted = JoinToken {
            room: "call-1",
            identity: "bridge",
            name: "Bridge",
            room_metadata: Some(&metadata),
            ttl: Duration::from_secs(600),
        };
        let claims = claims(&livekit().join_token(&wanted).unwrap());
        assert!(claims.video.room_join && !claims.video.room_admin && !claims.sip.call);
        assert_eq!((claims.video.room.as_str(), claims.sub.as_str()), ("call-1", "bridge"));
        assert!(claims.kind.is_empty(), "a standard participant");
        let config = claims.room_config.unwrap();
        assert_eq!(serde_json::from_str::<RoomMetadata>(&config.metadata).unwrap(), metadata);
    }

    #[test]
    fn a_room_of_ours_names_its_attempt_and_any_other_none() {
        let attempt = AttemptId::new(CallKey::from_sqs_message("m"), 2);
        let text = serde_json::to_string(&RoomMetadata::of("local", &attempt)).unwrap();
        assert_eq!(RoomMetadata::read(&text).and_then(|read| read.attempt()), Some(attempt));
        for other in ["", "{}", "not ours", r#"{"stage":"local","key":"x","attempt":1}"#] {
            assert_eq!(RoomMetadata::read(other).and_then(|read| read.attempt()), None, "{other}");
        }
    }

    #[test]
    fn a_room_without_a_name_is_refused() {
        let wanted = JoinToken { room: "", identity: "b", name: "", room_metadata: None, ttl: REQUEST_TTL };
        assert!(matches!(livekit().join_token(&wanted), Err(TokenError::Refused(_))));
    }
}
