//! A new country is data: put, looked at, tried, called.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sim::stack::CALLER_ID;
use tests::cloud::{Cloud, in_a_cloud_apart};
use tests::person;

fn chile(cloud: &Cloud) -> Value {
    json!({
        "country": "CL",
        "livekit": { "url": cloud.stack.livekit().url(), "trunkId": cloud.stack.trunk_id(), "callerId": CALLER_ID },
        "agent": { "voice": "another-voice", "callsUrl": cloud.vendor.calls_url() },
    })
}

fn file(cloud: &Cloud, name: &str, text: &str) -> Result<String> {
    let path = cloud.deployment.dir().join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("a path")?.to_owned())
}

#[test]
fn a_country_is_put_given_its_secrets_checked_and_called() {
    in_a_cloud_apart(&[], async |cloud| {
        let good = file(cloud, "cl.json", &chile(cloud).to_string())?;
        let (key, secret) = cloud.stack.livekit().credentials();
        let secrets = json!({ "livekitApiKey": key, "livekitApiSecret": secret.expose() }).to_string();

        let wrong =
            file(cloud, "wrong.json", r#"{"country":"CL","livekit":{"url":"x"},"agent":{"voise":"a"}}"#)?;
        let refused = cloud.ocg(&["profile", "put", &wrong]).await?.ends_with(2)?;
        for field in ["livekit.url", "livekit.trunkId", "livekit.callerId", "agent.voice"] {
            ensure!(refused.remarked.contains(field), "{field}: {}", refused.remarked);
        }
        cloud.ocg(&["profile", "put", &good, "--dry-run"]).await?.ends_with(0)?;
        cloud.ocg(&["profile", "show", "CL"]).await?.ends_with(3)?;
        // From the moment that a profile is there, people are called with it: so its secrets come first.
        let early = cloud.ocg(&["profile", "put", &good]).await?.ends_with(2)?;
        ensure!(early.remarked.contains("ocg profile secrets CL"), "{}", early.remarked);
        cloud.ocg(&["profile", "show", "CL"]).await?.ends_with(3)?;
        let stored = cloud.ocg_told(&["profile", "secrets", "CL"], &secrets).await?.ends_with(0)?;
        ensure!(!stored.said.contains(secret.expose()) && !stored.remarked.contains(secret.expose()));
        cloud.ocg_told(&["profile", "secrets", "CL"], "{}").await?.ends_with(2)?;
        cloud.ocg(&["profile", "put", &good]).await?.ends_with(0)?;
        let checked = cloud.ocg(&["profile", "check", "CL", "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(checked.len() == 5 && checked.iter().all(|line| line["light"] == "green"), "{checked:#?}");
        ensure!(cloud.stack.rooms().await?.is_empty(), "a check changes nothing");

        let listed = cloud.ocg(&["profile", "ls", "--json"]).await?.ends_with(0)?.objects()?;
        let countries: Vec<&Value> = listed.iter().map(|profile| &profile["country"]).collect();
        ensure!(
            countries == ["BR", "CL"] && listed.iter().all(|profile| profile["secrets"] == true),
            "{listed:#?}"
        );
        let table = cloud.ocg(&["profile", "ls"]).await?.ends_with(0)?.said;
        ensure!(table.contains("+56") && table.contains("another-voice"), "{table}");
        let shown = cloud.ocg(&["profile", "show", "cl", "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(shown[0] == chile(cloud), "{shown:#?}");

        cloud.stack.phone()?.script("+56912345678", &person::busy()).await?;
        let called =
            cloud.ocg(&["call", "--to", "+56912345678", "--prompt", "Be kind."]).await?.ends_with(3)?;
        ensure!(called.said.contains("busy"), "{}", called.said);
        Ok(())
    });
}

#[test]
fn what_is_wrong_with_a_country_is_found_before_somebody_is_called() {
    in_a_cloud_apart(&[], async |cloud| {
        let mut profile = chile(cloud);
        profile["livekit"]["trunkId"] = "ST_nobody".into();
        profile["agent"]["voice"] = "no-such-voice".into();
        let wrong = file(cloud, "cl.json", &profile.to_string())?;
        let (key, secret) = cloud.stack.livekit().credentials();
        let secrets = json!({ "livekitApiKey": key, "livekitApiSecret": secret.expose() }).to_string();
        cloud.ocg_told(&["profile", "secrets", "CL"], &secrets).await?.ends_with(0)?;
        cloud.ocg(&["profile", "put", &wrong]).await?.ends_with(0)?;
        let checked = cloud.ocg(&["profile", "check", "CL", "--json"]).await?.ends_with(3)?.objects()?;
        let red: Vec<&Value> =
            checked.iter().filter(|line| line["light"] == "red").map(|line| &line["what"]).collect();
        ensure!(red == ["CL trunk", "CL voice"], "{checked:#?}");

        // Two countries on one prefix would stop everybody.
        profile["country"] = "AR".into();
        profile["prefixes"] = json!(["+55"]);
        let conflict = file(cloud, "ar.json", &profile.to_string())?;
        let refused = cloud.ocg(&["profile", "put", &conflict]).await?.ends_with(2)?;
        ensure!(refused.remarked.contains("+55"), "{}", refused.remarked);
        cloud.ocg(&["profile", "show", "AR"]).await?.ends_with(3)?;
        cloud.ocg(&["profile", "check", "FR"]).await?.ends_with(2)?;
        Ok(())
    });
}

#[test]
fn the_python_gateways_variables_become_a_profile_and_secrets() {
    in_a_cloud_apart(&[], async |cloud| {
        let (key, secret) = cloud.stack.livekit().credentials();
        let variables = [
            format!("LIVEKIT_WSS_URL_CL={}", cloud.stack.livekit().url()),
            format!("LIVEKIT_API_KEY_CL={key}"),
            format!("LIVEKIT_API_SECRET_CL={}", secret.expose()),
            format!("SIP_TRUNK_ID_CL={}", cloud.stack.trunk_id()),
            format!("SIP_FROM_NUMBER_CL={CALLER_ID}"),
            "ULTRAVOX_API_KEY=of-all".to_owned(),
            "ULTRAVOX_VOICE=another-voice".to_owned(),
            format!("ULTRAVOX_CALLS_URL={}", cloud.vendor.calls_url()),
            "SAMPLE_RATE=48000".to_owned(),
            "SQS_QUEUE_NAME=old".to_owned(),
        ];
        let env = file(cloud, "old.env", &variables.join("\n"))?;
        let directory = cloud.deployment.dir().join("imported");
        let directory = directory.to_str().context("a path")?;
        let to_files =
            cloud.ocg(&["profile", "import", "--env-file", &env, "--to", directory]).await?.ends_with(0)?;
        ensure!(to_files.remarked.contains("SQS_QUEUE_NAME is not taken over"), "{}", to_files.remarked);
        let written = std::fs::read_to_string(format!("{directory}/cl.json"))?;
        ensure!(!written.contains(secret.expose()), "a secret in a file");
        let body = cloud.call_to_number("+56912345678").body;
        let message = file(cloud, "message.json", &body)?;
        cloud.ocg(&["explain", &message, "--profiles", directory, "--strict"]).await?.ends_with(0)?;
        // What is there stays.
        cloud.ocg(&["profile", "import", "--env-file", &env, "--to", directory]).await?.ends_with(2)?;

        cloud.ocg(&["profile", "import", "--env-file", &env, "--dry-run"]).await?.ends_with(0)?;
        cloud.ocg(&["profile", "show", "CL"]).await?.ends_with(3)?;
        let stored = cloud.ocg(&["profile", "import", "--env-file", &env]).await?.ends_with(0)?;
        ensure!(!stored.said.contains(secret.expose()) && !stored.remarked.contains(secret.expose()));
        let shown = cloud.ocg(&["profile", "show", "CL", "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(shown[0]["agent"]["sampleRate"] == 48_000, "{shown:#?}");
        let checked = cloud.ocg(&["profile", "check", "CL", "--json"]).await?.objects()?;
        // The vendor's key of the file is another's; everything else is right.
        let red: Vec<&Value> =
            checked.iter().filter(|line| line["light"] == "red").map(|line| &line["what"]).collect();
        ensure!(red == ["CL voice"], "{checked:#?}");
        Ok(())
    });
}
