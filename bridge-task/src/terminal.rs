//! Calls from a terminal: the job is made here instead of by a router.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use calls::call::Limits;
use calls::ids::{AttemptId, CallKey};
use calls::phone::PhoneNumber;
use calls::plan::{CallPlan, Leg};
use calls::profile::{CountryProfile, FirstSpeaker, Found, Profiles};
use calls::trigger::Tracking;
use cloud::call_folder::documents::{Job as JobDocument, V};
use cloud::call_folder::{CallFolders, draw_nonce};
use cloud::profiles::Loaded;
use jiff::SignedDuration;
use serde::Deserialize;

use crate::cli::{Common, Inbound, Outbound};
use crate::clock;
use crate::job::{Job, complaint, credentials, ways};
use crate::settings::Settings;

/// What the agent is told where neither scenario nor environment says anything.
const SYSTEM_PROMPT: &str = "You are a friendly voice assistant on a phone call. Keep every answer short.";
/// A job made here is carried out here, now.
const CLAIM_WITHIN: SignedDuration = SignedDuration::from_secs(120);

/// What the agent is and says. `{{name}}` in its texts stands for a variable.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Scenario {
    system_prompt: Option<String>,
    greeting_message: Option<String>,
    voice_id: Option<String>,
    language_hint: Option<String>,
    variables: BTreeMap<String, String>,
}

/// `bridge-task outbound`: a call to one number.
pub async fn outbound(asked: &Outbound, settings: &Settings) -> anyhow::Result<Job> {
    let to = PhoneNumber::parse(&asked.to)
        .map_err(|error| anyhow!("--to {}: {error}; write it as +<country code><number>", asked.to))?;
    let loaded = load(&asked.common, settings);
    let profile = match usable(&loaded)?.lookup(&to) {
        Found::Profile(profile) => complete(&loaded, profile)?.clone(),
        Found::Broken(error) => {
            let problems = error.country.as_deref().map(|country| loaded.problems_of(country));
            match problems.filter(|problems| !problems.is_empty()) {
                Some(problems) => return Err(complaint(problems)),
                None => bail!("the profile for {to} cannot be used: {error}"),
            }
        }
        Found::None if !loaded.problems.is_empty() => return Err(complaint(&loaded.problems)),
        Found::None => bail!(
            "no profile covers {to}, there is only {}: add its country (LIVEKIT_URL_<CC> and the others, or a \
             file in the directory of --profiles)",
            known(usable(&loaded)?).join(", ")
        ),
    };
    let job = make(Leg::Outbound { to }, profile, &asked.common, settings).await?;
    Ok(Job { room: asked.room.clone().unwrap_or(job.room.clone()), ..job })
}

/// `bridge-task inbound`: whoever calls into the room.
pub async fn inbound(asked: &Inbound, settings: &Settings) -> anyhow::Result<Job> {
    let loaded = load(&asked.common, settings);
    let mut profile = the_country(&loaded, asked.country.as_deref())?.clone();
    profile.agent.first_speaker = FirstSpeaker::Agent;
    let job = make(Leg::Inbound, profile, &asked.common, settings).await?;
    Ok(Job { room: asked.room.clone(), ..job })
}

fn load(common: &Common, settings: &Settings) -> Loaded {
    match &common.profiles {
        Some(directory) => cloud::profiles::from_directory(directory),
        None => cloud::profiles::from_environment(&settings.variables),
    }
}

fn the_country<'a>(loaded: &'a Loaded, asked: Option<&str>) -> anyhow::Result<&'a CountryProfile> {
    let profiles = usable(loaded)?;
    let known = known(profiles);
    let asked = match (asked, known.as_slice()) {
        (Some(country), _) => country.to_uppercase(),
        (None, [only]) => (*only).to_owned(),
        (None, []) if !loaded.problems.is_empty() => return Err(complaint(&loaded.problems)),
        (None, []) => {
            bail!("no country is configured: give --profiles, or set LIVEKIT_URL_<CC> and the others")
        }
        (None, several) => {
            bail!("several countries are configured ({}): say which with --country", several.join(", "))
        }
    };
    if let Some(profile) = profiles.of_country(&asked) {
        return complete(loaded, profile);
    }
    let problems = loaded.problems_of(&asked);
    match problems.is_empty() {
        true => bail!("--country {asked} is not configured; there is {}", known.join(", ")),
        false => Err(complaint(problems)),
    }
}

