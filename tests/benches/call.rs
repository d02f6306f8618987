//! What one call costs on this machine, beside LiveKit's own engine for the same sound: `make bench`.
//!
//! Times are medians with the least and the most of all runs. Everything runs on this one machine: the
//! server, the phone, the agent's stand-in, and this program.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use audio::levels::tone;
use calls::fact::Fact;
use calls::secret::Secret;
use cloud::call_folder::RecordedFact;
use jiff::Timestamp;
use room_client::{Room, RoomConfig};
use rooms::{JoinToken, Livekit};
use sim::stack::{LiveKitServer, Step};
use sim::ultravox::{Line, Script};
use tests::sdk::Peer;
use tests::usage::{cpu_seconds, memory, threads};
use tests::{EndedCall, Scene, agent, measured, person};

/// How many calls are started for the times.
const STARTS: usize = 20;
/// How many calls, and participants of the engine's, are watched for memory and CPU.
const WATCHED: usize = 3;
/// Sound flows for so long before one is watched, and then for so long.
const SETTLING: Duration = Duration::from_secs(5);
const WATCHING: Duration = Duration::from_secs(20);
/// Longer than both.
const TALK: Duration = Duration::from_secs(40);

fn main() -> Result<()> {
    measured(async |scene| {
        println!("{}\n", conditions()?);
        println!("bridge-task: {:.1} MB\n", size_of(&binary("BRIDGE_TASK")?)?);
        println!("| | median | least – most | n |\n|---|---|---|---|");
        starts(scene).await?;
        let task = watch_calls(scene).await?;
        row("bridge-task joins the room, ms", &task.joined_in_ms);
        row("bridge-task in a call: RSS, MB", &task.rss);
        row("bridge-task in a call: PSS, MB", &task.pss);
        row("bridge-task in a call: CPU, % of a core", &task.cpu);
        row("bridge-task in a call: threads", &task.threads);
        match binary("SDK_PYTHON") {
            Ok(python) => {
                let engine = watch_engine(scene, &python).await?;
                row("LiveKit's engine joins the room, ms", &engine.joined_in_ms);
                row("LiveKit's engine, two tracks: RSS, MB", &engine.rss);
                row("LiveKit's engine, two tracks: PSS, MB", &engine.pss);
                row("LiveKit's engine, two tracks: CPU, % of a core", &engine.cpu);
                row("LiveKit's engine, two tracks: threads", &engine.threads);
                println!("\nLiveKit's engine: {:.1} MB", engine_size(&python)?);
            }
            Err(missing) => println!("\nNo figures of LiveKit's engine: {missing}"),
        }
        Ok(())
    })
}

/// Calls to a busy line: how long until the task is ready, and until the phone sees the dial.
async fn starts(scene: &Scene) -> Result<()> {
    let (mut ready, mut dialed) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let message = Timestamp::now();
        let mut call = scene.arrange().person(person::busy()).plan().await?;
        let started = Timestamp::now();
        call.start_task()?;
        let ended = call.ends().await?;
        ended.is_not_answered("busy", Some(486))?;
        ready.push((ready_at(&ended)?.as_millisecond() - started.as_millisecond()) as f64);
        dialed.push((ended.leg()?.dialed_at_ms - message.as_millisecond()) as f64);
    }
    row("process start → room joined and agent ready, ms", &ready);
    row("message → dial at the phone, ms", &dialed);
    Ok(())
}

/// When both were there: the room, and the agent's call.
fn ready_at(ended: &EndedCall) -> Result<Timestamp> {
    let ready = |fact: &Fact| matches!(fact, Fact::RoomJoined { .. } | Fact::AgentCreated { .. });
    let both: Vec<_> = ended.kept.facts.iter().filter(|recorded| ready(&recorded.fact)).collect();
    ensure!(both.len() == 2, "not ready: {both:?}");
    Ok(both[1].at)
}

fn joined_in_ms(ended: &EndedCall) -> Result<f64> {
    let took = |recorded: &RecordedFact| match recorded.fact {
        Fact::RoomJoined { took_ms } => Some(took_ms as f64),
        _ => None,
    };
    ended.kept.facts.iter().find_map(took).context("it did not join")
}

/// What was seen, a value for each that was watched.
#[derive(Default)]
struct Usage {
    rss: Vec<f64>,
    pss: Vec<f64>,
    cpu: Vec<f64>,
    threads: Vec<f64>,
    joined_in_ms: Vec<f64>,
}

