//! Looked at, and mended.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::cloud::{Cloud, Sent, alone_in_the_cloud};
use tests::person;

use super::{is_gone, is_there, letter, letter_of, text};

const NUMBER: &str = "metadata.phoneNumbers[0].number";

/// A call to somebody whose number was spoilt on the way.
async fn spoilt(cloud: &Cloud) -> Result<Sent<'_>> {
    let mut call = cloud.call_to(person::busy()).await?;
    call.body = call.body.replace(&call.number, "+55 eleven");
    call.send().await
}

#[test]
fn a_refused_message_is_found_looked_at_mended_and_rings_once() {
    alone_in_the_cloud(async |cloud| {
        let call = spoilt(cloud).await?;
        let found = letter_of(cloud, &call).await?;
        ensure!(found["code"] == "invalid_phone_number" && found["path"] == NUMBER, "{found:#}");
        let key = call.attempt.key.as_str();
        ensure!(found["key"] == key && found["attempt"] == 1, "{found:#}");
        let id = text(&found, "id")?;

        // For people: counts first, then a line for it.
        let table = cloud.ocg(&["dlq", "ls", "--code", "invalid_phone_number"]).await?.ends_with(0)?.said;
        ensure!(table.contains("by reason   invalid_phone_number "), "{table}");
        let line =
            table.lines().find(|line| line.trim_start().starts_with(&id[..8])).context("no line for it")?;
        ensure!(line.contains(&call.id) && line.contains(NUMBER), "{line}");

        // Marked, with the reason under it.
        let shown = cloud.ocg(&["dlq", "show", &id[..8]]).await?.ends_with(0)?.said;
        let mut after = shown.lines().skip_while(|line| !line.starts_with("> "));
        let marked = after.next().context("nothing is marked")?;
        ensure!(marked.ends_with("\"number\": \"+55 eleven\""), "{marked}");
        let why = after.next().unwrap_or_default();
        ensure!(why.trim_start().starts_with("^ ") && why.contains("is no phone number"), "{why}");
        ensure!(shown.contains("refused before anything was done"), "{shown}");

        // Wrong again: nothing is sent. Right, but only asked: neither.
        let set = |value: &str| format!("{NUMBER}={value}");
        let wrong = cloud.ocg(&["dlq", "patch", id, "--set", &set("+99912345678901"), "--json"]).await?;
        let wrong = wrong.ends_with(3)?.objects()?;
        ensure!(wrong[0]["code"] == "invalid_phone_number" && wrong[0]["path"] == NUMBER, "{wrong:#?}");
        cloud.ocg(&["dlq", "patch", id, "--set", &set(&call.number), "--dry-run"]).await?.ends_with(0)?;
        is_there(cloud, id).await?;
        ensure!(!call.is_claimed().await?, "it was sent after all");

        let patched = cloud.ocg(&["dlq", "patch", id, "--set", &set(&call.number), "--json"]).await?;
        let patched = patched.ends_with(0)?.objects()?;
        ensure!(patched[0]["result"] == "patched" && patched[0]["key"] == key, "{patched:#?}");
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        call.rang_once().await?;
        is_gone(cloud, id).await?;
        let stored = cloud.folders.look(&call.attempt.key).await?.message.context("no message")?;
        ensure!(stored.attributes.get("RedrivenFrom").map(String::as_str) == Some(id), "{stored:#?}");
        cloud.ocg(&["dlq", "show", id]).await?.ends_with(3)?;
        Ok(())
    });
}

#[test]
fn an_editor_mends_what_is_no_json() {
    alone_in_the_cloud(async |cloud| {
        let mut call = cloud.call_to(person::busy()).await?;
        let right = call.body.clone();
        // A comma too many, as people make it.
        call.body = format!("{},}}", right.strip_suffix('}').context("an object")?);
        let sent = cloud.send(&call.body).await?;
        let found = letter(cloud, "not JSON", |letter| letter["originalMessageId"] == sent).await?;
        let id = text(&found, "id")?;
        let shown = cloud.ocg(&["dlq", "show", id]).await?.ends_with(0)?.said;
        ensure!(shown.contains("^ key must be a string at line 1 column"), "{shown}");
        cloud.ocg(&["dlq", "patch", id, "--set", "a=1"]).await?.ends_with(2)?;

        let with_editor = async |editor: &str| -> Result<i32> {
            let mut ocg = cloud.ocg_command(&["dlq", "patch", id, "--edit"]).await?;
            let path = std::env::temp_dir();
            ocg.env("VISUAL", editor).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TMPDIR", path);
            Ok(ocg.output().await?.status.code().unwrap_or(-1))
        };
        ensure!(with_editor("false").await? == 2, "an editor that was left in anger");
        ensure!(with_editor("true").await? == 3, "an editor that changed nothing");
        ensure!(with_editor("sed -i s/TRIGGER_CALL/x/").await? == 3, "still no JSON");
        let kept = cloud.deployment.dir().join(format!("patched-{}.json", &id[..8]));
        ensure!(std::fs::read_to_string(&kept)?.contains("\"x\""), "what was typed is kept");
        is_there(cloud, id).await?;
        ensure!(with_editor("sed -i s/,}$/}/").await? == 0, "mended");
        // Its id can be read now, so it is the call that upstream meant.
        let outcome = call.outcome().await?;
        ensure!(outcome.reason.as_deref() == Some("busy"), "{outcome:#?}");
        call.rang_once().await?;
        is_gone(cloud, id).await
    });
}

#[test]
fn a_message_is_not_patched_into_another_call() {
    alone_in_the_cloud(async |cloud| {
        let call = spoilt(cloud).await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        let whole: Value = serde_json::from_str(&call.body)?;
        let mut other = whole.clone();
        other["id"] = json!("another");
        other["metadata"]["phoneNumbers"][0]["number"] = json!(call.number);
        let patched =
            cloud.ocg_told(&["dlq", "patch", id, "--body", "-", "--json"], &other.to_string()).await?;
        let patched = patched.ends_with(3)?.objects()?;
        ensure!(text(&patched[0], "detail")?.contains("another call"), "{patched:#?}");
        is_there(cloud, id).await?;
        let mut mended = whole;
        mended["metadata"]["phoneNumbers"][0]["number"] = json!(call.number);
        cloud.ocg_told(&["dlq", "patch", id, "--body", "-"], &mended.to_string()).await?.ends_with(0)?;
        call.outcome().await?;
        call.rang_once().await
    });
}
