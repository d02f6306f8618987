//! Where a router's profiles come from.

use std::path::PathBuf;
use std::sync::Arc;

use calls::profile::Profiles;

use super::cache::{Cache, Known};
use super::{Credentials, StoredProfiles, Variables, from_directory, stored_credentials};

/// The country profiles of a process that lives long.
#[derive(Debug)]
pub enum ProfileSource {
    /// In the parameter store.
    Stored(StoredProfiles),
    /// In a directory.
    Directory(DirectoryProfiles),
    /// From the environment, which does not change.
    Environment(Arc<Profiles>),
}

impl ProfileSource {
    /// The profiles; with `fresh`, read again before a number is refused.
    ///
    /// # Errors
    /// A sentence, when nothing that may still be used was ever read; with `fresh`, also when it is not fresh.
    pub async fn get(&self, fresh: bool) -> Result<Known, String> {
        match self {
            Self::Stored(stored) => stored.get(fresh).await,
            Self::Directory(directory) => directory.get(fresh).await,
            Self::Environment(profiles) => Ok(Known { profiles: profiles.clone(), stale: None }),
        }
    }
}

/// Where the secrets of a process that lives long come from.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// In the parameter store of this stage.
    Stored {
        /// What it is asked with.
        client: aws_sdk_ssm::Client,
        /// The deployment's name.
        stage: String,
    },
    /// In the environment, which does not change.
    Environment(Variables),
}

impl CredentialSource {
    /// A country's secrets.
    ///
    /// # Errors
    /// A sentence that says what is missing and quotes no secret.
    pub async fn of(&self, country: &str) -> Result<Credentials, String> {
        match self {
            Self::Stored { client, stage } => stored_credentials(client, stage, country).await,
            Self::Environment(variables) => Credentials::from_environment(country, variables)
                .map_err(|missing| missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

/// The country profiles of a directory, read again as those of the parameter store are: a new country is data there,
/// too.
#[derive(Debug)]
pub struct DirectoryProfiles {
    directory: PathBuf,
    cache: Cache,
}

impl DirectoryProfiles {
    /// Those of `directory`. Nothing is read yet.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, cache: Cache::default() }
    }

    async fn get(&self, fresh: bool) -> Result<Known, String> {
        self.cache.get(fresh, async || self.read().await).await
    }

    /// Apart from everything else: a disk may take its time.
    async fn read(&self) -> Result<Profiles, String> {
        let directory = self.directory.clone();
        let reading = tokio::task::spawn_blocking(move || from_directory(&directory).profiles);
        reading.await.map_err(|error| format!("the profiles could not be read: {error}"))?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    const PROFILE: &str = r#"{"country":"BR","livekit":{"url":"wss://livekit.example","trunkId":"ST_1",
        "callerId":"+551140000000"},"agent":{"voice":"voice"}}"#;

    #[tokio::test(start_paused = true)]
    async fn a_country_that_is_put_into_the_directory_is_found_before_a_number_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("br.json"), PROFILE).unwrap();
        let source = ProfileSource::Directory(DirectoryProfiles::new(folder.path().to_owned()));
        let count = async |fresh| source.get(fresh).await.unwrap().profiles.usable().len();
        assert_eq!(count(false).await, 1);
        std::fs::write(folder.path().join("pt.json"), PROFILE.replace("BR", "PT")).unwrap();
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(count(false).await, 1, "what was read is good for a minute");
        assert_eq!(count(true).await, 2);
    }
}
