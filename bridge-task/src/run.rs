//! The loop: take news, let the call think, do what it asks, until it is over.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use calls::call::{Call, Effect, Input, Room};
use calls::fact::Fact;
use calls::ids::room_name;
use futures_util::FutureExt as _;

use crate::clock;
use crate::job::Job;
use crate::last_resort::{Attempt, LastResort};
use crate::perform::Hands;
use crate::stop::Stop;

/// How long a person who stops us twice waits for the line to be hung up.
const STOP_NOW_CAP: Duration = Duration::from_secs(2);

/// How a job ended, for who ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// In its own way.
    Over {
        /// As far as this process is concerned, the call was carried through.
        carried_through: bool,
    },
    /// It was told to stop twice: the line is hung up, and nothing else was waited for.
    StoppedTwice,
}

/// Carries one job through. Whatever breaks in here, the room is deleted and the outcome written. `stop` is asked for
/// once, at the beginning.
pub async fn run(job: Job, stop: impl FnOnce() -> anyhow::Result<Stop>) -> anyhow::Result<Ran> {
    let reports = job.reports.clone();
    let result = carry_through(job, stop).await;
    if !matches!(result, Ok(Ran::StoppedTwice)) {
        reports.close().await;
    }
    result
}

async fn carry_through(job: Job, stop: impl FnOnce() -> anyhow::Result<Stop>) -> anyhow::Result<Ran> {
    let attempt = Attempt::of(&job);
    let room = room_of(&job);
    let call = Call::new(&job.plan, room.clone(), job.limits, clock::now());
    let prepared = stop().and_then(|stop| Ok((stop, Hands::new(job)?)));
    let (stop, hands) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            attempt.failed_before_dial(&format!("{problem:#}")).await;
            return Err(problem);
        }
    };
    let mut last_resort = hands.last_resort(room);
    // What a panic leaves half done is dropped with the call; the last resort is no part of it.
    let living = AssertUnwindSafe(live(call, hands, stop, &mut last_resort)).catch_unwind().await;
    match living {
        Ok(Ran::StoppedTwice) => {
            tracing::warn!(detail = "hanging up, and nothing else", "told to stop twice");
            last_resort.hang_up(STOP_NOW_CAP).await;
            Ok(Ran::StoppedTwice)
        }
        Ok(over) => Ok(over),
        Err(_) => {
            last_resort.after_a_panic().await;
            Ok(Ran::Over { carried_through: false })
        }
    }
}

async fn live(mut call: Call, mut hands: Hands, mut stop: Stop, last_resort: &mut LastResort) -> Ran {
    let mut hard_limit = None;
    loop {
        while let Some(effect) = call.poll_effect() {
            if effect == Effect::Finish {
                // The call is over, and what is left is done soon: to be told once changes nothing.
                let carried_through = tokio::select! {
                    carried_through = hands.finish() => carried_through,
                    () = stop.told_twice() => return Ran::StoppedTwice,
                };
                return Ran::Over { carried_through };
            }
            // Before the fact is told of, which may be what gets stuck.
            match effect {
                Effect::Dial => hard_limit = last_resort.hard_limit_of_ringing(),
                Effect::Record(Fact::Answered { .. }) => hard_limit = last_resort.hard_limit_of_talking(),
                _ => {}
            }
            let ends = matches!(effect, Effect::Record(Fact::Ending { .. }));
            hands.perform(effect);
            if ends {
                drop(hard_limit.take());
            }
        }
        let input = tokio::select! {
            // What the room has told already comes before what its silence would mean.
            biased;
            times = stop.told() => match times {
                1 => Input::Drain,
                _ => return Ran::StoppedTwice,
            },
            input = hands.next() => input,
            () = until(call.poll_timeout()) => Input::Tick,
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
