//! `ocg dlq show`

use clap::Args;
use cloud::call_folder::{AttemptStanding, Standing};
use cloud::queue::attributes::Content;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::fate::in_words;
use super::filter::one;
use super::json::{self, Node};
use super::letter::{Described, Letter, NOTHING, printable};
use super::{Desk, held};
use crate::failure::Answer;
use crate::output::{DIM, Output, RED, age, at, styled};

/// Longer lines of a message are cut, unless all of it is wanted.
const SHOWN_OF_A_LINE: usize = 300;

/// Shows one dead letter.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg dlq show 1b2c3d4e\n\nExit code 3: there is no such letter.")]
pub struct Show {
    /// The beginning of its id or of its call's key, or the id of its call or of its first message.
    #[arg(value_name = "ID")]
    id: String,
    /// Long texts in full.
    #[arg(long)]
    full: bool,
}

/// What machines are told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    described: &'a Described,
    body: &'a str,
    attributes: Map<String, Value>,
    /// `None`: not known.
    history: Option<Vec<Value>>,
}

pub(super) async fn run(asked: &Show, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let profiles = desk.profiles_if_any().await;
    let find = async |held: &mut held::Held| Ok((one(held.letters(), &asked.id)?.cloned(), held.with_others));
    let (found, with_others) = held::with_all(&desk.dead_letters, &desk.interrupt, desk.output, find).await?;
    let Some(letter) = found else {
        return Ok(desk.not_found(&asked.id, with_others));
    };
    let now = Timestamp::now();
    let described = letter.described(profiles.as_deref(), now);
    // The letter can be looked at all the same.
    let standing = desk.folders.look(&described.key).await;
    let standing = standing
        .inspect_err(|problem| {
            desk.output.remark(format!("what its call has been through is not known: {problem}"));
        })
        .ok();
    let history = standing.as_ref().map(|standing| standing.attempts.iter().map(past).collect());
    if desk.output.json {
        let attributes = attributes(&letter).into_iter().map(|(name, text)| (name, Value::from(text)));
        let body = &letter.received.body;
        desk.output.object(&Shown {
            described: &described,
            body,
            attributes: attributes.collect(),
            history,
        })?;
        return Ok(Answer::Yes);
    }
    head(&described, now, desk.output);
    let rows = attributes(&letter).into_iter().map(|(name, text)| [name, printable(&text)]);
    desk.output.say("");
    desk.output.table(&["attribute", "value"], rows);
    desk.output.say("");
    body(&letter, asked.full, desk.output);
    if let Some(standing) = &standing {
        desk.output.say("");
        tell_history(standing, desk.output);
    }
    Ok(Answer::Yes)
}

impl Desk<'_> {
    /// Says so.
    pub(super) fn not_found(&self, id: &str, with_others: u64) -> Answer {
        self.output.remark(format!("there is no dead letter {id}; ocg dlq ls lists them"));
        self.remark_others(with_others);
        Answer::No
    }
}

fn head(letter: &Described, now: Timestamp, output: &Output) {
    let or_nothing = |text: &Option<String>| printable(text.as_deref().unwrap_or(NOTHING));
    let next = letter.attempt.map(|number| format!(", attempt {number} would come next")).unwrap_or_default();
    let reason = letter.code.as_deref().unwrap_or("none: SQS moved it by itself");
    for (name, text) in [
        ("letter", format!("{}, received {} times", letter.id, letter.receive_count)),
        ("since", format!("{} ({})", at(letter.at), age(letter.at, now))),
        ("reason", styled(RED, printable(reason))),
        ("path", or_nothing(&letter.path)),
        ("detail", or_nothing(&letter.detail)),
        ("country", or_nothing(&letter.country)),
        ("call", or_nothing(&letter.call_id)),
        ("key", format!("{}{next}", letter.key)),
    ] {
        output.say(format!("{name:8} {text}"));
    }
}

fn attributes(letter: &Letter) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = letter
        .received
        .attributes
        .iter()
        .map(|attribute| {
            let text = match &attribute.content {
                Content::Text(text) => text.clone(),
                Content::Bytes(bytes) => format!("{} bytes", bytes.len()),
            };
            (attribute.name.clone(), text)
        })
        .collect();
    all.sort();
    all
}

