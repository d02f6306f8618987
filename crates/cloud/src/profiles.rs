//! Country profiles and credentials from files and from the environment. (Deployed, they come from a
//! parameter store.) The environment itself is read by nobody here: the binary hands over its variables.

mod cache;
mod env_file;
mod environment;
mod files;
mod parameters;
mod source;

use std::collections::BTreeMap;
use std::fmt;

use calls::profile::Profiles;
use calls::secret::Secret;

pub use cache::Known;
pub use env_file::{Environment, from_env_file};
pub use environment::{from_environment, is_read};
pub use files::from_directory;
pub use parameters::{StoredProfiles, stored_credentials};
pub use source::{CredentialSource, DirectoryProfiles, ProfileSource};

/// The variables of an environment. An empty or blank one counts as not set.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// What is set there, trimmed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let trimmed = pairs.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
        // Of a name that comes twice the last one counts, also when that one is blank.
        let mut variables: BTreeMap<String, String> = trimmed.collect();
        variables.retain(|_, value| !value.is_empty());
        Self(variables)
    }
}

/// Only the names: there are secrets among the values.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What could be loaded, and everything that is wrong with the rest.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The profiles; those that cannot be used are in it as broken. Where they cannot be read, or do not go
    /// together, it is not known which countries there are: a message is "try again" then, and no number refused.
    pub profiles: Result<Profiles, String>,
    /// All that is missing or wrong, at once.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// What stands in the way of a call to this country: its own problems and those of everybody.
    pub fn problems_of(&self, country: &str) -> Vec<&Problem> {
        let concerns = |problem: &&Problem| problem.country.as_deref().is_none_or(|own| own == country);
        self.problems.iter().filter(concerns).collect()
    }
}

/// Something that is missing or wrong: a sentence that says what to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The country that it harms; `None`: every one.
    pub country: Option<String>,
    /// What to set. Never a value of a secret.
    pub sentence: String,
}

impl Problem {
    fn of(country: &str, sentence: impl Into<String>) -> Self {
        Self { country: Some(country.to_owned()), sentence: sentence.into() }
    }

    fn of_all(sentence: impl Into<String>) -> Self {
        Self { country: None, sentence: sentence.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What a call to one country signs in with. There are no defaults, and no country borrows another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// LiveKit's API key.
    pub livekit_api_key: Secret,
    /// LiveKit's API secret.
    pub livekit_api_secret: Secret,
    /// The agent vendor's API key.
    pub agent_api_key: Secret,
}

impl Credentials {
    /// A country's credentials: `LIVEKIT_API_KEY_<CC>`, `LIVEKIT_API_SECRET_<CC>`, and
    /// `ULTRAVOX_API_KEY_<CC>` or, if the country has none of its own, `ULTRAVOX_API_KEY`.
    ///
    /// # Errors
    /// Everything that is missing, at once.
    pub fn from_environment(country: &str, variables: &Variables) -> Result<Self, Vec<Problem>> {
        let own = |name: &str| variables.get(&format!("{name}_{country}"));
        let key = own("LIVEKIT_API_KEY");
        let secret = own("LIVEKIT_API_SECRET");
        let agent = own("ULTRAVOX_API_KEY").or_else(|| variables.get("ULTRAVOX_API_KEY"));
        match (key, secret, agent) {
            (Some(key), Some(secret), Some(agent)) => Ok(Self {
                livekit_api_key: Secret::new(key),
                livekit_api_secret: Secret::new(secret),
                agent_api_key: Secret::new(agent),
            }),
            _ => {
                let missing = [
                    (
                        key,
                        format!(
                            "LIVEKIT_API_KEY_{country} is not set: the API key of {country}'s LiveKit project"
                        ),
                    ),
                    (secret, format!("LIVEKIT_API_SECRET_{country} is not set: the secret of that API key")),
                    (
                        agent,
                        format!(
                            "ULTRAVOX_API_KEY (or ULTRAVOX_API_KEY_{country}) is not set: the API key of the Ultravox account"
                        ),
                    ),
                ];
                let missing = missing.into_iter().filter(|(value, _)| value.is_none());
                Err(missing.map(|(_, sentence)| Problem::of(country, sentence)).collect())
            }
        }
    }
}
