//! A call in a few sentences.

use calls::fact::Fact;
use calls::meaning::Meaning;
use calls::outcome::{EndReason, Outcome, OutcomeKind, Reason};
use calls::settle::Follow;
use serde::Serialize;

use super::wrong::{Wrong, together, wrong};
use super::{Attempt, entry, heard};

/// How a call looks at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As it should be.
    Good,
    /// Nothing is broken, and yet nobody talked, or not all was well.
    Mixed,
    /// Something is broken.
    Bad,
    /// It has not ended.
    Open,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Of what.
    pub name: &'static str,
    /// With its unit.
    pub value: String,
}

/// What all attempts at a call come to, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// At first sight.
    pub tone: Tone,
    /// One sentence.
    pub verdict: String,
    /// Why did it end?
    pub why_it_ended: String,
    /// Were both sides heard?
    pub both_heard: String,
    /// What went wrong? In order of time; empty: nothing.
    pub wrong: Vec<Wrong>,
    /// Key figures, those that there are.
    pub figures: Vec<Figure>,
}

impl Findings {
    /// Of a call's attempts, in order of their numbers.
    pub fn of(attempts: &[Attempt]) -> Self {
        let wrong = together(attempts.iter().flat_map(wrong));
        let Some(last) = attempts.last() else { return Self::of_nothing() };
        let mut why_it_ended: Vec<String> =
            attempts[..attempts.len() - 1].iter().map(why_an_attempt_ended).collect();
        why_it_ended.push(why_it_ended_last(last, attempts.len() > 1));
        Self {
            tone: tone(last, &wrong),
            verdict: verdict(last, &wrong),
            why_it_ended: why_it_ended.join(" "),
            both_heard: heard::in_words(last),
            wrong,
            figures: figures(last, attempts),
        }
    }

