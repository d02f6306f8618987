//! Keys pressed on a phone, as livekit-sip sends them.

use livekit_protocol as proto;
use prost::Message as _;

use crate::event::RoomEvent;

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
