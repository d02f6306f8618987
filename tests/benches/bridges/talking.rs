//! What a call takes in which both talk: times, CPU, memory, and how evenly the agent's sound comes.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sim::stack::{Call, Step};
use sim::ultravox::{Line, Script};
use tests::gaps::errors_ms;
use tests::usage::{cpu_seconds, memory, threads, tree, udp_ports};
use tests::wire::Wire;
use tests::{Scene, agent, person};
use tokio::time::Instant;

use crate::hog::Hog;
use crate::machine::{Busy, Load};
use crate::running::Running;
use crate::{AHEAD_MS, Bridge, Settings};
use tests::measure::timer::Timer;

/// Sound flows for so long before it is watched, and then for so long.
const SETTLING: Duration = Duration::from_secs(2);
const WATCHING: Duration = Duration::from_secs(8);
/// When its packets leave is watched for so long, after the rest: who listens on the wire takes CPU from who sends.
const LISTENING: Duration = Duration::from_secs(6);
/// A process on each core takes what it can for so long, and is watched for so long of it.
const CROWDING: Duration = Duration::from_millis(500);
const CROWDED: Duration = Duration::from_secs(5);
/// Longer than all of that.
const TALK_MS: u32 = 40_000;

/// One call.
#[derive(Debug, Serialize)]
pub struct Talking {
    /// The rate of the sound between bridge and agent.
    pub agent_hz: u64,
    /// From the start of the process.
    pub start_to_joined_ms: f64,
    /// Room joined *and* the agent's call created.
    pub start_to_ready_ms: f64,
    pub start_to_invite_ms: f64,
    /// At the phone, which knows of both.
    pub answer_to_first_audio_ms: f64,
    /// From the start of the process to the answer.
    pub cpu_to_answer_s: f64,
    /// The rest is of the time in which both talk.
    pub cpu_per_call_second: f64,
    pub pss_mb: f64,
    pub rss_mb: f64,
    pub threads: usize,
    processes: usize,
    /// Seconds of voice at the phone per second; speech has pauses.
    pub voice_to_callee_per_second: f64,
    /// Seconds of sound at the agent per second; 1 is right.
    pub sound_to_agent_per_second: f64,
    /// How often the phone ran out of sound, and how often it threw 20 ms away, per minute.
    pub holes_per_minute: f64,
    pub discarded_per_minute: f64,
    /// By how much each gap between two packets that leave the bridge misses what it should be.
    pub gap_errors_ms: Vec<f64>,
    /// The same beside a process on each core that never waits.
    pub gap_errors_beside_hog_ms: Vec<f64>,
    /// Both of a thread that only waits, at the same time.
    pub timer_errors_ms: Vec<f64>,
    pub timer_errors_beside_hog_ms: Vec<f64>,
    /// Both at the phone, behind the server.
    pub gap_errors_at_phone_ms: Vec<f64>,
    pub gap_errors_at_phone_beside_hog_ms: Vec<f64>,
    pub machine: Load,
}

/// One call, from the start of its process to its end.
pub async fn measure(scene: &Scene, settings: &Settings, bridge: Bridge) -> Result<Talking> {
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
    let (mut pss_mb, mut rss_mb, mut all_threads, mut ports) = (0.0, 0.0, 0, Vec::new());
    let processes = tree(pid)?;
    for process in &processes {
        let memory = memory(*process)?;
        pss_mb += memory.pss;
        rss_mb += memory.rss;
        all_threads += threads(*process)?;
        ports.extend(udp_ports(*process)?);
    }
    let wire = Wire::listen(scene.dir(), "talking").await?;
    let timer = Timer::start(LISTENING);
    let listened_us = watched(LISTENING).await;
    let timer_errors_ms = timer.errors_ms()?;
    let (crowded_us, timer_errors_beside_hog_ms) = crowd().await?;
    let sent = wire.sent_from(&ports).await?;

    let started_ms = call.started_ms();
    let arrivals = call.arrivals().await?;
    call.callee_hangs_up().await?;
    let seen = call.ends().await?;
    let first_voice_ms = seen.leg.heard_first_voice_at_ms.context("the callee heard nothing")?;
    let answered_ms = seen.leg.answered_at_ms.context("it was not answered")?;
    let seconds = (after.at - before.at).as_secs_f64();
    let talking = Talking {
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
        gap_errors_ms: errors_ms(&sent, listened_us),
        gap_errors_beside_hog_ms: errors_ms(&sent, crowded_us.clone()),
        timer_errors_ms,
        timer_errors_beside_hog_ms,
        gap_errors_at_phone_ms: errors_ms(&arrivals, before.at_us..after.at_us),
        gap_errors_at_phone_beside_hog_ms: errors_ms(&arrivals, crowded_us),
        machine,
    };
    // Torn sound is a result; no sound is no call.
    ensure!(talking.voice_to_callee_per_second > 0.2, "the callee hears too little: {talking:#?}");
    ensure!(talking.sound_to_agent_per_second > 0.5, "the agent hears too little: {talking:#?}");
    ensure!(!talking.gap_errors_ms.is_empty(), "nothing is seen to leave");
    ensure!(!talking.gap_errors_beside_hog_ms.is_empty(), "nothing is seen to leave beside a busy process");
    ensure!(!talking.gap_errors_at_phone_beside_hog_ms.is_empty(), "nothing comes beside a busy process");
    Ok(talking)
}

/// Takes the cores for a while; returns from when to when it was to be watched (Unix microseconds), and a timer's errors
/// meanwhile.
async fn crowd() -> Result<(Range<i64>, Vec<f64>)> {
    let hog = Hog::start()?;
    tokio::time::sleep(CROWDING).await;
    let timer = Timer::start(CROWDED);
    let span_us = watched(CROWDED).await;
    drop(hog);
    Ok((span_us, timer.errors_ms()?))
}

/// Lets time pass; returns from when to when (Unix microseconds).
async fn watched(length: Duration) -> Range<i64> {
    let from_us = Timestamp::now().as_microsecond();
    tokio::time::sleep(length).await;
    from_us..Timestamp::now().as_microsecond()
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
