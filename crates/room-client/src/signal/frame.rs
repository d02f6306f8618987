//! What the server sends, looked at before the signalling client takes it apart: that one believes what it reads.

use livekit_protocol::SignalResponse;
use livekit_protocol::signal_response::Message;
use prost::Message as _;

/// What a message is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// No message, or one that would only do harm: as if it had not come.
    Useless(&'static str),
    /// The connection cannot go on with it.
    Harmful(&'static str),
}

/// Any bytes have a verdict.
pub(super) fn judge(frame: &[u8]) -> Verdict {
    let Ok(response) = SignalResponse::decode(frame) else {
        return Verdict::Useless("it is no signalling message");
    };
    match response.message {
        // Seconds, taken for unsigned: none or less of them ends the client's own task with a panic.
        Some(Message::Join(join)) if join.ping_interval < 1 || join.ping_timeout < 1 => {
            Verdict::Harmful("the server's answer to the join names no time for its pings")
        }
        // The round trip is now less this, which must not overflow.
        Some(Message::PongResp(pong)) if pong.last_ping_timestamp < 0 => {
            Verdict::Useless("it answers a ping from before 1970")
        }
        Some(_) => Verdict::Good,
        None => Verdict::Useless("it is of a kind that we do not know"),
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{JoinResponse, Pong};

    use super::*;

    fn judged(message: Message) -> Verdict {
        judge(&SignalResponse { message: Some(message) }.encode_to_vec())
    }

    #[test]
    fn a_join_without_pings_is_none() {
        let join = |ping_interval, ping_timeout| {
            judged(Message::Join(JoinResponse { ping_interval, ping_timeout, ..Default::default() }))
        };
        assert_eq!(join(5, 15), Verdict::Good);
        for (interval, timeout) in [(0, 15), (5, 0), (-1, 15), (5, -1), (i32::MIN, i32::MIN)] {
            assert!(matches!(join(interval, timeout), Verdict::Harmful(_)), "{interval} {timeout}");
        }
    }

    #[test]
    fn a_pong_from_before_1970_and_what_is_no_message_are_passed_over() {
        let pong = |last_ping_timestamp| {
            judged(Message::PongResp(Pong { last_ping_timestamp, ..Default::default() }))
        };
        assert_eq!(pong(1_700_000_000_000), Verdict::Good);
        assert!(matches!(pong(i64::MIN), Verdict::Useless(_)));
        assert!(matches!(judge(b""), Verdict::Useless(_)));
        assert!(matches!(judge(b"\xff\xff\xff"), Verdict::Useless(_)));
    }
}
