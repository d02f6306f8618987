//! What came of it: `report.md` for people, `report.json` with every sample.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tests::measure::marked::GRANTED_MS;

use crate::codec::Codec;
use crate::figures::{Damage, Row, Sound, Spread, damages, of, rows, sounds};
use crate::machine::{Conditions, python_install_mb, python_itself_mb, size_of};
use crate::parts::Parts;
use crate::targets::{Judged, judge};
use crate::{Bridge, Sample, Settings, lossy, over_codec};

/// What `summary` holds, in this order, and `conditions`.
const SUMMARY: [&str; 10] = [
    "cpu_ratio",
    "pss_ratio",
    "start_ratio",
    "first_audio_ms",
    "added_to_agent_p50_ms",
    "added_to_callee_p50_ms",
    "added_to_callee_p99_ms",
    "gap_error_p99_ms",
    "barge_in_p99_ms",
    "calls_per_core",
];

/// What must be on the disk of a machine, in MB (10⁶ bytes).
#[derive(Debug, Serialize)]
struct Installed {
    ours_mb: f64,
    /// The root file system of the image, if it was built.
    ours_image_mb: Option<f64>,
    python_mb: f64,
    python_itself_mb: f64,
}

impl Installed {
    fn of(settings: &Settings) -> Result<Self> {
        let mb = |path: &PathBuf| Ok::<_, anyhow::Error>(size_of(path)? as f64 / 1e6);
        Ok(Self {
            ours_mb: mb(&settings.bridge_task)?,
            ours_image_mb: settings.image_root.as_ref().map(mb).transpose()?,
            python_mb: python_install_mb(settings)?,
            python_itself_mb: python_itself_mb(settings)?,
        })
    }
}

/// Everything that was measured.
pub struct Report {
    conditions: Conditions,
    rows: Vec<Row>,
    sounds: Vec<Sound>,
    damages: Vec<Damage>,
    installed: Installed,
    /// The figures that are promised something, by their keys.
    promised: Value,
    targets: Vec<Judged>,
    parts: Parts,
    samples: Vec<Sample>,
    codec: Vec<Codec>,
}

