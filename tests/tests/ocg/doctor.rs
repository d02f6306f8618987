//! Everything that the deployment needs, a line each.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tests::cloud::in_a_cloud_apart;

fn line<'a>(lines: &'a [Value], what: &str) -> anyhow::Result<&'a Value> {
    lines.iter().find(|line| line["what"] == what).with_context(|| format!("no line {what}: {lines:#?}"))
}

#[test]
fn what_is_wrong_is_red_and_says_what_to_do() {
    in_a_cloud_apart(&[], async |cloud| {
        let lines = cloud.ocg(&["doctor", "--json"]).await?.objects()?;
        let red = lines.iter().filter(|line| line["light"] == "red");
        let red: Vec<&str> = red.filter_map(|line| line["what"].as_str()).collect();
        // Rights with a condition: the emulator's IAM is not told the context that it asks about, so it denies them.
        let on_a_condition = [
            "router may ecs:RunTask",
            "router may iam:PassRole",
            "router may iam:PassRole",
            "watcher may ecs:DescribeTasks",
            "watcher may kms:Decrypt",
            "task may kms:Decrypt",
        ];
        ensure!(red == on_a_condition, "{lines:#?}");
        for what in
            ["stack ocg-test", "router", "event source", "queue", "call folders", "task image", "BR trunk"]
        {
            ensure!(line(&lines, what)?["light"] == "green", "{lines:#?}");
        }
        // The emulator has no Service Quotas: what cannot be found out is said, and is no failure.
        let quota = line(&lines, "quota of Fargate")?;
        ensure!(quota["light"] == "yellow", "{quota}");
        ensure!(
            lines
                .iter()
                .filter(|line| line["what"].as_str().is_some_and(|what| what.contains(" may ")))
                .count()
                >= 15
        );

        cloud
            .deployment
            .put_secret("BR", &serde_json::json!({ "livekitApiKey": "k", "livekitApiSecret": "wrong" }))
            .await?;
        cloud.send("not json").await?;
        cloud.dead_letters_come(1).await?;
        cloud.ocg(&["pause"]).await?.ends_with(0)?;
        let ill = cloud.ocg(&["doctor", "--json"]).await?.ends_with(3)?.objects()?;
        ensure!(line(&ill, "event source")?["todo"] == "ocg resume", "{ill:#?}");
        ensure!(line(&ill, "dead letters")?["todo"] == "ocg dlq ls", "{ill:#?}");
        let livekit = line(&ill, "BR LiveKit")?;
        ensure!(livekit["light"] == "red", "{livekit}");
        let quiet = cloud.ocg(&["doctor", "--quiet"]).await?.ends_with(3)?;
        ensure!(
            !quiet.said.lines().any(|line| line.starts_with("ok")) && quiet.said.contains("ocg resume"),
            "{}",
            quiet.said
        );
        ensure!(!quiet.said.contains('\u{1b}'), "colours are for terminals");
        Ok(())
    });
}
