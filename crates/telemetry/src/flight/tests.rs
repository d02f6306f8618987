#![allow(clippy::unwrap_used)]
use calls::cost::Cost;
use calls::fact::{SoundTrouble, TaskPhases};
use calls::outcome::{EndReason, Ending, OutcomeKind, Reason};
use calls::sound::{HopSecond, SoundSecond};
use jiff::SignedDuration;

use super::*;

fn at(ms: i64) -> Timestamp {
    let began: Timestamp = "2026-07-21T12:00:00Z".parse().unwrap();
    began + SignedDuration::from_millis(ms)
}

fn attempt(facts: impl IntoIterator<Item = (i64, Fact)>, outcome: Option<Outcome>) -> Attempt {
    let facts = facts.into_iter().map(|(ms, fact)| (at(ms), fact)).collect();
    Attempt { number: outcome.as_ref().map_or(1, |it| it.attempt), facts, outcome, next: None }
}

fn answered(end_reason: EndReason, change: impl FnOnce(&mut Outcome)) -> Outcome {
    let ending = Ending {
        end_reason: Some(end_reason),
        answer_delay_seconds: Some(1.9),
        first_agent_audio_seconds: Some(0.35),
        duration_seconds: Some(24.3),
        ..Ending::of(OutcomeKind::Answered)
    };
    let mut outcome = Outcome::new(ending, 1, at(0), at(30_000), "1.0");
    (outcome.callee_audio_seconds, outcome.agent_audio_seconds) = (6.2, 11.0);
    change(&mut outcome);
    outcome
}

fn not_talked(kind: OutcomeKind, reason: Reason, sip: Option<u16>, detail: &str, attempt: u32) -> Outcome {
    let ending =
        Ending { reason: Some(reason), sip_status: sip, detail: Some(detail.to_owned()), ..Ending::of(kind) };
    Outcome::new(ending, attempt, at(0), at(5000), "1.0")
}

fn second(change: impl FnOnce(&mut SoundSecond)) -> Fact {
    let mut second = SoundSecond { packets: 50, ..SoundSecond::default() };
    change(&mut second);
    Fact::SoundSecond(second)
}

const ANSWERED: (i64, Fact) = (1900, Fact::Answered { after_ms: 1900 });

#[test]
fn a_good_call_ends_by_itself_and_nothing_is_wrong_with_it() {
    let outcome = answered(EndReason::CalleeHangup, |outcome| outcome.mos = Some(4.36));
    let findings = Findings::of(&[attempt(
        [ANSWERED, (9000, Fact::BargeIn { dropped_ms: 700, tail_ms: Some(20) })],
        Some(outcome),
    )]);
    assert_eq!((findings.tone, findings.wrong.len()), (Tone::Good, 0));
    assert_eq!(findings.verdict, "Answered, 24.3 s on the line; nothing went wrong.");
    assert_eq!(findings.why_it_ended, "The person hung up.");
    assert_eq!(
        findings.both_heard,
        "Yes: 6.2 s of the callee went to the agent, 11.0 s of the agent to the callee."
    );
    assert_eq!(findings.what_went_wrong(), "Nothing.");
    let figures: Vec<String> =
        findings.figures.iter().map(|it| format!("{} {}", it.name, it.value)).collect();
    let wanted = [
        "answered after 1.9 s",
        "first agent sound 0.3 s",
        "on the line 24.3 s",
        "voice to the agent 6.2 s",
        "voice to the callee 11.0 s",
        "barge-ins 1, silent after 20 ms",
        "MOS 4.4",
    ];
    assert_eq!(figures, wanted);
}

#[test]
fn a_busy_callee_is_nobodys_fault() {
    let outcome = not_talked(OutcomeKind::NotAnswered, Reason::Busy, Some(486), "SIP 486: Busy Here", 1);
    let failed = Fact::DialFailed { sip_status: Some(486), detail: "SIP 486: Busy Here".to_owned() };
    let findings =
        Findings::of(&[attempt([(300, Fact::Ringing { after_ms: 100 }), (700, failed)], Some(outcome))]);
    assert_eq!((findings.tone, findings.wrong.len()), (Tone::Mixed, 0));
    assert_eq!(findings.verdict, "Not answered: busy (SIP 486).");
    let wanted = "Not answered, busy: SIP 486: Busy Here. The callee is on the phone.";
    assert_eq!(findings.why_it_ended, wanted);
    assert_eq!(findings.both_heard, "No: nobody answered, so nobody talked.");
}

