//! What would happen to a message.

use anyhow::{Context as _, ensure};
use serde_json::json;
use tests::cloud::in_the_cloud;

#[test]
fn a_message_is_explained_with_the_deployments_own_profiles() {
    in_the_cloud(async |cloud| {
        let good = cloud.call_to_number("+5511987654321");
        let unserved = cloud.call_to_number("+81312345678");
        let file = cloud.deployment.dir().join("messages.jsonl");
        std::fs::write(&file, format!("{}\n{}\nnot json\n", good.body, unserved.body))?;
        let name = file.to_str().context("a path")?;
        let explained = cloud.ocg(&["explain", name, "--json"]).await?.ends_with(0)?.objects()?;
        let dial = json!({
            "decision": "dial", "number": "+5511987654321", "country": "BR", "callId": good.id,
            "voiceId": "test-voice", "systemPrompt": "You confirm an appointment.", "greetingMessage": null,
        });
        ensure!(explained[0] == dial, "{explained:#?}");
        ensure!(explained[1]["decision"] == "refuse", "{explained:#?}");
        ensure!(explained[1]["code"] == "no_profile_for_prefix", "{explained:#?}");
        ensure!(explained[1]["path"] == "metadata.phoneNumbers[0].number", "{explained:#?}");
        ensure!(explained[2]["code"] == "not_json" && explained.len() == 3, "{explained:#?}");
        // And the router agrees.
        cloud.send(&unserved.body).await?;
        let letters = cloud.dead_letters(&[&unserved.body]).await?;
        let attributes = letters[0].message_attributes.as_ref().context("no attributes")?;
        let detail = attributes["RefusalDetail"].string_value();
        ensure!(detail == explained[1]["detail"].as_str(), "{detail:?} {explained:#?}");
        cloud.ocg(&["explain", name, "--strict"]).await?.ends_with(3)?;
        cloud.ocg(&["explain", "no-such-file"]).await?.ends_with(2)?;
        Ok(())
    });
}

#[test]
fn messages_are_also_read_from_a_pipe() {
    in_the_cloud(async |cloud| {
        let good = cloud.call_to_number("+5511987654321");
        let one = cloud.ocg_told(&["explain", "-", "--json"], &good.body).await?.ends_with(0)?.objects()?;
        ensure!(one.len() == 1 && one[0]["decision"] == "dial" && one[0]["callId"] == good.id, "{one:#?}");
        let two = format!("{}\n{}\n", good.body, cloud.call_to_number("12").body);
        let two =
            cloud.ocg_told(&["explain", "-", "--json", "--strict"], &two).await?.ends_with(3)?.objects()?;
        ensure!(two.len() == 2 && two[0] == one[0] && two[1]["code"] == "invalid_phone_number", "{two:#?}");
        let none = cloud.ocg_told(&["explain", "-", "--json"], "").await?.ends_with(0)?.objects()?;
        ensure!(none.len() == 1 && none[0]["code"] == "not_json", "{none:#?}");
        Ok(())
    });
}