    fn of_nothing() -> Self {
        Self {
            tone: Tone::Open,
            verdict: "Nobody has taken this call up yet.".to_owned(),
            why_it_ended: "It has not begun.".to_owned(),
            both_heard: "Nobody has answered yet.".to_owned(),
            wrong: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// What went wrong, in one sentence.
    pub fn what_went_wrong(&self) -> String {
        if self.wrong.is_empty() {
            return "Nothing.".to_owned();
        }
        let said: Vec<String> = self
            .wrong
            .iter()
            .map(|wrong| {
                let times = if wrong.times > 1 { format!(" ({} times)", wrong.times) } else { String::new() };
                match wrong.detail.as_str() {
                    "" => format!("{}{times}", wrong.what),
                    detail => format!("{}{times}: {detail}", wrong.what),
                }
            })
            .collect();
        format!("{}.", said.join(". "))
    }
}

fn tone(last: &Attempt, wrong: &[Wrong]) -> Tone {
    let is_clean = wrong.is_empty();
    match &last.outcome {
        None => Tone::Open,
        Some(outcome) => match outcome.outcome {
            OutcomeKind::Answered if is_clean => Tone::Good,
            OutcomeKind::Answered if wrong.iter().any(|it| it.attempt == last.number) => Tone::Bad,
            OutcomeKind::Answered | OutcomeKind::NotAnswered | OutcomeKind::Deferred => Tone::Mixed,
            OutcomeKind::Failed | OutcomeKind::Unknown => Tone::Bad,
        },
    }
}

/// One sentence: how it went, for how long, and whether anything was wrong with the attempt that counts.
fn verdict(last: &Attempt, wrong: &[Wrong]) -> String {
    let Some(outcome) = &last.outcome else { return format!("Not ended yet: {}.", newest(last)) };
    match outcome.outcome {
        OutcomeKind::Answered => {
            let which = if last.number > 1 { format!(" at attempt {}", last.number) } else { String::new() };
            let talked = span(outcome.duration_seconds.unwrap_or_default());
            let wrong: Vec<&Wrong> = wrong.iter().filter(|it| it.attempt == last.number).collect();
            let troubles = match wrong[..] {
                [] => "nothing went wrong".to_owned(),
                [one] => lower(&one.what),
                [first, ref rest @ ..] => format!("{}, and {} more", lower(&first.what), rest.len()),
            };
            format!("Answered{which}, {talked} on the line; {troubles}.")
        }
        OutcomeKind::NotAnswered => format!("Not answered: {}.", short(outcome)),
        OutcomeKind::Failed => format!("Failed before anybody answered: {}.", short(outcome)),
        OutcomeKind::Unknown => "Nobody knows whether it rang.".to_owned(),
        OutcomeKind::Deferred => "Put off: outside the call hours.".to_owned(),
    }
}

fn newest(attempt: &Attempt) -> String {
    let newest = attempt.facts.iter().rev().map(|(_, fact)| fact);
    let newest = newest.filter(|fact| !matches!(fact, Fact::SoundSecond(_))).map(entry).next();
    newest.map_or("nothing is known of it".to_owned(), |entry| {
        format!("the last that is known is \"{}\"", entry.title)
    })
}

/// `busy (SIP 486)`.
fn short(outcome: &Outcome) -> String {
    let word = outcome.reason.as_deref().unwrap_or(outcome.outcome.as_str());
    let code = outcome.sip_status.map(|code| format!(" (SIP {code})")).unwrap_or_default();
    format!("{word}{code}")
}

/// Of an attempt that another one followed.
fn why_an_attempt_ended(attempt: &Attempt) -> String {
    let number = attempt.number;
    match &attempt.outcome {
        Some(outcome) => format!("Attempt {number}: {}.", own_words(outcome)),
        None => format!("Attempt {number} left no outcome."),
    }
}

fn why_it_ended_last(attempt: &Attempt, is_one_of_many: bool) -> String {
    let Some(outcome) = &attempt.outcome else { return format!("It has not ended: {}.", newest(attempt)) };
    let means = meaning(outcome).map_or("", |meaning| meaning.means);
    let number = if is_one_of_many { format!("Attempt {}: ", attempt.number) } else { String::new() };
    let next = match attempt.next {
        Some(Follow::DeadLetter) => " Its message is among the dead letters.".to_owned(),
        Some(Follow::Attempt(next)) => format!(" Attempt {next} was asked for."),
        Some(Follow::Deferred) => " Its message comes again.".to_owned(),
        Some(Follow::Nothing) | None => String::new(),
    };
    match outcome.outcome {
        OutcomeKind::Answered => {
            let who = outcome.end_reason.map_or("", who_hung_up);
            format!("{number}{}{who}{}{next}", plain(means), whom_to(attempt))
        }
        _ => format!("{number}{}. {}{next}", own_words(outcome), plain(means)),
    }
}

/// Where the meaning of an end does not say it.
fn who_hung_up(reason: EndReason) -> &'static str {
    match reason {
        EndReason::AgentHangup
        | EndReason::AgentClosed
        | EndReason::SilenceWatchdog
        | EndReason::MaxDuration
        | EndReason::BridgeError
        | EndReason::Drained => " We hung up.",
        EndReason::CalleeHangup
        | EndReason::Transferred
        | EndReason::RoomLost
        | EndReason::MediaLost
        | EndReason::Operator
        | EndReason::Unknown => "",
    }
}

/// Of a transfer.
fn whom_to(attempt: &Attempt) -> String {
    let to = attempt.facts.iter().find_map(|(_, fact)| match fact {
        Fact::Transferred { to, .. } => Some(to),
        _ => None,
    });
    to.map_or(String::new(), |to| format!(" It was passed on to {to}."))
}

/// Without the marks that the words carry for `docs/outcomes.md`.
pub(super) fn plain(words: &str) -> String {
    words.replace('`', "")
}

/// `failed, agent-busy: the vendor answered 429`.
fn own_words(outcome: &Outcome) -> String {
    let detail = outcome
        .detail
        .as_ref()
        .map(|detail| format!(": {}", detail.trim_end_matches('.')))
        .unwrap_or_default();
    let word = outcome.end_reason.map(|reason| reason.as_str().to_owned()).or_else(|| outcome.reason.clone());
    let word = word.map(|word| format!(", {word}")).unwrap_or_default();
    first_word(&format!("{}{word}{detail}", outcome.outcome.as_str().replace('-', " ")))
}

/// What the outcome's own word means, and what to do.
pub(super) fn meaning(outcome: &Outcome) -> Option<Meaning> {
    if outcome.outcome == OutcomeKind::Answered {
        return outcome.end_reason.map(|reason| reason.meaning());
    }
    let Some(word) = outcome.reason.as_deref() else { return Some(outcome.outcome.meaning()) };
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == word);
    reason.or(word.starts_with("sip-").then_some(&Reason::OtherSip)).map(|reason| reason.meaning())
}

