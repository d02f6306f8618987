//! `bridge-task` beside a bridge on LiveKit's Python SDK (`bench/python/bridge.py`): `make bench`.
//!
//! Both carry the same calls: the same livekit-server, phone, agent's stand-in and recorded speech, one call a
//! process, in turns. Who begins changes from round to round, so that a machine that gets busier is nobody's
//! advantage. A round is three calls for each bridge: both talk ([`talking`]), both mark times ([`marked`]), the
//! callee talks over a network that loses packets ([`lossy`]). After the marks two phones talk to each other, so that it
//! is known what of a delay is the server's ([`tests::measure::server_alone`]).
//!
//! `ROUNDS` says how many rounds (10), `PYTHON_SAMPLE_RATE` changes the Python bridge's rate, and `BENCH_REPORT` names
//! the directory for `report.md` and `report.json`; without it only the table is printed. What other programs measured
//! in the same run lies there already, and becomes a part of the report ([`parts`]).

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod codec;
mod figures;
mod hog;
mod lossy;
mod machine;
mod marked;
mod parts;
mod python;
mod report;
mod running;
mod talking;
mod targets;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use serde::Serialize;
use tests::measured;

use codec::{Codec, Recorded};
use lossy::Loss;
use marked::MarkedCall;
use talking::Talking;

/// How far ahead of playback the agent sends: the vendor's own default.
const AHEAD_MS: u32 = 60;

/// Who carries a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bridge {
    /// `bridge-task`.
    Ours,
    /// `bench/python/bridge.py`.
    Python,
}

/// What the environment says.
pub struct Settings {
    rounds: u32,
    /// The Python that has the SDK.
    python: PathBuf,
    python_sample_rate: Option<String>,
    bridge_task: PathBuf,
    codec_alone: PathBuf,
    /// The root file system of the task's image, if somebody has built it.
    image_root: Option<PathBuf>,
    report: Option<PathBuf>,
}

impl Settings {
    fn from_environment() -> Result<Self> {
        let rounds = variable("ROUNDS").map_or(Ok(10), |rounds| rounds.parse());
        let rounds = rounds.context("ROUNDS must be a whole number")?;
        ensure!(rounds > 0, "ROUNDS must be at least 1");
        let program = |name: &str| {
            variable(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set; make bench sets it"))
        };
        Ok(Self {
            rounds,
            python: program("BENCH_PYTHON")?,
            python_sample_rate: variable("PYTHON_SAMPLE_RATE"),
            bridge_task: program("BRIDGE_TASK")?,
            codec_alone: program("CODEC_ALONE")?,
            image_root: variable("IMAGE_ROOT").map(PathBuf::from),
            report: variable("BENCH_REPORT").map(PathBuf::from),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's settings come from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One bridge in one round.
#[derive(Debug, Serialize)]
pub struct Sample {
    bridge: Bridge,
    round: u32,
    talking: Talking,
    marked: MarkedCall,
    losses: Vec<Loss>,
}

fn main() -> Result<()> {
    let settings = Settings::from_environment()?;
    measured(async |scene| {
        let (mut samples, mut codec) = (Vec::new(), Vec::new());
        let mut recorded = None;
        for round in 1..=settings.rounds {
            let mut order = [Bridge::Ours, Bridge::Python];
            order.rotate_left((round as usize + 1) % 2);
            for bridge in order {
                let measured = measure(scene, &settings, bridge, round, &mut recorded).await;
                let sample = measured.with_context(|| format!("round {round}, {bridge:?}"))?;
                println!("{}", sample.line());
                samples.push(sample);
            }
            let recorded = recorded.as_ref().context("bridge-task was not measured")?;
            codec.push(recorded.measure(&settings)?);
        }
        let report = report::Report::of(&settings, samples, codec)?;
        println!("\n{}", report.markdown());
        match &settings.report {
            Some(dir) => report.write(dir),
            None => Ok(()),
        }
    })
}

/// A round's calls of one bridge. The first ones of ours tell what sound the codec is measured with.
async fn measure(
    scene: &tests::Scene,
    settings: &Settings,
    bridge: Bridge,
    round: u32,
    recorded: &mut Option<Recorded>,
) -> Result<Sample> {
    let talking = talking::measure(scene, settings, bridge).await.context("both talk")?;
    let marked = marked::measure(scene, settings, bridge, round).await.context("both mark")?;
    let (losses, packets) =
        lossy::measure(scene, settings, bridge, round).await.context("packets are lost")?;
    if bridge == Bridge::Ours && recorded.is_none() {
        let rate = SampleRate::try_from(u32::try_from(talking.agent_hz)?)?;
        *recorded = Some(Recorded::new(scene, rate, &packets)?);
    }
    Ok(Sample { bridge, round, talking, marked, losses })
}

impl Sample {
    /// For who waits.
    fn line(&self) -> String {
        let Self { bridge, round, talking, marked, losses } = self;
        let middle = |values: &[f64]| tests::measure::spread::at_most(values, 0.5).unwrap_or(f64::NAN);
        format!(
            "round {round}, {bridge:?}: CPU {:.1} %, PSS {:.1} MB, to the agent {:.1} ms, to the callee {:.1} ms, \
             silent after {:.0} ms, {:.0} % damaged; machine {:.0} % busy, {:.0} % with others",
            talking.cpu_per_call_second * 100.0,
            talking.pss_mb,
            middle(&marked.sound.to_agent_ms),
            middle(&marked.sound.to_callee_ms),
            middle(&marked.sound.tails_ms().collect::<Vec<_>>()),
            losses.last().map_or(f64::NAN, |loss| loss.kept.damaged) * 100.0,
            talking.machine.busy * 100.0,
            talking.machine.busy_with_others * 100.0,
        )
    }
}

/// CPU of the codec alone beside that of a call: see [`codec`].
fn over_codec(cpu_per_call_second: f64, codec: &[Codec]) -> Option<f64> {
    let alone: Vec<f64> = codec.iter().map(Codec::cpu_per_call_second).collect();
    Some(cpu_per_call_second / tests::measure::spread::at_most(&alone, 0.5)?)
}
