//! `ocg flight html`: a call as one page that opens from disk. No network, no framework: `page/` has its parts, and what
//! is known of the call stands in it as JSON.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calls::fact::{Fact, Speaker};
use clap::Args;
use cloud::call_folder::Recording;
use jiff::Timestamp;
use serde_json::{Value, json};
use telemetry::flight::{Attempt, Bearing, Findings, Lane, entry, phases};

use super::folder::Flight;
use super::peaks::{self, PEAK_MS};
use super::sparks;
use crate::failure::{Answer, misuse};
use crate::output::Output;
use crate::settings::Settings;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they build upon each other.
const SCRIPTS: [&str; 5] = [
    include_str!("page/time.js"),
    include_str!("page/summary.js"),
    include_str!("page/draw.js"),
    include_str!("page/sound.js"),
    include_str!("page/hands.js"),
];

/// `ocg flight html`
#[derive(Args, Debug)]
pub struct Html {
    /// The call: its key (or six characters of it), the id that events carry, or a directory.
    #[arg(value_name = "CALL")]
    call: String,
    /// The file that is written.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Leave the recordings out; they are drawn all the same.
    #[arg(long)]
    without_audio: bool,
}

/// Writes it.
pub async fn run(asked: &Html, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let Some(flight) = super::read(&asked.call, true, settings, output).await? else { return Ok(Answer::No) };
    let page = page(&flight, !asked.without_audio);
    let file = asked.output.display();
    std::fs::write(&asked.output, &page).map_err(|error| misuse(format!("cannot write {file}: {error}")))?;
    let said = json!({ "file": asked.output, "bytes": page.len() });
    match output.json {
        true => output.object(&said)?,
        false => output.say(format!("{file}: {:.1} MB. Open it with any browser", page.len() as f64 / 1e6)),
    }
    Ok(Answer::Yes)
}

/// The whole page.
pub fn page(flight: &Flight, with_audio: bool) -> String {
    let findings = Findings::of(&flight.attempts);
    let title = flight.about.call_id.clone().unwrap_or_else(|| flight.key.clone());
    let sound = Sound::of(flight);
    let parts = [
        ("{{title}}", escaped(&format!("{title}: {}", findings.verdict))),
        ("{{style}}", STYLE.to_owned()),
        ("{{data}}", for_a_script(&data(flight, &findings, sound.as_ref()))),
        (
            "{{callee}}",
            sound.as_ref().filter(|_| with_audio).map_or(String::new(), |it| STANDARD.encode(it.callee)),
        ),
        (
            "{{agent}}",
            sound.as_ref().filter(|_| with_audio).map_or(String::new(), |it| STANDARD.encode(it.agent)),
        ),
        ("{{script}}", SCRIPTS.concat()),
    ];
    // One pass: what is put in is never looked at again.
    let mut page = String::new();
    let mut rest = PAGE;
    while let Some((at, name, part)) = parts
        .iter()
        .filter_map(|(name, part)| Some((rest.find(name)?, name, part)))
        .min_by_key(|(at, ..)| *at)
    {
        page.push_str(&rest[..at]);
        page.push_str(part);
        rest = &rest[at + name.len()..];
    }
    page + rest
}

/// Both recordings of the last attempt that has them.
struct Sound<'a> {
    attempt: &'a Attempt,
    callee: &'a [u8],
    agent: &'a [u8],
}

impl<'a> Sound<'a> {
    fn of(flight: &'a Flight) -> Option<Self> {
        flight.attempts.iter().rev().find_map(|attempt| {
            let callee = flight.recording(attempt.number, Recording::Callee)?;
            let agent = flight.recording(attempt.number, Recording::Agent)?;
            Some(Self { attempt, callee, agent })
        })
    }
}

/// What the page's scripts read. Times are milliseconds since the call began.
fn data(flight: &Flight, findings: &Findings, sound: Option<&Sound<'_>>) -> Value {
    let began = flight.began().unwrap_or(Timestamp::UNIX_EPOCH);
    let ms = |at: Timestamp| at.duration_since(began).as_millis() as i64;
    let last = flight.last();
    let answered = last.and_then(Attempt::answered_at);
    let ended = last.and_then(|attempt| {
        let ending = attempt.find(|fact| matches!(fact, Fact::Ending { .. }));
        ending.or_else(|| attempt.outcome.as_ref().map(|outcome| outcome.ended_at))
    });
    let newest = last.and_then(|attempt| attempt.facts.last()).map(|(at, _)| *at);
    json!({
        "key": flight.key,
        "call": flight.about,
        "began": began.as_millisecond(),
        "answered": answered.map(ms),
        "ended": ended.map(ms),
        "newest": newest.map(ms),
        "findings": {
            "tone": findings.tone,
            "verdict": findings.verdict,
            "whyItEnded": findings.why_it_ended,
            "bothHeard": findings.both_heard,
            "wrong": findings.wrong.iter().map(|wrong| json!({
                "t": ms(wrong.at), "until": wrong.until.map(ms), "attempt": wrong.attempt,
                "what": wrong.what, "detail": wrong.detail, "toDo": wrong.to_do, "times": wrong.times,
            })).collect::<Vec<_>>(),
            "figures": findings.figures,
        },
        "phases": flight.attempts.iter().map(|attempt| json!({
            "attempt": attempt.number,
            "phases": phases(flight.about.since.filter(|_| attempt.number == 1), attempt),
        })).collect::<Vec<_>>(),
        "lanes": Lane::ALL.map(Lane::as_str),
        "facts": facts(flight, ms),
        "said": said(last, ms),
        "seconds": seconds(last, ms),
        "recording": sound.and_then(|sound| recording(sound, ms)),
        "notUnderstood": flight.not_understood,
    })
}

