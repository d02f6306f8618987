//! The examples are what the documentation says they are.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use calls::ids::CallKey;
use calls::plan::{CallPlan, NoPlan, plan};
use calls::profile::{CountryProfile, Profiles};
use calls::trigger::{Refusal, TriggerCall};

fn example(path: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn profiles() -> Profiles {
    let read = ["profiles/br.json", "profiles/cl.json"]
        .map(|path| CountryProfile::from_json(&String::from_utf8(example(path)).unwrap()));
    let profiles = Profiles::new(read).unwrap();
    assert_eq!(profiles.broken(), []);
    profiles
}

fn planned(path: &str) -> Result<CallPlan, Refusal> {
    let trigger = TriggerCall::read(&example(path)).map_err(|unusable| unusable.refusal)?;
    plan(&trigger, &profiles(), &CallKey::from_sqs_message("m")).map_err(|no_plan| match no_plan {
        NoPlan::Refused(refusal) => refusal,
        NoPlan::BrokenProfile { detail } => panic!("{detail}"),
    })
}

#[test]
fn the_good_messages_are_dialed_in_their_country() {
    for (path, country, number, id) in [
        ("messages/br-appointment.json", "BR", "+5511912345678", "demo-call-br-0001"),
        ("messages/cl-delivery.json", "CL", "+56912345678", "demo-cl-0001"),
    ] {
        let plan = planned(path).unwrap();
        let calls::plan::Leg::Outbound { to } = &plan.leg else { panic!("an outbound call") };
        assert_eq!(
            (plan.profile.country.as_str(), to.as_e164(), plan.call_id.as_str()),
            (country, number, id)
        );
        assert!(plan.greeting_message.is_some());
    }
}

#[test]
fn the_broken_messages_say_what_is_wrong() {
    for (path, code, fault) in [
        ("messages/not-json.json", "not_json", None),
        ("messages/no-prompt.json", "missing_prompt", Some("metadata.subject.prompt.text")),
        ("messages/bad-order.json", "bad_field", Some("metadata.phoneNumbers[1].order")),
        ("messages/unknown-prefix.json", "no_profile_for_prefix", Some("metadata.phoneNumbers[0].number")),
    ] {
        let refusal = planned(path).unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.path.as_deref()), (code, fault), "{path}");
    }
}
