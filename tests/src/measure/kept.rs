//! How much of what was said was heard as it was said, though packets were lost on the way.
//!
//! A bridge that waits for late packets stretches and shortens sound to do so, so what was heard is followed along
//! what was said piece by piece. Then each 20 ms are compared with what they should be.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::RATE;

/// One packet of a telephone's: what can be lost.
const FRAME_MS: u32 = 20;
/// What is followed at once, and how often: longer than any pitch, shorter than what a stretch moves.
const BLOCK_MS: u32 = 200;
const HOP_MS: u32 = 100;
/// From one hop to the next the delay changes by less than this.
const DRIFT_MS: u32 = 60;
/// Around the delay of a block, its frames are looked for so far.
const LOOSE_MS: u32 = 1;
/// A block that is less alike than this tells nothing about the delay.
const FOLLOWED: f64 = 0.5;
/// A frame that is less alike than this is not the one that was said. A decoder's doubt after a loss is in between.
const KEPT: f64 = 0.9;
/// A kept frame has the same level to within this factor of power (6 dB), and a silent one is below a hundredth.
const SAME_POWER: f64 = 4.0;
const SILENT_POWER: f64 = 0.01;
/// Frames below this share of full scale (−45 dBFS RMS) are pauses: nobody misses them.
const SPEECH: f64 = 0.0056;

/// What became of a stretch of speech.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// How many frames of 20 ms it had, without its pauses.
    pub frames: usize,
    /// The share of them that were not heard as they were said: concealed, stretched, silent.
    pub damaged: f64,
    /// The share that were not heard at all: at least 20 dB too quiet.
    pub silent: f64,
    /// How alike what was heard is to what was said, on average: the normalised correlation, 1 for the very same.
    pub likeness: f64,
}

/// What was heard in the place of a frame.
struct Judged {
    /// The normalised correlation, where it is best.
    alike: f64,
    /// How many times the power of what was said it has there.
    power: f64,
    /// The same where it has the least: a best place may reach into a neighbour that is heard.
    least_power: f64,
}

impl Judged {
    fn is_kept(&self) -> bool {
        self.alike >= KEPT && (1.0 / SAME_POWER..SAME_POWER).contains(&self.power)
    }
}

/// What was said and what was heard of it, aligned.
pub struct Aligned {
    said: Vec<f64>,
    heard: Vec<f64>,
    /// For each hop, by how many samples what was heard is later.
    late: Vec<isize>,
}

impl Aligned {
    /// Aligns two sounds at [`RATE`]; the beginning of `said` is to be found within `first` samples of `heard`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn of(said: &[i16], heard: &[i16], first: Range<isize>) -> Result<Self> {
        let float = |pcm: &[i16]| -> Vec<f64> { pcm.iter().map(|sample| f64::from(*sample)).collect() };
        let mut aligned = Self { said: float(said), heard: float(heard), late: Vec::new() };
        // The first second with speech in it: a longer piece than what is followed, because it may be anywhere.
        let second = RATE.samples_in_ms(1000);
        let mut begins = (0..said.len().saturating_sub(second)).step_by(RATE.samples_in_ms(HOP_MS));
        let from = begins.find(|from| aligned.is_speech(*from..from + second / 2));
        let from = from.context("nothing was said")?;
        let (late, alike) = aligned.best(from..from + second, first).context("nothing was heard")?;
        ensure!(alike > FOLLOWED, "what was heard is not what was said: {alike:.2} alike");
        aligned.follow(late);
        Ok(aligned)
    }

    /// What became of the speech in this stretch of `said`; `None` if there is none.
    pub fn kept(&self, stretch: Range<usize>) -> Option<Kept> {
        let frame = RATE.samples_in_ms(FRAME_MS);
        let begins = stretch.step_by(frame).filter(|from| from + frame <= self.said.len());
        let frames: Vec<Range<usize>> = begins.map(|from| from..from + frame).collect();
        let frames = frames.into_iter().filter(|frame| self.is_speech(frame.clone()));
        let judged: Vec<Judged> = frames.map(|frame| self.judge(frame)).collect();
        let share = |is: fn(&Judged) -> bool| {
            judged.iter().filter(|frame| is(frame)).count() as f64 / judged.len() as f64
        };
        (!judged.is_empty()).then(|| Kept {
            frames: judged.len(),
            damaged: share(|frame| !frame.is_kept()),
            silent: share(|frame| frame.least_power < SILENT_POWER),
            likeness: judged.iter().map(|frame| frame.alike.max(0.0)).sum::<f64>() / judged.len() as f64,
        })
    }

    fn judge(&self, frame: Range<usize>) -> Judged {
        let hop = frame.start / RATE.samples_in_ms(HOP_MS);
        let loose = RATE.samples_in_ms(LOOSE_MS) as isize;
        // The delay may change within a block: the one before and the one after know better.
        let hops = hop.saturating_sub(2)..=hop;
        let delays: Vec<isize> = hops.filter_map(|hop| self.late.get(hop).copied()).collect();
        let best = delays.iter().filter_map(|late| self.best(frame.clone(), late - loose..late + loose + 1));
        let (best, alike) = best.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        let said = power(&self.said[frame.clone()]).max(1.0);
        let heard = |late: isize| self.there(&frame, late).map_or(0.0, power) / said;
        let least_power = delays.iter().map(|late| heard(*late)).fold(f64::INFINITY, f64::min);
        Judged { alike, power: heard(best), least_power }
    }

    fn follow(&mut self, first: isize) {
        let (block, hop) = (RATE.samples_in_ms(BLOCK_MS), RATE.samples_in_ms(HOP_MS));
        let drift = RATE.samples_in_ms(DRIFT_MS) as isize;
        let mut late = first;
        for from in (0..self.said.len().saturating_sub(block)).step_by(hop) {
            if self.is_speech(from..from + block)
                && let Some((best, alike)) = self.best(from..from + block, late - drift..late + drift)
                && alike > FOLLOWED
            {
                late = best;
            }
            self.late.push(late);
        }
    }

    /// By how many samples this piece of `said` is late, and how alike it is there.
    fn best(&self, piece: Range<usize>, late: Range<isize>) -> Option<(isize, f64)> {
        let said = &self.said[piece.clone()];
        let energy = power(said);
        let alike = |late: isize| {
            let heard = self.there(&piece, late)?;
            let product: f64 = said.iter().zip(heard).map(|(a, b)| a * b).sum();
            Some((late, product / (energy * power(heard)).sqrt().max(1.0)))
        };
        late.filter_map(alike).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What was heard so many samples later than this piece of `said` would be without any delay.
    fn there(&self, piece: &Range<usize>, late: isize) -> Option<&[f64]> {
        let at = |said: usize| usize::try_from(said as isize + late).ok();
        self.heard.get(at(piece.start)?..at(piece.end)?)
    }

    fn is_speech(&self, piece: Range<usize>) -> bool {
        let samples = piece.len() as f64;
        power(&self.said[piece]) > (SPEECH * f64::from(i16::MAX)).powi(2) * samples
    }
}

