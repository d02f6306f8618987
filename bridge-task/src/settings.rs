//! What the environment says, read once: `.env` beside us first, the real environment over it.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use aws_config::SdkConfig;
use cloud::call_folder::CallFolders;
use cloud::profiles::{Environment, Variables};
use telemetry::Format;
use telemetry::metrics::prometheus::Prometheus;
use telemetry::metrics::{Meters, Stage};
use telemetry::traces::Traces;

use crate::cli::{Cli, Command};
use crate::deployment::{self, Deployment};
use crate::stop::{self, STOP_TIMEOUT_SECONDS};
use crate::worker::{ProfilesFrom, WorkerSettings};

/// Where traces go: an OpenTelemetry collector.
pub const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The effective settings.
#[derive(Debug)]
pub struct Settings {
    /// Every variable, `.env` included; handed to who knows their names.
    pub variables: Variables,
    /// Where call folders go, unless this is a deployment's task.
    pub calls: PathBuf,
    /// The deployment that this is a task or a worker of.
    pub deployment: Option<Deployment>,
    /// The stage in whose parameter store the secrets are; none: they are in the environment.
    pub secrets_stage: Option<String>,
    /// What only a worker is told.
    pub worker: Option<WorkerSettings>,
    /// The queue on which upstream is told of its calls; none: it is not.
    pub call_history_queue_url: Option<String>,
    /// Where calls' traces go; `None`: there are none.
    pub traces: Option<Traces>,
    /// Where calls are measured: a deployment's in CloudWatch, a worker's by who asks it.
    pub meters: Meters,
    /// How log lines look.
    pub log_format: Format,
    /// May transcripts be shown? On a person's own terminal.
    pub words: bool,
    /// How long a call that rings or talks may go on after we were told to stop.
    pub drain_for: Duration,
    /// The deployment that rooms are marked with.
    pub stage: String,
    /// What this process is called in a claim: the ECS task's ARN, or host and process.
    pub task: String,
    /// AWS's own variables that stand in `.env` alone: AWS's libraries read the process's environment.
    pub unheard: Vec<String>,
}

impl Settings {
    /// Reads the process's environment.
    #[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
    pub fn read(cli: &Cli) -> anyhow::Result<Self> {
        let environment = Environment::of(Path::new(".env"), std::env::vars().collect());
        let Environment { variables, unheard } = environment.map_err(anyhow::Error::msg)?;
        Ok(Self { unheard, ..Self::of(variables, cli, std::io::stderr().is_terminal())? })
    }

