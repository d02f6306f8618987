//! How much of what the callee says is heard by the agent when the network loses and delays packets.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use audio::SampleRate;
use serde::Serialize;
use sim::stack::{Call, Packet, Step};
use sim::{stack, ultravox};
use tests::measure::RATE;
use tests::measure::kept::{Aligned, Kept};
use tests::measure::timed::Timed;
use tests::{Scene, agent, person};

use crate::machine::{Busy, Load};
use crate::running::Running;
use crate::{Bridge, Settings};

/// The shares of packets that are lost, one after the other; the first with an even network, to know what the
/// measurement itself makes of it.
const LOSSES: [f64; 5] = [0.0, 0.01, 0.03, 0.05, 0.1];
/// With loss, each packet is up to so much late.
pub const JITTER_MS: u32 = 40;
/// Said once with each.
const SENTENCE: &str = "callee-interrupts";
/// Until the agent listens for certain.
const BEFORE_MS: u64 = 1500;
/// After the last sentence: what is late still comes.
const AFTER: Duration = Duration::from_millis(800);

/// What became of the speech under one loss.
#[derive(Debug, Serialize)]
pub struct Loss {
    /// The share of packets that was to be lost.
    pub loss: f64,
    /// How many were, of how many.
    pub packets_lost: usize,
    pub packets: usize,
    /// What was heard of the speech.
    pub kept: Kept,
    machine: Load,
}

/// One call, from the start of its process to its end. The same round has the same losses for both bridges.
///
/// Also returns the callee's packets.
pub async fn measure(
    scene: &Scene,
    settings: &Settings,
    bridge: Bridge,
    round: u32,
) -> Result<(Vec<Loss>, Vec<Packet>)> {
    let script = ultravox::Script { talk_dbfs: 0.0, ..agent::silent() };
    let call = Running::start(scene, settings, bridge, callee(round), script).await?;
    call.phone("the callee answers", Call::is_answered).await?;
    let busy = Busy::now()?;
    call.phone("the callee has said everything", |leg| leg.script_done).await?;
    tokio::time::sleep(AFTER).await;
    let machine = busy.until_now()?;
    let said = call.packets().await?.said;
    let vendor = call.vendor();
    let agent = vendor.calls().into_iter().next().context("no agent was created")?;
    let (rate, heard) = vendor.heard(&agent.id).context("the agent is unknown")?;
    let times = vendor.times(&agent.id).context("the agent is unknown")?;
    call.callee_hangs_up().await?;
    call.ends().await?;

    let heard = Timed::of_messages(rate, &heard, &times.heard)?;
    let losses = judge(rate, &said, &heard, machine)?;
    Ok((losses, said))
}

/// Compares what was heard with what a decoder makes of all packets, those included that never left.
fn judge(rate: SampleRate, said: &[Packet], heard: &Timed, machine: Load) -> Result<Vec<Loss>> {
    let clean = Timed::of_packets(rate, said)?;
    let began = clean.at_ms(0).zip(heard.at_ms(0)).context("nothing was said or heard")?;
    // Both are as long as the time they took, but for what a bridge began too late with or holds back.
    let late = ((began.0 - began.1) * f64::from(RATE.hz()) / 1000.0) as isize;
    let second = RATE.samples_in_ms(1000) as isize;
    let aligned = Aligned::of(&clean.pcm, &heard.pcm, late - second..late + 2 * second)?;
    let losses = stretches(said.len())?.into_iter().map(|(loss, packets)| {
        let samples = packets.start * RATE.frame_samples()..packets.end * RATE.frame_samples();
        let packets = &said[packets];
        Ok(Loss {
            loss,
            packets_lost: packets.iter().filter(|packet| packet.at_us == 0).count(),
            packets: packets.len(),
            kept: aligned.kept(samples).context("the sentence has no speech")?,
            machine,
        })
    });
    losses.collect()
}

/// Which packets are sent under which loss, of so many.
fn stretches(packets: usize) -> Result<Vec<(f64, Range<usize>)>> {
    let frame_ms = u64::from(audio::FRAME_MS);
    // 16 bit, at the line's rate, behind a header of 44 bytes.
    let samples = (std::fs::metadata(sentence())?.len() - 44) / 2;
    let frames = samples.div_ceil(RATE.frame_samples() as u64) as usize;
    let first = (BEFORE_MS / frame_ms) as usize;
    let stretch = |(nth, loss): (usize, &f64)| {
        let from = first + nth * frames;
        (*loss, from..from + frames)
    };
    let stretches: Vec<_> = LOSSES.iter().enumerate().map(stretch).collect();
    let end = stretches.last().map_or(0, |(_, packets)| packets.end);
    anyhow::ensure!(end <= packets, "{packets} packets were said, {end} are needed");
    Ok(stretches)
}

fn sentence() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../crates/sim/assets/{SENTENCE}.wav"))
}

fn callee(round: u32) -> stack::Script {
    let under = |loss: &f64| {
        let jitter_ms = if *loss > 0.0 { JITTER_MS } else { 0 };
        let network = Step::loss(*loss, jitter_ms, u64::from(round));
        [network, Step::wav(&sentence())]
    };
    let says = LOSSES.iter().flat_map(under);
    stack::Script { keep_packets: true, ..person::who([Step::wait(BEFORE_MS)].into_iter().chain(says)) }
}
