//! `ocg calls`: which calls there were, and how they ended.

use std::collections::BTreeMap;

use calls::outcome::{Outcome, OutcomeKind};
use calls::phone::PhoneNumber;
use clap::{Args, Subcommand};
use cloud::call_folder::documents::ByDay;
use cloud::call_folder::{Brief, CallFolders};
use jiff::civil::Date;
use serde::Serialize;

use crate::failure::{Answer, misuse};
use crate::output::{DIM, GREEN, Output, RED, YELLOW, at, styled};
use crate::settings::Settings;
use crate::{stack, which};

/// The state of a call without an outcome.
const IN_PROGRESS: &str = "in-progress";

/// `ocg calls`
#[derive(Debug, Subcommand)]
pub enum Calls {
    /// The calls of a day, by outcome.
    #[command(after_help = "Example:\n  ocg calls ls --stage prod --outcome failed")]
    Ls(Ls),
    /// The calls to a number, of a customer, of a campaign.
    #[command(after_help = "Example:\n  ocg calls find --stage prod --number +5511987654321 --days 30")]
    Find(Find),
}

/// `ocg calls ls`
#[derive(Args, Debug)]
pub struct Ls {
    /// Which day (UTC), such as 2026-07-21 [default: today].
    #[arg(long)]
    day: Option<Date>,
    /// Only those that ended so, or in-progress.
    #[arg(long, value_parser = ["answered", "not-answered", "failed", "unknown", "deferred", IN_PROGRESS])]
    outcome: Option<String>,
    /// Only those of a country, such as BR.
    #[arg(long)]
    country: Option<String>,
    /// Show so many, the newest; all are counted.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// `ocg calls find`
#[derive(Args, Debug)]
pub struct Find {
    /// A number, E.164.
    #[arg(long)]
    number: Option<String>,
    /// metadata.customerId
    #[arg(long)]
    customer: Option<String>,
    /// metadata.campaignId
    #[arg(long)]
    campaign: Option<String>,
    /// In so many days, today (UTC) included.
    #[arg(long, default_value_t = which::DAYS)]
    days: i32,
}

/// A call as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    call: ByDay,
    state: &'static str,
    attempt: Option<u32>,
    outcome: Option<Outcome>,
}

/// Lists.
pub async fn run(asked: &Calls, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let folders = stack::folders(settings).await?;
    match asked {
        Calls::Ls(asked) => ls(asked, &folders, output).await,
        Calls::Find(asked) => find(asked, &folders, output).await,
    }
}

async fn ls(asked: &Ls, folders: &CallFolders, output: &Output) -> anyhow::Result<Answer> {
    let day = asked.day.unwrap_or_else(which::today);
    let mut listed = with_states(folders, folders.of_day(day).await?).await?;
    if let Some(country) = &asked.country {
        listed.retain(|listed| listed.call.country.eq_ignore_ascii_case(country));
    }
    if let Some(outcome) = &asked.outcome {
        listed.retain(|listed| listed.state == outcome);
    }
    let shown = listed.split_off(listed.len().saturating_sub(asked.limit));
    if !listed.is_empty() {
        let all = listed.len() + shown.len();
        output.remark(styled(DIM, format!("{} older ones are not shown: --limit {all}", listed.len())));
    }
    if output.json {
        shown.iter().try_for_each(|listed| output.object(listed))?;
        return Ok(Answer::Yes);
    }
    let total = listed.len() + shown.len();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    listed.iter().chain(&shown).for_each(|listed| *counts.entry(listed.state).or_default() += 1);
    let counts: Vec<String> =
        counts.iter().map(|(state, count)| format!("{count} {}", coloured(state))).collect();
    output.say(format!("{day}: {total} calls{}{}", if total > 0 { ": " } else { "" }, counts.join(", ")));
    table(&shown, output);
    Ok(Answer::Yes)
}

