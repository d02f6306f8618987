//! Profiles and secrets in SSM Parameter Store: `/ocg/<stage>/profiles/<CC>`, `/ocg/<stage>/secrets/…`.

use crate::said::said;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use calls::profile::{CountryProfile, Profiles};
use calls::secret::Secret;
use serde::Deserialize;

use super::Credentials;
use super::cache::{Cache, Known};

/// The country profiles of a stage, read as seldom as is right.
#[derive(Debug)]
pub struct StoredProfiles {
    client: Client,
    path: String,
    cache: Cache,
}

impl StoredProfiles {
    /// Those of `stage`. Nothing is read yet.
    pub fn new(client: Client, stage: &str) -> Self {
        Self { client, path: format!("/ocg/{stage}/profiles"), cache: Cache::default() }
    }

    /// The profiles; with `fresh`, read again before a number is refused.
    ///
    /// # Errors
    /// A sentence, when nothing that may still be used was ever read; with `fresh`, also when it is not fresh.
    pub async fn get(&self, fresh: bool) -> Result<Known, String> {
        self.cache.get(fresh, async || self.read().await).await
    }

    async fn read(&self) -> Result<Profiles, String> {
        let pages = self.client.get_parameters_by_path().path(&self.path).into_paginator().send();
        let pages = pages
            .try_collect()
            .await
            .map_err(|error| format!("{} cannot be read: {}", self.path, said(&error)))?;
        let parameters = pages.iter().flat_map(|page| page.parameters());
        let read = parameters.map(|parameter| {
            let country = parameter.name().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            CountryProfile::from_json(parameter.value().unwrap_or_default())
                .map_err(|error| error.found_under(country))
        });
        Profiles::new(read).map_err(|error| format!("{}: {error}", self.path))
    }
}

/// `/ocg/<stage>/secrets/<CC>`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfCountry {
    livekit_api_key: String,
    livekit_api_secret: String,
    #[serde(default)]
    ultravox_api_key: Option<String>,
}

/// `/ocg/<stage>/secrets/ultravox`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfVendor {
    api_key: String,
}

/// A country's secrets in the store.
///
/// # Errors
/// A sentence that names the parameter and never quotes it.
pub async fn stored_credentials(client: &Client, stage: &str, country: &str) -> Result<Credentials, String> {
    let path = format!("/ocg/{stage}/secrets/{country}");
    let own: OfCountry = secret(client, &path)
        .await?
        .ok_or_else(|| format!("there is no {path}: put the secrets of {country} there"))?;
    let agent_api_key = match own.ultravox_api_key.filter(|key| !key.trim().is_empty()) {
        Some(key) => key,
        None => {
            let shared = format!("/ocg/{stage}/secrets/ultravox");
            let found: Option<OfVendor> = secret(client, &shared).await?;
            found.ok_or_else(|| format!("{path} has no ultravoxApiKey, and there is no {shared}"))?.api_key
        }
    };
    Ok(Credentials {
        livekit_api_key: Secret::new(own.livekit_api_key),
        livekit_api_secret: Secret::new(own.livekit_api_secret),
        agent_api_key: Secret::new(agent_api_key),
    })
}

async fn secret<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<Option<T>, String> {
    let found = match client.get_parameter().name(path).with_decryption(true).send().await {
        Ok(found) => found,
        Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("{path} cannot be read: {}", said(&error))),
    };
    let text = found.parameter().and_then(|parameter| parameter.value()).unwrap_or_default();
    // Serde's own message may quote a part of the text.
    serde_json::from_str(text).map(Some).map_err(|error| {
        format!(
            "{path} is not as it must be (line {}, column {}); see the contract of its fields",
            error.line(),
            error.column()
        )
    })
}
