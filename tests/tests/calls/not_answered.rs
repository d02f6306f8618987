//! The dial reaches the trunk, and nobody talks.

use sim::stack::Script;
use tests::{person, story};

/// The callee, or the network for them, answers with this status: the campaign's business.
fn comes_to(code: u16, text: &'static str, reason: &'static str) {
    story(async |scene| {
        let call = scene.arrange().person(person::rejecting(code, text)).place().await?;
        call.ends().await?.is_not_answered(reason, Some(code))
    });
}

/// The trunk fails: the operator's business.
fn fails_with(code: u16, text: &'static str, reason: &'static str) {
    story(async |scene| {
        let call = scene.arrange().person(person::rejecting(code, text)).place().await?;
        call.ends().await?.is_failed(reason, Some(code), false)
    });
}

#[test]
fn sip_486_is_busy() {
    comes_to(486, "Busy Here", "busy");
}

#[test]
fn sip_603_is_declined() {
    comes_to(603, "Decline", "declined");
}

#[test]
fn sip_480_is_unavailable() {
    comes_to(480, "Temporarily Unavailable", "unavailable");
}

#[test]
fn sip_404_is_an_invalid_number() {
    comes_to(404, "Not Found", "invalid-number");
}

#[test]
fn sip_403_is_the_trunks_credentials() {
    fails_with(403, "Forbidden", "trunk-auth");
}

#[test]
fn sip_488_has_no_word_of_its_own() {
    fails_with(488, "Not Acceptable Here", "sip-488");
}

#[test]
fn sip_503_is_the_trunks_error() {
    fails_with(503, "Service Unavailable", "trunk-error");
}

#[test]
fn sip_604_is_an_invalid_number() {
    comes_to(604, "Does Not Exist Anywhere", "invalid-number");
}

#[test]
fn sip_500_is_the_trunks_error_and_what_rang_is_not_tried_again() {
    story(async |scene| {
        let trunk_fails = person::rejecting(500, "Server Internal Error");
        let call =
            scene.arrange().person(trunk_fails).profile("/dial/retryTrunkErrors", true).place().await?;
        call.ends().await?.is_failed("trunk-error", Some(500), false)
    });
}

#[test]
fn sip_500_before_anything_rang_is_tried_again_where_the_profile_allows_it() {
    story(async |scene| {
        let trunk_fails = Script { ring_ms: Some(-1), ..person::rejecting(500, "Server Internal Error") };
        let call =
            scene.arrange().person(trunk_fails).profile("/dial/retryTrunkErrors", true).place().await?;
        call.ends().await?.is_failed("trunk-error", Some(500), true)
    });
}

#[test]
fn a_trunk_that_asks_for_credentials_which_livekit_has_not() {
    story(async |scene| {
        let asks = Script { auth_required: true, ..Script::default() };
        let call = scene.arrange().person(asks).place().await?;
        call.ends().await?.is_failed("trunk-auth", None, false)
    });
}

#[test]
fn nobody_takes_the_call_while_it_rings() {
    story(async |scene| {
        let absent = Script { ring_ms: Some(50), never_answer: true, ..Script::default() };
        let call = scene.arrange().person(absent).profile("/dial/ringSeconds", 5).place().await?;
        call.ends().await?.is_not_answered("no-answer", None)
    });
}

#[test]
fn nobody_answers_the_invite() {
    story(async |scene| {
        let dead = Script { no_response: true, no_response_ms: Some(2000), ..Script::default() };
        let call = scene.arrange().person(dead).place().await?;
        call.ends().await?.is_failed("trunk-no-response", None, false)
    });
}
