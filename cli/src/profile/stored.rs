//! Profiles and secrets where a deployment keeps them: `/ocg/<stage>/profiles/<CC>`, `/ocg/<stage>/secrets/<CC>`.

use anyhow::anyhow;
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType};
use calls::profile::{CountryProfile, ProfileError};
use cloud::said;
use serde_json::Value;

use crate::stack::Stack;

/// A profile as it is stored.
#[derive(Clone, Debug)]
pub struct StoredProfile {
    /// Under which country.
    pub country: String,
    /// What stands there.
    pub text: String,
}

impl StoredProfile {
    /// Reads it.
    ///
    /// # Errors
    /// Which field is wrong.
    pub fn read(&self) -> Result<CountryProfile, ProfileError> {
        CountryProfile::from_json(&self.text).map_err(|error| error.found_under(&self.country))
    }
}

/// All of a deployment, by country.
pub async fn all(stack: &Stack) -> anyhow::Result<Vec<StoredProfile>> {
    let path = stack.output("ProfilesPath")?;
    let pages = stack.ssm().get_parameters_by_path().path(path).into_paginator().send().try_collect().await;
    let pages = pages.map_err(|error| unreadable(path, &said(&error)))?;
    let parameters = pages.iter().flat_map(|page| page.parameters());
    let mut profiles: Vec<StoredProfile> = parameters
        .map(|parameter| StoredProfile {
            country: last(parameter.name().unwrap_or_default()),
            text: parameter.value().unwrap_or_default().to_owned(),
        })
        .collect();
    profiles.sort_by(|a, b| a.country.cmp(&b.country));
    Ok(profiles)
}

/// One of them.
pub async fn one(stack: &Stack, country: &str) -> anyhow::Result<Option<StoredProfile>> {
    Ok(all(stack).await?.into_iter().find(|profile| profile.country == country))
}

/// Whose secrets there are: countries, and `ultravox`. They are not read.
pub async fn secrets(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let path = stack.output("SecretsPath")?;
    let below = ParameterStringFilter::builder().key("Path").option("OneLevel").values(path).build()?;
    let pages = stack
        .ssm()
        .describe_parameters()
        .parameter_filters(below)
        .into_paginator()
        .send()
        .try_collect()
        .await;
    let pages = pages.map_err(|error| unreadable(path, &said(&error)))?;
    let names = pages.iter().flat_map(|page| page.parameters()).filter_map(|parameter| parameter.name());
    let below = format!("{path}/");
    Ok(names.filter(|name| name.starts_with(&below)).map(last).collect())
}

/// Stores a country's profile.
pub async fn put_profile(stack: &Stack, country: &str, profile: &Value) -> anyhow::Result<()> {
    let name = format!("{}/{country}", stack.output("ProfilesPath")?);
    put(stack, &name, ParameterType::String, profile).await
}

/// Stores somebody's secrets.
pub async fn put_secret(stack: &Stack, whose: &str, secret: &Value) -> anyhow::Result<()> {
    let name = format!("{}/{whose}", stack.output("SecretsPath")?);
    put(stack, &name, ParameterType::SecureString, secret).await
}

async fn put(stack: &Stack, name: &str, kind: ParameterType, value: &Value) -> anyhow::Result<()> {
    let put = stack.ssm().put_parameter().name(name).r#type(kind).overwrite(true).value(value.to_string());
    let done = put.send().await;
    // The request holds the secret; what the SDK says of its error does not.
    done.map(drop).map_err(|error| anyhow!("{name} cannot be written: {}", said(&error)))
}

fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn unreadable(path: &str, detail: &str) -> anyhow::Error {
    anyhow!("{path} cannot be read: {}", detail)
}
