//! Deleted.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tests::cloud::alone_in_the_cloud;

use super::{is_gone, is_there, listed, put_letter, text};

#[test]
fn what_is_purged_is_saved_first() {
    alone_in_the_cloud(async |cloud| {
        let said = [("RefusalCode", "expired"), ("RefusalDetail", "too old"), ("trace", "theirs")];
        let body = "{\"old\": \"é\u{2028}\"}";
        let ids = [put_letter(cloud, body, &said).await?, put_letter(cloud, "other", &said).await?];
        let spared = put_letter(cloud, "spared", &[]).await?;
        let file = cloud.deployment.dir().join(format!("purged-{}.jsonl", ids[0]));
        let name = file.to_str().context("a path")?;

        // Which? And nobody is there to be asked.
        cloud.ocg(&["dlq", "purge", "--yes"]).await?.ends_with(2)?;
        cloud.ocg(&["dlq", "purge", "--code", "expired"]).await?.ends_with(2)?;
        cloud.ocg(&["dlq", "purge", "--all", "--code", "expired", "--yes"]).await?.ends_with(2)?;
        cloud.ocg(&["dlq", "purge", "--code", "nonsense", "--yes"]).await?.ends_with(2)?;
        cloud
            .ocg(&["dlq", "purge", "--code", "expired", "--older-than", "1d", "--yes"])
            .await?
            .ends_with(3)?;
        // Where they cannot be saved, nothing is deleted.
        let nowhere = ["dlq", "purge", "--code", "expired", "--yes", "--save", "/no/such/folder/x"];
        cloud.ocg(&nowhere).await?.ends_with(2)?;
        is_there(cloud, &ids[0]).await?;

        let purge = ["dlq", "purge", "--code", "expired", "--yes", "--save", name, "--json"];
        let purged = cloud.ocg(&purge).await?.ends_with(0)?;
        ensure!(purged.objects()?.len() == 2 && purged.remarked.contains(name), "{purged:#?}");
        let saved = std::fs::read_to_string(&file)?;
        let saved: Vec<Value> = saved.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let first = saved.iter().find(|letter| letter["id"] == ids[0]).context("not saved")?;
        ensure!(saved.len() == 2 && first["body"] == body, "{saved:#?}");
        ensure!(first["attributes"]["trace"]["text"] == "theirs", "{first:#}");
        for id in &ids {
            is_gone(cloud, id).await?;
        }
        is_there(cloud, &spared).await?;
        // A file is never written over.
        cloud.ocg(&["dlq", "purge", "--id", &spared, "--yes", "--save", name]).await?.ends_with(2)?;

        // Lines of people's own making command no terminal.
        let hostile = put_letter(cloud, "\u{9b}31m", &[("RefusalDetail", "\u{9b}2J")]).await?;
        let table = cloud.ocg(&["dlq", "ls"]).await?.ends_with(0)?.said;
        let shown = cloud.ocg(&["dlq", "show", &hostile]).await?.ends_with(0)?.said;
        ensure!(!table.contains('\u{9b}') && !shown.contains('\u{9b}'), "{table}\n{shown}");
        let letters = listed(cloud).await?;
        let moved = letters.iter().find(|letter| letter["id"] == spared).context("not there")?;
        ensure!(moved["code"].is_null() && text(moved, "originalMessageId")? == spared, "{moved:#}");
        Ok(())
    });
}
