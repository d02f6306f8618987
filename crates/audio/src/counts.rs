//! What passed one hop of a call's sound: counts that only grow, so that two looks give what was between them.

use crate::levels;

/// One hop's counts so far. A frame is 20 ms; where a hop carries packets or messages of another length, its sound is
/// counted as so many frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HopCounts {
    /// Frames that passed, whatever was in them.
    pub frames: u64,
    /// Came too late to be of use, and were thrown away.
    pub late: u64,
    /// Never came, or nothing could be made of them, as far as is known by now.
    pub lost: u64,
    /// Of those that were lost: rebuilt from a copy that came with another packet (in-band FEC, RED).
    pub recovered: u64,
    /// Frames that were made up, because nothing came in their time.
    pub concealed: u64,
    /// Frames of silence.
    pub silent: u64,
    /// Samples that the level is made of, and the sum of their squares.
    pub samples: u64,
    /// See [`samples`](Self::samples).
    pub square_sum: f64,
}

impl HopCounts {
    /// What has come since `before`, an earlier look at the same hop.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            late: self.late - before.late,
            lost: self.lost - before.lost,
            recovered: self.recovered - before.recovered,
            concealed: self.concealed - before.concealed,
            silent: self.silent - before.silent,
            samples: self.samples - before.samples,
            square_sum: self.square_sum - before.square_sum,
        }
    }

    /// Adds `pcm` to what the level is made of.
    pub fn hear(&mut self, pcm: &[i16]) {
        self.samples += pcm.len() as u64;
        self.square_sum += levels::square_sum(pcm);
    }

    /// RMS level of all that was heard, in dBFS; [`levels::SILENCE_DBFS`] where nothing was.
    pub fn level_dbfs(&self) -> f64 {
        levels::dbfs_of(self.square_sum, self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRate;

    #[test]
    fn two_looks_tell_what_was_between_them() {
        let mut hop = HopCounts::default();
        hop.hear(&levels::tone(SampleRate::Hz16000, 1000.0, -6.0, 320));
        hop.frames += 1;
        let before = hop;
        hop.hear(&levels::tone(SampleRate::Hz16000, 1000.0, -20.0, 320));
        (hop.frames, hop.lost) = (hop.frames + 1, 1);
        let since = hop.since(&before);
        assert_eq!((since.frames, since.lost, since.samples), (1, 1, 320));
        assert!((since.level_dbfs() + 20.0).abs() < 0.1, "{}", since.level_dbfs());
        assert_eq!(HopCounts::default().level_dbfs(), levels::SILENCE_DBFS);
    }
}
