//! The stored counts, and how far off each may be.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result};

use crate::callgrind::Counted;
use crate::paths;

/// The head of the file.
const ABOUT: &str = "\
# Instructions a step (a message, a frame of 20 ms), counted by callgrind: scripts/instructions, in make check.
# Renewed by `scripts/instructions renew`, which keeps the tolerances. libopus chooses its code by what the processor
# offers, so what it is counted in may differ more than what is ours alone.
";

/// Counts by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Compiler, valgrind, machine.
    pub conditions: String,
    stored: BTreeMap<String, Stored>,
}

/// One path's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// Instructions a step.
    instructions: u64,
    /// How far off a count may be, either way.
    tolerance_percent: f64,
}

impl Baseline {
    /// What is stored of a path.
    pub fn of(&self, path: &str) -> Option<Stored> {
        self.stored.get(path).copied()
    }

    /// A sentence for each count that is not as it was, for each path without a baseline, and the other way round.
    pub fn differing(&self, counts: &[Counted]) -> Vec<String> {
        let mut all: Vec<String> = counts.iter().filter_map(|counted| self.difference(counted)).collect();
        let gone = self.stored.keys().filter(|path| !counts.iter().any(|counted| counted.path == **path));
        all.extend(gone.map(|path| format!("{path}: is in the baseline, and no path any more")));
        all
    }

    /// The same tolerances with these counts.
    pub fn renewed(&self, counts: &[Counted], conditions: String) -> Self {
        let stored = counts.iter().map(|counted| {
            let path = counted.path.clone();
            let known = self.of(&path).map(|stored| stored.tolerance_percent);
            let tolerance_percent = known.unwrap_or_else(|| paths::usual_tolerance_percent(&path));
            (path, Stored { instructions: counted.instructions, tolerance_percent })
        });
        Self { conditions, stored: stored.collect() }
    }

    fn difference(&self, counted: &Counted) -> Option<String> {
        let Counted { path, instructions } = counted;
        let Some(stored) = self.of(path) else {
            return Some(format!("{path}: {instructions} instructions, and no baseline"));
        };
        let off = (*instructions as f64 / stored.instructions as f64 - 1.0) * 100.0;
        (off.abs() > stored.tolerance_percent)
            .then(|| format!("{path}: {instructions} instructions, {off:+.1} % off the baseline of {stored}"))
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ± {} %", self.instructions, self.tolerance_percent)
    }
}

/// The file as it is kept.
impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{ABOUT}# Counted with: {}", self.conditions)?;
        writeln!(f, "# path, instructions, tolerance in %")?;
        for (path, Stored { instructions, tolerance_percent }) in &self.stored {
            writeln!(f, "{path:<22} {instructions:>9} {tolerance_percent:>4}")?;
        }
        Ok(())
    }
}

impl FromStr for Baseline {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut read = Self::default();
        for line in text.lines() {
            if let Some(conditions) = line.strip_prefix("# Counted with: ") {
                conditions.clone_into(&mut read.conditions);
            }
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (path, stored) =
                row(line).with_context(|| format!("not a path, a count and a tolerance: {line}"))?;
            read.stored.insert(path, stored);
        }
        Ok(read)
    }
}

fn row(line: &str) -> Option<(String, Stored)> {
    let mut fields = line.split_whitespace();
    let (path, count, tolerance) = (fields.next()?, fields.next()?, fields.next()?);
    let instructions = count.parse().ok().filter(|count| *count > 0)?;
    let stored = Stored { instructions, tolerance_percent: tolerance.parse().ok()? };
    fields.next().is_none().then(|| (path.to_owned(), stored))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counted(path: &str, instructions: u64) -> Counted {
        Counted { path: path.to_owned(), instructions }
    }

    fn baseline() -> Baseline {
        "# Counted with: rustc 1.95\n\nmessage 1000 2\nframe-in 200000 10\n".parse().unwrap()
    }

    #[test]
    fn a_count_within_its_tolerance_is_as_it_was() {
        assert_eq!(baseline().differing(&[counted("message", 1019), counted("frame-in", 181_000)]), [""; 0]);
    }

    #[test]
    fn a_count_that_is_off_either_way_is_told_with_both_numbers() {
        let told = baseline().differing(&[counted("message", 1021), counted("frame-in", 100_000)]);
        assert_eq!(
            told,
            [
                "message: 1021 instructions, +2.1 % off the baseline of 1000 ± 2 %",
                "frame-in: 100000 instructions, -50.0 % off the baseline of 200000 ± 10 %",
            ]
        );
    }

    #[test]
    fn a_path_without_a_baseline_and_a_baseline_without_a_path_are_told() {
        let told = baseline().differing(&[counted("message", 1000), counted("frame-up", 5)]);
        assert_eq!(
            told,
            [
                "frame-up: 5 instructions, and no baseline",
                "frame-in: is in the baseline, and no path any more"
            ]
        );
    }

    #[test]
    fn renewed_counts_are_read_as_they_were_written_and_keep_their_tolerances() {
        let renewed =
            baseline().renewed(&[counted("message", 900), counted("frame-in", 3)], "today's".to_owned());
        assert_eq!(renewed.to_string().parse::<Baseline>().unwrap(), renewed);
        assert_eq!(renewed.of("message").unwrap().to_string(), "900 ± 2 %");
        assert_eq!(renewed.conditions, "today's");
        assert_eq!(renewed.of("frame-in").unwrap().tolerance_percent, 10.0);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        for line in ["message 1000", "message many 2", "message 1000 2 3", "message 0 2"] {
            assert!(line.parse::<Baseline>().is_err(), "{line}");
        }
    }
}
