//! The dial: CreateSIPParticipant, sent once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use calls::phone::{MaskedText, PhoneNumber};
use calls::secret::Secret;
use calls::sip_outcome::{DialFailure, NotSent};
use jiff::Timestamp;
use livekit_protocol::{CreateSipParticipantRequest, SipParticipantInfo};
use prost::Message as _;

use crate::Livekit;
use crate::last_look::{LastLook, TooLate};
use crate::twirp::{Refusal, TwirpError};

/// What the server may need beyond the ring time to say how the dial went.
const AFTER_RINGING: Duration = Duration::from_secs(15);
/// We wait a little longer than the server was told to, so that its own verdict reaches us.
const AFTER_SERVER_LIMIT: Duration = Duration::from_secs(5);
/// `max_call_duration` runs from the dial; this is what ringing and tidying up may take beyond the ring time.
const BEYOND_LONGEST_CALL: Duration = Duration::from_secs(30);

/// Whom to dial, and how.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// The outbound trunk, `ST_…`.
    pub trunk_id: String,
    /// Whom.
    pub to: PhoneNumber,
    /// The number that the callee sees, E.164; the trunk's own when absent.
    pub caller_id: Option<String>,
    /// The room that the callee is put into.
    pub room: String,
    /// The callee's identity there. Must be in use nowhere: dialing an identity that is in the room
    /// hangs up the call that has it.
    pub callee_identity: String,
    /// The callee's name there.
    pub callee_name: String,
    /// Attributes of the callee's participant.
    pub attributes: HashMap<String, String>,
    /// How long it may ring.
    pub ring: Duration,
    /// The longest answered call. The server hangs up by itself some time after that, whatever has
    /// become of us.
    pub longest_call: Duration,
    /// LiveKit's noise suppression on the callee's leg.
    pub krisp: bool,
}

/// The callee answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialed {
    /// The callee's identity in the room.
    pub identity: String,
    /// LiveKit's id of the SIP call, `SCL_…`.
    pub sip_call_id: String,
}

impl DialRequest {
    fn to_wire(&self) -> CreateSipParticipantRequest {
        CreateSipParticipantRequest {
            sip_trunk_id: self.trunk_id.clone(),
            sip_call_to: self.to.as_e164().to_owned(),
            sip_number: self.caller_id.clone().unwrap_or_default(),
            room_name: self.room.clone(),
            participant_identity: self.callee_identity.clone(),
            participant_name: self.callee_name.clone(),
            participant_attributes: self.attributes.clone(),
            // The reply is the verdict: answered, or the SIP status that says why not.
            wait_until_answered: true,
            // A ring tone in the room would be heard by the agent, not by the callee.
            play_dialtone: false,
            krisp_enabled: self.krisp,
            ringing_timeout: Some(on_the_wire(self.ring)),
            max_call_duration: Some(on_the_wire(self.longest_call + self.ring + BEYOND_LONGEST_CALL)),
            ..CreateSipParticipantRequest::default()
        }
    }
}

