//! A RunTask request, and the limits that AWS sets to it.

use serde_json::{Value, json};

use super::registry::Definition;

/// The longest `overrides`, in characters of its JSON.
const LONGEST_OVERRIDES: usize = 8192;
const LONGEST_STARTED_BY: usize = 128;
const LONGEST_CLIENT_TOKEN: usize = 64;
const MOST_TASKS: u64 = 10;

/// Why a request is refused: the exception's name and its sentence.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// What is in the way.
    pub(super) resource_ids: Vec<String>,
}

impl Refused {
    pub(super) fn new(kind: &'static str, message: &str) -> Self {
        Self { kind, message: message.to_owned(), resource_ids: Vec::new() }
    }

    pub(super) fn wire(&self) -> Value {
        let mut wire = json!({ "__type": self.kind, "message": self.message });
        if !self.resource_ids.is_empty() {
            wire["resourceIds"] = self.resource_ids.as_slice().into();
        }
        wire
    }

    pub(super) fn client(message: &str) -> Self {
        Self::new("ClientException", message)
    }

    fn parameter(message: &str) -> Self {
        Self::new("InvalidParameterException", message)
    }
}

/// What of a request decides what is started.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RunTask {
    pub(super) cluster: String,
    pub(super) task_definition: String,
    pub(super) started_by: Option<String>,
    pub(super) client_token: Option<String>,
    pub(super) capacity_provider: Option<String>,
    pub(super) overrides: Vec<Override>,
}

/// What is different in a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Override {
    pub(super) container: String,
    pub(super) command: Option<Vec<String>>,
    /// Added to its environment.
    pub(super) environment: Vec<(String, String)>,
}

impl RunTask {
    /// Reads a request and holds it to the limits.
    pub(super) fn read(body: &Value) -> Result<Self, Refused> {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let within = |name: &str, value: &Option<String>, longest: usize| match value {
            Some(value) if value.chars().count() > longest => {
                Err(Refused::parameter(&format!("{name} must have at most {longest} characters.")))
            }
            _ => Ok(()),
        };
        let (started_by, client_token) = (text("startedBy"), text("clientToken"));
        within("startedBy", &started_by, LONGEST_STARTED_BY)?;
        within("clientToken", &client_token, LONGEST_CLIENT_TOKEN)?;
        if !(1..=MOST_TASKS).contains(&body["count"].as_u64().unwrap_or(1)) {
            return Err(Refused::parameter("count must be between 1 and 10."));
        }
        let overrides = &body["overrides"];
        if !overrides.is_null() && overrides.to_string().chars().count() > LONGEST_OVERRIDES {
            return Err(Refused::parameter("Container Overrides length must be at most 8192"));
        }
        network_is_configured(&body["networkConfiguration"])?;
        let strategy = &body["capacityProviderStrategy"];
        if !strategy.is_null() && !body["launchType"].is_null() {
            return Err(Refused::parameter(
                "Only one of launchType and capacityProviderStrategy may be given.",
            ));
        }
        let containers = overrides["containerOverrides"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            cluster: text("cluster").unwrap_or_else(|| "default".to_owned()),
            task_definition: text("taskDefinition")
                .ok_or_else(|| Refused::client("TaskDefinition can not be blank."))?,
            started_by,
            client_token,
            capacity_provider: strategy[0]["capacityProvider"].as_str().map(str::to_owned),
            overrides: containers.iter().map(container).collect(),
        })
    }

    /// Whether what it overrides is there.
    pub(super) fn fits(&self, definition: &Definition) -> Result<(), Refused> {
        match self.overrides.iter().find(|found| found.container != definition.container) {
            Some(Override { container: name, .. }) => Err(Refused::parameter(&format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            ))),
            None => Ok(()),
        }
    }
}

/// Fargate knows only `awsvpc`, which wants subnets.
fn network_is_configured(network: &Value) -> Result<(), Refused> {
    let vpc = &network["awsvpcConfiguration"];
    if vpc.is_null() {
        return Err(Refused::parameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ));
    }
    let listed = |name: &str| vpc[name].as_array().map_or(0, Vec::len);
    if !(1..=16).contains(&listed("subnets")) || listed("securityGroups") > 5 {
        return Err(Refused::parameter("subnets: 1 to 16, securityGroups: at most 5."));
    }
    Ok(())
}

fn container(value: &Value) -> Override {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let command = value["command"].as_array().map(|words| words.iter().map(text).collect());
    let environment = value["environment"].as_array().map(Vec::as_slice).unwrap_or_default();
    let environment = environment.iter().map(|pair| (text(&pair["name"]), text(&pair["value"]))).collect();
    Override { container: text(&value["name"]), command, environment }
}