fn power(sound: &[f64]) -> f64 {
    sound.iter().map(|sample| sample * sample).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sim::ultravox::speech;

    use super::*;

    const LATE: usize = 700;
    const FRAME: usize = 160;

    fn said() -> Vec<i16> {
        speech::monologue(RATE, 6000).unwrap()
    }

    fn late(said: &[i16]) -> Vec<i16> {
        [vec![0; LATE], said.to_vec(), vec![0; 800]].concat()
    }

    fn kept(said: &[i16], heard: &[i16]) -> Kept {
        Aligned::of(said, heard, 0..4000).unwrap().kept(0..said.len()).unwrap()
    }

    #[test]
    fn what_is_only_late_is_kept() {
        let kept = kept(&said(), &late(&said()));
        assert!(kept.frames > 150 && kept.likeness > 0.999, "{kept:?}");
        assert_eq!((kept.damaged, kept.silent), (0.0, 0.0));
    }

    #[test]
    fn each_frame_that_is_missing_or_another_is_damage() {
        let (said, mut heard) = (said(), late(&said()));
        let frames: Vec<usize> = (10..said.len() / FRAME - 10).step_by(10).collect();
        let loud = |frame: &&usize| {
            let sound = &said[*frame * FRAME..][..FRAME];
            audio::levels::rms_dbfs(sound) > -44.0
        };
        let lost: Vec<usize> = frames.iter().filter(loud).copied().collect();
        for (nth, frame) in lost.iter().enumerate() {
            let sound = &mut heard[LATE + frame * FRAME..][..FRAME];
            if nth % 2 == 0 {
                sound.fill(0);
            } else {
                // Noise, as good as any: it is like no speech.
                let noise = (1i64..).map(|n| (n * n * 7919 % 6007) as i16 - 3003);
                sound.iter_mut().zip(noise).for_each(|(sample, noise)| *sample = noise);
            }
        }
        let kept = kept(&said, &heard);
        let damaged = kept.damaged * kept.frames as f64;
        assert!((damaged - lost.len() as f64).abs() < 1.5, "{kept:?}, {} lost", lost.len());
        let silent = kept.silent * kept.frames as f64;
        assert!((silent - lost.len() as f64 / 2.0).abs() < 1.5, "{kept:?}");
    }

    #[test]
    fn speech_that_is_shortened_is_followed_and_only_its_seam_is_damage() {
        let said = said();
        // 15 ms are left out after each second.
        let shortened: Vec<i16> = said.chunks(8000).flat_map(|second| second[120..].to_vec()).collect();
        let kept = kept(&said, &late(&shortened));
        assert!(kept.damaged < 0.08 && kept.damaged > 0.0, "{kept:?}");
    }

    #[test]
    fn another_speech_is_no_speech_heard() {
        let other = speech::pcm("callee-interrupts", RATE).unwrap();
        assert!(Aligned::of(&said(), &late(&other), 0..4000).is_err());
        assert!(Aligned::of(&[0; 16_000], &late(&said()), 0..4000).is_err());
    }
}
