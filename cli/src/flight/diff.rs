//! `ocg flight diff`: what is different in two calls.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;
use telemetry::flight::{Bearing, Findings, entry, phases};

use super::folder::Flight;
use crate::failure::Answer;
use crate::output::{DIM, Output, styled};
use crate::settings::Settings;

/// `ocg flight diff`
#[derive(Args, Debug)]
pub struct Diff {
    /// A call: its key (or six characters of it), the id that events carry, or a directory.
    #[arg(value_name = "CALL")]
    first: String,
    /// Another.
    #[arg(value_name = "OTHER")]
    second: String,
    /// Show what is the same, too.
    #[arg(long)]
    all: bool,
}

/// Compares them.
pub async fn run(asked: &Diff, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let Some(first) = super::read(&asked.first, false, settings, output).await? else {
        return Ok(Answer::No);
    };
    let Some(second) = super::read(&asked.second, false, settings, output).await? else {
        return Ok(Answer::No);
    };
    let mut rows = rows(&first, &second);
    if !asked.all {
        rows.retain(|row| row.first != row.second);
    }
    if output.json {
        for row in &rows {
            output.object(&json!({ "what": row.what, "first": row.first, "second": row.second }))?;
        }
    } else if rows.is_empty() {
        output.say("nothing is different but the times of day");
    } else {
        let name = |flight: &Flight| flight.about.call_id.clone().unwrap_or_else(|| flight.key.clone());
        let (one, other) = (name(&first), name(&second));
        let heading = ["", &one, &other];
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| styled(DIM, "-"));
        output
            .table(&heading, rows.iter().map(|row| [row.what.clone(), text(&row.first), text(&row.second)]));
    }
    Ok(Answer::Yes)
}

#[derive(Debug, PartialEq)]
struct Row {
    what: String,
    first: Option<String>,
    second: Option<String>,
}

/// Summary, figures, waits, and how often each kind of fact was noted.
fn rows(first: &Flight, second: &Flight) -> Vec<Row> {
    let (mut names, firsts) = told(first);
    let (more, seconds) = told(second);
    // In the order of the first; what only the second has stands behind its neighbour before it.
    let mut after = 0;
    for name in more {
        match names.iter().position(|known| *known == name) {
            Some(at) => after = at + 1,
            None => {
                names.insert(after.min(names.len()), name);
                after += 1;
            }
        }
    }
    let row =
        |what: String| Row { first: firsts.get(&what).cloned(), second: seconds.get(&what).cloned(), what };
    names.into_iter().map(row).collect()
}

/// What is compared, by name, and the names in order.
fn told(flight: &Flight) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut names, mut told) = (Vec::new(), BTreeMap::new());
    let mut tell = |name: String, value: String| {
        if told.insert(name.clone(), value).is_none() {
            names.push(name);
        }
    };
    let findings = Findings::of(&flight.attempts);
    tell("verdict".to_owned(), findings.verdict.clone());
    tell("why it ended".to_owned(), findings.why_it_ended.clone());
    tell("both heard".to_owned(), findings.both_heard.clone());
    tell("went wrong".to_owned(), findings.what_went_wrong());
    for figure in &findings.figures {
        tell(figure.name.to_owned(), figure.value.clone());
    }
    for attempt in &flight.attempts {
        let since = flight.about.since.filter(|_| attempt.number == 1);
        for phase in phases(since, attempt) {
            tell(format!("a{} {}", attempt.number, phase.name), format!("{:.1} s", phase.seconds));
        }
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (_, fact) in flight.attempts.iter().flat_map(|attempt| &attempt.facts) {
        let entry = entry(fact);
        if entry.bearing == Bearing::Beat {
            continue;
        }
        match counts.iter_mut().find(|(title, _)| *title == entry.title) {
            Some((_, count)) => *count += 1,
            None => counts.push((entry.title, 1)),
        }
    }
    for (title, count) in counts {
        tell(format!("fact: {title}"), count.to_string());
    }
    (names, told)
}
