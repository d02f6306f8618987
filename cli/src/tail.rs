//! `ocg tail`: a call's facts as they come, until it has ended.

use std::time::Duration;

use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::Outcome;
use clap::Args;
use cloud::call_folder::{CallFolders, FactsReader, RecordedFact};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::calls::{coloured, sound, why};
use crate::failure::Answer;
use crate::output::{DIM, Output, RED, YELLOW, styled};
use crate::settings::Settings;
use crate::{stack, which};

/// How often it is looked.
const GLANCE: Duration = Duration::from_millis(500);
/// After its outcome a task writes what is left of its facts within this time.
const LAST_FACTS: Duration = Duration::from_secs(6);

/// `ocg tail`
#[derive(Args, Debug)]
pub struct Tail {
    /// The call: its key (or six characters of it), or the id that events carry.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// Print what there is and end.
    #[arg(long)]
    pub no_follow: bool,
}

/// Follows the call that is meant.
pub async fn run(asked: &Tail, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let folders = stack::folders(settings).await?;
    let Some(key) = which::find(&folders, &asked.call).await? else {
        return Ok(no_such_call(&asked.call, output));
    };
    if folders.brief(&key).await?.is_none() {
        return Ok(no_such_call(&asked.call, output));
    }
    let outcome = follow(&folders, &key, !asked.no_follow, output).await?;
    if let Some((attempt, outcome)) = &outcome {
        show_end(attempt, outcome, output)?;
    }
    Ok(Answer::Yes)
}

/// Says that there is none, and where else it could be.
pub fn no_such_call(meant: &str, output: &Output) -> Answer {
    output.remark(format!(
        "there is no call {meant} in the call folders of the last {} days. Its message may still be on the queue, or \
         was refused: ocg dlq ls. A whole key is found however old it is",
        which::DAYS
    ));
    Answer::No
}

/// Prints the facts of all attempts, in order, until the last one has ended (or, without `to_the_end`, as far as
/// there are any), and returns how it did.
pub async fn follow(
    folders: &CallFolders,
    key: &CallKey,
    to_the_end: bool,
    output: &Output,
) -> anyhow::Result<Option<(AttemptId, Outcome)>> {
    let mut number = 1;
    loop {
        let attempt = AttemptId::new(key.clone(), number);
        let outcome = follow_attempt(folders, &attempt, to_the_end, output).await?;
        number += 1;
        if folders.job(&AttemptId::new(key.clone(), number)).await?.is_none() {
            return Ok(outcome.map(|outcome| (attempt, outcome)));
        }
    }
}

async fn follow_attempt(
    folders: &CallFolders,
    attempt: &AttemptId,
    to_the_end: bool,
    output: &Output,
) -> anyhow::Result<Option<Outcome>> {
    let mut facts = FactsReader::new(attempt.clone());
    let mut all_written = false;
    let mut ended_at = None;
    loop {
        // The outcome first: what was written before it is then seen too.
        let outcome = folders.outcome(attempt).await?;
        for line in facts.news(folders).await? {
            all_written |= matches!(line.fact, Fact::SoundTotals { .. } | Fact::OutcomeNotWritten { .. });
            show(attempt, &line, output)?;
        }
        let now = Timestamp::now();
        if let Some(outcome) = &outcome {
            let since = *ended_at.get_or_insert(now);
            let is_late = now.duration_since(since).unsigned_abs() >= LAST_FACTS;
            let is_old = now.duration_since(outcome.ended_at).unsigned_abs() >= LAST_FACTS;
            if all_written || is_late || is_old {
                return Ok(Some(outcome.clone()));
            }
        } else if !to_the_end {
            return Ok(None);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn show(attempt: &AttemptId, line: &RecordedFact, output: &Output) -> anyhow::Result<()> {
    if output.json {
        let mut object = serde_json::to_value(line)?;
        object["attempt"] = attempt.number.into();
        return output.object(&object);
    }
    // One a second: for machines.
    if matches!(line.fact, Fact::SoundSecond(_)) {
        return Ok(());
    }
    let told = telemetry::line(&line.fact, true);
    let time = line.at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string();
    let title = match told.level {
        telemetry::Level::ERROR => styled(RED, told.title),
        telemetry::Level::WARN => styled(YELLOW, told.title),
        _ => told.title.to_owned(),
    };
    output.say(format!("{} {title} {}", styled(DIM, time), told.detail).trim_end());
    Ok(())
}

/// How it ended.
pub fn show_end(attempt: &AttemptId, outcome: &Outcome, output: &Output) -> anyhow::Result<()> {
    if output.json {
        return output.object(&serde_json::json!({ "attempt": attempt.number, "outcome": outcome }));
    }
    let detail = outcome.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    output.say(format!("{}: {}{detail}", coloured(outcome.outcome.as_str()), why(Some(outcome))));
    if let Some(sound) = sound(outcome) {
        output.say(format!("the callee's sound as it came to us: {sound}"));
    }
    if outcome.retryable {
        output.say("nobody was called by this attempt, so another may follow");
    }
    Ok(())
}
