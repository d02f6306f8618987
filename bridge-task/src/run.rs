//! The loop: take news, let the call think, do what it asks, until it is over.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::Context as _;
use calls::call::{Call, Effect, Input, Room};
use calls::ids::room_name;
use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock;
use crate::job::Job;
use crate::last_resort::{Attempt, LastResort};
use crate::perform::Hands;

/// How long a person who stops us twice waits for the line to be hung up.
const STOP_NOW_CAP: Duration = Duration::from_secs(2);

/// What a shell reads as "ended by SIGINT".
const STOPPED: i32 = 130;

/// Carries one job through; `true` if the call was carried through. Whatever breaks in here, the room is deleted
/// and the outcome written.
pub async fn run(job: Job) -> anyhow::Result<bool> {
    let reports = job.reports.clone();
    let result = carry_through(job).await;
    reports.close().await;
    result
}

async fn carry_through(job: Job) -> anyhow::Result<bool> {
    let attempt = Attempt::of(&job);
    let room = room_of(&job);
    let call = Call::new(&job.plan, room.clone(), job.claim_by, clock::now());
    let prepared = Signals::listen().and_then(|signals| Ok((signals, Hands::new(job)?)));
    let (signals, hands) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            attempt.failed_before_dial(&format!("{problem:#}")).await;
            return Err(problem);
        }
    };
    let mut last_resort = hands.last_resort(room);
    // What a panic leaves half done is dropped with the call; the last resort is no part of it.
    let living = AssertUnwindSafe(live(call, hands, signals, &mut last_resort)).catch_unwind().await;
    match living {
        Ok(End::Over { carried_through }) => Ok(carried_through),
        Ok(End::StoppedTwice) => {
            tracing::warn!(detail = "hanging up, and nothing else", "told to stop twice");
            last_resort.hang_up(STOP_NOW_CAP).await;
            std::process::exit(STOPPED)
        }
        Err(_) => {
            last_resort.after_a_panic().await;
            Ok(false)
        }
    }
}

enum End {
    Over { carried_through: bool },
    StoppedTwice,
}

async fn live(mut call: Call, mut hands: Hands, mut signals: Signals, last_resort: &mut LastResort) -> End {
    loop {
        while let Some(effect) = call.poll_effect() {
            if effect == Effect::Finish {
                let carried_through = tokio::select! {
                    carried_through = hands.finish() => carried_through,
                    () = signals.told_again() => return End::StoppedTwice,
                };
                return End::Over { carried_through };
            }
            hands.perform(effect);
        }
        let input = tokio::select! {
            input = hands.next() => input,
            () = until(call.poll_timeout()) => Input::Tick,
            () = signals.told_to_stop() => {
                if signals.times > 1 {
                    return End::StoppedTwice;
                }
                Input::Drain
            }
        };
        last_resort.follow(&input);
        call.handle(input, clock::now());
    }
}

/// A room that is not named for this very attempt and process was named by somebody.
fn room_of(job: &Job) -> Room {
    let name = job.room.clone();
    if name == room_name(&job.attempt, &job.writer) { Room::Own(name) } else { Room::Shared(name) }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// SIGTERM (a deploy, Spot) and SIGINT (Ctrl-C). The second one hangs up and ends the process.
struct Signals {
    term: Signal,
    interrupt: Signal,
    times: u32,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self { term, interrupt, times: 0 })
    }

    async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        self.times += 1;
    }

    /// The call is over, and what is left is done soon; so the first signal changes nothing.
    async fn told_again(&mut self) {
        while self.times < 2 {
            self.told_to_stop().await;
        }
    }
}
