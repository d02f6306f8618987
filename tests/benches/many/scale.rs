//! What a further call costs a worker, and what it does to the others' sound.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sim::stack::{Arrival, Call, Script};
use sim::ultravox::{self, Line};
use tests::flat::Held;
use tests::gaps::{GapErrors, errors_ms};
use tests::measure::server_alone;
use tests::measure::spread::at_most;
use tests::measure::timer::Timer;
use tests::usage::{cpu_seconds, udp_ports};
use tests::{Scene, agent};
use tokio::time::{Instant, sleep};

use crate::Settings;
use crate::crowd::{Called, Crowd};

/// Sound flows for so long before it is watched, and then for so long.
const SETTLING: Duration = Duration::from_secs(5);
const WATCHING: Duration = Duration::from_secs(20);
/// When packets leave the worker is watched for so long.
const LISTENING: Duration = Duration::from_secs(10);
/// A marked call takes no longer than this.
const MARKING: Duration = Duration::from_secs(60);
/// Time between two messages while the calls begin: joining a room costs more than being in it.
const RAMP: Duration = Duration::from_millis(500);
/// How far ahead of playback the agent sends: the vendor's own default.
const AHEAD_MS: u32 = 60;
/// So many phones are asked when each packet came.
const LISTENED_TO: usize = 8;

/// One worker with one call and with many.
#[derive(Debug, Serialize)]
pub struct Many {
    /// How many calls there were at once.
    calls: u32,
    alone: Figures,
    together: Figures,
    /// A call in which both sides mark, with nobody beside it, and in the place of one of the many.
    marked_alone: Delays,
    marked_together: Delays,
    /// Memory that each call after the first took: PSS, in MB (10⁶ bytes).
    pss_per_further_call_mb: f64,
    /// How many calls one core carries, by the CPU time that the worker took for these.
    calls_per_core: f64,
    /// With many, by how many times a call takes as much CPU as the only one, and its gap error is as large.
    cpu_times: f64,
    gap_error_p99_times: f64,
    /// The same of its delays and of the end of its sound after a clear, with the server's way in them.
    to_agent_p50_times: f64,
    to_callee_p50_times: f64,
    to_callee_p99_times: f64,
    barge_in_p99_times: f64,
    /// Stale packets of the many.
    stale_packets_with_many: usize,
}

/// How late sound is, in ms, on its way through worker and server; beside it what a packet's way through the server alone
/// takes soon after, which changes from second to second while the machine is full.
#[derive(Debug, Serialize)]
struct Delays {
    to_agent_p50_ms: f64,
    to_agent_p99_ms: f64,
    to_callee_p50_ms: f64,
    to_callee_p99_ms: f64,
    /// From a clear to the last sound.
    barge_in_p99_ms: f64,
    stale_packets: usize,
    /// Marks that came.
    marks: usize,
    /// From phone to phone through the server, with no bridge.
    server_alone_p50_ms: f64,
    server_alone_p99_ms: f64,
}

impl Delays {
    async fn measure(scene: &Scene, crowd: &Crowd<'_>, seed: u64) -> Result<Self> {
        let marked = crowd.call_apart(seed).await?;
        let server_alone_ms = server_alone::measure(scene).await?;
        let share = |values: &[f64], share| at_most(values, share).context("no mark came");
        Ok(Self {
            to_agent_p50_ms: share(&marked.to_agent_ms, 0.5)?,
            to_agent_p99_ms: share(&marked.to_agent_ms, 0.99)?,
            to_callee_p50_ms: share(&marked.to_callee_ms, 0.5)?,
            to_callee_p99_ms: share(&marked.to_callee_ms, 0.99)?,
            barge_in_p99_ms: share(&marked.tails_ms().collect::<Vec<_>>(), 0.99)?,
            stale_packets: marked.stale_packets(),
            marks: marked.to_agent_ms.len() + marked.to_callee_ms.len(),
            server_alone_p50_ms: share(&server_alone_ms, 0.5)?,
            server_alone_p99_ms: share(&server_alone_ms, 0.99)?,
        })
    }
}