    fn of(variables: BTreeMap<String, String>, cli: &Cli, on_terminal: bool) -> anyhow::Result<Self> {
        let variables: Variables = variables.into_iter().collect();
        let get = |name: &str| variables.get(name);
        let given = match &cli.command {
            Command::Job(job) => job.calls.clone(),
            Command::Outbound(outbound) => outbound.common.calls.clone(),
            Command::Inbound(inbound) => inbound.common.calls.clone(),
            Command::Worker(worker) => worker.calls.clone(),
        };
        let mut problems = Vec::new();
        let log_format = match get("LOG_FORMAT") {
            None if !on_terminal => Format::Json,
            Some("json") => Format::Json,
            None | Some("human") => Format::Human { colours: on_terminal && get("NO_COLOR").is_none() },
            Some(other) => {
                problems.push(format!("LOG_FORMAT={other}: set it to json or human, or leave it out"));
                Format::Json
            }
        };
        // Who names a directory means it.
        let may_be_deployed = matches!(cli.command, Command::Job(_) | Command::Worker(_));
        let deployed = may_be_deployed && given.is_none() && get("OCG_BUCKET").is_some();
        let deployment = deployed.then(|| Deployment::read(|name| variables.get(name))).transpose();
        let deployment = deployment.unwrap_or_else(|missing| {
            problems.push(missing.to_string());
            None
        });
        let worker = match &cli.command {
            Command::Worker(asked) => {
                let (worker, wrong) = WorkerSettings::read(asked, deployed, &variables);
                problems.extend(wrong);
                Some(worker)
            }
            _ => None,
        };
        let drain_for = stop::drain_for(&cli.command, get(STOP_TIMEOUT_SECONDS)).unwrap_or_else(|problem| {
            problems.push(problem);
            Duration::ZERO
        });
        let stage = get("OCG_STAGE").unwrap_or("local").to_owned();
        let traces = traces(get(TRACES_ENDPOINT), get("OTEL_EXPORTER_OTLP_HEADERS"), &stage);
        let traces = traces.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            // What two of our readers miss is said once.
            let mut seen = std::collections::BTreeSet::new();
            problems.retain(|problem| seen.insert(problem.clone()));
            bail!("{}", problems.join("\n"));
        }
        let secrets_stage = match &worker {
            Some(worker) if worker.profiles != ProfilesFrom::Parameters => None,
            Some(_) => get("OCG_STAGE").map(str::to_owned),
            None => deployment.as_ref().map(|deployment| deployment.stage.clone()),
        };
        let calls = given.or_else(|| get("OCG_CALLS").map(PathBuf::from)).unwrap_or_else(|| "calls".into());
        let host = get("HOSTNAME").unwrap_or("this-host");
        let asked_for = worker.as_ref().and_then(|worker| worker.metrics);
        let meters = Meters {
            emf: deployment.as_ref().map(|deployment| Stage::new(&deployment.stage)),
            prometheus: asked_for.map(|_| Prometheus::new()),
        };
        Ok(Self {
            unheard: Vec::new(),
            calls,
            meters,
            deployment,
            secrets_stage,
            worker,
            call_history_queue_url: get(deployment::CALL_HISTORY_QUEUE_URL).map(str::to_owned),
            log_format,
            words: on_terminal || get("OCG_SHOW_WORDS") == Some("1"),
            drain_for,
            stage,
            traces,
            task: get("OCG_TASK").map_or_else(|| format!("{host}/{}", std::process::id()), str::to_owned),
            variables,
        })
    }
}

impl Settings {
    /// The call folders: of the deployment, else in the directory. `aws`: what a worker has found.
    ///
    /// # Errors
    /// When the settings make no store, or the directory cannot be made.
    pub fn folders(&self, aws: Option<&SdkConfig>) -> anyhow::Result<CallFolders> {
        match (&self.deployment, aws) {
            (Some(deployment), Some(aws)) => deployment.folders_of(aws),
            (Some(deployment), None) => deployment.folders(),
            (None, _) => Ok(CallFolders::in_directory(&self.calls)?),
        }
    }
}

fn traces(endpoint: Option<&str>, headers: Option<&str>, stage: &str) -> Result<Option<Traces>, String> {
    let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
    crate::install_crypto();
    Traces::to(endpoint, headers, "bridge-task", stage).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;

    fn settings(variables: &[(&str, &str)], on_terminal: bool) -> anyhow::Result<Settings> {
        let cli = Cli::parse_from(["bridge-task", "outbound", "--to", "+5511987654321"]);
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::of(variables, &cli, on_terminal)
    }

    #[test]
    fn people_see_text_and_machines_see_json_unless_told_otherwise() {
        assert_eq!(settings(&[], false).unwrap().log_format, Format::Json);
        assert_eq!(settings(&[], true).unwrap().log_format, Format::Human { colours: true });
        assert_eq!(
            settings(&[("NO_COLOR", "1")], true).unwrap().log_format,
            Format::Human { colours: false }
        );
        assert_eq!(
            settings(&[("LOG_FORMAT", "human")], false).unwrap().log_format,
            Format::Human { colours: false }
        );
        let complaint = settings(&[("LOG_FORMAT", "xml")], true).unwrap_err().to_string();
        assert!(complaint.contains("LOG_FORMAT=xml"));
    }
}
