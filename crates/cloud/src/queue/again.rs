//! A call's message that goes back to the queue by our own doing.

use std::time::Duration;

use calls::ids::AttemptId;

use super::attributes::{Attribute, that_fit};
use super::{NotSent, Queue};

/// Which put-back of its call a message is. None but a put-back has it: a dead letter, or what a person sends back, is
/// never overtaken by another.
pub(super) const PUT_BACK: &str = "OcgPutBack";

impl Queue {
    /// Sends a call's message again, for this attempt, not before `delay` is over. Its own attributes stay behind but for
    /// the one that says in which trace it is (`trace`: W3C `traceparent`); a
    /// body that leaves no room for ours does, too: the call's key finds it in its folder (contract: call folder,
    /// "Identity").
    ///
    /// # Errors
    /// When the queue does not acknowledge it. It may have got there all the same; the claims bear that.
    pub async fn send_again(
        &self,
        attempt: &AttemptId,
        body: &str,
        delay: Duration,
        trace: Option<&str>,
    ) -> Result<String, NotSent> {
        let (body, attributes) = again(attempt, None, body, trace);
        self.send_later(body, &attributes, delay).await
    }

    /// As [`send_again`](Self::send_again), of a message in hand whose call may not begin yet: the call's `nth` put-back.
    ///
    /// # Errors
    /// As [`send_again`](Self::send_again).
    pub async fn put_back(
        &self,
        attempt: &AttemptId,
        nth: u32,
        body: &str,
        delay: Duration,
        trace: Option<&str>,
    ) -> Result<String, NotSent> {
        let (body, attributes) = again(attempt, Some(nth), body, trace);
        self.send_later(body, &attributes, delay).await
    }
}

fn again<'a>(
    attempt: &'a AttemptId,
    put_back: Option<u32>,
    body: &'a str,
    trace: Option<&str>,
) -> (&'a str, Vec<Attribute>) {
    let ours = [
        ("OcgCallKey", attempt.key.as_str()),
        ("OcgAttempt", &attempt.number.to_string()),
        (PUT_BACK, &put_back.map(|nth| nth.to_string()).unwrap_or_default()),
        ("traceparent", trace.unwrap_or_default()),
    ];
    let ours: Vec<Attribute> = ours.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
    let fitting = that_fit(ours.clone(), body.len());
    if fitting == ours { (body, ours) } else { (attempt.key.as_str(), ours) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::CallKey;

    use super::super::attributes::LONGEST_MESSAGE;
    use super::*;

    #[test]
    fn it_says_whose_it_is_and_leaves_its_body_behind_only_where_there_is_no_room() {
        let attempt = AttemptId::new(CallKey::from_ids(None, None, "x"), 2);
        let (body, attributes) = again(&attempt, None, "{}", None);
        let named: Vec<_> =
            attributes.iter().map(|one| (one.name.as_str(), one.as_text().unwrap())).collect();
        assert_eq!((body, named), ("{}", vec![("OcgCallKey", attempt.key.as_str()), ("OcgAttempt", "2")]));
        let long = "x".repeat(LONGEST_MESSAGE - 20);
        let (body, attributes) = again(&attempt, Some(7), &long, Some("00-4bf9"));
        assert_eq!((body, attributes.len()), (attempt.key.as_str(), 4));
        assert_eq!((attributes[2].name.as_str(), attributes[2].as_text()), (PUT_BACK, Some("7")));
    }
}
