//! Many calls in one `bridge-task worker`: `make bench`, and `make bench SOAK=1`.
//!
//! Without `SOAK`: one call, then `CALLS` (40) at once, with everything else on the same machine; what each further one
//! takes, and what becomes of the first one's figures. Writes `many.json` into `BENCH_REPORT`, for the report.
//!
//! With it: `SHORT_CALLS` (2000) short calls through one worker, and one call of `LONG_CALL_MINUTES` (60), either of which
//! may be 0; fails where the worker keeps memory, threads or descriptors. Writes `soak_short.json` and `soak_long.json`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod crowd;
mod scale;
mod soak;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tests::measured;

/// What the environment says.
pub struct Settings {
    aws_emulator: PathBuf,
    report: Option<PathBuf>,
}

impl Settings {
    /// Writes what was measured, where a report is wanted; prints it anyway.
    fn note(&self, name: &str, figures: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(figures)? + "\n";
        println!("{name}: {text}");
        let Some(dir) = &self.report else { return Ok(()) };
        fs::create_dir_all(dir)?;
        let file = dir.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn main() -> Result<()> {
    let aws_emulator = variable("AWS_EMULATOR").context("AWS_EMULATOR is not set; make bench sets it")?;
    let settings =
        Settings { aws_emulator: aws_emulator.into(), report: variable("BENCH_REPORT").map(Into::into) };
    if variable("SOAK").is_none() {
        let calls = number("CALLS", 40)?;
        return measured(async |scene| {
            settings.note("many.json", &scale::measure(scene, &settings, calls).await?)
        });
    }
    let (calls, minutes) = (number("SHORT_CALLS", 2000)?, number("LONG_CALL_MINUTES", 60)?);
    measured(async |scene| {
        if calls > 0 {
            let figures = soak::short_calls(scene, &settings, calls).await?;
            settings.note("soak_short.json", &figures)?;
            figures.is_flat()?;
        }
        if minutes > 0 {
            let figures = soak::long_call(scene, &settings, minutes).await?;
            settings.note("soak_long.json", &figures)?;
            figures.is_flat()?;
        }
        Ok(())
    })
}

fn number<T: FromStr>(name: &str, default: T) -> Result<T> {
    let Some(text) = variable(name) else { return Ok(default) };
    text.parse().ok().with_context(|| format!("{name}={text} must be a whole number"))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's settings come from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// As an argument.
fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
