//! `bridge-task` beside a bridge on LiveKit's Python SDK (`bench/python/bridge.py`): `make bench`.
//!
//! Both carry the same call: the same livekit-server, phone, agent's stand-in and recorded speech, one call a
//! process, in turns. Who begins changes from round to round, so that a machine that gets busier is nobody's
//! advantage. `ROUNDS` says how many rounds (10), `PYTHON_SAMPLE_RATE` changes the Python bridge's rate, and
//! `BENCH_REPORT` names the directory for `report.md` and `report.json`; without it only the table is printed.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod machine;
mod python;
mod report;
mod running;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sim::stack::{Call, Step};
use sim::ultravox::{Line, Script};
use tests::gaps::GapErrors;
use tests::usage::{cpu_seconds, memory, threads, tree};
use tests::{Scene, agent, measured, person};
use tokio::time::Instant;

use machine::{Busy, Load};
use running::Running;

/// Sound flows for so long before it is watched, and then for so long.
const SETTLING: Duration = Duration::from_secs(5);
const WATCHING: Duration = Duration::from_secs(20);
/// Longer than both.
const TALK_MS: u32 = 40_000;
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
            report: variable("BENCH_REPORT").map(PathBuf::from),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's settings come from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One call, as it was measured.
#[derive(Debug, Serialize)]
pub struct Sample {
    bridge: Bridge,
    round: u32,
    /// The rate of the sound between bridge and agent.
    agent_hz: u64,
    /// From the start of the process.
    start_to_joined_ms: f64,
    /// Room joined *and* the agent's call created.
    start_to_ready_ms: f64,
    start_to_invite_ms: f64,
    /// At the phone, which knows of both.
    answer_to_first_audio_ms: f64,
    /// From the start of the process to the answer.
    cpu_to_answer_s: f64,
    /// The rest is of the time in which both talk.
    cpu_per_call_second: f64,
    pss_mb: f64,
    rss_mb: f64,
    threads: usize,
    processes: usize,
    /// Seconds of voice at the phone per second; speech has pauses.
    voice_to_callee_per_second: f64,
    /// Seconds of sound at the agent per second; 1 is right.
    sound_to_agent_per_second: f64,
    /// How often the phone ran out of sound, and how often it threw 20 ms away, per minute.
    holes_per_minute: f64,
    discarded_per_minute: f64,
    gaps: GapErrors,
    machine: Load,
}

fn main() -> Result<()> {
    let settings = Settings::from_environment()?;
    measured(async |scene| {
        let mut samples = Vec::new();
        for round in 1..=settings.rounds {
            let mut order = [Bridge::Ours, Bridge::Python];
            order.rotate_left((round as usize + 1) % 2);
            for bridge in order {
                let measured = measure(scene, &settings, bridge, round).await;
                let sample = measured.with_context(|| format!("round {round}, {bridge:?}"))?;
                println!(
                    "round {round}, {bridge:?}: CPU {:.1} %, PSS {:.1} MB, machine {:.0} % busy, {:.0} % with others",
                    sample.cpu_per_call_second * 100.0,
                    sample.pss_mb,
                    sample.machine.busy * 100.0,
                    sample.machine.busy_with_others * 100.0,
                );
                samples.push(sample);
            }
        }
        let report = report::Report::of(&settings, samples)?;
        println!("\n{}", report.markdown());
        match &settings.report {
            Some(dir) => report.write(dir),
            None => Ok(()),
        }
    })
}

