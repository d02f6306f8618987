//! Storing: a profile is looked at whole before, secrets are asked for or read from standard input, never given as
//! arguments (they would stand in the shell's history and in the list of processes).

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use calls::profile::CountryProfile;
use dialoguer::Password;
use serde_json::{Map, Value, json};

use super::stored::{self, StoredProfile};
use super::{readable, together};
use crate::failure::{Answer, misuse};
use crate::output::{Output, YELLOW, styled};
use crate::settings::Settings;
use crate::stack::Stack;

/// The agent's vendor, among those who have secrets.
pub const VENDOR: &str = "ultravox";

/// `ocg profile put`
pub async fn put(file: &Path, dry_run: bool, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let shown = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| misuse(format!("cannot read {shown}: {error}")))?;
    let profile = readable(&text, &shown)?;
    for field in CountryProfile::unknown_fields(&text) {
        output.remark(format!("{} {field} means nothing here; is it misspelt?", styled(YELLOW, "look:")));
    }
    let stack = Stack::find(settings).await?;
    let country = profile.country.clone();
    let mut others = stored::all(&stack).await?;
    let before =
        others.iter().position(|other| other.country == country).map(|index| others.swap_remove(index));
    others.push(StoredProfile { country: country.clone(), text: text.clone() });
    together(&others).map_err(misuse)?;
    let has_secrets = stored::secrets(&stack).await?.contains(&country);
    if !dry_run {
        // First: from the moment that a profile is there, people are called with it.
        if !has_secrets {
            stored::put_secret(&stack, &country, &Value::Object(asked_for(&country)?)).await?;
        }
        stored::put_profile(&stack, &country, &serde_json::from_str(&text)?).await?;
    }
    let same = before.as_ref().is_some_and(|before| same_json(&before.text, &text));
    let done = match (before.is_some(), same, dry_run) {
        (_, true, _) => "unchanged",
        (true, false, false) => "changed",
        (false, _, false) => "stored",
        (true, _, true) => "would be changed",
        (false, _, true) => "would be stored",
    };
    match output.json {
        true => output
            .object(&json!({ "country": country, "profile": done, "secrets": has_secrets || !dry_run }))?,
        false => output.say(format!("{country}: {done}; routers use it within 60 s")),
    }
    if dry_run && !has_secrets {
        output.remark(format!("{country} has no secrets yet: ocg profile secrets {country}"));
    }
    Ok(Answer::Yes)
}

/// The secrets of a country that has none yet.
fn asked_for(country: &str) -> anyhow::Result<Map<String, Value>> {
    if std::io::stdin().is_terminal() {
        return ask(country);
    }
    Err(misuse(format!(
        "{country} has no secrets yet, and nobody could be called: store them first, ocg profile secrets {country}"
    )))
}

fn same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    parse(a) == parse(b)
}

/// `ocg profile secrets`
pub async fn secrets(whose: &str, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let whose = whose_of(whose)?;
    // The answer to a prompt is worth nothing where there is no such deployment.
    let stack = Stack::find(settings).await?;
    let given = if std::io::stdin().is_terminal() { ask(&whose)? } else { read(&whose)? };
    store(&whose, &given, &stack, output).await
}

fn whose_of(text: &str) -> anyhow::Result<String> {
    if text.eq_ignore_ascii_case(VENDOR) {
        return Ok(VENDOR.to_owned());
    }
    let is_country = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_country {
        Ok(text.to_uppercase())
    } else {
        Err(misuse(format!("{text}: a country, such as BR, or {VENDOR}")))
    }
}

async fn store(
    whose: &str,
    secrets: &Map<String, Value>,
    stack: &Stack,
    output: &Output,
) -> anyhow::Result<Answer> {
    stored::put_secret(stack, whose, &Value::Object(secrets.clone())).await?;
    let fields: Vec<&String> = secrets.keys().collect();
    match output.json {
        true => output.object(&json!({ "secretsOf": whose, "fields": fields }))?,
        false => output.say(format!("secrets of {whose} are stored; ocg profile check tries them")),
    }
    Ok(Answer::Yes)
}

/// What there is to tell: field, what it is, whether it may be left out.
fn fields(whose: &str) -> &'static [(&'static str, &'static str, bool)] {
    match whose {
        VENDOR => &[("apiKey", "Ultravox API key", false)],
        _ => &[
            ("livekitApiKey", "LiveKit API key", false),
            ("livekitApiSecret", "LiveKit API secret", false),
            ("ultravoxApiKey", "Ultravox API key of this country alone (empty: the shared one)", true),
        ],
    }
}

fn ask(whose: &str) -> anyhow::Result<Map<String, Value>> {
    let mut given = Map::new();
    for (field, what, optional) in fields(whose) {
        let prompt = Password::new().with_prompt(format!("{whose}: {what}")).allow_empty_password(*optional);
        let value = prompt.interact()?.trim().to_owned();
        if !value.is_empty() {
            given.insert((*field).to_owned(), value.into());
        }
    }
    checked(whose, given)
}

fn read(whose: &str) -> anyhow::Result<Map<String, Value>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    // Serde's own message may quote a part of the text.
    let given = serde_json::from_str(&text).map_err(|error| {
        misuse(format!(
            "standard input is no JSON object of secrets (line {}, column {}); its fields are {}",
            error.line(),
            error.column(),
            fields(whose).iter().map(|(field, ..)| *field).collect::<Vec<_>>().join(", ")
        ))
    })?;
    checked(whose, given)
}

fn checked(whose: &str, given: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
    for (field, what, optional) in fields(whose) {
        let is_text =
            given.get(*field).is_some_and(|value| value.as_str().is_some_and(|text| !text.trim().is_empty()));
        let is_left_out = *optional && !given.contains_key(*field);
        if !is_text && !is_left_out {
            return Err(misuse(format!("{field} must be a text that is not blank: the {what}")));
        }
    }
    match given.keys().find(|key| fields(whose).iter().all(|(field, ..)| field != key)) {
        Some(unknown) => Err(misuse(format!("{unknown} is no secret of {whose}; is it misspelt?"))),
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn given(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn secrets_are_whole_or_not_stored() {
        assert!(checked("BR", given(json!({ "livekitApiKey": "a", "livekitApiSecret": "b" }))).is_ok());
        for wrong in [
            json!({ "livekitApiKey": "a" }),
            json!({ "livekitApiKey": "a", "livekitApiSecret": " " }),
            json!({ "livekitApiKey": "a", "livekitApiSecret": "b", "livekitApiSecrte": "c" }),
            json!({ "livekitApiKey": "a", "livekitApiSecret": "b", "ultravoxApiKey": "" }),
        ] {
            assert!(checked("BR", given(wrong.clone())).is_err(), "{wrong}");
        }
        assert!(checked(VENDOR, given(json!({ "apiKey": "k" }))).is_ok());
        assert_eq!(whose_of("br").unwrap(), "BR");
        assert!(whose_of("brazil").is_err());
    }
}
