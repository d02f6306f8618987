//! One path walked under valgrind's callgrind, which counts every instruction of a part of it.

use std::fs;
use std::hint::black_box;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::paths::{Codec, Path};

/// What callgrind is told to count: the function below, whatever way its name is mangled.
const COUNTED: &str = "*instructions*callgrind*counted*";

/// Where our own code leaves for libopus, by the names that its C has.
const CODEC: [&str; 2] = ["opus_encode", "opus_decode"];

/// What one walk of a path takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The path's name.
    pub path: String,
    /// Instructions a step (a message, a frame).
    pub instructions: u64,
}

/// Only what happens in here is counted. Nothing else may have a name like it, nor call into libopus.
#[inline(never)]
pub fn counted(work: &mut dyn FnMut()) {
    black_box(work)();
}

/// Walks `path` under callgrind.
///
/// # Errors
/// Without valgrind, or when it or the path fails.
pub fn count(path: &Path) -> Result<Counted> {
    let found = tempfile::NamedTempFile::new()?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]);
    valgrind.arg(format!("--callgrind-out-file={}", found.path().display()));
    valgrind.arg(format!("--toggle-collect={COUNTED}"));
    if path.codec == Codec::LeftOut {
        // On within the function above, off again within these.
        valgrind.args(CODEC.map(|name| format!("--toggle-collect={name}")));
    }
    let walked = valgrind.arg(std::env::current_exe()?).args(["walk", path.name]).output();
    let walked = walked.context("valgrind cannot be run: apt-get install valgrind")?;
    let said = String::from_utf8_lossy(&walked.stderr);
    ensure!(walked.status.success(), "{}: {said}", path.name);
    let total = total(&fs::read_to_string(found.path())?).with_context(|| path.name.to_owned())?;
    ensure!(total > 0, "{}: nothing was counted, so valgrind did not find {COUNTED}: {said}", path.name);
    Ok(Counted { path: path.name.to_owned(), instructions: total / path.steps })
}

/// The sum in a file of callgrind's: `totals: 12345` (Callgrind Format Specification, "Totals").
fn total(out: &str) -> Result<u64> {
    let line = out.lines().rev().find_map(|line| line.strip_prefix("totals:")).context("no totals")?;
    line.split_whitespace()
        .next()
        .map_or(Ok(0), |count| count.parse().with_context(|| format!("totals: {line}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_total_is_the_last_line_of_its_name() {
        assert_eq!(total("events: Ir\nsummary: 7\n\nfn=(1)\n16 400\n\ntotals: 41234\n").unwrap(), 41_234);
        assert_eq!(total("events: Ir\n\ntotals:\n").unwrap(), 0, "nothing was counted");
        assert!(total("events: Ir\n").is_err());
        assert!(total("totals: many\n").is_err());
    }
}
