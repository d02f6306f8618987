//! What is told of a call's sound, in words.

use std::fmt::Write as _;

use calls::fact::SoundTrouble;
use calls::sound::{HopSecond, SoundSecond};

/// `48 packets; trunk→room 50, lost 2, recovered 1, concealed 1; room→agent 50, silent 7, −23 dBFS; …; 20 ms queued, jitter 1.5 ms, 3 reported lost, round trip 24.5 ms`. Frames of
/// 20 ms; what is zero is left out.
pub(super) fn second(second: &SoundSecond) -> String {
    let hops = [
        ("trunk→room", &second.trunk_to_room),
        ("room→agent", &second.room_to_agent),
        ("agent→queue", &second.agent_to_queue),
        ("queue→room", &second.queue_to_room),
    ];
    let mut words = format!("{} packets; ", second.packets);
    words += &hops.map(|(name, hop)| hop_in_words(name, hop)).join("; ");
    let _ = write!(words, "; {} ms queued", second.queued_ms);
    if let Some(jitter_ms) = second.jitter_ms {
        let _ = write!(words, ", jitter {jitter_ms:.1} ms");
    }
    if second.reported_lost > 0 {
        let _ = write!(words, ", {} reported lost", second.reported_lost);
    }
    if let Some(round_trip_ms) = second.round_trip_ms {
        let _ = write!(words, ", round trip {round_trip_ms:.1} ms");
    }
    words
}

fn hop_in_words(name: &str, hop: &HopSecond) -> String {
    let mut words = format!("{name} {}", hop.frames);
    let counts = [
        ("late", hop.late),
        ("lost", hop.lost),
        ("recovered", hop.recovered),
        ("concealed", hop.concealed),
        ("silent", hop.silent),
    ];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let _ = write!(words, ", {what} {count}");
    }
    if let Some(level) = hop.level_dbfs {
        let _ = write!(words, ", {level} dBFS");
    }
    words
}

pub(super) fn healed(trouble: SoundTrouble) -> &'static str {
    match trouble {
        SoundTrouble::NoPackets => "packets come",
        SoundTrouble::OnlySilence => "the callee is heard",
        SoundTrouble::OneWayAudio => "the agent is heard",
        SoundTrouble::NotTranscribed => "the vendor understands the callee",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_one_line_without_its_zeroes() {
        let hop = HopSecond { frames: 50, ..HopSecond::default() };
        let words = second(&SoundSecond {
            packets: 48,
            trunk_to_room: HopSecond { lost: 2, recovered: 1, concealed: 1, ..hop },
            room_to_agent: HopSecond { silent: 7, level_dbfs: Some(-23), ..hop },
            queue_to_room: HopSecond { concealed: 3, silent: 50, ..hop },
            queued_ms: 20,
            jitter_ms: Some(1.46),
            reported_lost: 3,
            round_trip_ms: Some(24.52),
            ..SoundSecond::default()
        });
        let wanted = "48 packets; trunk→room 50, lost 2, recovered 1, concealed 1; room→agent 50, silent 7, -23 dBFS; agent→queue 0; \
                      queue→room 50, concealed 3, silent 50; 20 ms queued, jitter 1.5 ms, 3 reported lost, round trip 24.5 ms";
        assert_eq!(words, wanted);
    }
}
