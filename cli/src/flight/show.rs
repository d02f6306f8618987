//! `ocg flight show`: a call's life, at a terminal.

use calls::fact::Fact;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use telemetry::flight::{Attempt, Bearing, Findings, Tone, entry, phases};

use super::folder::Flight;
use super::sparks;
use crate::failure::Answer;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, styled};
use crate::settings::Settings;

/// `ocg flight show`
#[derive(Args, Debug)]
pub struct Show {
    /// The call: its key (or six characters of it), the id that events carry, or a directory.
    #[arg(value_name = "CALL")]
    call: String,
    /// What passed in each second in full, and not only as curves.
    #[arg(long)]
    seconds: bool,
}

/// Shows it.
pub async fn run(asked: &Show, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let Some(flight) = super::read(&asked.call, false, settings, output).await? else {
        return Ok(Answer::No);
    };
    let findings = Findings::of(&flight.attempts);
    if output.json {
        return as_objects(&flight, &findings, output);
    }
    summary(&flight, &findings, output);
    for attempt in &flight.attempts {
        show_attempt(&flight, attempt, asked.seconds, output);
    }
    if flight.not_understood > 0 {
        output.remark(format!("{} facts of a newer version are left out", flight.not_understood));
    }
    Ok(Answer::Yes)
}

fn summary(flight: &Flight, findings: &Findings, output: &Output) {
    let colour = match findings.tone {
        Tone::Good => GREEN,
        Tone::Mixed | Tone::Open => YELLOW,
        Tone::Bad => RED,
    };
    output.say(styled(colour, &findings.verdict));
    output.say(styled(DIM, heading(flight)));
    output.say("");
    let question =
        |asked: &str, said: &str| output.say(format!("{}  {said}", styled(DIM, format!("{asked:<23}"))));
    question("why did it end?", &findings.why_it_ended);
    question("were both sides heard?", &findings.both_heard);
    if findings.wrong.is_empty() {
        question("what went wrong?", "Nothing.");
    }
    for (nth, wrong) in findings.wrong.iter().enumerate() {
        let until = wrong.until.map(|until| format!(", over at {}", clock(until))).unwrap_or_default();
        let detail = if wrong.detail.is_empty() { String::new() } else { format!(": {}", wrong.detail) };
        let times =
            if wrong.times > 1 { format!(" ({} times, this the first)", wrong.times) } else { String::new() };
        let said = format!("{} {}{times}{detail}{until}", clock(wrong.at), styled(RED, &wrong.what));
        question(if nth == 0 { "what went wrong?" } else { "" }, &said);
        question("", &format!("{} {}", styled(DIM, "→"), wrong.to_do));
    }
    let figures: Vec<String> = findings
        .figures
        .iter()
        .map(|figure| format!("{} {}", styled(DIM, figure.name), figure.value))
        .collect();
    if !figures.is_empty() {
        output.say("");
        output.say(figures.join(" · "));
    }
}

/// Who was called, for whom, by what.
fn heading(flight: &Flight) -> String {
    let about = &flight.about;
    let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let parts = [
        about.call_id.clone(),
        Some(format!("key {}", flight.key)),
        about.number.clone(),
        about.country.clone(),
        named("campaign", &about.campaign),
        named("customer", &about.customer),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn show_attempt(flight: &Flight, attempt: &Attempt, with_seconds: bool, output: &Output) {
    output.say("");
    output.say(styled(DIM, format!("── attempt {}", attempt.number)));
    let since = flight.about.since.filter(|_| attempt.number == 1);
    let waits: Vec<String> = phases(since, attempt)
        .iter()
        .map(|phase| format!("{} {:.1} s", styled(DIM, phase.name), phase.seconds))
        .collect();
    if !waits.is_empty() {
        output.say(waits.join(" · "));
    }
    if let Some(since) = since {
        let bytes = flight.about.message_bytes.map_or(String::new(), |bytes| format!("{bytes} bytes"));
        fact_line(since, None, "routing", "message", &bytes, output);
    }
    let answered = attempt.answered_at();
    for (at, fact) in &attempt.facts {
        let entry = entry(fact);
        if entry.bearing == Bearing::Beat && !with_seconds {
            continue;
        }
        let title = match entry.bearing {
            Bearing::Trouble(_) => styled(RED, format!("{:<20}", entry.title)),
            Bearing::Note | Bearing::Beat => styled(DIM, format!("{:<20}", entry.title)),
            Bearing::Step => format!("{:<20}", entry.title),
        };
        fact_line(*at, answered, entry.lane.as_str(), &title, &entry.detail, output);
    }
    let curves = sparks::lines(attempt);
    if !curves.is_empty() && !with_seconds {
        output.say("");
        output.say(styled(DIM, "  since the answer, a character a second"));
        curves.iter().for_each(|line| output.say(line));
    }
}

/// `12:00:01.123   +0.40 phone    ringing              after 300 ms`: UTC, and seconds since the answer.
fn fact_line(
    at: Timestamp,
    answered: Option<Timestamp>,
    lane: &str,
    title: &str,
    detail: &str,
    output: &Output,
) {
    let since = answered
        .map_or(String::new(), |answered| format!("{:+.2}", at.duration_since(answered).as_secs_f64()));
    let line = format!(
        "{} {} {title} {detail}",
        styled(DIM, format!("{} {since:>8}", clock(at))),
        styled(DIM, format!("{lane:<7}"))
    );
    output.say(line.trim_end());
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string()
}

/// The summary, and then a line each fact.
fn as_objects(flight: &Flight, findings: &Findings, output: &Output) -> anyhow::Result<Answer> {
    let attempts: Vec<_> = flight
        .attempts
        .iter()
        .map(|attempt| json!({ "attempt": attempt.number, "outcome": attempt.outcome, "next": attempt.next }))
        .collect();
    output.object(&json!({
        "key": flight.key, "call": flight.about, "findings": findings, "attempts": attempts,
    }))?;
    for attempt in &flight.attempts {
        for (at, fact) in &attempt.facts {
            object_of(attempt.number, *at, fact, output)?;
        }
    }
    Ok(Answer::Yes)
}

fn object_of(attempt: u32, at: Timestamp, fact: &Fact, output: &Output) -> anyhow::Result<()> {
    let entry = entry(fact);
    let mut object = serde_json::to_value(fact)?;
    object["at"] = at.to_string().into();
    object["attempt"] = attempt.into();
    object["lane"] = entry.lane.as_str().into();
    object["isTrouble"] = matches!(entry.bearing, Bearing::Trouble(_)).into();
    output.object(&object)
}