/// A worker, seen for a while.
#[derive(Debug, Serialize)]
struct Figures {
    /// CPU-seconds of the worker, per second and call.
    cpu_per_call_second: f64,
    held: Held,
    /// Of what leaves the worker, of all calls.
    gap_error: GapErrors,
    /// The call with the largest.
    gap_error_worst_p99_ms: f64,
    /// A thread that only waits for 20 ms after 20 ms, at the same time.
    timer_error: GapErrors,
    /// At the phones that were asked, all of them.
    gap_error_at_phone: GapErrors,
    /// Packets a second at the phone that got fewest; 50 is right.
    packets_per_second: f64,
    /// Seconds of sound a second at the agent that got least; 1 is right.
    sound_to_agent_per_second: f64,
    /// The machine's load average of the last minute, everything counted.
    load_1m: f64,
}

/// Measures one call, then `calls` at once.
pub async fn measure(scene: &Scene, settings: &Settings, calls: u32) -> Result<Many> {
    ensure!(calls > 1, "CALLS must be at least 2");
    let talk = SETTLING * 4 + WATCHING * 3 + LISTENING * 4 + MARKING + RAMP * calls * 2;
    let crowd = Crowd::begin(scene, settings, (calls, talk + Duration::from_secs(60)), talker(talk)).await?;
    let marked_alone = Delays::measure(scene, &crowd, 1).await.context("a marked call alone")?;
    let mut called = vec![crowd.call(&echoes()).await?];
    let alone = watch(&crowd, &called).await?;
    for _ in 1..calls {
        called.push(crowd.call(&echoes()).await?);
        sleep(RAMP).await;
    }
    let together = watch(&crowd, &called).await?;
    let makes_room = called.remove(0);
    crowd.hang_up(&crowd.talks(&makes_room).await?).await?;
    crowd.ends(&makes_room).await?;
    let marked_together = Delays::measure(scene, &crowd, 2).await.context("a marked call among many")?;
    for call in &called {
        crowd.hang_up(&crowd.talks(call).await?).await?;
    }
    for call in &called {
        crowd.ends(call).await?;
    }
    crowd.end().await?;
    Ok(Many {
        calls,
        pss_per_further_call_mb: (together.held.pss_mb - alone.held.pss_mb) / f64::from(calls - 1),
        calls_per_core: 1.0 / together.cpu_per_call_second,
        cpu_times: together.cpu_per_call_second / alone.cpu_per_call_second,
        gap_error_p99_times: together.gap_error.p99_ms / alone.gap_error.p99_ms,
        to_agent_p50_times: marked_together.to_agent_p50_ms / marked_alone.to_agent_p50_ms,
        to_callee_p50_times: marked_together.to_callee_p50_ms / marked_alone.to_callee_p50_ms,
        to_callee_p99_times: marked_together.to_callee_p99_ms / marked_alone.to_callee_p99_ms,
        barge_in_p99_times: marked_together.barge_in_p99_ms / marked_alone.barge_in_p99_ms,
        stale_packets_with_many: marked_together.stale_packets,
        marked_alone,
        marked_together,
        alone,
        together,
    })
}