/// A profile that nothing stands in the way of.
fn complete<'a>(loaded: &Loaded, profile: &'a CountryProfile) -> anyhow::Result<&'a CountryProfile> {
    let problems = loaded.problems_of(&profile.country);
    if problems.is_empty() { Ok(profile) } else { Err(complaint(problems)) }
}

/// The profiles, if they go together.
fn usable(loaded: &Loaded) -> anyhow::Result<&Profiles> {
    loaded.profiles.as_ref().map_err(|_| complaint(&loaded.problems))
}

fn known(profiles: &Profiles) -> Vec<&str> {
    profiles.usable().iter().map(|profile| profile.country.as_str()).collect()
}

async fn make(
    leg: Leg,
    profile: CountryProfile,
    common: &Common,
    settings: &Settings,
) -> anyhow::Result<Job> {
    let credentials = credentials(&profile.country, settings)?;
    let scenario = match &common.scenario {
        Some(file) => Scenario::read(file)?,
        None => Scenario::default(),
    };
    let key = CallKey::from_ids(None, None, &format!("terminal {}", draw_nonce().0));
    let plan = scenario.plan(leg, profile, key.to_string(), settings.variables.get("ULTRAVOX_SYSTEM_PROMPT"));
    let attempt = AttemptId::new(key, 1);
    let folders = CallFolders::in_directory(&settings.calls)?;
    let made_at = clock::wall();
    let outbound = plan.leg != Leg::Inbound;
    let document = JobDocument {
        v: V,
        owner: draw_nonce(),
        plan: plan.clone(),
        attempt: attempt.number,
        made_by: format!("terminal ({})", settings.task),
        made_at,
        deadline: made_at + CLAIM_WITHIN,
        traceparent: None,
    };
    // The key was drawn just now, so the claim is nobody else's.
    drop(folders.claim_job(&attempt, &document).await?);
    tracing::info!(detail = %settings.calls.join("calls").join(attempt.key.as_str()).display(), "call folder");
    let claim_by = outbound.then(|| clock::instant_of(document.deadline));
    let ways = ways(settings).await;
    let job = Job::new(attempt, plan, credentials, folders, ways, settings);
    Ok(Job { limits: Limits { claim_by, ..job.limits }, ..job })
}

impl Scenario {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the scenario {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no scenario", file.display()))
    }

    fn plan(self, leg: Leg, mut profile: CountryProfile, id: String, fallback: Option<&str>) -> CallPlan {
        let fill = |text: &str| fill(text, &self.variables);
        if let Some(voice) = self.voice_id {
            profile.agent.voice = voice;
        }
        if let Some(language) = self.language_hint {
            profile.agent.language_hint = Some(language);
        }
        let prompt = self.system_prompt.as_deref().or(fallback).unwrap_or(SYSTEM_PROMPT);
        CallPlan {
            call_id: id,
            leg,
            profile,
            system_prompt: fill(prompt),
            greeting_message: self.greeting_message.as_deref().map(fill),
            tracking: Tracking::default(),
        }
    }
}

/// Puts the variables in; a name that is not among them stays as it is, so that one sees it.
fn fill(text: &str, variables: &BTreeMap<String, String>) -> String {
    variables
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_scenario_fills_its_variables_and_leaves_unknown_names() {
        let scenario: Scenario = serde_json::from_str(
            r#"{"systemPrompt":"Talk to {{name}} about {{topic}}.","variables":{"name":"Ana"}}"#,
        )
        .unwrap();
        assert_eq!(
            fill(scenario.system_prompt.as_ref().unwrap(), &scenario.variables),
            "Talk to Ana about {{topic}}."
        );
    }

    #[test]
    fn a_scenario_with_a_misspelt_field_is_refused() {
        assert!(serde_json::from_str::<Scenario>(r#"{"system_prompt":"x"}"#).is_err());
    }
}