impl Report {
    /// From the samples.
    ///
    /// # Errors
    /// When there is none of a bridge, or the installed programs cannot be looked at.
    pub fn of(settings: &Settings, samples: Vec<Sample>, codec: Vec<Codec>) -> Result<Self> {
        let (rows, sounds, damages) = (rows(&samples)?, sounds(&samples)?, damages(&samples)?);
        let others = samples.iter().map(|sample| sample.talking.machine.busy_with_others);
        let conditions = Conditions::of(settings, Spread::of(others)?.median)?;
        let installed = Installed::of(settings)?;
        let parts = Parts::read(settings.report.as_deref())?;
        let mut promised = promised(&rows, &sounds, &samples, &codec);
        promised.extend(parts.figures().map(|(key, figure)| (key.clone(), figure.clone())));
        let promised = Value::Object(promised);
        let targets = judge(&promised)?;
        Ok(Self { conditions, rows, sounds, damages, installed, promised, targets, parts, samples, codec })
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# bridge-task beside a bridge on LiveKit's Python SDK\n\n{}\n\nWritten by `make bench`.\n",
            self.conditions.sentence(),
        );
        self.write_targets(&mut text);
        self.write_rows(&mut text);
        self.write_sounds(&mut text);
        self.write_damages(&mut text);
        text.push_str(&self.parts.markdown());
        text
    }

    fn write_targets(&self, text: &mut String) {
        text.push_str("\n## Targets\n\n| | target | figure | |\n|---|---|---|---|\n");
        for judged in &self.targets {
            let _ = writeln!(text, "{}", judged.row());
        }
    }

    fn write_rows(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## Calls\n\nMedians, with the least and the most of {} calls each. A ratio is the Python bridge's median \
             divided by ours, with the least and the most of a round. Process trees are counted whole, and nothing is \
             recorded. Sound between bridge and agent: {} Hz (ours), {} Hz (Python).\n\n\
             | | ours | least – most | Python | least – most | ratio | in rounds |\n|---|---|---|---|---|---|---|\n",
            self.conditions.rounds(),
            self.agent_hz(Bridge::Ours),
            self.agent_hz(Bridge::Python),
        );
        for Row { words, decimals, ours, python, ratio, ratio_in_rounds, .. } in &self.rows {
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}"));
            let in_rounds =
                ratio_in_rounds.map_or_else(String::new, |(least, most)| format!("{least:.1} – {most:.1}"));
            let (ours, python) = (ours.cells(*decimals), python.cells(*decimals));
            let _ = writeln!(text, "| {words} | {ours} | {python} | {ratio} | {in_rounds} |");
        }
        let Installed { ours_mb, ours_image_mb, python_mb, python_itself_mb } = &self.installed;
        let ratio = python_mb / ours_mb;
        let words = "installed, MB (without Python itself)";
        let _ = writeln!(text, "| {words} | {ours_mb:.1} | | {python_mb:.1} | | {ratio:.1} | |");
        if let Some(image_mb) = ours_image_mb {
            let python_mb = python_mb + python_itself_mb;
            let ratio = python_mb / image_mb;
            let words = "image, unpacked, MB; of Python's what it would hold at least, with Python";
            let _ = writeln!(text, "| {words} | {image_mb:.1} | | {python_mb:.1} | | {ratio:.1} | |");
        }
        if let Ok(codec) = Spread::of(self.codec.iter().map(Codec::cpu_per_call_second)) {
            let words = "the codec alone, on the same sound, s per call-second";
            let _ = writeln!(text, "| {words} | {} | | | | |", codec.cells(4));
        }
    }

    fn write_sounds(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## Sound, in ms\n\nOf all rounds together. A delay is of a chirp at any phase to the frames, from the \
             socket that it left to the socket that it reached; the time of a sound is that of its packet or message \
             and its place therein. LiveKit's forwarding, over loopback, is in it; the targets are of ours alone, so \
             there the median of what a packet takes from phone to phone without a bridge is taken away. Toward the \
             phone the encoder's look-ahead (6.5 ms for Opus in its speech mode) is in both. A gap error is by how much the time between two packets \
             misses what their RTP times say: where they leave the bridge, by the kernel's own times of them; beside it what \
             this machine makes of a thread that only waits for 20 ms after 20 ms; and at the phone, where the server's and the phone's lateness is in it. After a clear the last packet counts that holds more than a codec makes of silence; what \
             comes later than {GRANTED_MS} ms is stale: {} packets (ours), {} (Python).\n\n\
             | | ours p50 | p99 | max | Python p50 | p99 | max |\n|---|---|---|---|---|---|---|\n",
            self.stale(Bridge::Ours),
            self.stale(Bridge::Python),
        );
        for Sound { words, ours, python, .. } in &self.sounds {
            let _ = writeln!(text, "| {words} | {} | {} |", ours.cells(), python.cells());
        }
        let missing = |bridge| {
            let calls = of(&self.samples, bridge).map(|sample| &sample.marked.sound);
            calls.fold((0, 0), |(sent, came), marked| {
                let (to_agent, to_callee) = marked.marks_sent;
                let arrived = marked.to_agent_ms.len() + marked.to_callee_ms.len();
                (sent + to_agent + to_callee, came + arrived)
            })
        };
        let ((ours, ours_came), (python, python_came)) = (missing(Bridge::Ours), missing(Bridge::Python));
        let _ = write!(
            text,
            "\nOf the chirps {ours_came} of {ours} came (ours), {python_came} of {python} (Python).\n"
        );
    }

    fn write_damages(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## Loss\n\nThe callee speaks, and of the packets on the way to the server a share is lost and the rest is \
             up to {} ms late, drawn from the same seed for both bridges. Of the 20 ms pieces of speech, those count as \
             damaged that are not heard by the agent as a decoder makes them of all packets (a correlation below 0.9, \
             or another level): concealed, stretched, silent. Likeness is that correlation on average, silence a level \
             at least 20 dB too low. Medians of the rounds.\n\n\
             | lost | damaged: ours | Python | silent: ours | Python | likeness: ours | Python |\n\
             |---|---|---|---|---|---|---|\n",
            lossy::JITTER_MS,
        );
        let percent = |spread: &Spread| format!("{:.1} %", spread.median * 100.0);
        for Damage { loss, lost, ours, python } in &self.damages {
            let _ = writeln!(
                text,
                "| {:.0} % ({}) | {} | {} | {} | {} | {:.3} | {:.3} |",
                loss * 100.0,
                percent(lost),
                percent(&ours.damaged),
                percent(&python.damaged),
                percent(&ours.silent),
                percent(&python.silent),
                ours.likeness.median,
                python.likeness.median,
            );
        }
    }

    fn stale(&self, bridge: Bridge) -> usize {
        of(&self.samples, bridge).map(|sample| sample.marked.sound.stale_packets()).sum()
    }

    fn agent_hz(&self, bridge: Bridge) -> u64 {
        of(&self.samples, bridge).next().map_or(0, |sample| sample.talking.agent_hz)
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
        let sounds = self.sounds.iter().map(|sound| (sound.key.to_owned(), json!(sound)));
        let mut summary: Map<String, Value> =
            SUMMARY.into_iter().map(|key| (key.to_owned(), self.promised[key].clone())).collect();
        summary.insert("conditions".to_owned(), self.conditions.sentence().into());
        json!({
            "summary": summary,
            "targets": self.targets,
            "conditions": self.conditions,
            "figures": figures.chain(sounds).collect::<Map<_, _>>(),
            "loss": self.damages,
            "installed": self.installed,
            "parts": self.parts.json(),
            "samples": self.samples,
            "codec_alone": self.codec,
        })
    }
}

