//! Which figures are made of the samples.

use anyhow::{Context as _, Result};
use serde::Serialize;
use tests::measure::spread::at_most;

use crate::{Bridge, Sample};

type OfCall = fn(&Sample) -> f64;
type OfSound = fn(&Sample) -> Vec<f64>;

/// Of each call one value. Key, words, decimals, and where in a sample it is.
const CALLS: [(&str, &str, usize, OfCall); 14] = [
    ("start_to_joined_ms", "process start → room joined, ms", 0, |s| s.talking.start_to_joined_ms),
    ("start_to_ready_ms", "process start → room joined and agent ready, ms", 0, |s| {
        s.talking.start_to_ready_ms
    }),
    ("start_to_invite_ms", "process start → INVITE at the phone, ms", 0, |s| s.talking.start_to_invite_ms),
    ("answer_to_first_audio_ms", "answer → first agent audio at the phone, ms", 0, |s| {
        s.talking.answer_to_first_audio_ms
    }),
    ("cpu_to_answer_s", "CPU from process start to answer, s", 3, |s| s.talking.cpu_to_answer_s),
    ("cpu_per_call_second", "CPU while both talk, s per call-second", 4, |s| s.talking.cpu_per_call_second),
    ("pss_mb", "PSS, MB", 1, |s| s.talking.pss_mb),
    ("rss_mb", "RSS, MB", 1, |s| s.talking.rss_mb),
    ("threads", "threads", 0, |s| s.talking.threads as f64),
    ("holes_per_minute", "times the phone ran out of sound, per minute", 1, |s| s.talking.holes_per_minute),
    ("discarded_per_minute", "frames the phone threw away, per minute", 1, |s| {
        s.talking.discarded_per_minute
    }),
    ("voice_to_callee_per_second", "voice at the phone, s per s", 2, |s| {
        s.talking.voice_to_callee_per_second
    }),
    ("sound_to_agent_per_second", "sound at the agent, s per s (1 is right)", 3, |s| {
        s.talking.sound_to_agent_per_second
    }),
    ("busy", "the machine's busy share", 2, |s| s.talking.machine.busy),
];

/// These may be 0, or are not the bridge's alone.
const WITHOUT_RATIO: [&str; 5] = [
    "holes_per_minute",
    "discarded_per_minute",
    "voice_to_callee_per_second",
    "sound_to_agent_per_second",
    "busy",
];

/// Of each call many values, which are taken together over all rounds.
const SOUNDS: [(&str, &str, OfSound); 11] = [
    ("to_agent", "delay, phone → agent", |s| s.marked.sound.to_agent_ms.clone()),
    ("to_callee", "delay, agent → phone", |s| s.marked.sound.to_callee_ms.clone()),
    ("server_alone", "livekit-server alone, phone → phone", |s| s.marked.server_alone_ms.clone()),
    ("gap_error", "gap error of what leaves the bridge", |s| s.talking.gap_errors_ms.clone()),
    ("gap_error_beside_hog", "the same beside a busy process on each core", |s| {
        s.talking.gap_errors_beside_hog_ms.clone()
    }),
    ("timer_error", "a thread that only waits, at the same time", |s| s.talking.timer_errors_ms.clone()),
    ("timer_error_beside_hog", "the same beside a busy process on each core", |s| {
        s.talking.timer_errors_beside_hog_ms.clone()
    }),
    ("gap_error_at_phone", "gap error at the phone, behind the server", |s| {
        s.talking.gap_errors_at_phone_ms.clone()
    }),
    ("gap_error_at_phone_beside_hog", "the same beside a busy process on each core", |s| {
        s.talking.gap_errors_at_phone_beside_hog_ms.clone()
    }),
    ("barge_in_short", "clear → last sound, 100 ms sent ahead", |s| {
        s.marked.sound.short_tails.iter().map(|tail| tail.last_ms).collect()
    }),
    ("barge_in_long", "clear → last sound, 30 s sent ahead", |s| {
        s.marked.sound.long_tails.iter().map(|tail| tail.last_ms).collect()
    }),
];

/// The middle of some values, and how far they spread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub median: f64,
    least: f64,
    most: f64,
    n: usize,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl Iterator<Item = f64>) -> Result<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (least, most) = sorted.first().zip(sorted.last()).context("nothing was measured")?;
        let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Ok(Self { median, least: *least, most: *most, n })
    }

    /// Two cells of a table.
    pub fn cells(&self, decimals: usize) -> String {
        format!("{:.decimals$} | {:.decimals$} – {:.decimals$}", self.median, self.least, self.most)
    }
}