/// The message, with the place at fault marked.
fn body(letter: &Letter, full: bool, output: &Output) {
    for line in marked(&letter.received.body, letter.path(), letter.detail().or(letter.code()), full) {
        match line {
            Line::Plain(text) => output.say(text),
            Line::Fault(text) => output.say(styled(RED, text)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Plain(String),
    Fault(String),
}

/// The lines of a body; the one at fault with a marker, and the reason under it.
fn marked(body: &str, path: Option<&str>, why: Option<&str>, full: bool) -> Vec<Line> {
    let shown = |text: &str| {
        let text = printable(text);
        match text.char_indices().nth(SHOWN_OF_A_LINE).filter(|_| !full) {
            Some((end, _)) => format!("{}… ({} characters; --full)", &text[..end], text.chars().count()),
            None => text,
        }
    };
    let node = match Node::read(body) {
        Ok(node) => node,
        Err(problem) => return raw(body, &problem, shown),
    };
    let path = path.and_then(|path| json::path(path).ok());
    let mut lines = Vec::new();
    for line in node.lines(path.as_deref()) {
        if !line.is_marked {
            lines.push(Line::Plain(format!("  {}", shown(&line.text))));
            continue;
        }
        let indentation = line.text.len() - line.text.trim_start().len();
        lines.push(Line::Fault(format!("> {}", shown(&line.text))));
        if let Some(why) = why {
            lines.push(Line::Fault(format!("  {}^ {}", " ".repeat(indentation), printable(why))));
        }
    }
    lines
}

/// What is no JSON, as it is: the parser's complaint under the line that it names.
fn raw(body: &str, problem: &str, shown: impl Fn(&str) -> String) -> Vec<Line> {
    let (line, column) = place(problem).unwrap_or((0, 0));
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(body.lines()) {
        if number == line {
            lines.push(Line::Fault(format!("> {}", shown(text))));
            let before = printable(text.get(..column.saturating_sub(1)).unwrap_or_default()).chars().count();
            lines.push(Line::Fault(format!("  {}^ {problem}", " ".repeat(before.min(SHOWN_OF_A_LINE)))));
        } else {
            lines.push(Line::Plain(format!("  {}", shown(text))));
        }
    }
    if !lines.iter().any(|line| matches!(line, Line::Fault(_))) {
        lines.push(Line::Fault(format!("^ {problem}")));
    }
    lines
}

/// serde_json ends its sentences with `at line 1 column 2`; columns count bytes.
fn place(problem: &str) -> Option<(usize, usize)> {
    let (_, place) = problem.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// One attempt, for machines.
fn past(attempt: &AttemptStanding) -> Value {
    let outcome = attempt.outcome.as_ref();
    serde_json::json!({
        "attempt": attempt.number,
        "madeAt": attempt.job.as_ref().map(|job| job.made_at),
        "launchedAt": attempt.launched.as_ref().map(|launched| launched.at),
        "task": attempt.launched.as_ref().map(|launched| &launched.task),
        "mayDial": attempt.dial.as_ref().map(|dial| &dial.task),
        "outcome": outcome.map(|outcome| outcome.outcome),
        "reason": outcome.and_then(|outcome| outcome.reason.clone()),
        "detail": outcome.and_then(|outcome| outcome.detail.clone()),
        "endedAt": outcome.map(|outcome| outcome.ended_at),
        "next": attempt.next.as_ref().map(|next| next.next),
    })
}

fn tell_history(standing: &Standing, output: &Output) {
    if standing.message.is_none() && standing.attempts.is_empty() {
        output.say("history  none: it was refused before anything was done for its call");
        return;
    }
    output.say("history");
    if let Some(message) = &standing.message {
        output.say(format!("  {}  the message was taken up", at(message.since)));
    }
    for attempt in &standing.attempts {
        let number = attempt.number;
        if let Some(job) = &attempt.job {
            let country = &job.plan.profile.country;
            output.say(format!("  {}  attempt {number}: planned ({country})", at(job.made_at)));
        }
        if let Some(launched) = &attempt.launched {
            let task = styled(DIM, &launched.task);
            output.say(format!("  {}  attempt {number}: a task was started {task}", at(launched.at)));
        }
        if let Some(outcome) = &attempt.outcome {
            let words = in_words(outcome);
            output.say(format!("  {}  attempt {number}: {words}", at(outcome.ended_at)));
            if let Some(detail) = &outcome.detail {
                output.say(format!("  {:20}  {}", "", printable(detail)));
            }
        } else if attempt.dial.is_some() {
            output.say(format!("  {:20}  attempt {number}: somebody may dial, no outcome yet", ""));
        }
        if let Some(next) = &attempt.next {
            output.say(format!("  {}  attempt {number}: followed by {}", at(next.at), next.next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Line {
        Line::Plain(text.to_owned())
    }
    fn fault(text: &str) -> Line {
        Line::Fault(text.to_owned())
    }

    #[test]
    fn the_place_at_fault_is_marked_and_the_reason_stands_under_it() {
        let body = r#"{"id":7,"metadata":{"phoneNumbers":[{"number":"1"}]}}"#;
        let lines = marked(body, Some("metadata.phoneNumbers[0].number"), Some("no number"), false);
        let wanted = [
            plain("  {"),
            plain("    \"id\": 7,"),
            plain("    \"metadata\": {"),
            plain("      \"phoneNumbers\": ["),
            plain("        {"),
            fault(">         \"number\": \"1\""),
            fault("          ^ no number"),
            plain("        }"),
            plain("      ]"),
            plain("    }"),
            plain("  }"),
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        let lines = marked("{\n  \"a\": 1,\n  b\n}", None, None, false);
        let complaint = fault("    ^ key must be a string at line 3 column 3");
        assert_eq!(lines, [plain("  {"), plain("    \"a\": 1,"), fault(">   b"), complaint, plain("  }")]);
        let empty = marked("", None, None, false);
        assert_eq!(empty, [fault("^ EOF while parsing a value at line 1 column 0")]);
    }

    #[test]
    fn long_texts_are_cut_unless_all_is_wanted() {
        let body = format!(r#"{{"text":"{}"}}"#, "é".repeat(5000));
        let Line::Plain(cut) = &marked(&body, None, None, false)[1] else { panic!() };
        assert!(cut.ends_with("… (5012 characters; --full)") && cut.chars().count() < 350, "{cut}");
        let Line::Plain(full) = &marked(&body, None, None, true)[1] else { panic!() };
        assert!(full.ends_with("é\""), "{full}");
    }
}
