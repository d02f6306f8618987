//! Clusters and task definitions: the stand-in's own, or those that were registered with the emulator behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::behind::Behind;
use super::request::Refused;

/// SIGTERM to SIGKILL unless a definition says otherwise (Amazon ECS, ContainerDefinition, `stopTimeout`).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A task definition: one container, as a program of this machine.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its family, with its revision if it is to be told.
    pub family: String,
    /// The container's name.
    pub container: String,
    /// What stands in for the image and its entry point.
    pub program: PathBuf,
    /// The words that the program is given, unless they are overridden.
    pub command: Vec<String>,
    /// The container's environment.
    pub environment: BTreeMap<String, String>,
    /// SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
}

impl Definition {
    /// A container `container` that runs `program` and is told nothing.
    pub fn new(family: &str, container: &str, program: impl Into<PathBuf>) -> Self {
        Self {
            family: family.to_owned(),
            container: container.to_owned(),
            program: program.into(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            stop_timeout: STOP_TIMEOUT,
        }
    }
}

/// What can be run.
pub(super) enum Registry {
    /// One cluster and what it is given.
    Own { cluster: String, definitions: Vec<Definition> },
    /// What a deployment registered.
    Registered(Registered),
}

/// The emulator knows the definitions; the image of each is this program.
pub(super) struct Registered {
    pub(super) behind: Behind,
    pub(super) image: PathBuf,
    /// What Fargate adds to every container: region, credentials.
    pub(super) platform: BTreeMap<String, String>,
}

impl Registry {
    pub(super) async fn definition(&self, cluster: &str, name: &str) -> Result<Definition, Refused> {
        match self {
            Self::Own { cluster: own, definitions } => {
                if short(cluster) != own {
                    return Err(no_cluster());
                }
                let family = short(name).split(':').next().unwrap_or_default();
                let found = definitions.iter().find(|definition| definition.family == family);
                found.cloned().ok_or_else(no_definition)
            }
            Self::Registered(registered) => registered.definition(cluster, name).await,
        }
    }
}

impl Registered {
    async fn definition(&self, cluster: &str, name: &str) -> Result<Definition, Refused> {
        let clusters = self.ask("DescribeClusters", &json!({ "clusters": [cluster] })).await?;
        if clusters["clusters"][0]["status"] != "ACTIVE" {
            return Err(no_cluster());
        }
        let answer = self.ask("DescribeTaskDefinition", &json!({ "taskDefinition": name })).await?;
        let found = &answer["taskDefinition"];
        let containers = found["containerDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [container] = containers else {
            return Err(Refused::client("the stand-in runs task definitions with one container"));
        };
        if !container["entryPoint"].is_null() && container["entryPoint"] != json!([]) {
            return Err(Refused::client("the stand-in runs the image's own entry point"));
        }
        let words = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let variables =
            container["environment"].as_array().into_iter().flatten().filter_map(|pair| {
                Some((pair["name"].as_str()?.to_owned(), pair["value"].as_str()?.to_owned()))
            });
        Ok(Definition {
            family: format!("{}:{}", found["family"].as_str().unwrap_or_default(), found["revision"]),
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            program: self.image.clone(),
            command: words(&container["command"]),
            environment: self.platform.clone().into_iter().chain(variables).collect(),
            stop_timeout: container["stopTimeout"].as_u64().map_or(STOP_TIMEOUT, Duration::from_secs),
        })
    }

    async fn ask(&self, action: &str, body: &Value) -> Result<Value, Refused> {
        let answer =
            self.behind.ecs(action, body).await.with_context(|| format!("{action} failed behind us"));
        answer.map_err(|error| Refused::client(&format!("{error:#}")))
    }
}

fn no_cluster() -> Refused {
    Refused::new("ClusterNotFoundException", "Cluster not found.")
}

fn no_definition() -> Refused {
    Refused::client("TaskDefinition not found.")
}

/// A name, of which an ARN may stand in place.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
