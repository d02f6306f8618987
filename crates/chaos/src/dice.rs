//! All chance in a day, from one seed.

use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::clock::Ms;

/// Dice that fall the same way for the same seed, on every machine.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// True in `per_mille` of a thousand throws.
    pub fn in_thousand(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.0.random_range(0..1_000) < per_mille
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: Ms, most: Ms) -> Ms {
        self.0.random_range(least..=most.max(least))
    }

    /// Mostly near `least`, seldom near `most`: as things on a network take.
    pub fn skewed(&mut self, least: Ms, most: Ms) -> Ms {
        let first = self.between(least, most);
        let second = self.between(least, first);
        self.between(least, second)
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.random_range(0..all.len())]
    }

    /// An index, by weights.
    ///
    /// # Panics
    /// When all weights are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut throw = self.0.random_range(0..weights.iter().sum::<u32>());
        for (index, weight) in weights.iter().enumerate() {
            if throw < *weight {
                return index;
            }
            throw -= weight;
        }
        weights.len() - 1
    }

    /// Sixty-four bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// The seed of the `nth` day of a run, so that each day can be replayed alone.
pub fn seed_of_day(seed: u64, nth: u64) -> u64 {
    Dice::new(seed ^ (nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).bits()
}
