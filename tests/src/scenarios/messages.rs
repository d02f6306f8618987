//! Messages that become dead letters, beside those that become calls.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::Message;

use crate::cloud::{Cloud, Sent};
use crate::person;

/// A text on a dead letter.
pub fn attribute<'a>(letter: &'a Message, name: &str) -> Option<&'a str> {
    letter.message_attributes.as_ref()?.get(name)?.string_value()
}

/// Refused at once, body untouched, upstream told.
pub async fn what_can_never_work_is_a_dead_letter_with_its_reason(cloud: &Cloud) -> Result<()> {
    let nowhere = cloud.call_to_number("+99912345678901");
    let unserved = cloud.call_to_number("+81312345678");
    let not_json = format!("not json {}", nowhere.id);
    let number = Some("metadata.phoneNumbers[0].number");
    let refused = [
        (&not_json, "not_json", None),
        (&nowhere.body, "invalid_phone_number", number),
        (&unserved.body, "no_profile_for_prefix", number),
    ];
    for (body, ..) in &refused {
        cloud.send(body).await?;
    }
    let letters = cloud.dead_letters(&refused.map(|(body, ..)| body.as_str())).await?;
    for (body, code, path) in refused {
        let letter = letters.iter().find(|letter| letter.body() == Some(body)).context("body touched")?;
        ensure!(attribute(letter, "RefusalCode") == Some(code), "{letter:#?}");
        ensure!(attribute(letter, "RefusalPath") == path, "{letter:#?}");
        let known = ["RefusalDetail", "RefusedAt", "OriginalMessageId", "OcgCallKey", "OcgAttempt"];
        ensure!(known.iter().all(|name| attribute(letter, name).is_some()), "{letter:#?}");
    }
    ensure!(!unserved.is_claimed().await?, "a refusal leaves no claim");
    let told = cloud.history(&unserved, 1).await?;
    ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
    Ok(())
}

/// Seven calls and three refusals, sent together.
pub async fn good_and_bad_messages_do_not_touch_each_other(cloud: &Cloud) -> Result<()> {
    let mut good = Vec::new();
    for _ in 0..7 {
        good.push(cloud.call_to(person::busy()).await?);
    }
    let refused = ["one", "two", "three"].map(|word| format!("not json {word} {}", good[0].id));
    let mut bodies: Vec<String> = good.iter().map(|call| call.body.clone()).collect();
    bodies.extend(refused.clone());
    cloud.send_together(&bodies).await?;
    cloud.dead_letters(&refused.each_ref().map(String::as_str)).await?;
    for call in &good {
        call.outcome().await?;
        call.rang_once().await?;
    }
    cloud.queue_is_empty().await
}

/// A message whose second delivery was its last: a dead letter that says why, an outcome, nothing open.
pub async fn is_given_up_with(cloud: &Cloud, call: &Sent<'_>, why: &str) -> Result<()> {
    let letters = cloud.dead_letters(&[&call.body]).await?;
    ensure!(attribute(&letters[0], "RefusalCode") == Some("receives_exhausted"), "{letters:#?}");
    let detail = attribute(&letters[0], "RefusalDetail").unwrap_or_default();
    ensure!(detail.contains("delivery 2") && detail.contains(why), "{detail}");
    ensure!(attribute(&letters[0], "OcgAttempt") == Some("2"), "{letters:#?}");
    let outcome = call.outcome().await?;
    ensure!(outcome.reason.as_deref() == Some("refused"), "{outcome:#?}");
    let told = cloud.history(call, 1).await?;
    ensure!(told[0]["metadata"]["status"] == "SIP_CALL_FAILED", "{told:#?}");
    let open = cloud.folders.open_attempts().await?;
    ensure!(!open.contains(&call.attempt) && call.dials().await?.is_empty(), "{open:?}");
    cloud.queue_is_empty().await
}
