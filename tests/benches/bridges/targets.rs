//! What is promised, and whether it is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

/// Why a target is missed: a line for each, written by hand: `` - `key`: a sentence ``.
const MISSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/misses.md");

/// What is promised of a figure.
#[derive(Clone, Copy)]
pub enum Limit {
    /// It is not more.
    AtMost(f64),
    /// It is not less.
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

/// Key, words, and the limit. Ratios are to the Python bridge in the same run.
const TARGETS: [(&str, &str, Limit); 24] = [
    ("cpu_ratio", "CPU: times less than Python", AtLeast(5.0)),
    ("cpu_over_codec", "CPU: times what the codec alone costs", AtMost(2.0)),
    ("pss_ratio", "memory: times less than Python", AtLeast(6.0)),
    ("pss_mb", "memory of one call, PSS in MB", AtMost(14.0)),
    ("start_ratio", "process start → in the room: times faster than Python", AtLeast(15.0)),
    ("first_audio_ms", "answer → first agent audio at the phone, ms", AtMost(200.0)),
    ("added_to_agent_p50_ms", "added delay toward the agent, p50, ms", AtMost(2.0)),
    ("added_to_callee_p50_ms", "added delay toward the callee, p50, ms", AtMost(8.0)),
    ("added_to_callee_p99_ms", "added delay toward the callee, p99, ms", AtMost(26.5)),
    ("gap_error_p99_ms", "gap error, p99, ms", AtMost(1.0)),
    ("gap_error_beside_hog_p99_ms", "gap error beside a CPU hog, p99, ms", AtMost(5.0)),
    ("barge_in_short_p99_ms", "barge-in tail, 100 ms ahead, p99, ms", AtMost(25.0)),
    ("barge_in_long_p99_ms", "barge-in tail, 30 s ahead, p99, ms", AtMost(25.0)),
    ("stale_packets", "stale packets after it", AtMost(0.0)),
    ("calls", "concurrent calls in one worker", AtLeast(40.0)),
    ("cpu_times", "with them, CPU of a call: times that of the only one", AtMost(2.0)),
    ("gap_error_p99_times", "with them, gap error, p99: times that of the only one", AtMost(2.0)),
    ("to_agent_p50_times", "with them, delay toward the agent, p50: likewise", AtMost(2.0)),
    ("to_callee_p50_times", "with them, delay toward the callee, p50: likewise", AtMost(2.0)),
    ("to_callee_p99_times", "with them, delay toward the callee, p99: likewise", AtMost(2.0)),
    ("barge_in_p99_times", "with them, barge-in tail, p99: likewise", AtMost(2.0)),
    ("stale_packets_with_many", "with them, stale packets after it", AtMost(0.0)),
    ("pss_per_further_call_mb", "memory of each further call in it, PSS in MB", AtMost(1.0)),
    ("calls_per_core", "calls a core, by CPU time", AtLeast(60.0)),
];

/// A target beside its figure.
#[derive(Debug, Serialize)]
pub struct Judged {
    key: &'static str,
    #[serde(skip)]
    words: &'static str,
    target: String,
    /// `None`: not measured in this run.
    figure: Option<f64>,
    met: Option<bool>,
    /// Why not.
    reason: Option<String>,
}

impl Judged {
    fn of((key, words, limit): (&'static str, &'static str, Limit), figure: Option<f64>) -> Self {
        let (target, meets): (_, fn(f64, f64) -> bool) = match limit {
            AtMost(most) => (format!("≤ {most}"), |figure, limit| figure <= limit),
            AtLeast(least) => (format!("≥ {least}"), |figure, limit| figure >= limit),
        };
        let (AtMost(limit) | AtLeast(limit)) = limit;
        Self { key, words, target, figure, met: figure.map(|figure| meets(figure, limit)), reason: None }
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let figure = self.figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.2}"));
        let met = match self.met {
            Some(true) => "met".to_owned(),
            Some(false) => format!("**missed**: {}", self.reason.as_deref().unwrap_or_default()),
            None => "not measured in this run".to_owned(),
        };
        format!("| {} | {} | {figure} | {met} |", self.words, self.target)
    }
}

/// Sets each target beside its figure in `figures`.
///
/// # Errors
/// When the reasons cannot be read.
pub fn judge(figures: &Value) -> Result<Vec<Judged>> {
    let reasons = reasons(Path::new(MISSES))?;
    let judge = |target: (&'static str, &'static str, Limit)| {
        let mut judged = Judged::of(target, figures[target.0].as_f64());
        if judged.met == Some(false) {
            let unknown = "the reason is not known yet; bench/misses.md is where it is written";
            judged.reason = Some(reasons.get(target.0).map_or(unknown, String::as_str).to_owned());
        }
        judged
    };
    Ok(TARGETS.into_iter().map(judge).collect())
}

fn reasons(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let line = |line: &str| {
        let (key, reason) = line.strip_prefix("- `")?.split_once("`: ")?;
        Some((key.to_owned(), reason.trim().to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}