fn figures(last: &Attempt, attempts: &[Attempt]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |name, value: Option<String>| figures.extend(value.map(|value| Figure { name, value }));
    let seconds = |value: Option<f64>| value.map(|value| format!("{value:.1} s"));
    let outcome = last.outcome.as_ref();
    let answered = |delay: &Fact| match delay {
        Fact::Answered { after_ms } => Some(*after_ms as f64 / 1000.0),
        _ => None,
    };
    let answer = last.facts.iter().find_map(|(_, fact)| answered(fact));
    add("answered after", seconds(outcome.and_then(|outcome| outcome.answer_delay_seconds).or(answer)));
    add("first agent sound", seconds(outcome.and_then(|outcome| outcome.first_agent_audio_seconds)));
    add("on the line", outcome.and_then(|outcome| outcome.duration_seconds).map(span));
    if last.answered_at().is_some() {
        let heard = heard::Heard::of(last);
        add("voice to the agent", Some(format!("{:.1} s", heard.callee_seconds)));
        add("voice to the callee", Some(format!("{:.1} s", heard.agent_seconds)));
        add("barge-ins", Some(barge_ins(last)));
    }
    add("MOS", outcome.and_then(|outcome| outcome.mos).map(|mos| format!("{mos:.1}")));
    add("jitter", outcome.and_then(|outcome| outcome.jitter_ms).map(|jitter| format!("{jitter:.1} ms")));
    add("loss", outcome.and_then(|outcome| outcome.loss_percent).map(|loss| format!("{loss:.1} %")));
    add("attempts", (attempts.len() > 1).then(|| attempts.len().to_string()));
    add("cost", cost(attempts));
    figures
}

/// `2, silent after 40 ms` at most.
fn barge_ins(attempt: &Attempt) -> String {
    let tails: Vec<Option<u64>> = attempt
        .facts
        .iter()
        .filter_map(|(_, fact)| match fact {
            Fact::BargeIn { tail_ms, .. } => Some(*tail_ms),
            _ => None,
        })
        .collect();
    let longest = tails.iter().flatten().max().map(|ms| format!(", silent after {ms} ms"));
    format!("{}{}", tails.len(), longest.unwrap_or_default())
}

/// Of all attempts together; the newest that is known of each, by which the vendor's bill may have come.
fn cost(attempts: &[Attempt]) -> Option<String> {
    let noted = |attempt: &Attempt| {
        let noted = attempt.facts.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Cost(cost) => Some(cost.clone()),
            _ => None,
        });
        noted.or_else(|| attempt.outcome.as_ref()?.cost.clone())
    };
    let costs: Vec<_> = attempts.iter().filter_map(noted).collect();
    let currency = &costs.first()?.currency;
    let total: f64 = costs.iter().filter(|cost| cost.currency == *currency).map(|cost| cost.total).sum();
    Some(format!("{total:.4} {currency}"))
}

/// `14.3 s`, `2 min 5 s`, `1 h 0 min`.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// With a capital letter, as a sentence begins.
pub(super) fn first_word(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