/// The figures of ours that are promised something.
fn promised(rows: &[Row], sounds: &[Sound], samples: &[Sample], codec: &[Codec]) -> Map<String, Value> {
    let row = |key: &str| rows.iter().find(|row| row.key == key);
    let ratio = |key: &str| row(key).and_then(|row| row.ratio);
    let median = |key: &str| row(key).map(|row| row.ours.median);
    let sound = |key: &str| sounds.iter().find(|sound| sound.key == key).map(|sound| sound.ours);
    let p50 = |key: &str| sound(key).map(|sound| sound.p50_ms);
    let p99 = |key: &str| sound(key).map(|sound| sound.p99_ms);
    // Ours alone. Of the server's way its median, of the 99th percentile too: what it is late beyond that stays in.
    let alone = |delay_ms: Option<f64>| Some(delay_ms? - p50("server_alone")?);
    let stale: usize = of(samples, Bridge::Ours).map(|sample| sample.marked.sound.stale_packets()).sum();
    // Either kind may be the longer one.
    let barge_in = p99("barge_in_short").into_iter().chain(p99("barge_in_long")).reduce(f64::max);
    let figures = [
        ("cpu_ratio", ratio("cpu_per_call_second")),
        ("cpu_over_codec", median("cpu_per_call_second").and_then(|cpu| over_codec(cpu, codec))),
        ("pss_ratio", ratio("pss_mb")),
        ("pss_mb", median("pss_mb")),
        ("start_ratio", ratio("start_to_joined_ms")),
        ("first_audio_ms", median("answer_to_first_audio_ms")),
        ("added_to_agent_p50_ms", alone(p50("to_agent"))),
        ("added_to_callee_p50_ms", alone(p50("to_callee"))),
        ("added_to_callee_p99_ms", alone(p99("to_callee"))),
        ("gap_error_p99_ms", p99("gap_error")),
        ("gap_error_beside_hog_p99_ms", p99("gap_error_beside_hog")),
        ("barge_in_short_p99_ms", p99("barge_in_short")),
        ("barge_in_long_p99_ms", p99("barge_in_long")),
        ("barge_in_p99_ms", barge_in),
        ("stale_packets", Some(stale as f64)),
    ];
    figures.into_iter().filter_map(|(key, figure)| Some((key.to_owned(), figure?.into()))).collect()
}
