//! What would become of a letter that goes back. The call folder is asked first: a call that may have rung is never
//! sent back. Then the router's own state machine, with the folder as it stands; at the queue's other end it
//! decides again, by its claims.

use std::sync::Arc;

use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Outcome, OutcomeKind};
use calls::profile::Profiles;
use calls::routing::{Claim, Delivery, Effect, Folder, Input, Policy, Routing, Verdict};
use calls::trigger::Refusal;
use cloud::call_folder::{AttemptStanding, Standing};
use jiff::Timestamp;

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This attempt is made.
    Attempt(AttemptId),
    /// It comes back as a letter, for this.
    Refused(Refusal),
    /// It must not or need not go back, for this reason.
    Stays(String),
}

/// Of the call `key`, with this body and the attempt that the letter names.
pub fn of(
    key: &CallKey,
    body: &str,
    attempt: Option<&str>,
    standing: &Standing,
    profiles: &Arc<Profiles>,
) -> Fate {
    if let Some(why) = standing.attempts.iter().find_map(may_have_rung) {
        return Fate::Stays(why);
    }
    let now = Timestamp::now();
    let delivery = Delivery {
        // It will get a new one.
        message_id: String::new(),
        body: body.as_bytes().to_owned(),
        call_key: Some(key.to_string()),
        attempt: attempt.map(str::to_owned),
        put_back: None,
        receive_count: 1,
        sent_at: now,
    };
    let mut routing = Routing::new(delivery, Policy::default(), now);
    while let Some(effect) = routing.poll_effect() {
        let answer = match effect {
            Effect::LoadFolder(asked) if asked == *key => Input::Folder(Ok(Folder::from(standing))),
            // Not this call's: the router would dial it as one of its own.
            Effect::LoadFolder(_) => {
                let why =
                    "its body is not the one that its call was made of, so it would become another call";
                return Fate::Stays(why.to_owned());
            }
            // It may have to wait; what becomes of it all the same?
            Effect::LoadProfiles { .. } => Input::Profiles(Ok(Arc::new(profiles.without_limits()))),
            Effect::PutOpen(_) => Input::Stored(Ok(())),
            Effect::PutMessage(..) => Input::Claimed(Claim::Ours),
            Effect::PutJob { attempt, .. } | Effect::Launch(attempt) => return Fate::Attempt(attempt),
            Effect::SendDeadLetter(letter) => return Fate::Refused(letter.refusal),
            Effect::TakeDial(_, ending) => {
                return Fate::Stays(format!(
                    "it would be given up: {}",
                    ending.detail.as_deref().unwrap_or("too late")
                ));
            }
            Effect::Finish(Verdict::Done) => return Fate::Stays(nothing_to_do(standing)),
            Effect::Finish(Verdict::Retry(detail)) => {
                return Fate::Stays(format!("it would only wait: {detail}"));
            }
            _ => continue,
        };
        routing.handle(answer);
    }
    Fate::Stays("the router would come to no decision".to_owned())
}

/// Why nobody may be called for this any more, if that is so.
fn may_have_rung(attempt: &AttemptStanding) -> Option<String> {
    let number = attempt.number;
    if let Some(outcome) = &attempt.outcome {
        let allows_another = outcome.retryable || outcome.outcome == OutcomeKind::Deferred;
        return (!allows_another).then(|| format!("attempt {number} was the call: {}", in_words(outcome)));
    }
    let dial = attempt.dial.as_ref()?;
    let is_a_tasks = dial.decision.is_none() && dial.failed_before_dial.is_none();
    is_a_tasks.then(|| {
        format!(
            "attempt {number} may have rung: its task took the permission to dial and has told no outcome"
        )
    })
}

/// Why the router would only acknowledge it.
fn nothing_to_do(standing: &Standing) -> String {
    match standing.last_attempt() {
        Some(last) if last.outcome.is_none() && last.launched.is_some() => {
            format!("attempt {} is under way", last.number)
        }
        Some(last) => format!("attempt {} is being settled", last.number),
        None => "the call is taken care of".to_owned(),
    }
}

