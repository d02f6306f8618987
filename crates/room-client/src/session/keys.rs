//! Keys of a phone: those pressed on it, as livekit-sip sends them, and those pressed for it.

use livekit_protocol as proto;
use prost::Message as _;
use tokio::sync::oneshot;

use super::Session;
use crate::event::RoomEvent;
use crate::media::Command as MediaCommand;

/// The keys in the order of their event codes (RFC 4733 §3.2, table 3).
const KEYS: &str = "0123456789*#ABCD";

impl Session {
    /// Presses a key toward the phone that we listen to, and no other. `done` is told whether it left us; dropped, it
    /// did not.
    pub(super) fn press_key(&self, key: char, done: oneshot::Sender<bool>) {
        let (Some(phone), Some(code)) = (&self.listening.to, KEYS.find(key)) else { return };
        // The position of a sign of one byte.
        let code = u32::try_from(code).unwrap_or_default();
        let dtmf = proto::SipDtmf { code, digit: key.to_string() };
        let packet = proto::DataPacket {
            destination_identities: vec![phone.clone()],
            value: Some(proto::data_packet::Value::SipDtmf(dtmf)),
            ..Default::default()
        };
        self.tell_media(MediaCommand::Send { data: packet.encode_to_vec(), done });
    }
}

/// The key in a data channel message, if that is what it carries.
pub(super) fn pressed_key(message: &[u8]) -> Option<RoomEvent> {
    let packet = proto::DataPacket::decode(message).ok()?;
    match packet.value? {
        proto::data_packet::Value::SipDtmf(dtmf) => {
            Some(RoomEvent::Dtmf { identity: packet.participant_identity, digit: dtmf.digit })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pressed_key_is_told_and_other_data_is_not() {
        let packet = |value| proto::DataPacket {
            participant_identity: "sip_1".into(),
            value: Some(value),
            ..Default::default()
        };
        let key = proto::data_packet::Value::SipDtmf(proto::SipDtmf { code: 11, digit: "#".into() });
        assert_eq!(
            pressed_key(&packet(key).encode_to_vec()),
            Some(RoomEvent::Dtmf { identity: "sip_1".into(), digit: "#".into() })
        );
        let other = proto::data_packet::Value::User(proto::UserPacket::default());
        assert_eq!(pressed_key(&packet(other).encode_to_vec()), None);
        assert_eq!(pressed_key(&[0xff; 3]), None);
    }
}
