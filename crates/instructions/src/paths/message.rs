//! A message's way through the core, with a call folder that is new and services that do what they are asked.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use calls::profile::{CountryProfile, Profiles};
use calls::routing::{Claim, Delivery, Effect, Folder, Input, Place, Policy, Routing, Verdict};
use jiff::Timestamp;

use super::Walk;

/// A message that is dialed.
pub fn routed(steps: u64) -> Result<Walk> {
    walk("messages/br-appointment.json", steps, |verdict| *verdict == Verdict::Done)
}

/// A message that never will be.
pub fn refused(steps: u64) -> Result<Walk> {
    walk("messages/bad-order.json", steps, |verdict| matches!(verdict, Verdict::Refused(_)))
}

fn walk(example: &str, steps: u64, expected: fn(&Verdict) -> bool) -> Result<Walk> {
    let (body, profiles) = (read(example)?, profiles()?);
    let mut deliveries = Vec::new();
    for nth in 0..=steps {
        deliveries.push(delivery(nth, &body)?);
    }
    // Once beforehand: the numbering plans are read at the first number, in every process once.
    let verdict = deliveries.pop().and_then(|delivery| route(delivery, &profiles));
    ensure!(verdict.as_ref().is_some_and(expected), "{example}: {verdict:?}");
    Ok(Box::new(move || {
        for delivery in deliveries.drain(..) {
            std::hint::black_box(route(delivery, &profiles));
        }
    }))
}

/// The whole way of one delivery; nothing only if the core asks for nothing and gives no verdict.
fn route(delivery: Delivery, profiles: &Arc<Profiles>) -> Option<Verdict> {
    let now = delivery.sent_at;
    let mut routing = Routing::new(delivery, Policy::default(), now);
    loop {
        let answer = match routing.poll_effect()? {
            Effect::Finish(verdict) => return Some(verdict),
            Effect::Record(_) => continue,
            Effect::LoadFolder(_) => Input::Folder(Ok(Folder::default())),
            Effect::LoadProfiles { .. } => Input::Profiles(Ok(profiles.clone())),
            Effect::PutMessage(..)
            | Effect::PutJob { .. }
            | Effect::TakeDial(..)
            | Effect::PutOutcome(..) => Input::Claimed(Claim::Ours),
            Effect::TakePlace { .. } => Input::Place(Ok(Place::Taken)),
            Effect::Launch(_) => Input::Launched(Ok("task".to_owned())),
            Effect::PutBack { .. } => Input::PutBack(Ok(())),
            Effect::SendDeadLetter(_) => Input::LetterSent(Ok(())),
            Effect::PutOpen(_)
            | Effect::NoteBack { .. }
            | Effect::PutLaunched { .. }
            | Effect::PutNext(_)
            | Effect::DeleteOpen(_) => Input::Stored(Ok(())),
        };
        routing.handle(answer);
    }
}

fn delivery(nth: u64, body: &[u8]) -> Result<Delivery> {
    Ok(Delivery {
        message_id: format!("message-{nth}"),
        body: body.to_vec(),
        call_key: None,
        attempt: None,
        put_back: None,
        receive_count: 1,
        // A Tuesday, at noon in Brazil: the example's country has call hours.
        sent_at: "2026-07-21T15:00:00Z".parse::<Timestamp>()?,
    })
}

fn profiles() -> Result<Arc<Profiles>> {
    let mut read_profiles = Vec::new();
    for country in ["profiles/br.json", "profiles/cl.json"] {
        read_profiles.push(CountryProfile::from_json(&String::from_utf8(read(country)?)?));
    }
    Ok(Arc::new(Profiles::new(read_profiles)?))
}

fn read(example: &str) -> Result<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    fs::read(&file).with_context(|| file.display().to_string())
}
