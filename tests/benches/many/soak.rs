//! Does a worker keep anything? Many short calls through one, and one long one.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use sim::stack::Script;
use tests::Scene;
use tests::flat::Held;
use tests::gaps::GapErrors;
use tokio::time::{Instant, sleep};

use crate::Settings;
use crate::crowd::{self, Called, Crowd, went_well};
use crate::scale::talker;

/// Short calls at once.
const AT_ONCE: u32 = 20;
/// How long each talks.
const SHORT: Duration = Duration::from_millis(2500);
/// Looking whether calls are over.
const GLANCE: Duration = Duration::from_millis(100);
/// After the last call of a batch: until threads that wait for work, and the queue's connections, have gone.
const REST: Duration = Duration::from_secs(30);
/// Looking at the long call.
const LOOK: Duration = Duration::from_secs(10);
/// The share after which a worker is looked at first: what is built once, and what the allocator keeps, is there.
const EARLY_PERCENT: u32 = 10;
/// But after so many short calls, if that is not more than half of them: each of the allocator's arenas has had several.
const EARLY_AT_LEAST: u32 = 5 * AT_ONCE;

/// What was seen of a worker.
#[derive(Debug, Serialize)]
pub struct Soak {
    /// What was carried.
    what: String,
    /// When the first part was done, and at the end.
    early: Held,
    late: Held,
    /// Memory gained between the two for each call, or second, in kB (10³ bytes).
    growth_kb_each: f64,
    /// What was left behind; nothing is right.
    left_behind: Vec<String>,
    seconds: f64,
    /// Calls that ended otherwise than by the callee's hanging up: a busy machine loses some. They leave nothing either.
    otherwise: u32,
    /// Of the long call's sound.
    gaps: Option<GapErrors>,
    samples: Vec<Held>,
}

impl Soak {
    fn of(what: String, samples: Vec<Held>, (early, late): (Held, Held), seconds: f64) -> Self {
        let (growth_kb_each, left_behind) = (late.growth_kb_each(&early), late.left_behind_since(&early));
        Self { what, early, late, growth_kb_each, left_behind, seconds, otherwise: 0, gaps: None, samples }
    }

    /// # Errors
    /// What was left behind.
    pub fn is_flat(&self) -> Result<()> {
        ensure!(self.left_behind.is_empty(), "the worker keeps something: {}", self.left_behind.join("; "));
        Ok(())
    }
}

/// `calls` short calls, [`AT_ONCE`] at a time.
pub async fn short_calls(scene: &Scene, settings: &Settings, calls: u32) -> Result<Soak> {
    let longest = Duration::from_secs(60);
    let crowd = Crowd::begin(scene, settings, (AT_ONCE, longest), talker(SHORT * 2)).await?;
    let begun = Instant::now();
    let mut samples = vec![Held::by(crowd.worker(), 0)?];
    let first = (calls * EARLY_PERCENT / 100).max(EARLY_AT_LEAST.min(calls / 2)).max(1);
    let mut otherwise = carry(&crowd, 0..first, &mut samples).await?;
    let early = at_rest(&crowd, first).await?;
    otherwise += carry(&crowd, first..calls, &mut samples).await?;
    let late = at_rest(&crowd, calls).await?;
    crowd.end().await?;
    ensure!(otherwise * 10 <= calls, "{otherwise} of {calls} calls did not go well: see the worker's log");
    let what = format!("{calls} calls of {SHORT:?}, {AT_ONCE} at once");
    Ok(Soak { otherwise, ..Soak::of(what, samples, (early, late), begun.elapsed().as_secs_f64()) })
}

/// Carries these calls, and returns when all are over: how many of them ended otherwise than they should.
async fn carry(crowd: &Crowd<'_>, calls: Range<u32>, samples: &mut Vec<Held>) -> Result<u32> {
    let mut under_way: VecDeque<Called> = VecDeque::new();
    let mut otherwise = 0;
    for nth in calls {
        while under_way.len() >= AT_ONCE as usize {
            otherwise += take_away_what_is_over(crowd, &mut under_way).await?;
        }
        under_way.push_back(crowd.call(&hangs_up()).await?);
        sleep(GLANCE).await;
        if nth % 50 == 0 {
            samples.push(Held::by(crowd.worker(), nth)?);
        }
    }
    while !under_way.is_empty() {
        otherwise += take_away_what_is_over(crowd, &mut under_way).await?;
    }
    Ok(otherwise)
}

async fn take_away_what_is_over(crowd: &Crowd<'_>, under_way: &mut VecDeque<Called>) -> Result<u32> {
    let mut otherwise = 0;
    for _ in 0..under_way.len() {
        let Some(called) = under_way.pop_front() else { break };
        if let Some(outcome) = crowd.outcome(&called).await? {
            otherwise += u32::from(!went_well(&outcome));
        } else {
            ensure!(called.since.elapsed() < crowd::PATIENCE, "a call does not end: {}", called.number);
            under_way.push_back(called);
        }
    }
    sleep(GLANCE).await;
    Ok(otherwise)
}

async fn at_rest(crowd: &Crowd<'_>, done: u32) -> Result<Held> {
    sleep(REST).await;
    Held::by(crowd.worker(), done)
}

/// One call of so many minutes.
pub async fn long_call(scene: &Scene, settings: &Settings, minutes: u32) -> Result<Soak> {
    let length = Duration::from_secs(u64::from(minutes) * 60);
    let longest = length + Duration::from_secs(300);
    let crowd = Crowd::begin(scene, settings, (1, longest), talker(length + Duration::from_secs(60))).await?;
    let called = crowd.call(&echoes()).await?;
    let leg = crowd.talks(&called).await?;
    let (begun, begun_us) = (Instant::now(), Timestamp::now().as_microsecond());
    let mut samples = Vec::new();
    while begun.elapsed() < length {
        sleep(LOOK.min(length / 10)).await;
        samples.push(Held::by(crowd.worker(), u32::try_from(begun.elapsed().as_secs())?)?);
    }
    let gaps = GapErrors::of(&crowd.arrivals(&leg).await?, begun_us..Timestamp::now().as_microsecond())?;
    let seconds = begun.elapsed().as_secs_f64();
    crowd.hang_up(&leg).await?;
    crowd.ends(&called).await?;
    crowd.end().await?;
    // The second tenth and the last.
    let tenth = samples.len() * EARLY_PERCENT as usize / 100;
    let least = |looks: &[Held]| Held::least_of(looks).context("too few looks");
    let (early, late) = (least(&samples[tenth..2 * tenth])?, least(&samples[samples.len() - tenth..])?);
    let what = format!("one call of {minutes} min");
    Ok(Soak { gaps: Some(gaps), ..Soak::of(what, samples, (early, late), seconds) })
}

/// Sends packets back as they come, and hangs up soon.
fn hangs_up() -> Script {
    Script { hang_up_after_ms: Some(SHORT.as_millis() as u64), ..echoes() }
}

fn echoes() -> Script {
    Script { ring_ms: Some(20), answer_after_ms: Some(100), echo_packets: true, ..Script::default() }
}
