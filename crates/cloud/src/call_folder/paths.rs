//! Where each document lies. No date in any path that is a claim: a redelivery after midnight must
//! find the same folder.

use calls::ids::{AttemptId, CallKey, Nonce};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use object_store::path::Path;

/// `open/`
pub fn open_folder() -> Path {
    Path::from("open")
}

/// `open/<key>-a<n>`
pub fn open(attempt: &AttemptId) -> Path {
    open_folder().join(attempt.to_string())
}

/// `pace/`
pub fn pace_folder() -> Path {
    Path::from("pace")
}

/// `pace/<CC>/`
pub fn pace_of(country: &str) -> Path {
    pace_folder().join(country)
}

/// `pace/<CC>/<key>-a<n>-<nonce6>`
pub fn place(country: &str, attempt: &AttemptId, nonce: &Nonce) -> Path {
    pace_of(country).join(format!("{attempt}-{}", nonce.short()))
}

/// `calls/<key>/`
pub fn call_folder(key: &CallKey) -> Path {
    Path::from("calls").join(key.as_str())
}

/// `calls/<key>/message.json`
pub fn message(key: &CallKey) -> Path {
    call_folder(key).join("message.json")
}

/// `calls/<key>/a<n>/`
pub fn attempt_folder(attempt: &AttemptId) -> Path {
    call_folder(&attempt.key).join(format!("a{}", attempt.number))
}

/// `calls/<key>/a<n>/job.json`
pub fn job(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("job.json")
}

/// `calls/<key>/a<n>/launched.json`
pub fn launched(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("launched.json")
}

/// `calls/<key>/a<n>/dial.json`
pub fn dial(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("dial.json")
}

/// `calls/<key>/a<n>/outcome.json`
pub fn outcome(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("outcome.json")
}

/// `calls/<key>/a<n>/next.json`
pub fn next(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("next.json")
}

/// `calls/<key>/a<n>/back/`
pub fn back_folder(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("back")
}

/// `calls/<key>/a<n>/back/n<nth>-<sqs message id>.json`: the call's `nth` put-back was sent instead of that message. What
/// a path cannot carry is percent-encoded.
pub fn back(attempt: &AttemptId, nth: u32, sqs_message_id: &str) -> Path {
    back_folder(attempt).join(format!("n{nth}-{sqs_message_id}.json"))
}

/// What [`back`] made a file's name of. A name without a number tells of that message alone.
pub fn read_back(file: &str) -> Option<(u32, &str)> {
    let name = file.strip_suffix(".json")?;
    let numbered = name.strip_prefix('n').and_then(|rest| rest.split_once('-'));
    Some(numbered.and_then(|(nth, id)| Some((nth.parse().ok()?, id))).unwrap_or((0, name)))
}

/// `calls/<key>/a<n>/facts/`
pub fn facts_folder(attempt: &AttemptId) -> Path {
    attempt_folder(attempt).join("facts")
}

/// `calls/<key>/a<n>/facts/<owner6>-<nnnn>.jsonl`
pub fn facts_segment(attempt: &AttemptId, owner: &Nonce, number: u32) -> Path {
    facts_folder(attempt).join(format!("{}-{number:04}.jsonl", owner.short()))
}

/// `calls/<key>/a<n>/<file>`: a recording.
pub fn recording(attempt: &AttemptId, file: &str) -> Path {
    attempt_folder(attempt).join(file)
}

/// `by-day/<yyyy-mm-dd>/`
pub fn day_folder(day: Date) -> Path {
    Path::from("by-day").join(day.strftime("%Y-%m-%d").to_string())
}

/// `by-day/<yyyy-mm-dd>/<hhmmss>-<key>.json`, in UTC. Never a claim.
pub fn by_day(key: &CallKey, at: Timestamp) -> Path {
    let utc = at.to_zoned(TimeZone::UTC);
    day_folder(utc.date()).join(format!("{}-{key}.json", utc.strftime("%H%M%S")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_as_promised() {
        let key: CallKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let attempt = AttemptId::new(key.clone(), 2);
        let folder = "calls/0123456789abcdef0123456789abcdef";
        assert_eq!(open(&attempt).as_ref(), "open/0123456789abcdef0123456789abcdef-a2");
        assert_eq!(message(&key).as_ref(), format!("{folder}/message.json"));
        assert_eq!(dial(&attempt).as_ref(), format!("{folder}/a2/dial.json"));
        let nonce = Nonce("ffeeddccbbaa99887766554433221100".to_owned());
        assert_eq!(
            facts_segment(&attempt, &nonce, 1).as_ref(),
            format!("{folder}/a2/facts/ffeedd-0001.jsonl")
        );
        let at: Timestamp = "2026-07-21T23:59:58.9Z".parse().unwrap();
        assert_eq!(by_day(&key, at).as_ref(), format!("by-day/2026-07-21/235958-{key}.json"));
    }

    #[test]
    fn a_put_back_is_read_as_it_was_noted() {
        let attempt = AttemptId::new("0123456789abcdef0123456789abcdef".parse().unwrap(), 1);
        let path = back(&attempt, 12, "4c0e7f1a-0b5d");
        assert_eq!(read_back(path.filename().unwrap()), Some((12, "4c0e7f1a-0b5d")));
        assert_eq!(read_back("12345678-0b5d.json"), Some((0, "12345678-0b5d")), "no number of ours");
        assert_eq!(read_back("n12345678.json"), Some((0, "n12345678")));
        assert_eq!(read_back("n1-x"), None);
    }

    #[test]
    fn a_hostile_message_id_stays_in_its_folder() {
        let key: CallKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let attempt = AttemptId::new(key, 1);
        let path = back(&attempt, 1, "../../x/y");
        assert_eq!(path.parts_count(), back_folder(&attempt).parts_count() + 1);
        assert!(path.prefix_matches(&back_folder(&attempt)));
    }
}
