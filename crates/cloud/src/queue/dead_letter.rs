//! What stands on a dead letter beside its untouched body, and on the message that it becomes again.

use calls::ids::CallKey;
use calls::routing::DeadLetter;
use jiff::Timestamp;

use super::Received;
use super::again::PUT_BACK;
use super::attributes::{Attribute, that_fit};

/// What a letter says about its refusal. It is of no use on a message that goes back, which may carry ten only.
const OF_THE_REFUSAL: [&str; 6] =
    ["RefusalCode", "RefusalDetail", "RefusalPath", "RefusedAt", "RefusedBy", "CallId"];

/// The attributes of a dead letter, the most telling first: ours, then as many of the message's own as SQS
/// takes. `version` is this program's. A letter never fails for its attributes: what does not fit is left out.
pub fn attributes(
    letter: &DeadLetter,
    own: Vec<Attribute>,
    body_bytes: usize,
    at: Timestamp,
    version: &str,
) -> Vec<Attribute> {
    let ours = [
        ("RefusalCode", letter.refusal.code.as_str()),
        ("OcgCallKey", letter.attempt.key.as_str()),
        ("OcgAttempt", &letter.attempt.number.to_string()),
        ("OriginalMessageId", &letter.original_message_id),
        ("RefusedAt", &at.to_string()),
        ("RefusalPath", letter.refusal.path.as_deref().unwrap_or_default()),
        ("CallId", letter.call_id.as_deref().unwrap_or_default()),
        ("RefusalDetail", &letter.refusal.detail),
        ("RefusedBy", version),
    ];
    // A letter that was redriven and refused again has ours already, of the last time.
    let names = ours.map(|(name, _)| name);
    let is_ours = |name: &str| names.contains(&name) || name == PUT_BACK;
    let foreign = own.into_iter().filter(|attribute| !is_ours(&attribute.name));
    let ours: Vec<Attribute> = ours.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
    that_fit(ours.into_iter().chain(foreign), body_bytes)
}

/// The attributes of a dead letter that goes back to where it came from, with a body of this size: the call that it
/// is (`call`; the attempt is copied, never computed, see the contract of the call folder), where it comes from, then
/// as many of the message's own as SQS takes.
///
/// # Errors
/// When the body leaves no room for the call's identity: without it the message might be taken for another call.
pub fn put_back(letter: &Received, call: &CallKey, body_bytes: usize) -> Result<Vec<Attribute>, NoRoom> {
    let original = letter.text("OriginalMessageId").unwrap_or(&letter.message_id);
    let identity =
        [("OcgCallKey", call.as_str()), ("OcgAttempt", letter.text("OcgAttempt").unwrap_or_default())];
    let provenance = [
        ("OriginalMessageId", original),
        ("RedrivenFrom", &letter.message_id),
        ("RedrivenReason", letter.text("RefusalCode").unwrap_or_default()),
    ];
    let made = |texts: &[(&str, &str)]| -> Vec<Attribute> {
        texts.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect()
    };
    let (identity, provenance) = (made(&identity), made(&provenance));
    let is_ours = |name: &str| {
        let ours = ["OcgCallKey", "OcgAttempt", "OriginalMessageId", "RedrivenFrom", "RedrivenReason"];
        ours.contains(&name) || OF_THE_REFUSAL.contains(&name) || name == PUT_BACK
    };
    let mut foreign: Vec<Attribute> =
        letter.attributes.iter().filter(|attribute| !is_ours(&attribute.name)).cloned().collect();
    // In which order they came is chance.
    foreign.sort_by(|one, other| one.name.cmp(&other.name));
    let wanted = identity.iter().cloned().chain(provenance).chain(foreign);
    let fitting = that_fit(wanted, body_bytes);
    if fitting.starts_with(&identity) { Ok(fitting) } else { Err(NoRoom) }
}

