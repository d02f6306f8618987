//! `ocg profile check`: each thing that a call to a country needs, tried. Nothing is changed anywhere.

use std::path::Path;

use agents::Agent;
use calls::profile::{CountryProfile, ProfileError};
use cloud::profiles::{Credentials, stored_credentials};
use rooms::Livekit;

use super::stored;
use crate::failure::{Answer, misuse};
use crate::output::Output;
use crate::report::{Line, verdict};
use crate::settings::Settings;
use crate::stack::Stack;

/// Checks the countries that are meant, or all.
pub async fn run(
    countries: &[String],
    directory: Option<&Path>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<Answer> {
    let (profiles, stack) = match directory {
        Some(directory) => (of_directory(directory)?, None),
        None => {
            let stack = Stack::find(settings).await?;
            let profiles = stored::all(&stack).await?;
            (profiles.iter().map(|profile| (profile.country.clone(), profile.read())).collect(), Some(stack))
        }
    };
    let known: Vec<&str> = profiles.iter().map(|(country, _)| country.as_str()).collect();
    if let Some(unknown) = countries.iter().find(|country| !known.contains(&country.to_uppercase().as_str()))
    {
        return Err(misuse(format!("there is no profile for {unknown}, only {}", known.join(", "))));
    }
    let mut lines = Vec::new();
    for (country, profile) in profiles {
        if !countries.is_empty() && !countries.iter().any(|meant| meant.eq_ignore_ascii_case(&country)) {
            continue;
        }
        let credentials = match &stack {
            Some(stack) => stored_credentials(&stack.ssm(), &stack.stage, &country).await,
            None => Credentials::from_environment(&country, &settings.variables)
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        };
        for line in check_country(&country, profile, credentials).await {
            line.show(output)?;
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return Err(misuse("there is no profile to check: ocg profile put FILE"));
    }
    Ok(verdict(&lines, output))
}

fn of_directory(directory: &Path) -> anyhow::Result<Vec<(String, Result<CountryProfile, ProfileError>)>> {
    let shown = directory.display();
    let files =
        std::fs::read_dir(directory).map_err(|error| misuse(format!("cannot read {shown}: {error}")))?;
    let mut found = Vec::new();
    for file in files.filter_map(|file| Some(file.ok()?.path())) {
        if file.extension().is_some_and(|extension| extension == "json") {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().to_uppercase()).unwrap_or_default();
            let read = CountryProfile::from_json(&std::fs::read_to_string(&file)?);
            let read = read.map_err(|error| error.found_under(&name));
            let country = read.as_ref().map_or(name, |profile| profile.country.clone());
            found.push((country, read));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// All that one country's calls need.
pub async fn check_country(
    country: &str,
    profile: Result<CountryProfile, ProfileError>,
    credentials: Result<Credentials, String>,
) -> Vec<Line> {
    let profile = match profile {
        Ok(profile) => profile,
        Err(problem) => {
            let detail = format!("{} {}", problem.field, problem.detail);
            return vec![Line::red(
                format!("{country} profile"),
                detail,
                "mend it: ocg profile show, ocg profile put",
            )];
        }
    };
    let state = if profile.enabled { "on" } else { "off: its numbers are refused" };
    let mut lines =
        vec![Line::green(format!("{country} profile"), format!("{state}, {}", profile.prefixes.join(" ")))];
    lines.extend(transfers(country, &profile));
    match credentials {
        Ok(credentials) => {
            lines.push(Line::green(format!("{country} secrets"), "set"));
            lines.extend(check_livekit(country, &profile, &credentials).await);
            lines.push(check_voice(country, &profile, &credentials).await);
        }
        Err(detail) => {
            let todo = format!("ocg profile secrets {country}, ocg profile secrets ultravox");
            lines.push(Line::red(format!("{country} secrets"), detail, todo));
        }
    }
    lines
}

/// Whom the agent may pass a callee on to: to be read, as trying it would ring there.
fn transfers(country: &str, profile: &CountryProfile) -> Option<Line> {
    let targets = &profile.transfer.targets;
    let named: Vec<String> = targets.iter().map(|(name, target)| format!("{name} ({target:?})")).collect();
    let detail = format!("to {}; not tried, it would ring there", named.join(", "));
    (!targets.is_empty()).then(|| Line::green(format!("{country} transfer"), detail))
}

async fn check_livekit(country: &str, profile: &CountryProfile, credentials: &Credentials) -> Vec<Line> {
    let (what, trunk_what) = (format!("{country} LiveKit"), format!("{country} trunk"));
    let ours = &profile.livekit;
    let livekit = match Livekit::new(&ours.url, &credentials.livekit_api_key, &credentials.livekit_api_secret)
    {
        Ok(livekit) => livekit,
        Err(problem) => return vec![Line::red(what, problem.to_string(), "mend livekit.url or the secrets")],
    };
    let trunk = match livekit.outbound_trunk(&ours.trunk_id).await {
        Ok(trunk) => trunk,
        Err(problem) => {
            let todo = format!(
                "is {} right, and do key and secret belong to it? ocg profile secrets {country}",
                ours.url
            );
            return vec![Line::red(what, problem.to_string(), todo)];
        }
    };
    let signed_in = Line::green(what, format!("signed in to {}", ours.url));
    let line = match trunk {
        None => {
            let detail = format!("this LiveKit project has no outbound trunk {}", ours.trunk_id);
            Line::red(trunk_what, detail, "create it there, or put its id into livekit.trunkId")
        }
        Some(trunk) if !trunk.shows(&ours.caller_id) => {
            let detail = format!(
                "{} calls from {}, not from {}",
                trunk.name,
                trunk.numbers.join(", "),
                ours.caller_id
            );
            Line::yellow(
                trunk_what,
                detail,
                "carriers refuse or replace a caller that is not theirs: livekit.callerId",
            )
        }
        Some(trunk) => {
            Line::green(trunk_what, format!("{} ({}) to {}", ours.trunk_id, trunk.name, trunk.address))
        }
    };
    vec![signed_in, line]
}

async fn check_voice(country: &str, profile: &CountryProfile, credentials: &Credentials) -> Line {
    let what = format!("{country} voice");
    let voice = &profile.agent.voice;
    let asked =
        async { Agent::for_profile(&profile.agent)?.has_voice(voice, &credentials.agent_api_key).await };
    match asked.await {
        Ok(true) => Line::green(what, format!("{voice} is there")),
        Ok(false) => {
            let detail = format!("the agent's account has no voice {voice}");
            Line::red(what, detail, "put a voice that it has into agent.voice")
        }
        Err(problem) => {
            let todo =
                format!("is {} right, and the key? ocg profile secrets ultravox", profile.agent.calls_url);
            Line::red(what, problem.detail, todo)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn whom_an_agent_may_pass_a_callee_on_to_is_shown_and_not_in_full() {
        let text = r#"{"country":"BR","livekit":{"url":"wss://x.example","trunkId":"ST_1","callerId":"+551130000000"},
            "agent":{"voice":"Ana"},"transfer":{"targets":{"reception":"+551130000001"}}}"#;
        let shown = async |text: &str| {
            let lines = check_country("BR", CountryProfile::from_json(text), Err("none".to_owned())).await;
            lines.iter().map(|line| format!("{line:?}")).collect::<Vec<_>>().join("\n")
        };
        let with = shown(text).await;
        assert!(with.contains("BR transfer") && with.contains("reception (+5511••••0001)"), "{with}");
        assert!(
            !shown(&text.replace(r#","transfer":{"targets":{"reception":"+551130000001"}}"#, ""))
                .await
                .contains("transfer")
        );
    }
}
