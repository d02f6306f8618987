//! `ocg profile`: the countries that can be called, and what calls to them sign in with.

mod check;
mod import;
mod put;
pub mod stored;

use std::path::PathBuf;

use calls::profile::{CountryProfile, Profiles};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::{Answer, misuse};
use crate::output::{GREEN, Output, RED, YELLOW, styled};
use crate::settings::Settings;
use crate::stack::Stack;
pub use check::check_country;
pub use stored::StoredProfile;

/// `ocg profile`
#[derive(Debug, Subcommand)]
pub enum Profile {
    /// All countries of a deployment.
    #[command(after_help = "Example:\n  ocg profile ls --stage prod")]
    Ls,
    /// One country's profile, as it is stored. Never its secrets.
    #[command(after_help = "Example:\n  ocg profile show BR --stage prod > br.json")]
    Show {
        /// Such as BR.
        country: String,
    },
    /// Stores a country's profile; asks for its secrets if there are none yet.
    #[command(after_help = "Example:\n  ocg profile put br.json --stage prod")]
    Put(Put),
    /// Stores the secrets of a country, or those of the agent's vendor that all countries share.
    #[command(
        after_help = "Examples:\n  ocg profile secrets BR --stage prod\n  ocg profile secrets ultravox --stage prod\n  \
                            pass show livekit-br | ocg profile secrets BR --stage prod"
    )]
    Secrets {
        /// Such as BR, or ultravox.
        whose: String,
    },
    /// Signs in to LiveKit, looks for the trunk, asks the agent's vendor for the voice. Changes nothing.
    #[command(after_help = "Example:\n  ocg profile check BR --stage prod")]
    Check(Check),
    /// Profiles and secrets from the variables of the Python gateway (docs/migration.md).
    #[command(
        after_help = "Examples:\n  ocg profile import --env-file .env --to profiles\n  ocg profile import --env-file .env \
                            --stage prod"
    )]
    Import(Import),
}

/// `ocg profile put`
#[derive(Args, Debug)]
pub struct Put {
    /// The profile, JSON.
    file: PathBuf,
    /// Only say whether it could be stored.
    #[arg(long)]
    dry_run: bool,
}

/// `ocg profile check`
#[derive(Args, Debug)]
pub struct Check {
    /// Such as BR [default: every country].
    countries: Vec<String>,
    /// Profiles of a directory, with the secrets of the environment, instead of the deployment's.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

/// `ocg profile import`
#[derive(Args, Debug)]
pub struct Import {
    /// The file of variables.
    #[arg(long, value_name = "FILE", default_value = ".env")]
    env_file: PathBuf,
    /// Write profiles into this directory, and no secrets anywhere [default: both into the deployment].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only say what would be stored.
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub async fn run(asked: &Profile, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    match asked {
        Profile::Ls => ls(settings, output).await,
        Profile::Show { country } => show(country, settings, output).await,
        Profile::Put(asked) => put::put(&asked.file, asked.dry_run, settings, output).await,
        Profile::Secrets { whose } => put::secrets(whose, settings, output).await,
        Profile::Check(asked) => {
            check::run(&asked.countries, asked.profiles.as_deref(), settings, output).await
        }
        Profile::Import(asked) => {
            import::run(&asked.env_file, asked.to.as_deref(), asked.dry_run, settings, output).await
        }
    }
}

async fn ls(settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let stack = Stack::find(settings).await?;
    let (profiles, secrets) = (stored::all(&stack).await?, stored::secrets(&stack).await?);
    let has_secrets = |country: &str| secrets.iter().any(|whose| whose == country);
    let conflict = together(&profiles).err();
    if let Some(conflict) = &conflict {
        output.remark(format!("{} {conflict}. Until that is mended nobody is called", styled(RED, "bad")));
    }
    if output.json {
        for profile in &profiles {
            let read = profile.read();
            output.object(&json!({
                "country": profile.country, "usable": read.is_ok(), "secrets": has_secrets(&profile.country),
                "problem": read.as_ref().err().map(ToString::to_string),
                "profile": serde_json::from_str::<Value>(&profile.text).ok(),
            }))?;
        }
        return Ok(Answer::yes_if(conflict.is_none()));
    }
    if profiles.is_empty() {
        output.say(format!("{} has no profile yet: ocg profile put FILE", stack.stage));
        return Ok(Answer::Yes);
    }
    let row = |profile: &StoredProfile| {
        let secret = if has_secrets(&profile.country) { "set".to_owned() } else { styled(RED, "missing") };
        match profile.read() {
            Ok(read) => [
                profile.country.clone(),
                if read.enabled { styled(GREEN, "on") } else { styled(YELLOW, "off") },
                read.prefixes.join(" "),
                read.livekit.caller_id,
                read.livekit.trunk_id,
                read.agent.voice,
                secret,
            ],
            Err(problem) => {
                let detail = format!("{} {}", problem.field, problem.detail);
                let nothing = String::new;
                [
                    profile.country.clone(),
                    styled(RED, "broken"),
                    detail,
                    nothing(),
                    nothing(),
                    nothing(),
                    secret,
                ]
            }
        }
    };
    output.table(
        &["country", "state", "prefixes", "caller", "trunk", "voice", "secrets"],
        profiles.iter().map(row),
    );
    if !has_secrets("ultravox") {
        output.remark("no shared key of the agent's vendor: ocg profile secrets ultravox, or one a country");
    }
    Ok(Answer::yes_if(conflict.is_none()))
}

/// Do they go together?
pub fn together(profiles: &[StoredProfile]) -> Result<Profiles, String> {
    Profiles::new(profiles.iter().map(StoredProfile::read)).map_err(|conflict| conflict.to_string())
}

async fn show(country: &str, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let stack = Stack::find(settings).await?;
    let Some(profile) = stored::one(&stack, &country.to_uppercase()).await? else {
        output.remark(format!(
            "{} has no profile for {}: ocg profile ls",
            stack.stage,
            country.to_uppercase()
        ));
        return Ok(Answer::No);
    };
    match serde_json::from_str::<Value>(&profile.text) {
        Ok(value) if output.json => output.object(&value)?,
        Ok(value) => output.say(serde_json::to_string_pretty(&value)?),
        Err(_) if output.json => {
            output.object(&json!({ "country": profile.country, "text": profile.text }))?
        }
        Err(_) => output.say(&profile.text),
    }
    match profile.read() {
        Ok(_) => Ok(Answer::Yes),
        Err(problem) => {
            output.remark(format!("{} {problem}", styled(RED, "broken:")));
            Ok(Answer::No)
        }
    }
}

/// Reads a profile for storing it, with everything that is wrong.
fn readable(text: &str, whence: &str) -> anyhow::Result<CountryProfile> {
    let problems = CountryProfile::problems(text);
    if problems.is_empty() {
        return Ok(CountryProfile::from_json(text)?);
    }
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("  - {}: {}", problem.field, problem.detail)).collect();
    Err(misuse(format!("{whence} is no profile:\n{}", lines.join("\n"))))
}
