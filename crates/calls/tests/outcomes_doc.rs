//! `docs/outcomes.md` shows the tables that decide, not a memory of them.

#[path = "../examples/outcomes_page.rs"]
#[allow(dead_code, reason = "an example has a main of its own")]
mod outcomes_page;

const PAGE: &str = include_str!("../../../docs/outcomes.md");

#[test]
fn the_page_for_people_shows_the_tables_that_decide() {
    let page = outcomes_page::page();
    let differs = PAGE.lines().zip(page.lines()).find(|(is, should)| is != should);
    assert!(
        PAGE == page,
        "docs/outcomes.md is not what the code says: cargo run --example outcomes_page > docs/outcomes.md\n{differs:#?}"
    );
}

/// As upstream was told they would be: the words of CALL_HISTORY and the codes of refusals.
#[test]
fn every_word_that_upstream_may_see_is_explained() {
    let reasons = "no-answer busy declined unavailable invalid-number dial-timeout trunk-no-response trunk-auth trunk-error \
        sip-<code> no-sip-service livekit-unreachable livekit-auth unknown-trunk agent-account agent-busy agent-error \
        agent-lost-before-answer attempts-exhausted refused unknown";
    let ends = "callee-hangup agent-hangup agent-closed silence-watchdog max-duration room-lost media-lost bridge-error \
        drained operator unknown";
    let outcomes = "answered not-answered failed unknown deferred";
    let codes = "not_json not_an_object wrong_message_type missing_prompt no_phone_numbers invalid_phone_number \
        no_profile_for_prefix bad_field expired attempts_exhausted receives_exhausted";
    let sections: Vec<&str> = PAGE.split("\n## ").collect();
    for (section, words) in [(0, outcomes), (1, reasons), (2, ends), (3, codes)] {
        for word in words.split_whitespace() {
            let explained = sections[section].lines().any(|line| line.starts_with(&format!("| `{word}` | ")));
            assert!(
                explained,
                "{word} is not explained in: {}",
                sections[section].lines().next().unwrap_or_default()
            );
        }
    }
}

/// What is said of a reason is what the table of dials does with it.
#[test]
fn what_is_said_to_be_tried_again_is() {
    use calls::meaning::Again;
    use calls::sip_outcome::{ROWS, Retry};
    for row in ROWS {
        let again = row.reason.meaning().again;
        let may = matches!(row.retry, Retry::NoInviteLeft | Retry::TrunkErrors);
        let said = matches!(again, Again::NewAttempt | Again::IfRetryable);
        assert!(said || !may, "{}: it may be tried again: {}", row.reason, row.note);
        assert!(
            again != Again::NewAttempt || may,
            "{}: it is not always tried again: {}",
            row.reason,
            row.note
        );
    }
}