#[test]
fn a_cause_is_told_once_with_what_the_outcome_says_to_do() {
    let outcome = answered(EndReason::SilenceWatchdog, |_| ());
    let silent = Fact::AgentSilent { silent_seconds: 8 };
    let findings = Findings::of(&[attempt([ANSWERED, (17_000, silent)], Some(outcome))]);
    let wrong = &findings.wrong[..];
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert_eq!((wrong[0].what.as_str(), wrong[0].at), ("Agent silent", at(17_000)));
    assert_eq!(wrong[0].to_do, EndReason::SilenceWatchdog.meaning().to_do.replace('`', ""));
    assert_eq!(
        (findings.tone, findings.verdict.as_str()),
        (Tone::Bad, "Answered, 24.3 s on the line; agent silent.")
    );
    // Where no fact tells of it, the outcome does.
    let outcome =
        not_talked(OutcomeKind::Failed, Reason::TrunkError, Some(503), "SIP 503: Service Unavailable", 1);
    let findings = Findings::of(&[attempt([], Some(outcome))]);
    assert_eq!(findings.what_went_wrong(), "Trunk-error: SIP 503: Service Unavailable.");
    assert_eq!(findings.verdict, "Failed before anybody answered: trunk-error (SIP 503).");
}

#[test]
fn who_was_not_heard_is_said_and_why() {
    let deaf = |callee: f64, agent: f64, packets: u32| {
        let outcome = answered(EndReason::CalleeHangup, |outcome| {
            (outcome.callee_audio_seconds, outcome.agent_audio_seconds) = (callee, agent);
        });
        let packets = second(|second| second.packets = packets);
        Findings::of(&[attempt([ANSWERED, (2900, packets)], Some(outcome))]).both_heard
    };
    let no_packets = "No: the agent was heard (4.0 s), the callee was not: no packet of its voice came.";
    assert_eq!(deaf(0.0, 4.0, 0), no_packets);
    assert!(deaf(0.0, 4.0, 50).ends_with("its packets held nothing but silence."));
    assert!(deaf(1.0, 0.0, 50).contains("not a sound of it went out"));
    assert!(deaf(0.0, 0.0, 50).starts_with("No: neither was."));
}

#[test]
fn a_trouble_that_passes_says_when() {
    let facts = [
        ANSWERED,
        (6900, Fact::NoPackets { after_answer_ms: 5000 }),
        (9000, Fact::SoundHealed { trouble: SoundTrouble::OnlySilence, after_answer_ms: 7100 }),
        (9900, Fact::SoundHealed { trouble: SoundTrouble::NoPackets, after_answer_ms: 8000 }),
        (12_000, Fact::RoomReconnecting),
    ];
    let findings = Findings::of(&[attempt(facts, Some(answered(EndReason::CalleeHangup, |_| ())))]);
    let until: Vec<_> = findings.wrong.iter().map(|it| (it.what.as_str(), it.until)).collect();
    assert_eq!(until, [("No packets", Some(at(9900))), ("Room reconnecting", None)]);
}

#[test]
fn the_same_trouble_over_and_over_is_told_once() {
    let failed =
        |ms| (ms, Fact::ToolFailed { tool: "sendDigits".to_owned(), detail: "no such key".to_owned() });
    let facts = [ANSWERED, failed(4000), (5000, Fact::RoomReconnecting), failed(6000), failed(9000)];
    let findings = Findings::of(&[attempt(facts, Some(answered(EndReason::CalleeHangup, |_| ())))]);
    let told: Vec<_> = findings.wrong.iter().map(|it| (it.what.as_str(), it.at, it.times)).collect();
    assert_eq!(told, [("Tool failed", at(4000), 3), ("Room reconnecting", at(5000), 1)]);
    assert!(findings.what_went_wrong().starts_with("Tool failed (3 times): sendDigits: no such key. "));
}

#[test]
fn a_bad_line_and_holes_are_trouble_though_no_fact_says_so() {
    let outcome = answered(EndReason::Transferred, |outcome| {
        (outcome.mos, outcome.loss_percent, outcome.jitter_ms) = (Some(3.1), Some(18.2), Some(20.0));
    });
    let lossy = second(|second| second.trunk_to_room = HopSecond { lost: 9, ..HopSecond::default() });
    let hole = second(|second| second.queue_to_room = HopSecond { concealed: 30, ..HopSecond::default() });
    let findings = Findings::of(&[attempt([ANSWERED, (2900, lossy), (3900, hole)], Some(outcome))]);
    let told: Vec<_> = findings.wrong.iter().map(|it| (it.what.as_str(), it.at)).collect();
    assert_eq!(told, [("Bad line", at(2900)), ("Holes in the agent's speech", at(3900))]);
    assert!(findings.wrong[0].detail.starts_with("18.2 % of the callee's packets were lost"));
}

#[test]
fn all_attempts_are_one_story() {
    let failed = not_talked(OutcomeKind::Failed, Reason::AgentAccount, None, "HTTP 402", 1);
    let first = attempt([(500, Fact::AgentCreateFailed { detail: "HTTP 402".to_owned() })], Some(failed));
    let mut good = answered(EndReason::AgentHangup, |_| ());
    good.attempt = 2;
    let second = attempt([(8000, Fact::Answered { after_ms: 900 })], Some(good));
    let findings = Findings::of(&[first, second]);
    assert_eq!(findings.tone, Tone::Mixed);
    assert_eq!(findings.verdict, "Answered at attempt 2, 24.3 s on the line; nothing went wrong.");
    assert!(
        findings
            .why_it_ended
            .starts_with("Attempt 1: Failed, agent-account: HTTP 402. Attempt 2: The agent said goodbye")
    );
    assert_eq!(findings.wrong[0].to_do, Reason::AgentAccount.meaning().to_do);
    assert!(findings.figures.iter().any(|it| it.name == "attempts" && it.value == "2"));
}

