//! The cold transfer: TransferSIPParticipant, by which LiveKit sends REFER to the trunk.

use std::time::Duration;

use calls::phone::MaskedText;
use calls::transfer::TransferTarget;
use livekit_api::access_token::{SIPGrants, VideoGrants};
use livekit_protocol::TransferSipParticipantRequest;
use prost::Message as _;

use crate::Livekit;
use crate::sip::{on_the_wire, sip_status};
use crate::twirp::TwirpError;

/// We wait a little longer than the server was told to, so that its own verdict reaches us.
const AFTER_SERVER_LIMIT: Duration = Duration::from_secs(2);

/// Whom to pass on, and where to.
#[derive(Clone, Debug)]
pub struct TransferRequest {
    /// The room that the callee is in.
    pub room: String,
    /// The callee's identity there.
    pub callee_identity: String,
    /// Whom to.
    pub to: TransferTarget,
    /// How long that may ring. The callee hears a ring tone of LiveKit's meanwhile, and not the room.
    pub ring: Duration,
}

/// Why a callee was not passed on, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferFailure {
    /// The trunk's answer, if it gave one.
    pub sip_status: Option<u16>,
    /// In one sentence, without numbers.
    pub detail: String,
}

impl TransferRequest {
    fn to_wire(&self) -> TransferSipParticipantRequest {
        TransferSipParticipantRequest {
            participant_identity: self.callee_identity.clone(),
            room_name: self.room.clone(),
            transfer_to: self.to.uri(),
            play_dialtone: true,
            ringing_timeout: Some(on_the_wire(self.ring)),
            ..TransferSipParticipantRequest::default()
        }
    }
}

impl Livekit {
    /// Has the callee's leg passed on, and waits until whom it is passed on to has taken the call. Sent once. The leg
    /// leaves the room by itself then; whatever else happens, it stays.
    ///
    /// # Errors
    /// The trunk refuses REFER, its target does not take the call, or nobody says in time how it went: then the leg
    /// may yet leave.
    pub async fn transfer(&self, request: &TransferRequest) -> Result<(), TransferFailure> {
        let grants = VideoGrants { room_admin: true, room: request.room.clone(), ..VideoGrants::default() };
        let token = self.transfer_token(grants, SIPGrants { admin: false, call: true });
        let token = token.map_err(|error| TransferFailure { sip_status: None, detail: error.to_string() })?;
        let body = request.to_wire().encode_to_vec();
        let within = request.ring + AFTER_SERVER_LIMIT;
        // The server keeps to the ringing timeout, which is in the request.
        self.twirp::<()>("SIP/TransferSIPParticipant", body, &token, None, within).await.map_err(failure)
    }
}

fn failure(error: TwirpError) -> TransferFailure {
    let says = |detail: &str| String::from(MaskedText::of(detail));
    let (sip_status, detail) = match error {
        TwirpError::NotSent(detail) => (None, format!("LiveKit could not be reached: {}", says(&detail))),
        TwirpError::TooLate(detail) => (None, says(&detail)),
        TwirpError::Lost(_) => (None, "nobody said in time how it went".to_owned()),
        TwirpError::Unauthorized => (None, "LiveKit refused our key".to_owned()),
        TwirpError::Refused(refusal) => match sip_status(&refusal) {
            Some(code) => {
                let text = refusal.meta.get("sip_status").map_or("", String::as_str);
                (Some(code), says(format!("the phone network answered {code} {text}").trim_end()))
            }
            None => (None, format!("LiveKit answered {}: {}", says(&refusal.code), says(&refusal.msg))),
        },
    };
    TransferFailure { sip_status, detail }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target(text: &str) -> TransferTarget {
        TransferTarget::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_number_is_asked_for_as_an_address_and_has_its_time_to_ring() {
        let request = TransferRequest {
            room: "r".to_owned(),
            callee_identity: "c".to_owned(),
            to: target("+551130000001"),
            ring: Duration::from_secs(25),
        };
        let wire = request.to_wire();
        assert_eq!(wire.transfer_to, "tel:+551130000001");
        assert_eq!((wire.room_name.as_str(), wire.participant_identity.as_str()), ("r", "c"));
        assert!(wire.play_dialtone && wire.ringing_timeout.unwrap().seconds == 25);
        assert!(!format!("{request:?}").contains("551130000001"));
    }

    #[test]
    fn a_refusal_says_the_networks_own_answer_and_no_number() {
        let refused = |json: &str| failure(TwirpError::Refused(serde_json::from_str(json).unwrap()));
        let busy = refused(
            r#"{"code":"resource_exhausted","msg":"m","meta":{"sip_status_code":"486","sip_status":"+551130000001 busy"}}"#,
        );
        let detail = "the phone network answered 486 +5511••••0001 busy".to_owned();
        assert_eq!(busy, TransferFailure { sip_status: Some(486), detail });
        let gone = refused(r#"{"code":"not_found","msg":"participant does not exist"}"#);
        let detail = "LiveKit answered not_found: participant does not exist".to_owned();
        assert_eq!(gone, TransferFailure { sip_status: None, detail });
    }
}
