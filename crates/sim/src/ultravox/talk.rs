//! Notices when the callee talks: by level alone, which is enough for recordings and clean lines.

use audio::{FRAME_MS, SampleRate, levels};

/// Silence after which talk that was too short to count is forgotten, in milliseconds.
const FORGET_MS: u32 = 200;

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody has talked for long enough to count.
    Started,
    /// Silence after that, for as long as ends a turn.
    Ended {
        /// How much of the turn was talk.
        talk_ms: u32,
    },
}

/// Follows one stream of sound in 20 ms pieces. Its clock is the sound's own: what stops coming is not
/// silence, it is nothing, and no turn ends on it.
pub(super) struct Talk {
    threshold_dbfs: f64,
    turn_end_ms: u32,
    piece: usize,
    pending: Vec<i16>,
    started: bool,
    talk_ms: u32,
    silent_ms: u32,
}

impl Talk {
    pub(super) fn new(rate: SampleRate, threshold_dbfs: f64, turn_end_ms: u32) -> Self {
        let piece = rate.frame_samples();
        Self { threshold_dbfs, turn_end_ms, piece, pending: vec![], started: false, talk_ms: 0, silent_ms: 0 }
    }

    /// Takes what was heard next, any amount; `needed_ms` of talk count as a start.
    pub(super) fn hear(&mut self, pcm: &[i16], needed_ms: u32) -> Vec<Heard> {
        self.pending.extend_from_slice(pcm);
        let whole = self.pending.len() - self.pending.len() % self.piece;
        let pending = std::mem::take(&mut self.pending);
        let noticed =
            pending[..whole].chunks(self.piece).filter_map(|piece| self.piece(piece, needed_ms)).collect();
        self.pending = pending;
        self.pending.drain(..whole);
        noticed
    }

    fn piece(&mut self, piece: &[i16], needed_ms: u32) -> Option<Heard> {
        if levels::rms_dbfs(piece) >= self.threshold_dbfs {
            self.talk_ms += FRAME_MS;
            self.silent_ms = 0;
        } else {
            self.silent_ms += FRAME_MS;
        }
        if !self.started && self.talk_ms >= needed_ms.max(1) {
            self.started = true;
            return Some(Heard::Started);
        }
        if self.started && self.silent_ms >= self.turn_end_ms {
            self.started = false;
            return Some(Heard::Ended { talk_ms: std::mem::take(&mut self.talk_ms) });
        }
        if !self.started && self.silent_ms >= FORGET_MS {
            self.talk_ms = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz8000;

    fn heard(parts: &[(bool, u32)], chunk: usize) -> Vec<Heard> {
        let mut sound = Vec::new();
        for &(talk, ms) in parts {
            let samples = RATE.samples_in_ms(ms);
            sound.extend(levels::tone(RATE, 300.0, if talk { -20.0 } else { -60.0 }, samples));
        }
        let mut ears = Talk::new(RATE, -40.0, 500);
        sound.chunks(chunk).flat_map(|pcm| ears.hear(pcm, 192)).collect()
    }

    #[test]
    fn a_turn_is_talk_and_then_silence_whatever_the_chunks() {
        let turn = [Heard::Started, Heard::Ended { talk_ms: 600 }];
        for chunk in [1, 77, 160, 5000] {
            assert_eq!(
                heard(&[(false, 300), (true, 400), (false, 200), (true, 200), (false, 600)], chunk),
                turn
            );
        }
    }

    #[test]
    fn clicks_and_half_a_pause_are_no_turn() {
        assert_eq!(heard(&[(true, 160), (false, 300), (true, 160), (false, 600)], 160), []);
        assert_eq!(heard(&[(true, 300), (false, 480)], 160), [Heard::Started]);
    }
}
