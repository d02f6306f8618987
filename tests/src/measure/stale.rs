//! What still comes of a sound that was to stop.

use audio::levels::rms_dbfs;
use serde::Serialize;

use super::RATE;
use super::timed::Timed;

/// The loudest piece of a packet decides: a fade leaves a packet with a loud beginning.
const PIECE_MS: u32 = 5;
/// Louder than this is sound and not what a codec leaves of silence; the sound that is stopped is 25 dB above.
const HEARD_DBFS: f64 = -40.0;

/// What came after the order to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// From the order to the last packet that still held sound, in ms; 0 if none did.
    pub last_ms: f64,
    /// How many of those came later than is granted.
    pub late_packets: usize,
    /// Whether there was sound to stop at all: in the 100 ms before.
    pub was_loud: bool,
}

impl Tail {
    /// Of the `sound` that came, after an order at `from_ms` and until `until_ms` (Unix milliseconds), where what comes
    /// within `granted_ms` is on its way and not stale.
    pub fn of(sound: &Timed, from_ms: f64, until_ms: f64, granted_ms: f64) -> Self {
        let loud =
            |pcm: &[i16]| pcm.chunks(RATE.samples_in_ms(PIECE_MS)).any(|piece| rms_dbfs(piece) > HEARD_DBFS);
        let heard: Vec<f64> = sound.pieces().filter(|(_, pcm)| loud(pcm)).map(|(at_ms, _)| at_ms).collect();
        let after: Vec<f64> =
            heard.iter().map(|at| at - from_ms).filter(|ms| *ms > 0.0 && *ms < until_ms - from_ms).collect();
        Self {
            last_ms: after.last().copied().unwrap_or(0.0),
            late_packets: after.iter().filter(|ms| **ms > granted_ms).count(),
            was_loud: heard.iter().any(|at| (from_ms - 100.0..=from_ms).contains(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use audio::levels::tone;

    use super::*;

    /// Packets of 20 ms, one every 20 ms from 0 on, of which these are a tone; the last is one for 3 ms.
    fn sound(packets: usize, loud: &[usize]) -> Timed {
        let mut pcm = vec![0; packets * 160];
        for nth in loud {
            let ms = if nth == loud.last().unwrap() { 3 } else { 20 };
            let tone = tone(RATE, 440.0, -12.0, RATE.samples_in_ms(ms));
            pcm[nth * 160..][..tone.len()].copy_from_slice(&tone);
        }
        let pieces: Vec<_> = (0..packets).map(|nth| (nth as i64 * 20_000, 160)).collect();
        Timed::new(RATE, &pcm, &pieces).unwrap()
    }

    #[test]
    fn a_sound_that_stops_with_a_fade_has_a_tail_of_one_packet() {
        let tail = Tail::of(&sound(50, &[5, 6, 7, 8, 9, 10]), 190.0, 900.0, 25.0);
        assert_eq!(tail, Tail { last_ms: 10.0, late_packets: 0, was_loud: true });
        let nothing = Tail::of(&sound(50, &[5, 6]), 130.0, 900.0, 25.0);
        assert_eq!((nothing.last_ms, nothing.late_packets), (0.0, 0));
        assert!(!Tail::of(&sound(50, &[5, 6]), 500.0, 900.0, 25.0).was_loud);
    }

    #[test]
    fn what_comes_back_later_is_stale_until_the_next_thing_is_said() {
        let packets = [8, 9, 10, 11, 12, 30, 45];
        let tail = Tail::of(&sound(50, &packets), 190.0, 800.0, 25.0);
        assert_eq!(tail, Tail { last_ms: 410.0, late_packets: 3, was_loud: true });
    }
}