/// Both sides talk all the time, and the call is recorded.
async fn watch_calls(scene: &Scene) -> Result<Usage> {
    let talk_ms = TALK.as_millis() as u32;
    let mut usage = Usage::default();
    for _ in 0..WATCHED {
        // Nothing counts as the callee's turn, so the agent is not interrupted.
        let lines = vec![Line::Tone { hz: agent::TONE_HZ, ms: talk_ms }];
        let agent = Script { lines, talk_dbfs: 0.0, ahead_ms: Some(0), ..agent::silent() };
        let person = person::who([Step::wait(100), person::talk(talk_ms.into())]);
        let arranged = scene.arrange().person(person).agent(agent).profile("/agent/firstSpeaker", "agent");
        let mut call = arranged.place().await?;
        call.phone("both talk", |leg| leg.heard_voice_ms > 500).await?;
        call.is_talking().await?;
        let pid = call.task(0)?.id();
        tokio::time::sleep(SETTLING).await;
        let before = cpu_seconds(pid)?.0;
        tokio::time::sleep(WATCHING).await;
        usage.cpu.push((cpu_seconds(pid)?.0 - before) / WATCHING.as_secs_f64() * 100.0);
        let memory = memory(pid)?;
        usage.rss.push(memory.rss);
        usage.pss.push(memory.pss);
        usage.threads.push(threads(pid)? as f64);
        call.callee_hangs_up().await?;
        usage.joined_in_ms.push(joined_in_ms(&call.ends().await?)?);
    }
    Ok(usage)
}

/// Participants made with LiveKit's own SDK, one tone each way with a client of ours, and nothing of Python's
/// counted: neither its memory before the engine is loaded, nor its thread.
async fn watch_engine(scene: &Scene, python: &Path) -> Result<Usage> {
    let without = python_alone(python)?;
    let server = LiveKitServer::start(&binary("LIVEKIT_SERVER")?, scene.dir(), None, false).await?;
    let (key, secret) = server.credentials();
    let livekit = Livekit::new(&server.url(), &Secret::new(key.to_owned()), secret)?;
    let mut usage = Usage::default();
    for nth in 0..WATCHED {
        let room = format!("engine-{nth}");
        let token = |identity| {
            let ttl = Duration::from_secs(120);
            livekit.join_token(&JoinToken { room: &room, identity, name: identity, room_metadata: None, ttl })
        };
        let (mut watched, _) = Peer::join(python, &server.url(), token("watched")?.expose()).await?;
        let other = RoomConfig {
            url: server.url(),
            token: token("other")?.expose().to_owned().into(),
            sample_rate: SampleRate::Hz16000,
            track_name: "tone".to_owned(),
            packet_tap: None,
        };
        let (_other, sound, ..) = Room::join(other).await?;
        sound.push(
            sound.utterance(),
            &tone(SampleRate::Hz16000, person::TONE_HZ, -12.0, 16_000 * TALK.as_secs() as usize),
        );
        watched.publish(agent::TONE_HZ).await?;
        let heard = watched.hear(1000, &[person::TONE_HZ]).await?;
        usage.joined_in_ms.push(watched.joined_in_ms());
        ensure!(heard.tones[0] > -15.0, "the engine hears nothing");
        let pid = watched.pid()?;
        tokio::time::sleep(SETTLING).await;
        let before = cpu_seconds(pid)?;
        tokio::time::sleep(WATCHING).await;
        let after = cpu_seconds(pid)?;
        let engine = (after.0 - after.1) - (before.0 - before.1);
        usage.cpu.push(engine / WATCHING.as_secs_f64() * 100.0);
        let memory = memory(pid)?;
        usage.rss.push(memory.rss - without.rss);
        usage.pss.push(memory.pss - without.pss);
        usage.threads.push(threads(pid)? as f64 - 1.0);
    }
    Ok(usage)
}

/// Python with everything that the participant imports, before the engine has anything to do.
fn python_alone(python: &Path) -> Result<tests::usage::Memory> {
    let script = "import asyncio, json, numpy; from livekit import rtc; print(flush=True); input()";
    let mut process =
        Command::new(python).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut ready = [0];
    std::io::Read::read_exact(process.stdout.as_mut().context("no stdout")?, &mut ready)?;
    let found = memory(process.id());
    process.kill()?;
    process.wait()?;
    found
}

/// The shared library that the SDK loads.
fn engine_size(python: &Path) -> Result<f64> {
    let script = "import pathlib, livekit.rtc as r; print(next(pathlib.Path(r.__file__).parent.rglob('*livekit_ffi*')))";
    let found = Command::new(python).args(["-c", script]).output()?;
    size_of(Path::new(String::from_utf8(found.stdout)?.trim()))
}

fn size_of(file: &Path) -> Result<f64> {
    let length = std::fs::metadata(file).with_context(|| file.display().to_string())?.len();
    Ok(length as f64 / 1e6)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's settings come from the environment")]
fn binary(name: &str) -> Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set; make bench sets it"))
}

/// On what it was measured.
fn conditions() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a CPU that does not say its name", |(_, name)| name);
    let cores = std::thread::available_parallelism()?;
    let kernel = read("/proc/sys/kernel/osrelease");
    Ok(format!("{model}, {cores} cores, Linux {}, everything over loopback", kernel.trim()))
}

fn row(what: &str, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let median = sorted[sorted.len() / 2];
    println!("| {what} | {median:.1} | {least:.1} – {most:.1} | {} |", sorted.len());
}
