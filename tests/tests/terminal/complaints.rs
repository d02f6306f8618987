//! What a person reads whose settings are not complete.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::{Scene, story};

const TO_BRAZIL: &[&str] = &["outbound", "--to", "+5521987000009"];
/// Everything that a call to BR needs.
const BRAZIL: &[(&str, &str)] = &[
    ("LIVEKIT_URL_BR", "ws://127.0.0.1:9"),
    ("LIVEKIT_API_KEY_BR", "key"),
    ("LIVEKIT_API_SECRET_BR", "hush hush"),
    ("SIP_TRUNK_ID_BR", "ST_1"),
    ("SIP_FROM_NUMBER_BR", "+551140000000"),
    ("ULTRAVOX_API_KEY", "hush hush"),
    ("ULTRAVOX_VOICE", "voice"),
];
const CHILE: &[(&str, &str)] = &[
    ("LIVEKIT_URL_CL", "ws://127.0.0.1:9"),
    ("LIVEKIT_API_KEY_CL", "key"),
    ("LIVEKIT_API_SECRET_CL", "hush hush"),
    ("SIP_TRUNK_ID_CL", "ST_2"),
    ("SIP_FROM_NUMBER_CL", "+56220000000"),
];

#[test]
fn where_nothing_is_set_everything_to_set_is_named() {
    story(async |scene| {
        for arguments in [TO_BRAZIL, &["inbound"]] {
            let mut named: Vec<_> = BRAZIL.iter().map(|(name, _)| name.replace("_BR", "_<CC>")).collect();
            named.push("--profiles".to_owned());
            complains_of(scene, arguments, &[], &named).await?;
        }
        Ok(())
    });
}

#[test]
fn all_that_is_missing_or_wrong_is_told_at_once() {
    story(async |scene| {
        let settings = [&BRAZIL[..2], &[("SIP_FROM_NUMBER_BR", "soon"), ("CHANNELS", "2")]].concat();
        let wanted = [
            "LIVEKIT_API_SECRET_BR is not set",
            "SIP_TRUNK_ID_BR is not set",
            "SIP_FROM_NUMBER_BR must be",
            "ULTRAVOX_API_KEY (or ULTRAVOX_API_KEY_BR) is not set",
            "ULTRAVOX_VOICE is not set",
            "CHANNELS is 2, but a phone has one channel: set it to 1 or not at all",
        ];
        for arguments in [TO_BRAZIL, &["inbound"]] {
            complains_of(scene, arguments, &settings, &wanted).await?;
        }
        let complete = [BRAZIL, &[("CHANNELS", "2")]].concat();
        complains_of(scene, TO_BRAZIL, &complete, &["CHANNELS is 2"]).await
    });
}

#[test]
fn of_several_countries_the_caller_s_must_be_named() {
    story(async |scene| {
        let both = [BRAZIL, CHILE].concat();
        let wanted = ["several countries are configured (BR, CL): say which with --country"];
        complains_of(scene, &["inbound"], &both, &wanted).await?;
        let wanted = ["--country PE is not configured; there is BR, CL"];
        complains_of(scene, &["inbound", "--country", "pe"], &both, &wanted).await
    });
}

#[test]
fn a_number_that_no_country_covers() {
    story(async |scene| {
        let wanted = ["no profile covers +5698•••0009, there is only BR", "LIVEKIT_URL_<CC>", "--profiles"];
        complains_of(scene, &["outbound", "--to", "+56987000009"], BRAZIL, &wanted).await?;
        let wanted = ["--to 21987000009: ", "write it as +<country code><number>"];
        complains_of(scene, &["outbound", "--to", "21987000009"], BRAZIL, &wanted).await
    });
}

#[test]
fn files_that_cannot_be_used() {
    story(async |scene| {
        let missing = [TO_BRAZIL, &["--scenario", "no.json"]].concat();
        complains_of(scene, &missing, BRAZIL, &["cannot read the scenario no.json: No such file"]).await?;
        std::fs::write(scene.dir().join("odd.json"), r#"{"system_prompt": "Be kind."}"#)?;
        let odd = [TO_BRAZIL, &["--scenario", "odd.json"]].concat();
        let wanted = ["odd.json is no scenario: unknown field `system_prompt`", "`systemPrompt`"];
        complains_of(scene, &odd, BRAZIL, &wanted).await?;
        let nowhere = [TO_BRAZIL, &["--profiles", "nowhere"]].concat();
        complains_of(scene, &nowhere, &[], &["the profiles' directory nowhere cannot be read"]).await?;
        let job = ["job", "--attempt", "0123456789abcdef0123456789abcdef-a1"];
        let wanted = ["there is no job 0123456789abcdef0123456789abcdef-a1 in calls", "--calls", "OCG_CALLS"];
        complains_of(scene, &job, &[], &wanted).await
    });
}

/// It starts nothing, says all of this, tells no secret, and exits with 2.
async fn complains_of(
    scene: &Scene,
    arguments: &[&str],
    settings: &[(&str, &str)],
    wanted: &[impl AsRef<str>],
) -> Result<()> {
    let mut command = Command::new(&scene.stage().stack().await.binaries().bridge_task);
    command.args(arguments).env_clear().envs(settings.iter().copied()).current_dir(scene.dir());
    let output = command.output()?;
    let said = String::from_utf8(output.stderr)?;
    for text in wanted {
        ensure!(said.contains(text.as_ref()), "{arguments:?} does not say {:?}, but: {said}", text.as_ref());
    }
    ensure!(!said.contains("hush"), "it tells a secret: {said}");
    ensure!(output.status.code() == Some(2), "{}: {said}", output.status);
    Ok(())
}
