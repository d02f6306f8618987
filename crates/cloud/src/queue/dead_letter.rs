//! What stands on a dead letter beside its untouched body.

use calls::routing::DeadLetter;
use jiff::Timestamp;

use super::attributes::{Attribute, that_fit};

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
    let foreign = own.into_iter().filter(|attribute| !names.contains(&attribute.name.as_str()));
    let ours: Vec<Attribute> = ours.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
    that_fit(ours.into_iter().chain(foreign), body_bytes)
}

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
        let theirs = vec![own("RefusalCode"), own("CallId"), own("trace"), own("tenant"), own("third")];
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
}
