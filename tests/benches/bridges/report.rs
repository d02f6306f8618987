//! What came of it: `report.md` for people, `report.json` with every sample.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::machine::{Conditions, python_install_mb, size_of};
use crate::{Bridge, Sample, Settings};

type Figure = fn(&Sample) -> f64;

/// Key, words, decimals, and where in a sample it is.
const MEASURED: [(&str, &str, usize, Figure); 17] = [
    ("start_to_joined_ms", "process start → room joined, ms", 0, |s| s.start_to_joined_ms),
    ("start_to_ready_ms", "process start → room joined and agent ready, ms", 0, |s| s.start_to_ready_ms),
    ("start_to_invite_ms", "process start → INVITE at the phone, ms", 0, |s| s.start_to_invite_ms),
    ("answer_to_first_audio_ms", "answer → first agent audio at the phone, ms", 0, |s| {
        s.answer_to_first_audio_ms
    }),
    ("cpu_to_answer_s", "CPU from process start to answer, s", 3, |s| s.cpu_to_answer_s),
    ("cpu_per_call_second", "CPU while both talk, s per call-second", 4, |s| s.cpu_per_call_second),
    ("pss_mb", "PSS, MB", 1, |s| s.pss_mb),
    ("rss_mb", "RSS, MB", 1, |s| s.rss_mb),
    ("threads", "threads", 0, |s| s.threads as f64),
    ("gap_error_p50_ms", "gap error at the phone, p50 of a call, ms", 2, |s| s.gaps.p50_ms),
    ("gap_error_p99_ms", "gap error at the phone, p99 of a call, ms", 2, |s| s.gaps.p99_ms),
    ("gap_error_max_ms", "gap error at the phone, most in a call, ms", 2, |s| s.gaps.max_ms),
    ("holes_per_minute", "times the phone ran out of sound, per minute", 1, |s| s.holes_per_minute),
    ("discarded_per_minute", "frames the phone threw away, per minute", 1, |s| s.discarded_per_minute),
    ("voice_to_callee_per_second", "voice at the phone, s per s", 2, |s| s.voice_to_callee_per_second),
    ("sound_to_agent_per_second", "sound at the agent, s per s (1 is right)", 3, |s| {
        s.sound_to_agent_per_second
    }),
    ("busy", "the machine's busy share", 2, |s| s.machine.busy),
];

/// These may be 0, or are not the bridge's alone.
const WITHOUT_RATIO: [&str; 5] = [
    "holes_per_minute",
    "discarded_per_minute",
    "voice_to_callee_per_second",
    "sound_to_agent_per_second",
    "busy",
];

/// The middle of some values, and how far they spread.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
    n: usize,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Result<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (least, most) = sorted.first().zip(sorted.last()).context("nothing was measured")?;
        let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Ok(Self { median, least: *least, most: *most, n })
    }

    fn cells(&self, decimals: usize) -> String {
        format!("{:.decimals$} | {:.decimals$} – {:.decimals$}", self.median, self.least, self.most)
    }
}

/// One figure of both bridges.
#[derive(Debug, Serialize)]
struct Row {
    key: &'static str,
    #[serde(skip)]
    words: &'static str,
    #[serde(skip)]
    decimals: usize,
    ours: Spread,
    python: Spread,
    /// How many times as much the Python bridge takes.
    ratio: Option<f64>,
}

/// Everything that was measured.
pub struct Report {
    conditions: Conditions,
    rows: Vec<Row>,
    install_mb: (f64, f64),
    samples: Vec<Sample>,
}

impl Report {
    /// From the samples.
    ///
    /// # Errors
    /// When there is none of a bridge, or the installed programs cannot be looked at.
    pub fn of(settings: &Settings, samples: Vec<Sample>) -> Result<Self> {
        let rows = MEASURED.map(|(key, words, decimals, figure)| {
            let of = |bridge| Spread::of(samples.iter().filter(|s| s.bridge == bridge).map(figure));
            let (ours, python) = (of(Bridge::Ours)?, of(Bridge::Python)?);
            let ratio = python.median / ours.median;
            let ratio = Some(ratio).filter(|ratio| ratio.is_finite() && !WITHOUT_RATIO.contains(&key));
            Ok(Row { key, words, decimals, ours, python, ratio })
        });
        let rows = rows.into_iter().collect::<Result<Vec<_>>>()?;
        let others = Spread::of(samples.iter().map(|sample| sample.machine.busy_with_others))?;
        let install_mb = (size_of(&settings.bridge_task)? as f64 / 1e6, python_install_mb(settings)?);
        Ok(Self { conditions: Conditions::of(settings, others.median)?, rows, install_mb, samples })
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# bridge-task beside a bridge on LiveKit's Python SDK\n\n{}\n\n\
             Medians, with the least and the most of {} calls each. A ratio is the Python bridge's median divided by \
             ours. Process trees are counted whole, and nothing is recorded. Sound between bridge and agent: {} Hz \
             (ours), {} Hz (Python). Written by `make bench`.\n\n\
             | | ours | least – most | Python | least – most | ratio |\n|---|---|---|---|---|---|\n",
            self.conditions.sentence(),
            self.conditions.rounds(),
            self.agent_hz(Bridge::Ours),
            self.agent_hz(Bridge::Python),
        );
        for Row { words, decimals, ours, python, ratio, .. } in &self.rows {
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}"));
            let (ours, python) = (ours.cells(*decimals), python.cells(*decimals));
            let _ = writeln!(text, "| {words} | {ours} | {python} | {ratio} |");
        }
        let (ours, python) = self.install_mb;
        let ratio = python / ours;
        let _ = writeln!(
            text,
            "| installed, MB (without Python itself) | {ours:.1} | | {python:.1} | | {ratio:.1} |"
        );
        text
    }

    fn agent_hz(&self, bridge: Bridge) -> u64 {
        self.samples.iter().find(|sample| sample.bridge == bridge).map_or(0, |sample| sample.agent_hz)
    }

    /// Writes both files into `dir`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let write = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        write("report.md", self.markdown())?;
        write("report.json", format!("{:#}\n", self.json()))
    }

    fn json(&self) -> Value {
        let figures = self.rows.iter().map(|row| (row.key.to_owned(), json!(row)));
        json!({
            "summary": self.summary(),
            "conditions": self.conditions,
            "figures": figures.collect::<Map<_, _>>(),
            "install_mb": { "ours": self.install_mb.0, "python": self.install_mb.1 },
            "samples": self.samples,
        })
    }

    /// The figures that are promised; `null` is what nothing here measures.
    fn summary(&self) -> Value {
        let row = |key: &str| self.rows.iter().find(|row| row.key == key);
        let ratio = |key: &str| row(key).and_then(|row| row.ratio);
        json!({
            "cpu_ratio": ratio("cpu_per_call_second"),
            "pss_ratio": ratio("pss_mb"),
            "start_ratio": ratio("start_to_ready_ms"),
            "first_audio_ms": row("answer_to_first_audio_ms").map(|row| row.ours.median),
            "added_to_agent_p50_ms": null,
            "added_to_callee_p50_ms": null,
            "added_to_callee_p99_ms": null,
            "gap_error_p99_ms": row("gap_error_p99_ms").map(|row| row.ours.median),
            "barge_in_p99_ms": null,
            "calls_per_core": null,
        })
    }
}
