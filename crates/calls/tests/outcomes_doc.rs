//! `docs/outcomes.md` shows the table that decides, not a memory of it.

#![allow(clippy::unwrap_used)]

use calls::outcome::Reason;
use calls::sip_outcome::{NotSent, Phase, ROWS, Retry, Row, When};

#[test]
fn the_page_for_people_shows_the_table_that_decides() {
    let page = include_str!("../../../docs/outcomes.md");
    let table: String = ROWS.iter().map(shown).collect();
    assert!(page.contains(&table), "put these rows into docs/outcomes.md:\n{table}");
}

fn shown(row: &Row) -> String {
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
    let reason = match row.reason {
        Reason::OtherSip => "sip-<code>",
        reason => reason.as_str(),
    };
    let again = match row.retry {
        Retry::Never | Retry::NotKnown => "no",
        Retry::NoInviteLeft => "yes",
        Retry::TrunkErrors => "before ringing, with `retryTrunkErrors`",
    };
    format!("| {came} | {phase} | {} | `{reason}` | {again} | {} |\n", row.outcome, row.note)
}
