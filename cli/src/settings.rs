//! What the environment says, read once: `.env` beside us first, the real environment over it.

use std::path::{Path, PathBuf};

use clap::Args;
use cloud::profiles::{Environment, Variables};

use crate::failure::misuse;

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Everywhere {
    /// The deployment, such as dev or prod (else OCG_STAGE).
    #[arg(long, global = true, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Its CloudFormation stack (else OCG_STACK, else ocg-<STAGE>).
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// Call folders in a directory, of a terminal or a worker, instead of the deployment's bucket.
    #[arg(long, global = true, value_name = "DIR")]
    pub calls: Option<PathBuf>,
    /// One JSON object a line, for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The effective settings.
#[derive(Debug)]
pub struct Settings {
    /// Every variable, `.env` included.
    pub variables: Variables,
    stage: Option<String>,
    stack_name: Option<String>,
    /// AWS's own variables that stand in `.env` alone: AWS's libraries read the process's environment.
    pub unheard: Vec<String>,
    /// Call folders in a directory instead of a deployment's bucket.
    pub calls: Option<PathBuf>,
}

impl Settings {
    /// Reads the process's environment; options win over it.
    #[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
    pub fn read(everywhere: &Everywhere) -> anyhow::Result<Self> {
        let environment = Environment::of(Path::new(".env"), std::env::vars().collect()).map_err(misuse)?;
        let Environment { variables, unheard } = environment;
        let variables: Variables = variables.into_iter().collect();
        let given = |option: &Option<String>, name: &str| {
            option.clone().or_else(|| variables.get(name).map(str::to_owned))
        };
        Ok(Self {
            stage: given(&everywhere.stage, "OCG_STAGE"),
            stack_name: given(&everywhere.stack, "OCG_STACK"),
            calls: everywhere.calls.clone(),
            unheard,
            variables,
        })
    }

    /// The deployment that is meant.
    ///
    /// # Errors
    /// When nobody said so.
    pub fn stage(&self) -> anyhow::Result<&str> {
        let missing = "which deployment? Give --stage (such as --stage prod) or set OCG_STAGE";
        self.stage.as_deref().ok_or_else(|| misuse(missing))
    }

    /// The name of its CloudFormation stack.
    ///
    /// # Errors
    /// When nobody said which deployment.
    pub fn stack_name(&self) -> anyhow::Result<String> {
        match &self.stack_name {
            Some(name) => Ok(name.clone()),
            None => Ok(format!("ocg-{}", self.stage()?)),
        }
    }
}