/// A body so long that nothing fits beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is so long that the call's identity does not fit beside it")]
pub struct NoRoom;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::{AttemptId, CallKey};
    use calls::trigger::{Refusal, RefusalCode};

    use super::super::attributes::{Content, LONGEST_MESSAGE, MOST};
    use super::*;

    fn letter(detail: &str) -> DeadLetter {
        DeadLetter {
            refusal: Refusal::new(
                RefusalCode::BadField,
                detail,
                Some("metadata.phoneNumbers[0].order".into()),
            ),
            attempt: AttemptId::new(CallKey::from_ids(None, None, "x"), 1),
            original_message_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            call_id: None,
            tracking: None,
        }
    }

    fn own(name: &str) -> Attribute {
        Attribute::text(name, "theirs").unwrap()
    }

    #[test]
    fn it_tells_why_and_whose_it_is_and_keeps_what_else_fits() {
        // Put back before it was refused: its letter continues the call, whatever was put back since.
        let theirs = ["RefusalCode", "CallId", PUT_BACK, "trace", "tenant", "third"].map(own).to_vec();
        let attributes = attributes(&letter("no integer"), theirs, 500, Timestamp::UNIX_EPOCH, "0.1.0");
        let names: Vec<_> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        let wanted = [
            "RefusalCode",
            "OcgCallKey",
            "OcgAttempt",
            "OriginalMessageId",
            "RefusedAt",
            "RefusalPath",
            "RefusalDetail",
            "RefusedBy",
            "trace",
            "tenant",
        ];
        assert_eq!(names, wanted);
        assert_eq!(attributes.len(), MOST);
        assert_eq!(attributes[0].content, Content::Text("bad_field".to_owned()));
        assert_eq!(attributes[4].content, Content::Text("1970-01-01T00:00:00Z".to_owned()));
    }

    #[test]
    fn beside_a_body_as_long_as_can_be_the_code_goes_before_the_rest() {
        let all = attributes(&letter("d"), vec![own("trace")], LONGEST_MESSAGE, Timestamp::UNIX_EPOCH, "0");
        assert_eq!(all, []);
        let some = attributes(
            &letter(&"d".repeat(500)),
            Vec::new(),
            LONGEST_MESSAGE - 120,
            Timestamp::UNIX_EPOCH,
            "0",
        );
        assert_eq!(some[0].name, "RefusalCode");
        assert!(some.iter().map(Attribute::size).sum::<usize>() <= 120);
    }

    fn named(attributes: &[Attribute]) -> Vec<(&str, &str)> {
        attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.as_text().unwrap())).collect()
    }

    #[test]
    fn what_goes_back_is_the_same_call_and_says_where_it_was() {
        let mut sent =
            attributes(&letter("no integer"), vec![own("trace")], 500, Timestamp::UNIX_EPOCH, "0.1.0");
        // On what the queue itself moved there it still stands.
        sent.push(own(PUT_BACK));
        let letter = Received { message_id: "letter-1".to_owned(), attributes: sent, ..Received::default() };
        let key = CallKey::from_ids(None, None, "x");
        let wanted = [
            ("OcgCallKey", key.as_str()),
            ("OcgAttempt", "1"),
            ("OriginalMessageId", "11111111-2222-3333-4444-555555555555"),
            ("RedrivenFrom", "letter-1"),
            ("RedrivenReason", "bad_field"),
            ("trace", "theirs"),
        ];
        let back = put_back(&letter, &key, 500).unwrap();
        assert_eq!(named(&back), wanted);
        let again = Received { message_id: "letter-2".to_owned(), attributes: back, ..Received::default() };
        assert_eq!(named(&put_back(&again, &key, 500).unwrap())[3], ("RedrivenFrom", "letter-2"));
    }

    #[test]
    fn a_letter_without_a_reason_gets_its_identity_and_no_attempt() {
        let many = (0..12).map(|n| own(&format!("t{n:02}"))).collect();
        let letter = Received { message_id: "m-1".to_owned(), attributes: many, ..Received::default() };
        let back = put_back(&letter, &CallKey::from_sqs_message("m-1"), 500).unwrap();
        let names: Vec<_> = back.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names[..4], ["OcgCallKey", "OriginalMessageId", "RedrivenFrom", "t00"]);
        assert_eq!(names.len(), MOST);
    }

    #[test]
    fn nothing_goes_back_without_its_identity() {
        let attributes = vec![Attribute::text("OcgAttempt", "2").unwrap()];
        let letter = Received { attributes, ..Received::default() };
        let key = CallKey::from_ids(None, None, "x");
        assert_eq!(put_back(&letter, &key, LONGEST_MESSAGE - 20), Err(NoRoom));
        assert_eq!(put_back(&letter, &key, LONGEST_MESSAGE - 50), Err(NoRoom), "the attempt does not fit");
    }
}