pub(crate) fn on_the_wire(duration: Duration) -> pbjson_types::Duration {
    pbjson_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

impl Livekit {
    /// Dials and waits until the callee answers or the dial fails. Sent once, never again, whatever
    /// happens. `token` is [`Livekit::dial_token`]'s, made before the permission to ring was taken;
    /// `now` is looked at when the request could leave, connected, and after `invite_by` it does not.
    ///
    /// Dropping the future does not take the dial back: once sent, only deleting the room does.
    ///
    /// # Errors
    /// [`DialFailure::NotSent`]: nothing can have rung. [`DialFailure::ReplyLost`]: it may go on ringing.
    /// Credentials that the server refuses are `Server` with the code `unauthenticated`.
    pub async fn dial(
        &self,
        request: &DialRequest,
        token: &Secret,
        invite_by: Timestamp,
        now: impl Fn() -> Timestamp + Clone + Send + Sync + Unpin + 'static,
    ) -> Result<Dialed, DialFailure> {
        let in_time = move || now() < invite_by;
        let has_left = Arc::new(AtomicBool::new(false));
        let may_leave = {
            let (in_time, has_left) = (in_time.clone(), has_left.clone());
            move || in_time() && !has_left.swap(true, Ordering::Relaxed)
        };
        let body = LastLook::body(request.to_wire().encode_to_vec(), may_leave);
        let server_limit = request.ring + AFTER_RINGING;
        let sent = self.twirp::<SipParticipantInfo>(
            "SIP/CreateSIPParticipant",
            body,
            token,
            Some(server_limit),
            server_limit + AFTER_SERVER_LIMIT,
        );
        if !in_time() {
            return Err(dial_failure(TwirpError::TooLate(TooLate.to_string())));
        }
        match sent.await {
            Ok(info) => Ok(Dialed { identity: info.participant_identity, sip_call_id: info.sip_call_id }),
            Err(error) if has_left.load(Ordering::Relaxed) => Err(dial_failure(error)),
            Err(error) => Err(dial_failure(never_left(error, in_time()))),
        }
    }
}

/// What an error means for a request whose body nobody asked for. Connecting is given up long before the
/// permission ends; whoever notices that only afterwards was stopped in between.
fn never_left(error: TwirpError, in_time: bool) -> TwirpError {
    match error {
        TwirpError::NotSent(_) | TwirpError::Lost(_) if !in_time => TwirpError::TooLate(TooLate.to_string()),
        TwirpError::Lost(detail) => TwirpError::NotSent(detail),
        other => other,
    }
}

/// What an error means. Texts of servers and trunks like to repeat whom they were asked to call; here, where
/// they come in, they are masked.
pub(crate) fn dial_failure(error: TwirpError) -> DialFailure {
    let masked = |text: &str| MaskedText::of(text).into();
    match error {
        TwirpError::NotSent(detail) => {
            DialFailure::NotSent { cause: NotSent::Unreachable, detail: masked(&detail) }
        }
        TwirpError::TooLate(detail) => {
            DialFailure::NotSent { cause: NotSent::TooLate, detail: masked(&detail) }
        }
        TwirpError::Lost(detail) => DialFailure::ReplyLost { detail: masked(&detail) },
        TwirpError::Unauthorized => DialFailure::Server {
            code: "unauthenticated".to_owned(),
            message: "LiveKit refused the API key, the secret or the token's time".to_owned(),
        },
        TwirpError::Refused(refusal) => match sip_status(&refusal) {
            Some(code) => {
                let text = refusal.meta.get("sip_status").filter(|text| !text.is_empty());
                DialFailure::Sip { code, text: masked(text.unwrap_or(&refusal.msg)) }
            }
            None => DialFailure::Server { code: masked(&refusal.code), message: masked(&refusal.msg) },
        },
    }
}

/// The SIP status that the server attached, if there was one.
pub(crate) fn sip_status(refusal: &Refusal) -> Option<u16> {
    let code = refusal.meta.get("sip_status_code")?.parse().ok()?;
    (100..700).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(json: &str) -> DialFailure {
        dial_failure(TwirpError::Refused(serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn a_sip_status_is_taken_from_the_meta_and_never_from_the_text() {
        let busy = refused(
            r#"{"code":"resource_exhausted","msg":"twirp error unknown: INVITE failed: sip status: 486: Busy Here",
                "meta":{"sip_status_code":"486","sip_status":"Busy Here","error_details":"x"}}"#,
        );
        assert_eq!(busy, DialFailure::Sip { code: 486, text: "Busy Here".to_owned() });
        let gave_up = refused(r#"{"code":"canceled","msg":"sip request timed out"}"#);
        assert_eq!(
            gave_up,
            DialFailure::Server { code: "canceled".to_owned(), message: "sip request timed out".to_owned() }
        );
        let odd = refused(r#"{"code":"internal","msg":"m","meta":{"sip_status_code":"0"}}"#);
        assert_eq!(odd, DialFailure::Server { code: "internal".to_owned(), message: "m".to_owned() });
    }

    #[test]
    fn a_failure_does_not_repeat_whom_it_was_about() {
        let sip = refused(
            r#"{"code":"not_found","msg":"m","meta":{"sip_status_code":"404","sip_status":"No +5511912345678 here"}}"#,
        );
        assert_eq!(sip, DialFailure::Sip { code: 404, text: "No +5511•••••5678 here".to_owned() });
        let server = refused(r#"{"code":"internal","msg":"sip:5511912345678@trunk failed"}"#);
        let message = "sip:55119••••5678@trunk failed".to_owned();
        assert_eq!(server, DialFailure::Server { code: "internal".to_owned(), message });
        let lost = dial_failure(TwirpError::Lost("11912345678".to_owned()));
        assert_eq!(lost, DialFailure::ReplyLost { detail: "1191•••5678".to_owned() });
    }

    #[test]
    fn what_never_left_is_not_lost() {
        let lost = || TwirpError::Lost("timed out".to_owned());
        let cause = |error| match dial_failure(error) {
            DialFailure::NotSent { cause, .. } => Some(cause),
            _ => None,
        };
        assert_eq!(cause(lost()), None);
        assert_eq!(cause(never_left(lost(), true)), Some(NotSent::Unreachable));
        assert_eq!(cause(never_left(lost(), false)), Some(NotSent::TooLate));
        assert_eq!(cause(never_left(TwirpError::Unauthorized, false)), None);
    }

    #[test]
    fn every_limit_is_on_the_wire() {
        let wire = DialRequest {
            trunk_id: "ST_1".to_owned(),
            to: PhoneNumber::parse("+5511912345678").unwrap(),
            caller_id: Some("+551130000000".to_owned()),
            room: "r".to_owned(),
            callee_identity: "c".to_owned(),
            callee_name: "n".to_owned(),
            attributes: HashMap::from([("k".to_owned(), "v".to_owned())]),
            ring: Duration::from_secs(30),
            longest_call: Duration::from_secs(900),
            krisp: true,
        }
        .to_wire();
        assert_eq!(wire.ringing_timeout.unwrap().seconds, 30);
        assert_eq!(wire.max_call_duration.unwrap().seconds, 960);
        assert!(wire.wait_until_answered && wire.krisp_enabled && !wire.play_dialtone);
        assert_eq!(
            (wire.sip_call_to.as_str(), wire.sip_number.as_str()),
            ("+5511912345678", "+551130000000")
        );
        assert_eq!(wire.participant_attributes["k"], "v");
    }
}
