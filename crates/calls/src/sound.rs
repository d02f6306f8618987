//! What passes each hop of a call's sound, a second at a time.
//!
//! ```text
//! callee ── trunk_to_room ──▶ room client ── room_to_agent ──▶ agent
//! callee ◀── queue_to_room ── playout queue ◀── agent_to_queue ── agent
//! ```

use serde::{Deserialize, Serialize};

/// What passed one hop in about a second. A frame is 20 ms; what comes in other lengths is counted as so many frames.
/// Kept once a second for as long as a call lasts, so zeroes are not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HopSecond {
    /// Passed, whatever was in them.
    #[serde(skip_serializing_if = "is_zero")]
    pub frames: u32,
    /// Came too late to be of use, and were thrown away.
    #[serde(skip_serializing_if = "is_zero")]
    pub late: u32,
    /// Never came.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u32,
    /// Of those lost: rebuilt from a copy that came with another packet.
    #[serde(skip_serializing_if = "is_zero")]
    pub recovered: u32,
    /// Made up, because nothing came in their time.
    #[serde(skip_serializing_if = "is_zero")]
    pub concealed: u32,
    /// Of those that passed: with nothing in them that could be voice.
    #[serde(skip_serializing_if = "is_zero")]
    pub silent: u32,
    /// How loud all of it was, whole dBFS (RMS). Not where the hop does not listen, or nothing passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_dbfs: Option<i8>,
}

/// What passed all hops of a call in about a second, from the opening of the sound to its close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SoundSecond {
    /// Packets of the callee's that came from the room, in time or not.
    #[serde(skip_serializing_if = "is_zero")]
    pub packets: u32,
    /// The callee's sound, made of those: one second a second, silence where none came.
    #[serde(skip_serializing_if = "HopSecond::is_nothing")]
    pub trunk_to_room: HopSecond,
    /// What the agent was sent: one second a second. Late: thrown away because its socket was too slow.
    #[serde(skip_serializing_if = "HopSecond::is_nothing")]
    pub room_to_agent: HopSecond,
    /// What the agent said.
    #[serde(skip_serializing_if = "HopSecond::is_nothing")]
    pub agent_to_queue: HopSecond,
    /// What was put on the wire for the callee: one second a second.
    #[serde(skip_serializing_if = "HopSecond::is_nothing")]
    pub queue_to_room: HopSecond,
    /// What waited in the queue at the end of it, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub queued_ms: u32,
    /// How unevenly the callee's packets came, milliseconds (RFC 3550 §6.4.1, smoothed over 16 packets).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<f64>,
    /// Packets of ours that did not reach the room's server, as it told in this second (RTCP receiver report).
    #[serde(skip_serializing_if = "is_zero")]
    pub reported_lost: u32,
    /// From us to the room's server and back, milliseconds, as it told last (likewise).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

impl HopSecond {
    /// Frames that were more than silence.
    pub fn loud(&self) -> u32 {
        self.frames.saturating_sub(self.silent)
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_nothing_is_not_written_and_comes_back_all_the_same() {
        let silent = SoundSecond::default();
        assert_eq!(serde_json::to_string(&silent).unwrap(), "{}");
        let second = SoundSecond {
            packets: 48,
            trunk_to_room: HopSecond {
                frames: 50,
                lost: 2,
                recovered: 1,
                concealed: 1,
                ..HopSecond::default()
            },
            room_to_agent: HopSecond { frames: 50, silent: 7, level_dbfs: Some(-23), ..HopSecond::default() },
            queued_ms: 20,
            jitter_ms: Some(1.5),
            reported_lost: 3,
            round_trip_ms: Some(24.5),
            ..silent
        };
        let text = serde_json::to_string(&second).unwrap();
        let wanted = concat!(
            r#"{"packets":48,"trunkToRoom":{"frames":50,"lost":2,"recovered":1,"concealed":1},"#,
            r#""roomToAgent":{"frames":50,"silent":7,"levelDbfs":-23},"queuedMs":20,"jitterMs":1.5,"reportedLost":3,"roundTripMs":24.5}"#
        );
        assert_eq!(text, wanted);
        assert_eq!(serde_json::from_str::<SoundSecond>(&text).unwrap(), second);
    }
}
