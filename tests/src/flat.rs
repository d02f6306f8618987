//! Does a process keep what its work left behind? Two looks at it while it has nothing to do, or the least of many while it
//! works.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::usage::{memory, threads};

/// Memory that a process may have gained between the two looks: this share of what it had, and this many MB besides.
/// An allocator gives back whole pages only, so two looks at the same work differ a little.
const GROWTH_SHARE: f64 = 0.05;
const GROWTH_MB: f64 = 1.0;
/// Connections that wait to be used again come and go.
const MORE_DESCRIPTORS: usize = 4;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Held {
    /// How far its work had come: calls carried, or seconds of a long one.
    pub done: u32,
    /// PSS in MB (10⁶ bytes).
    pub pss_mb: f64,
    /// Threads.
    pub threads: usize,
    /// Open descriptors.
    pub descriptors: usize,
}

impl Held {
    /// What `pid` holds now.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn by(pid: u32, done: u32) -> Result<Self> {
        let descriptors = Path::new("/proc").join(pid.to_string()).join("fd");
        let descriptors =
            fs::read_dir(&descriptors).with_context(|| descriptors.display().to_string())?.count();
        Ok(Self { done, pss_mb: memory(pid)?.pss, threads: threads(pid)?, descriptors })
    }

    /// The least of each kind that was held in these looks at work under way: what comes and goes, as threads that write
    /// files do, is not kept. `None` of none.
    pub fn least_of(looks: &[Self]) -> Option<Self> {
        looks.iter().copied().reduce(|least, look| Self {
            done: look.done,
            pss_mb: least.pss_mb.min(look.pss_mb),
            threads: least.threads.min(look.threads),
            descriptors: least.descriptors.min(look.descriptors),
        })
    }

    /// What has been left behind since `early`, a sentence for each kind; nothing is right.
    pub fn left_behind_since(&self, early: &Self) -> Vec<String> {
        let mut left = Vec::new();
        let most_mb = early.pss_mb * (1.0 + GROWTH_SHARE) + GROWTH_MB;
        if self.pss_mb > most_mb {
            let (before, now) = (early.pss_mb, self.pss_mb);
            left.push(format!(
                "memory: {before:.1} MB after {}, {now:.1} MB after {}",
                early.done, self.done
            ));
        }
        if self.threads > early.threads {
            left.push(format!("threads: {} and then {}", early.threads, self.threads));
        }
        if self.descriptors > early.descriptors + MORE_DESCRIPTORS {
            left.push(format!("descriptors: {} and then {}", early.descriptors, self.descriptors));
        }
        left
    }

    /// Memory gained since `early` for each unit of work done meanwhile, in kB (10³ bytes).
    pub fn growth_kb_each(&self, early: &Self) -> f64 {
        let done = self.done.saturating_sub(early.done).max(1);
        (self.pss_mb - early.pss_mb) * 1000.0 / f64::from(done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EARLY: Held = Held { done: 200, pss_mb: 20.0, threads: 5, descriptors: 30 };

    #[test]
    fn a_process_that_holds_what_it_held_has_left_nothing_behind() {
        assert_eq!(EARLY.left_behind_since(&EARLY), [""; 0]);
        let a_little_more = Held { done: 2000, pss_mb: 21.9, threads: 4, descriptors: 34 };
        assert_eq!(a_little_more.left_behind_since(&EARLY), [""; 0]);
        assert!((a_little_more.growth_kb_each(&EARLY) - 1900.0 / 1800.0).abs() < 1e-9);
    }

    #[test]
    fn whatever_has_grown_is_told() {
        let late = Held { done: 2000, pss_mb: 22.5, threads: 6, descriptors: 35 };
        assert_eq!(
            late.left_behind_since(&EARLY),
            [
                "memory: 20.0 MB after 200, 22.5 MB after 2000",
                "threads: 5 and then 6",
                "descriptors: 30 and then 35"
            ]
        );
    }

    #[test]
    fn an_open_file_is_a_descriptor() {
        let before = Held::by(std::process::id(), 0).unwrap();
        // Other tests of this process open and close theirs meanwhile.
        let files: Vec<_> = (0..200).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = Held::by(std::process::id(), 0).unwrap();
        assert!(after.descriptors > before.descriptors + 100, "{before:?} {after:?}");
        drop(files);
        assert!(Held::by(0, 0).is_err());
    }

    #[test]
    fn what_comes_and_goes_is_not_kept_and_what_stays_is() {
        let look = |done, threads| Held { done, pss_mb: 20.0, threads, descriptors: 9 };
        let early = Held::least_of(&[look(10, 6), look(20, 5)]).unwrap();
        assert_eq!(early, look(20, 5));
        let late = Held::least_of(&[look(90, 7), look(100, 5), look(110, 6)]).unwrap();
        assert!(late.left_behind_since(&early).is_empty());
        let leaked = Held::least_of(&[look(90, 7), look(100, 6)]).unwrap();
        assert_eq!(leaked.left_behind_since(&early), ["threads: 5 and then 6"]);
        assert_eq!(Held::least_of(&[]), None);
    }
}