/// One call, from the start of its process to its end.
async fn measure(scene: &Scene, settings: &Settings, bridge: Bridge, round: u32) -> Result<Sample> {
    let mut call = Running::start(scene, settings, bridge, callee(), talker()).await?;
    let pid = call.pid()?;
    call.phone("the callee answers", Call::is_answered).await?;
    let cpu_to_answer_s = cpu_of(&tree(pid)?)?;
    call.phone("the callee hears the agent", |leg| leg.heard_voice_ms > 500).await?;
    call.is_talking().await?;
    tokio::time::sleep(SETTLING).await;

    let before = Moment::now(&call, pid).await?;
    let busy = Busy::now()?;
    tokio::time::sleep(WATCHING).await;
    let machine = busy.until_now()?;
    let after = Moment::now(&call, pid).await?;
    let (mut pss_mb, mut rss_mb, mut all_threads) = (0.0, 0.0, 0);
    let processes = tree(pid)?;
    for process in &processes {
        let memory = memory(*process)?;
        pss_mb += memory.pss;
        rss_mb += memory.rss;
        all_threads += threads(*process)?;
    }

    let started_ms = call.started_ms();
    let arrivals = call.arrivals().await?;
    let gaps = GapErrors::of(&arrivals, before.at_us..after.at_us)?;
    call.callee_hangs_up().await?;
    let seen = call.ends().await?;
    let first_voice_ms = seen.leg.heard_first_voice_at_ms.context("the callee heard nothing")?;
    let answered_ms = seen.leg.answered_at_ms.context("it was not answered")?;
    let seconds = (after.at - before.at).as_secs_f64();
    let sample = Sample {
        bridge,
        round,
        agent_hz: after.agent_hz,
        start_to_joined_ms: seen.joined_ms - started_ms,
        start_to_ready_ms: seen.joined_ms.max(seen.agent_created_ms) - started_ms,
        start_to_invite_ms: seen.leg.dialed_at_ms as f64 - started_ms,
        answer_to_first_audio_ms: (first_voice_ms - answered_ms) as f64,
        cpu_to_answer_s,
        cpu_per_call_second: (after.cpu_s - before.cpu_s) / seconds,
        pss_mb,
        rss_mb,
        threads: all_threads,
        processes: processes.len(),
        voice_to_callee_per_second: (after.voice_s - before.voice_s) / seconds,
        sound_to_agent_per_second: (after.to_agent_s - before.to_agent_s) / seconds,
        holes_per_minute: f64::from(after.holes - before.holes) * 60.0 / seconds,
        discarded_per_minute: f64::from(after.discarded - before.discarded) * 60.0 / seconds,
        gaps,
        machine,
    };
    // Torn sound is a result; no sound is no call.
    ensure!(sample.voice_to_callee_per_second > 0.2, "the callee hears too little: {sample:#?}");
    ensure!(sample.sound_to_agent_per_second > 0.5, "the agent hears too little: {sample:#?}");
    Ok(sample)
}

/// How everything stands at one moment.
struct Moment {
    at: Instant,
    /// The same, in Unix microseconds.
    at_us: i64,
    cpu_s: f64,
    voice_s: f64,
    agent_hz: u64,
    to_agent_s: f64,
    holes: u32,
    discarded: u32,
}

impl Moment {
    async fn now(call: &Running, pid: u32) -> Result<Self> {
        let leg = call.phone("the call goes on", Call::is_answered).await?;
        let (agent_hz, to_agent_s) = call.agent_has_heard()?;
        let (at, at_us) = (Instant::now(), Timestamp::now().as_microsecond());
        Ok(Self {
            at,
            at_us,
            cpu_s: cpu_of(&tree(pid)?)?,
            voice_s: leg.heard_voice_ms as f64 / 1000.0,
            agent_hz,
            to_agent_s,
            holes: leg.hearing_starved,
            discarded: leg.hearing_discarded,
        })
    }
}

/// CPU of all these processes, in seconds.
fn cpu_of(processes: &[u32]) -> Result<f64> {
    processes.iter().map(|process| Ok(cpu_seconds(*process)?.0)).sum()
}

/// Talks all the time, over the agent too.
fn callee() -> sim::stack::Script {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sim/assets");
    let sentences =
        ["callee-hello", "callee-listens", "callee-interrupts", "callee-accepts", "callee-goodbye"];
    let says = sentences.map(|name| Step::wav(&assets.join(format!("{name}.wav"))));
    // Eight seconds, again and again.
    let talk = says.iter().cycle().take(says.len() * 6).cloned();
    person::who([Step::wait(100)].into_iter().chain(talk))
}

/// Talks all the time, from the moment that its socket is opened; nothing counts as the callee's turn, so it is
/// not interrupted.
fn talker() -> Script {
    let lines = vec![Line::Monologue { ms: TALK_MS }];
    Script { lines, talk_dbfs: 0.0, ahead_ms: Some(AHEAD_MS), ..agent::silent() }
}
