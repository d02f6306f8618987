//! Every row has its case here; the cases are what a real livekit-server answers.

use proptest::prelude::*;

use super::*;
use Phase::{Dialing, Ringing};

fn sip(code: u16) -> DialFailure {
    DialFailure::Sip { code, text: String::new() }
}

fn server(code: &str, message: &str) -> DialFailure {
    DialFailure::Server { code: code.to_owned(), message: message.to_owned() }
}

fn not_sent(cause: NotSent) -> DialFailure {
    DialFailure::NotSent { cause, detail: String::new() }
}

/// (failure, phase, outcome, reason, tried again, tried again with `retryTrunkErrors`)
type Case = (DialFailure, Phase, OutcomeKind, Reason, bool, bool);

fn cases() -> Vec<Case> {
    use OutcomeKind::{Failed, NotAnswered};
    let no_sip = "twirp error unknown: no response from servers";
    let cpu = "twirp error unknown: cpu exhausted";
    let timer_b = "transaction failed to complete (0 intermediate responses)";
    let auth = "sip server required auth, but no username or password was provided";
    vec![
        (sip(408), Ringing, NotAnswered, Reason::NoAnswer, false, false),
        (sip(408), Dialing, Failed, Reason::TrunkNoResponse, false, false),
        (sip(480), Ringing, NotAnswered, Reason::Unavailable, false, false),
        (sip(480), Dialing, NotAnswered, Reason::Unavailable, false, false),
        (sip(486), Dialing, NotAnswered, Reason::Busy, false, false),
        (sip(486), Ringing, NotAnswered, Reason::Busy, false, false),
        (sip(600), Ringing, NotAnswered, Reason::Busy, false, false),
        (sip(603), Ringing, NotAnswered, Reason::Declined, false, false),
        (sip(404), Dialing, NotAnswered, Reason::InvalidNumber, false, false),
        (sip(484), Dialing, NotAnswered, Reason::InvalidNumber, false, false),
        (sip(604), Dialing, NotAnswered, Reason::InvalidNumber, false, false),
        (sip(401), Dialing, Failed, Reason::TrunkAuth, false, false),
        (sip(403), Dialing, Failed, Reason::TrunkAuth, false, false),
        (sip(407), Dialing, Failed, Reason::TrunkAuth, false, false),
        (sip(500), Dialing, Failed, Reason::TrunkError, false, true),
        (sip(503), Dialing, Failed, Reason::TrunkError, false, true),
        (sip(599), Dialing, Failed, Reason::TrunkError, false, true),
        (sip(503), Ringing, Failed, Reason::TrunkError, false, false),
        (sip(487), Ringing, Failed, Reason::OtherSip, false, false),
        (sip(488), Dialing, Failed, Reason::OtherSip, false, false),
        (sip(302), Dialing, Failed, Reason::OtherSip, false, false),
        (sip(699), Dialing, Failed, Reason::OtherSip, false, false),
        (sip(0), Dialing, Failed, Reason::Unknown, false, false),
        (sip(700), Dialing, Failed, Reason::Unknown, false, false),
        (server("canceled", timer_b), Dialing, Failed, Reason::TrunkNoResponse, false, false),
        (server("canceled", "sip request timed out"), Ringing, NotAnswered, Reason::NoAnswer, false, false),
        (server("canceled", "sip request timed out"), Dialing, Failed, Reason::TrunkNoResponse, false, false),
        (
            server("deadline_exceeded", "context deadline exceeded"),
            Ringing,
            NotAnswered,
            Reason::DialTimeout,
            false,
            false,
        ),
        (server("deadline_exceeded", ""), Dialing, NotAnswered, Reason::DialTimeout, false, false),
        (server("unavailable", no_sip), Dialing, Failed, Reason::NoSipService, true, true),
        (server("unavailable", no_sip), Ringing, Failed, Reason::NoSipService, false, false),
        (server("unavailable", cpu), Dialing, Failed, Reason::NoSipService, true, true),
        (
            server("internal", "sip not connected (redis required)"),
            Dialing,
            Failed,
            Reason::NoSipService,
            true,
            true,
        ),
        (
            server("unavailable", "upstream connect error"),
            Dialing,
            Failed,
            Reason::NoSipService,
            false,
            false,
        ),
        (
            server("not_found", "requested sip trunk does not exist"),
            Dialing,
            Failed,
            Reason::UnknownTrunk,
            true,
            true,
        ),
        (server("unauthenticated", "invalid token"), Dialing, Failed, Reason::LivekitAuth, true, true),
        (server("permission_denied", "permissions denied"), Dialing, Failed, Reason::LivekitAuth, true, true),
        (server("failed_precondition", auth), Dialing, Failed, Reason::TrunkAuth, false, false),
        (server("failed_precondition", "no common codec"), Ringing, Failed, Reason::TrunkError, false, false),
        (
            server("invalid_argument", "missing sip callee number"),
            Dialing,
            Failed,
            Reason::BridgeError,
            true,
            true,
        ),
        (server("malformed", ""), Dialing, Failed, Reason::BridgeError, true, true),
        (server("bad_route", ""), Dialing, Failed, Reason::NoSipService, true, true),
        (server("internal", "something else"), Dialing, Failed, Reason::Unknown, false, false),
        (server("resource_exhausted", "quota"), Dialing, Failed, Reason::Unknown, false, false),
        (not_sent(NotSent::Unreachable), Dialing, Failed, Reason::LivekitUnreachable, true, true),
        (not_sent(NotSent::TooLate), Dialing, Failed, Reason::BridgeError, true, true),
        (
            DialFailure::ReplyLost { detail: String::new() },
            Dialing,
            NotAnswered,
            Reason::DialTimeout,
            false,
            false,
        ),
        (
            DialFailure::ReplyLost { detail: String::new() },
            Ringing,
            NotAnswered,
            Reason::DialTimeout,
            false,
            false,
        ),
    ]
}