async fn watch(crowd: &Crowd<'_>, called: &[Called]) -> Result<Figures> {
    let mut legs = Vec::new();
    for call in called {
        legs.push(crowd.talks(call).await?);
    }
    sleep(SETTLING).await;
    let before = Moment::now(crowd)?;
    sleep(WATCHING).await;
    let after = Moment::now(crowd)?;
    let seconds = (after.at - before.at).as_secs_f64();
    let calls = u32::try_from(called.len())?;
    let at_phones = gaps_at_phones(crowd, &legs, &before, &after).await?;
    let timer = Timer::start(LISTENING);
    let sent = gaps_sent(crowd).await?;
    let timer_errors = timer.errors_ms()?;
    ensure!(sent.len() == called.len(), "of {calls} calls {} are seen to send", sent.len());
    let agents = before.heard_s.iter().zip(&after.heard_s).map(|(before, after)| (after - before) / seconds);
    let figures = Figures {
        cpu_per_call_second: (after.cpu_s - before.cpu_s) / seconds / f64::from(calls),
        held: Held::by(crowd.worker(), calls)?,
        gap_error: GapErrors::of_errors(&sent.concat())?,
        gap_error_worst_p99_ms: worst_p99_ms(&sent)?,
        timer_error: GapErrors::of_errors(&timer_errors)?,
        gap_error_at_phone: GapErrors::of_errors(&at_phones.concat())?,
        packets_per_second: at_phones.iter().map(|gaps| gaps.len() as f64 / seconds).fold(f64::MAX, f64::min),
        sound_to_agent_per_second: agents.fold(f64::MAX, f64::min),
        load_1m: load()?,
    };
    // Torn sound is a result; no sound is no call.
    ensure!(before.heard_s.len() == called.len(), "{} agents for {calls} calls", before.heard_s.len());
    ensure!(figures.sound_to_agent_per_second > 0.5, "an agent hears too little: {figures:#?}");
    ensure!(figures.packets_per_second > 25.0, "a callee hears too little: {figures:#?}");
    Ok(figures)
}

fn worst_p99_ms(calls: &[Vec<f64>]) -> Result<f64> {
    calls.iter().try_fold(0.0, |worst: f64, errors| Ok(worst.max(GapErrors::of_errors(errors)?.p99_ms)))
}

/// Of each call the gap errors, in ms, where its packets leave the worker: seen after the rest, as who listens takes CPU
/// from who sends.
async fn gaps_sent(crowd: &Crowd<'_>) -> Result<Vec<Vec<f64>>> {
    let wire = crowd.wire().await?;
    let from_us = Timestamp::now().as_microsecond();
    sleep(LISTENING).await;
    let span_us = from_us..Timestamp::now().as_microsecond();
    let mut streams: BTreeMap<u32, Vec<Arrival>> = BTreeMap::new();
    for sent in wire.sent_from(&udp_ports(crowd.worker())?).await? {
        streams.entry(sent.ssrc).or_default().push(sent);
    }
    Ok(streams.values().map(|sent| errors_ms(sent, span_us.clone())).collect())
}

/// At some of the phones, the first of them among them, evenly chosen.
async fn gaps_at_phones(
    crowd: &Crowd<'_>,
    legs: &[Call],
    before: &Moment,
    after: &Moment,
) -> Result<Vec<Vec<f64>>> {
    let mut all = Vec::new();
    for leg in legs.iter().step_by(legs.len().div_ceil(LISTENED_TO)) {
        let arrivals = crowd.arrivals(leg).await?;
        all.push(errors_ms(&arrivals, before.at_us..after.at_us));
    }
    Ok(all)
}

/// How everything stands at one moment.
struct Moment {
    at: Instant,
    /// The same, in Unix microseconds.
    at_us: i64,
    cpu_s: f64,
    heard_s: Vec<f64>,
}

impl Moment {
    fn now(crowd: &Crowd<'_>) -> Result<Self> {
        Ok(Self {
            heard_s: crowd.agents_have_heard(),
            cpu_s: cpu_seconds(crowd.worker())?.0,
            at: Instant::now(),
            at_us: Timestamp::now().as_microsecond(),
        })
    }
}

/// Sends the agent's packets back as they came: forty that decode and encode would be this machine's whole work.
fn echoes() -> Script {
    Script { ring_ms: Some(50), answer_after_ms: Some(200), echo_packets: true, ..Script::default() }
}

/// Talks all the time, whoever talks to it.
pub fn talker(talk: Duration) -> ultravox::Script {
    let lines = vec![Line::Monologue { ms: talk.as_millis() as u32 }];
    ultravox::Script { lines, talk_dbfs: 0.0, ahead_ms: Some(AHEAD_MS), ..agent::silent() }
}

fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    text.split_whitespace().next().context("/proc/loadavg is empty")?.parse().context("/proc/loadavg")
}