#[test]
fn what_has_not_ended_or_not_begun_is_shown_as_far_as_it_came() {
    let findings = Findings::of(&[]);
    assert_eq!(
        (findings.tone, findings.verdict.as_str()),
        (Tone::Open, "Nobody has taken this call up yet.")
    );
    let rings = attempt([(0, Fact::DialClaimed), (300, Fact::Ringing { after_ms: 100 })], None);
    let findings = Findings::of(&[rings]);
    assert_eq!(findings.verdict, "Not ended yet: the last that is known is \"ringing\".");
    assert_eq!(findings.both_heard, "Nobody has answered yet.");
    let talks = second(|second| {
        second.room_to_agent = HopSecond { frames: 50, silent: 10, ..HopSecond::default() };
        second.queue_to_room = HopSecond { frames: 50, silent: 25, ..HopSecond::default() };
    });
    let findings = Findings::of(&[attempt([ANSWERED, (2900, talks)], None)]);
    assert_eq!(
        findings.both_heard,
        "Yes: 0.8 s of the callee went to the agent, 0.5 s of the agent to the callee."
    );
}

#[test]
fn waits_follow_each_other_without_a_gap_and_what_is_missing_is_left_out() {
    let dialing = |ms| {
        let to = calls::phone::PhoneNumber::parse("+5511987654321").unwrap().masked();
        (ms, Fact::Dialing { to, trunk: "ST_1".to_owned(), ring_seconds: 20 })
    };
    let job = |ms| (ms, Fact::JobTaken { country: "BR".to_owned(), to: None, room: "room".to_owned() });
    let facts =
        [(200, Fact::AttemptClaimed { attempt: 1, waited_ms: None }), job(3200), dialing(3700), ANSWERED];
    let mut attempt = attempt(facts, None);
    attempt.facts[3].0 = at(5000);
    let shown: Vec<_> = phases(Some(at(0)), &attempt).iter().map(|it| (it.name, it.seconds)).collect();
    let wanted = [("message waits", 0.2), ("task starts", 3.0), ("room and agent", 0.5), ("ringing", 1.3)];
    assert_eq!(shown, wanted);
    // As ECS tells of it, when the task has stopped.
    let told = TaskPhases { provisioning_ms: Some(1000), pull_ms: Some(1500), process_ms: Some(100) };
    attempt.facts.push((at(9000), Fact::TaskPhases(told)));
    let shown: Vec<_> = phases(Some(at(0)), &attempt)[1..4].iter().map(|it| (it.name, it.seconds)).collect();
    assert_eq!(shown, [("finding a place", 1.0), ("pulling the image", 1.5), ("task starts", 0.5)]);
    assert!(phases(None, &Attempt::default()).is_empty());
}

#[test]
fn attempts_are_paid_for_together_and_a_bill_wins() {
    let cost = |total| Cost { currency: "USD".to_owned(), total, lines: Vec::new() };
    let mut failed = not_talked(OutcomeKind::Failed, Reason::AgentBusy, None, "HTTP 429", 1);
    failed.cost = Some(cost(0.01));
    let mut good = answered(EndReason::AgentHangup, |outcome| outcome.cost = Some(cost(0.05)));
    good.attempt = 2;
    let second =
        attempt([ANSWERED, (30_000, Fact::Cost(cost(0.05))), (90_000, Fact::Cost(cost(0.0625)))], Some(good));
    let findings = Findings::of(&[attempt([], Some(failed)), second]);
    assert!(findings.figures.iter().any(|it| it.name == "cost" && it.value == "0.0725 USD"), "{findings:#?}");
}

/// Machines read what people read: no fact is in a lane of its own making, and a trouble has its remedy.
#[test]
fn every_lane_has_its_name_and_every_trouble_its_remedy() {
    let names: std::collections::BTreeSet<_> = Lane::ALL.map(Lane::as_str).into();
    assert_eq!(names.len(), Lane::ALL.len());
    for fact in [
        Fact::NoPackets { after_answer_ms: 1 },
        Fact::OneWayAudio { after_answer_ms: 1 },
        Fact::DuplicateMessage,
    ] {
        assert!(
            matches!(entry(&fact).bearing, Bearing::Trouble(Some(to_do)) if !to_do.is_empty()),
            "{fact:?}"
        );
    }
    let key = entry(&Fact::Dtmf { digit: "5".to_owned() });
    assert!(!format!("{key:?}").contains('5'), "{key:?}");
}
