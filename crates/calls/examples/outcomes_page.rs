//! Writes `docs/outcomes.md` from the tables that decide: `cargo run --example outcomes_page > docs/outcomes.md`.

use std::io::Write as _;

use calls::meaning::Meaning;
use calls::outcome::{EndReason, OutcomeKind, Reason};
use calls::sip_outcome::{NotSent, Phase, ROWS, Retry, Row, When};
use calls::trigger::RefusalCode;

const HEAD: &str = include_str!("outcomes_page/head.md");
const DIAL: &str = include_str!("outcomes_page/dial.md");

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(page().as_bytes())
}

/// The whole page.
pub fn page() -> String {
    [
        HEAD.to_owned(),
        table("`outcome`", OutcomeKind::ALL.iter().map(|word| (word.as_str(), word.meaning()))),
        "\n## Why nobody answered: `reason`\n\n".to_owned(),
        table("`reason`", Reason::ALL.iter().map(|word| (reason(*word), word.meaning()))),
        "\n## How an answered call ended: `endReason`\n\nWhat was answered is never dialed again by itself.\n\n".to_owned(),
        table("`endReason`", EndReason::ALL.iter().map(|word| (word.as_str(), word.meaning()))),
        REFUSALS.to_owned(),
        table("`RefusalCode`", RefusalCode::ALL.iter().map(|word| (word.as_str(), word.meaning()))),
        DIAL.to_owned(),
        ROWS.iter().map(dial_row).collect(),
        "\nAn error's HTTP status counts for nothing: LiveKit answers 429 for a busy callee.\n".to_owned(),
    ]
    .concat()
}

const REFUSALS: &str = "
## Refusals

A message that can never work is refused before any attempt: it is a dead letter at once, body untouched, with the code,
a sentence and the JSON path in its attributes, and it is never tried again by itself. `ocg dlq show` shows it.

";

fn table<'a>(name: &str, words: impl Iterator<Item = (&'a str, Meaning)>) -> String {
    let rows = words.map(|(word, Meaning { means, again, to_do })| {
        format!("| `{word}` | {means} | {} | {to_do} |\n", again.as_str())
    });
    format!(
        "| {name} | what it means | tried again | what an operator does |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn reason(reason: Reason) -> &'static str {
    if reason == Reason::OtherSip { "sip-<code>" } else { reason.as_str() }
}

fn dial_row(row: &Row) -> String {
    let came = match row.when {
        When::Sip(first, last) if first == last => format!("SIP {first}"),
        When::Sip(first, last) => format!("SIP {first}–{last}"),
        When::Server("", "") => "any other error of LiveKit".to_owned(),
        When::Server(code, "") => format!("LiveKit: `{code}`"),
        When::Server(code, words) => format!("LiveKit: `{code}`, “{words}”"),
        When::NotSent(NotSent::Unreachable) => "not sent: no connection".to_owned(),
        When::NotSent(NotSent::TooLate) => "not sent: too late".to_owned(),
        When::ReplyLost => "the reply was lost".to_owned(),
    };
    let phase = match row.phase {
        None => "",
        Some(Phase::Dialing) => "before ringing",
        Some(Phase::Ringing) => "ringing",
    };
    let again = match row.retry {
        Retry::Never | Retry::NotKnown => "no",
        Retry::NoInviteLeft => "yes",
        Retry::TrunkErrors => "before ringing, with `retryTrunkErrors`",
    };
    format!("| {came} | {phase} | {} | `{}` | {again} | {} |\n", row.outcome, reason(row.reason), row.note)
}