async fn find(asked: &Find, folders: &CallFolders, output: &Output) -> anyhow::Result<Answer> {
    if asked.number.is_none() && asked.customer.is_none() && asked.campaign.is_none() {
        return Err(misuse("find by what? Give --number, --customer or --campaign"));
    }
    let number = match &asked.number {
        Some(text) => Some(
            PhoneNumber::parse(text).map_err(|error| misuse(format!("--number {text}: {error}")))?.sha256(),
        ),
        None => None,
    };
    let same = |wanted: &Option<String>, known: &Option<String>| wanted.is_none() || wanted == known;
    let mut found = Vec::new();
    for day in which::last_days(asked.days) {
        let mut calls = folders.of_day(day).await?;
        calls.retain(|call| {
            same(&number, &call.number_sha256)
                && same(&asked.customer, &call.customer_id)
                && same(&asked.campaign, &call.campaign_id)
        });
        found.extend(calls);
    }
    found.sort_by_key(|call| call.at);
    let found = with_states(folders, found).await?;
    if output.json {
        found.iter().try_for_each(|listed| output.object(listed))?;
    } else if found.is_empty() {
        output.say(format!(
            "no such call in {} days. A message that was refused left none: ocg dlq ls",
            asked.days
        ));
    } else {
        table(&found, output);
    }
    Ok(Answer::yes_if(!found.is_empty()))
}

async fn with_states(folders: &CallFolders, calls: Vec<ByDay>) -> anyhow::Result<Vec<Listed>> {
    let keys: Vec<_> = calls.iter().map(|call| call.key.clone()).collect();
    let briefs = folders.briefs(&keys).await?;
    Ok(calls.into_iter().zip(briefs).map(|(call, brief)| listed(call, brief)).collect())
}

fn listed(call: ByDay, brief: Option<Brief>) -> Listed {
    let (attempt, outcome) = brief.map_or((None, None), |brief| (Some(brief.attempt.number), brief.outcome));
    let state = outcome.as_ref().map_or(IN_PROGRESS, |outcome| outcome.outcome.as_str());
    Listed { call, state, attempt, outcome }
}

fn table(shown: &[Listed], output: &Output) {
    if shown.is_empty() {
        return;
    }
    let row = |listed: &Listed| {
        let call = &listed.call;
        let number = call.masked_number.as_ref().map_or("-".to_owned(), ToString::to_string);
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            at(call.at),
            call.key.short().to_owned(),
            call.country.clone(),
            number,
            coloured(listed.state),
            why(listed.outcome.as_ref()),
            mos(listed.outcome.as_ref()),
            listed.attempt.map_or("-".to_owned(), |attempt| attempt.to_string()),
            text(&call.campaign_id),
            text(&call.customer_id),
            call.call_id.clone(),
        ]
    };
    let heading = [
        "accepted (UTC)",
        "key",
        "country",
        "number",
        "state",
        "why",
        "MOS",
        "attempt",
        "campaign",
        "customer",
        "call",
    ];
    output.table(&heading, shown.iter().map(row));
}

/// The reason of an end, and how long was talked.
pub fn why(outcome: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else { return "-".to_owned() };
    let reason =
        outcome.reason.clone().or_else(|| outcome.end_reason.map(|reason| reason.as_str().to_owned()));
    let talked = outcome.duration_seconds.map(|seconds| format!(", {seconds:.0} s")).unwrap_or_default();
    format!("{}{talked}", reason.unwrap_or_else(|| "-".to_owned()))
}

fn mos(outcome: Option<&Outcome>) -> String {
    outcome.and_then(|outcome| outcome.mos).map_or("-".to_owned(), |mos| format!("{mos:.1}"))
}

/// How the callee's sound was, if any came: `MOS 4.36, jitter 1.2 ms, loss 0.4 %`.
pub fn sound(outcome: &Outcome) -> Option<String> {
    let (mos, jitter_ms, loss) = (outcome.mos?, outcome.jitter_ms?, outcome.loss_percent?);
    Some(format!("MOS {mos:.2}, jitter {jitter_ms:.1} ms, loss {loss:.1} %"))
}

/// A state's word in its colour.
pub fn coloured(state: &str) -> String {
    let is = |kind: OutcomeKind| kind.as_str() == state;
    match state {
        state if is(OutcomeKind::Answered) => styled(GREEN, state),
        state if is(OutcomeKind::Failed) || is(OutcomeKind::Unknown) => styled(RED, state),
        state if is(OutcomeKind::NotAnswered) || is(OutcomeKind::Deferred) => styled(YELLOW, state),
        state => state.to_owned(),
    }
}