fn facts(flight: &Flight, ms: impl Fn(Timestamp) -> i64) -> Vec<Value> {
    let mut facts = Vec::new();
    for attempt in &flight.attempts {
        for (at, fact) in &attempt.facts {
            let entry = entry(fact);
            let bearing = match entry.bearing {
                Bearing::Beat => continue,
                Bearing::Note => "note",
                Bearing::Step => "step",
                Bearing::Trouble(_) => "trouble",
            };
            let lane = Lane::ALL.iter().position(|lane| *lane == entry.lane);
            facts.push(json!([ms(*at), attempt.number, lane, bearing, entry.title, entry.detail]));
        }
    }
    facts
}

/// When, by whom, the words, and whether the other one cut them short: the agent's text comes before its sound, and in
/// full.
fn said(last: Option<&Attempt>, ms: impl Fn(Timestamp) -> i64) -> Vec<Value> {
    let facts = last.map(|attempt| attempt.facts.as_slice()).unwrap_or_default();
    let said = facts.iter().enumerate().filter_map(|(nth, (at, fact))| match fact {
        Fact::Said { by: Speaker::Callee, text } => Some(json!([ms(*at), 0, text, 0])),
        Fact::Said { by: Speaker::Agent, text } => {
            Some(json!([ms(*at), 1, text, u8::from(is_cut_short(&facts[nth + 1..]))]))
        }
        _ => None,
    });
    said.collect()
}

fn is_cut_short(then: &[(Timestamp, Fact)]) -> bool {
    let next = then
        .iter()
        .map(|(_, fact)| fact)
        .find(|fact| matches!(fact, Fact::BargeIn { .. } | Fact::Said { by: Speaker::Agent, .. }));
    matches!(next, Some(Fact::BargeIn { .. }))
}

/// The counters, a row each second: time, both levels, what waits, and what was lost, rebuilt, made up and late. A level
/// that nobody measured is null.
fn seconds(last: Option<&Attempt>, ms: impl Fn(Timestamp) -> i64) -> Vec<Value> {
    let seconds = last.into_iter().flat_map(sparks::seconds);
    let row = |(at, second): (Timestamp, &calls::sound::SoundSecond)| {
        let (trunk, agent, out) = (&second.trunk_to_room, &second.room_to_agent, &second.queue_to_room);
        json!([
            ms(at),
            agent.level_dbfs,
            out.level_dbfs,
            second.queued_ms,
            trunk.lost,
            trunk.recovered,
            trunk.concealed + out.concealed,
            agent.late + out.lost,
            second.jitter_ms,
        ])
    };
    seconds.map(row).collect()
}

/// Both voices to look at. A file that is damaged is drawn as silence: its sound may be playable all the same.
fn recording(sound: &Sound<'_>, ms: impl Fn(Timestamp) -> i64) -> Option<Value> {
    let starts = sound.attempt.answered_at()?;
    let (callee, agent) = (peaks::peaks(sound.callee), peaks::peaks(sound.agent));
    let damaged: Vec<String> =
        [&callee, &agent].iter().filter_map(|peaks| Some(peaks.as_ref().err()?.to_string())).collect();
    let (callee, agent) = (callee.unwrap_or_default(), agent.unwrap_or_default());
    Some(json!({
        "t": ms(starts), "ms": callee.len().max(agent.len()) * PEAK_MS as usize, "peakMs": PEAK_MS,
        "callee": STANDARD.encode(&callee), "agent": STANDARD.encode(&agent), "damaged": damaged,
    }))
}

/// JSON inside a script element: nothing in it may end that, or begin a comment.
fn for_a_script(data: &Value) -> String {
    data.to_string().replace("</", "<\\/").replace("<!--", "<\\u0021--")
}

/// Text inside an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_words_are_cut_short_by_the_next_barge_in_before_it_speaks_again() {
        let says = |by, text: &str| Fact::Said { by, text: text.to_owned() };
        let interrupts = || Fact::BargeIn { dropped_ms: 40, tail_ms: None };
        let facts = [
            says(Speaker::Agent, "in full"),
            says(Speaker::Callee, "yes"),
            says(Speaker::Agent, "not in full"),
            Fact::NoPackets { after_answer_ms: 5000 },
            interrupts(),
            says(Speaker::Callee, "the callee has nobody to cut it short"),
            interrupts(),
            says(Speaker::Agent, "last words"),
        ];
        let attempt = Attempt {
            facts: facts.into_iter().map(|fact| (Timestamp::UNIX_EPOCH, fact)).collect(),
            ..Attempt::default()
        };
        let cut: Vec<(Value, Value)> =
            said(Some(&attempt), |_| 0).iter().map(|row| (row[2].clone(), row[3].clone())).collect();
        assert_eq!(
            cut,
            [
                (json!("in full"), json!(0)),
                (json!("yes"), json!(0)),
                (json!("not in full"), json!(1)),
                (json!("the callee has nobody to cut it short"), json!(0)),
                (json!("last words"), json!(0)),
            ]
        );
    }
}
