//! The loop: take news, let the call think, do what it asks, until it is over.

use anyhow::Context as _;
use calls::call::{Call, Effect, Input};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock;
use crate::job::Job;
use crate::perform::Hands;

/// Carries one job through; `true` if the call was carried through.
pub async fn run(job: Job) -> anyhow::Result<bool> {
    let mut signals = Signals::listen()?;
    let mut call = Call::new(&job.plan, &job.room, job.claim_by, clock::now());
    let mut hands = Hands::new(job)?;
    loop {
        while let Some(effect) = call.poll_effect() {
            if effect == Effect::Finish {
                return Ok(hands.finish().await);
            }
            hands.perform(effect);
        }
        let input = tokio::select! {
            input = hands.next() => input,
            () = until(call.poll_timeout()) => Input::Tick,
            () = signals.told_to_stop() => Input::Drain,
        };
        call.handle(input, clock::now());
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// SIGTERM (a deploy, Spot) and SIGINT (Ctrl-C). The second one ends the process at once.
struct Signals {
    term: Signal,
    interrupt: Signal,
    seen: bool,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Self { term, interrupt, seen: false })
    }

    async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        if std::mem::replace(&mut self.seen, true) {
            tracing::warn!(detail = "the line may stay open until its time limit", "told to stop twice");
            std::process::exit(130);
        }
    }
}