#[test]
fn every_case_comes_to_what_the_table_says() {
    for (failure, phase, outcome, reason, plain, with_trunk_errors) in cases() {
        let verdict = classify(&failure, phase, false);
        let got = (verdict.outcome, verdict.reason, verdict.retryable);
        assert_eq!(got, (outcome, reason, plain), "{failure:?} {phase:?}");
        assert_eq!(classify(&failure, phase, true).retryable, with_trunk_errors, "{failure:?} {phase:?}");
    }
}

#[test]
fn a_leg_may_follow_only_where_nobody_knows_of_the_invite() {
    let follows = |failure: &DialFailure| classify(failure, Dialing, true).leg_may_follow;
    assert!(follows(&server("unavailable", "upstream connect error")));
    assert!(follows(&server("internal", "something else")));
    assert!(follows(&DialFailure::ReplyLost { detail: String::new() }));
    for (failure, phase, ..) in cases() {
        let verdict = classify(&failure, phase, true);
        assert!(!(verdict.leg_may_follow && verdict.retryable), "{failure:?}");
        assert!(!(verdict.leg_may_follow && verdict.sip_status.is_some()), "{failure:?}");
    }
}

#[test]
fn every_row_decides_at_least_one_case() {
    let cases = cases();
    for (index, row) in ROWS.iter().enumerate() {
        let decides = cases.iter().any(|(failure, phase, ..)| {
            let seen = Seen::of(failure);
            ROWS.iter().position(|row| row.fits(&seen, *phase)) == Some(index)
        });
        assert!(decides, "nothing ever reaches the row {:?} {:?}", row.when, row.phase);
    }
}

#[test]
fn a_status_that_stands_only_in_the_sentence_counts() {
    let busy = server("resource_exhausted", "twirp error unknown: INVITE failed: sip status: 486: Busy Here");
    let verdict = classify(&busy, Ringing, true);
    assert_eq!((verdict.reason, verdict.sip_status, verdict.retryable), (Reason::Busy, Some(486), false));
    for vague in [
        "sip status: 48",
        "sip status: ",
        "sip status: abc",
        "sip status: 4861",
        "sip status: 99é",
        "sip status: 099",
    ] {
        assert_eq!(classify(&server("internal", vague), Dialing, true).sip_status, None, "{vague}");
    }
}

fn any_failure() -> impl Strategy<Value = DialFailure> {
    let codes =
        proptest::sample::select(vec!["canceled", "unavailable", "not_found", "internal", "aborted", ""]);
    prop_oneof![
        any::<u16>().prop_map(sip),
        (codes, ".{0,40}").prop_map(|(code, message)| server(code, &message)),
        Just(not_sent(NotSent::Unreachable)),
        Just(not_sent(NotSent::TooLate)),
        ".{0,9}".prop_map(|detail| DialFailure::ReplyLost { detail }),
    ]
}

proptest! {
    #[test]
    fn a_status_is_never_invented_and_what_rang_is_never_tried_again(failure in any_failure(), retry in any::<bool>()) {
        let verdict = classify(&failure, Ringing, retry);
        match &failure {
            DialFailure::Sip { code: code @ 100..=699, .. } => prop_assert_eq!(verdict.sip_status, Some(*code)),
            _ => prop_assert_eq!(verdict.sip_status, None),
        }
        let not_sent = matches!(failure, DialFailure::NotSent { .. });
        prop_assert!(!verdict.retryable || not_sent);
        prop_assert_eq!(verdict.reason == Reason::OtherSip && verdict.sip_status.is_none(), false);
        prop_assert!(matches!(verdict.outcome, OutcomeKind::Failed | OutcomeKind::NotAnswered));
    }
}
