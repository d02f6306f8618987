//! What is asked of who sits at a terminal.

use anyhow::{Context as _, ensure};
use cloud::profiles::stored_credentials;
use tests::cloud::{alone_in_the_cloud, in_the_cloud};

use crate::dlq::{is_gone, is_there, put_letter};

#[test]
fn letters_are_purged_by_who_types_how_many() {
    alone_in_the_cloud(async |cloud| {
        let said = [("RefusalCode", "not_json")];
        let ids =
            [put_letter(cloud, "typed one", &said).await?, put_letter(cloud, "typed two", &said).await?];
        let file = cloud.deployment.dir().join(format!("typed-{}.jsonl", ids[0]));
        let name = file.to_str().context("a path")?;
        let purge = ["dlq", "purge", "--id", &ids[0], "--id", &ids[1], "--save", name];

        for wrong in ["3", "yes", ""] {
            let mut asked = cloud.ocg_at_a_terminal(&purge).await?;
            asked.shows("Type 2 to go on:").await?;
            asked.types(wrong).await?;
            // Here one sees what one types.
            asked.shows(&format!("{wrong}\r\n")).await?;
            let refused = asked.ends().await?.ends_with(3)?;
            ensure!(refused.said.contains("nothing was deleted") && !file.exists(), "{refused:#?}");
            for id in &ids {
                is_there(cloud, id).await?;
            }
        }

        let mut asked = cloud.ocg_at_a_terminal(&purge).await?;
        asked.shows("Type 2 to go on:").await?;
        asked.types("2").await?;
        let purged = asked.ends().await?.ends_with(0)?;
        ensure!(purged.said.contains("deleted 2 letters"), "{purged:#?}");
        for id in &ids {
            is_gone(cloud, id).await?;
        }
        ensure!(std::fs::read_to_string(&file)?.lines().count() == 2, "they were not saved");
        Ok(())
    });
}

#[test]
fn secrets_are_typed_unseen() {
    in_the_cloud(async |cloud| {
        let (key, secret) = ("key-typed-by-hand", "secret-typed-by-hand");
        let mut asked = cloud.ocg_at_a_terminal(&["profile", "secrets", "CL"]).await?;
        let answers = [
            ("CL: LiveKit API key", key),
            ("CL: LiveKit API secret", secret),
            // The shared one will do.
            ("CL: Ultravox API key", ""),
        ];
        for (question, answer) in answers {
            asked.shows(question).await?;
            asked.hides_what_is_typed().await?;
            asked.types(answer).await?;
        }
        let stored = asked.ends().await?.ends_with(0)?;
        ensure!(!stored.said.contains("typed-by-hand"), "{stored:#?}");
        ensure!(stored.said.contains("secrets of CL are stored"), "{stored:#?}");
        let read = stored_credentials(&cloud.deployment.ssm(), "test", "CL").await;
        let read = read.map_err(|problem| anyhow::anyhow!("{problem}"))?;
        ensure!(read.livekit_api_key.expose() == key && read.livekit_api_secret.expose() == secret);
        ensure!(read.agent_api_key.expose() == cloud.vendor_key(), "another key than the shared one");
        Ok(())
    });
}