/// `failed (trunk-error)`.
pub fn in_words(outcome: &Outcome) -> String {
    let why = outcome.reason.as_deref().or(outcome.end_reason.map(|reason| reason.as_str()));
    why.map_or(outcome.outcome.to_string(), |why| format!("{} ({why})", outcome.outcome))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::Nonce;
    use calls::outcome::Ending;
    use calls::profile::CountryProfile;
    use cloud::call_folder::documents::{Decision, DialClaim, Follow, Message, V};

    use super::*;

    const BODY: &str = r#"{"messageType":"TRIGGER_CALL","id":"i","metadata":{"phoneNumbers":[{"number":"+5511987654321"}],
        "subject":{"prompt":{"text":"Hi"}}}}"#;

    fn profiles() -> Arc<Profiles> {
        let text = r#"{"v":1,"country":"BR","agent":{"voice":"v"},
            "livekit":{"url":"wss://lk.example","trunkId":"ST_1","callerId":"+551130000000"}}"#;
        Arc::new(Profiles::new([CountryProfile::from_json(text)]).unwrap())
    }

    fn key() -> CallKey {
        CallKey::from_ids(None, None, "i")
    }

    fn outcome(kind: OutcomeKind, retryable: bool) -> Outcome {
        let ending = Ending { retryable, ..Ending::of(kind) };
        Outcome::new(ending, 1, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, "0")
    }

    fn dial() -> DialClaim {
        DialClaim {
            v: V,
            owner: Nonce("0".to_owned()),
            task: "t".to_owned(),
            room: None,
            callee_identity: None,
            agent_call_id: None,
            invite_by: Timestamp::UNIX_EPOCH,
            deadline: Timestamp::UNIX_EPOCH,
            failed_before_dial: None,
            decision: None,
        }
    }

    fn standing(body: &str, attempts: Vec<AttemptStanding>) -> Standing {
        let message = Message {
            v: V,
            owner: Nonce("0".to_owned()),
            sqs_message_id: Some("m-1".to_owned()),
            since: Timestamp::UNIX_EPOCH,
            body: body.to_owned(),
            attributes: std::collections::BTreeMap::new(),
        };
        Standing { message: Some(message), attempts }
    }

    fn fate(attempt: &str, attempts: Vec<AttemptStanding>) -> Fate {
        of(&key(), BODY, Some(attempt), &standing(BODY, attempts), &profiles())
    }

    fn stays(fate: &Fate, why: &str) {
        let Fate::Stays(said) = fate else { panic!("{fate:?}") };
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn what_was_refused_is_looked_at_anew() {
        let nothing = Standing::default();
        let dialed = of(&key(), BODY, Some("1"), &nothing, &profiles());
        assert_eq!(dialed, Fate::Attempt(AttemptId::new(key(), 1)));
        let unserved = of(&key(), BODY, Some("1"), &nothing, &Arc::default());
        assert!(matches!(unserved, Fate::Refused(_)), "{unserved:?}");
        let not_json = of(&key(), "no json", None, &nothing, &profiles());
        assert!(matches!(not_json, Fate::Refused(_)), "{not_json:?}");
    }

    #[test]
    fn what_never_dialed_gets_its_next_attempt() {
        let given_up = DialClaim {
            decision: Some(Decision {
                outcome: outcome(OutcomeKind::Failed, true),
                next: Follow::DeadLetter,
            }),
            ..dial()
        };
        let settled = AttemptStanding {
            number: 1,
            dial: Some(given_up.clone()),
            outcome: Some(outcome(OutcomeKind::Failed, true)),
            ..AttemptStanding::default()
        };
        assert_eq!(fate("2", vec![settled.clone()]), Fate::Attempt(AttemptId::new(key(), 2)));
        let half_settled = AttemptStanding { outcome: None, ..settled };
        stays(&fate("2", vec![half_settled]), "it would only wait");
    }

    #[test]
    fn what_may_have_rung_stays() {
        let rang = |attempt: AttemptStanding| AttemptStanding { number: 1, ..attempt };
        let claimed = rang(AttemptStanding { dial: Some(dial()), ..AttemptStanding::default() });
        stays(&fate("2", vec![claimed]), "may have rung");
        for kind in [OutcomeKind::Answered, OutcomeKind::NotAnswered, OutcomeKind::Unknown] {
            let over = rang(AttemptStanding {
                dial: Some(dial()),
                outcome: Some(outcome(kind, false)),
                ..AttemptStanding::default()
            });
            for attempt in ["1", "2", "7"] {
                stays(&fate(attempt, vec![over.clone()]), "was the call");
            }
        }
        let no_invite_left = rang(AttemptStanding {
            dial: Some(dial()),
            outcome: Some(outcome(OutcomeKind::Failed, true)),
            ..AttemptStanding::default()
        });
        assert_eq!(fate("2", vec![no_invite_left.clone()]), Fate::Attempt(AttemptId::new(key(), 2)));
        stays(&fate("1", vec![no_invite_left]), "attempt 1 is being settled");
    }

    #[test]
    fn a_letter_whose_call_was_made_of_another_body_stays() {
        let key: CallKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let without_id = BODY.replace(r#""id":"i","#, "");
        let other = standing("another body", Vec::new());
        stays(&of(&key, &without_id, Some("1"), &other, &profiles()), "another call");
        let same = standing(&without_id, Vec::new());
        let fate = of(&key, &without_id, Some("1"), &same, &profiles());
        assert_eq!(fate, Fate::Attempt(AttemptId::new(key, 1)));
    }
}
