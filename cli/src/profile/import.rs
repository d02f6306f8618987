//! `ocg profile import`: what the Python gateway was told by its environment, as profiles and secrets.

use std::collections::BTreeSet;
use std::path::Path;

use calls::profile::CountryProfile;
use cloud::profiles::{Credentials, Variables, from_env_file, from_environment, is_read};
use serde_json::{Map, Value, json};

use super::put::VENDOR;
use super::stored::{self, StoredProfile};
use super::together;
use crate::failure::{Answer, misuse};
use crate::output::{Output, YELLOW, styled};
use crate::settings::Settings;
use crate::stack::Stack;

/// Reads, converts, stores.
pub async fn run(
    file: &Path,
    to: Option<&Path>,
    dry_run: bool,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<Answer> {
    let pairs = from_env_file(file).map_err(misuse)?;
    let names: BTreeSet<String> = pairs.keys().cloned().collect();
    let variables: Variables = pairs.into_iter().collect();
    let loaded = from_environment(&variables);
    let profiles = loaded.profiles.map_err(misuse)?;
    for problem in &loaded.problems {
        output.remark(format!("{} {problem}", styled(YELLOW, "look:")));
    }
    // Into a directory go no secrets, so none need be there.
    let is_whole = |country: &str| to.is_some() || Credentials::from_environment(country, &variables).is_ok();
    let mut usable: Vec<&CountryProfile> = profiles.usable().iter().collect();
    for left_out in usable.extract_if(.., |profile| !is_whole(&profile.country)) {
        output.remark(format!("{} {} is left out: it lacks keys", styled(YELLOW, "look:"), left_out.country));
    }
    usable.sort_by(|a, b| a.country.cmp(&b.country));
    if usable.is_empty() {
        return Err(misuse(format!("{} configures no country whole", file.display())));
    }
    let stack = if to.is_none() && !dry_run { Some(Stack::find(settings).await?) } else { None };
    if let Some(directory) = to.filter(|_| !dry_run) {
        std::fs::create_dir_all(directory)?;
    }
    if let Some(stack) = &stack {
        go_together(stack, &usable).await?;
    }
    let key_of_all = variables.get("ULTRAVOX_API_KEY");
    let has_shared = match &stack {
        Some(stack) => stored::secrets(stack).await?.iter().any(|whose| whose == VENDOR),
        None => false,
    };
    match (&stack, key_of_all) {
        (Some(_), Some(_)) if has_shared => output.remark(format!(
            "{} the key that all countries share stays as it is; ULTRAVOX_API_KEY becomes these countries' own",
            styled(YELLOW, "look:")
        )),
        (Some(stack), Some(key)) => stored::put_secret(stack, VENDOR, &json!({ "apiKey": key })).await?,
        _ => {}
    }
    for profile in usable {
        let country = &profile.country;
        let (body, mut secrets) = (serde_json::to_value(profile)?, secrets_of(country, &variables));
        if let (true, Some(key)) = (has_shared, key_of_all) {
            secrets.entry("ultravoxApiKey").or_insert_with(|| key.into());
        }
        let place = match (&stack, to) {
            (Some(stack), _) => {
                // The secrets first: from the moment that a profile is there, people are called with it.
                stored::put_secret(stack, country, &Value::Object(secrets.clone())).await?;
                stored::put_profile(stack, country, &body).await?;
                format!("profile and secrets, in {}", stack.stage)
            }
            (None, Some(directory)) => write(directory, country, &body, dry_run)?,
            (None, None) => "profile and secrets".to_owned(),
        };
        let would = if dry_run { "would be " } else { "" };
        match output.json {
            true => output.object(&json!({ "country": country, "profile": body, "secrets": secrets.keys().collect::<Vec<_>>(), "dryRun": dry_run }))?,
            false => output.say(format!("{country}: {would}stored, {place}")),
        }
    }
    for name in names.iter().filter(|name| !is_read(name)) {
        output.remark(format!(
            "{} {name} is not taken over; docs/migration.md says why",
            styled(YELLOW, "look:")
        ));
    }
    Ok(Answer::yes_if(loaded.problems.is_empty()))
}

/// With the countries that the deployment has already; those of the same name are replaced.
async fn go_together(stack: &Stack, new: &[&CountryProfile]) -> anyhow::Result<()> {
    let mut all = stored::all(stack).await?;
    all.retain(|old| new.iter().all(|profile| profile.country != old.country));
    for profile in new {
        all.push(StoredProfile { country: profile.country.clone(), text: serde_json::to_string(profile)? });
    }
    together(&all).map(drop).map_err(misuse)
}

fn secrets_of(country: &str, variables: &Variables) -> Map<String, Value> {
    let fields = [
        ("livekitApiKey", "LIVEKIT_API_KEY"),
        ("livekitApiSecret", "LIVEKIT_API_SECRET"),
        ("ultravoxApiKey", "ULTRAVOX_API_KEY"),
    ];
    let found = fields.iter().filter_map(|(field, name)| {
        Some(((*field).to_owned(), Value::from(variables.get(&format!("{name}_{country}"))?)))
    });
    found.collect()
}

/// A file that is there stays: somebody may have worked on it.
fn write(directory: &Path, country: &str, profile: &Value, dry_run: bool) -> anyhow::Result<String> {
    let file = directory.join(format!("{}.json", country.to_lowercase()));
    if file.exists() {
        return Err(misuse(format!(
            "{} is there already: move it away, or name another directory",
            file.display()
        )));
    }
    if !dry_run {
        std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(profile)?))?;
    }
    Ok(format!("profile, in {} (its secrets stay in the environment)", file.display()))
}