/// One figure of both bridges.
#[derive(Debug, Serialize)]
pub struct Row {
    pub key: &'static str,
    #[serde(skip)]
    pub words: &'static str,
    #[serde(skip)]
    pub decimals: usize,
    pub ours: Spread,
    pub python: Spread,
    /// How many times as much the Python bridge takes.
    pub ratio: Option<f64>,
    /// The least and the most that this is between two calls of a round.
    pub ratio_in_rounds: Option<(f64, f64)>,
}

/// Percentiles of one bridge, in ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    n: usize,
}

impl Percentiles {
    fn of(values: &[f64]) -> Result<Self> {
        let at_most = |share| at_most(values, share).context("nothing was measured");
        let (p50_ms, p99_ms, max_ms) = (at_most(0.5)?, at_most(0.99)?, at_most(1.0)?);
        Ok(Self { p50_ms, p99_ms, max_ms, n: values.len() })
    }

    /// Three cells of a table.
    pub fn cells(&self) -> String {
        format!("{:.2} | {:.2} | {:.2}", self.p50_ms, self.p99_ms, self.max_ms)
    }
}

/// One sound figure of both bridges.
#[derive(Debug, Serialize)]
pub struct Sound {
    pub key: &'static str,
    #[serde(skip)]
    pub words: &'static str,
    pub ours: Percentiles,
    pub python: Percentiles,
}

/// What of the callee's speech is damaged under one loss, in both bridges.
#[derive(Debug, Serialize)]
pub struct Damage {
    /// The share of packets that was to be lost, and that was.
    pub loss: f64,
    pub lost: Spread,
    pub ours: Heard,
    pub python: Heard,
}

/// What an agent heard of it, as shares of the speech.
#[derive(Debug, Serialize)]
pub struct Heard {
    pub damaged: Spread,
    pub silent: Spread,
    pub likeness: Spread,
}

/// The figures of whole calls.
pub fn rows(samples: &[Sample]) -> Result<Vec<Row>> {
    let row = |(key, words, decimals, figure): (&'static str, &'static str, usize, OfCall)| {
        let all = |bridge| of(samples, bridge).map(figure);
        let (ours, python) = (Spread::of(all(Bridge::Ours))?, Spread::of(all(Bridge::Python))?);
        let has_ratio = !WITHOUT_RATIO.contains(&key);
        let in_rounds = all(Bridge::Python).zip(all(Bridge::Ours)).map(|(python, ours)| python / ours);
        let in_rounds = Spread::of(in_rounds)?;
        let ratio = Some(python.median / ours.median).filter(|ratio| ratio.is_finite() && has_ratio);
        let ratio_in_rounds = ratio.map(|_| (in_rounds.least, in_rounds.most));
        Ok(Row { key, words, decimals, ours, python, ratio, ratio_in_rounds })
    };
    CALLS.into_iter().map(row).collect()
}

/// The figures of sound.
pub fn sounds(samples: &[Sample]) -> Result<Vec<Sound>> {
    let sound = |(key, words, figure): (&'static str, &'static str, OfSound)| {
        let all = |bridge| of(samples, bridge).flat_map(figure).collect::<Vec<f64>>();
        let (ours, python) = (Percentiles::of(&all(Bridge::Ours))?, Percentiles::of(&all(Bridge::Python))?);
        Ok(Sound { key, words, ours, python })
    };
    SOUNDS.into_iter().map(sound).collect()
}

/// The figures of losses.
pub fn damages(samples: &[Sample]) -> Result<Vec<Damage>> {
    let losses = samples.first().context("nothing was measured")?.losses.iter().map(|loss| loss.loss);
    let damage = |(nth, loss): (usize, f64)| {
        let heard = |bridge| {
            let kept = || of(samples, bridge).map(|sample| sample.losses[nth].kept);
            Ok::<_, anyhow::Error>(Heard {
                damaged: Spread::of(kept().map(|kept| kept.damaged))?,
                silent: Spread::of(kept().map(|kept| kept.silent))?,
                likeness: Spread::of(kept().map(|kept| kept.likeness))?,
            })
        };
        let lost = samples.iter().map(|sample| &sample.losses[nth]);
        let lost = Spread::of(lost.map(|loss| loss.packets_lost as f64 / loss.packets as f64))?;
        Ok(Damage { loss, lost, ours: heard(Bridge::Ours)?, python: heard(Bridge::Python)? })
    };
    losses.enumerate().map(damage).collect()
}

/// The samples of one bridge, in the order of the rounds.
pub fn of(samples: &[Sample], bridge: Bridge) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(move |sample| sample.bridge == bridge)
}
