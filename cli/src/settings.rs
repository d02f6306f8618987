//! What the environment says, read once: `.env` beside us first, the real environment over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cloud::profiles::Variables;

use crate::args::Everywhere;
use crate::failure::misuse;

/// The effective settings.
#[derive(Debug)]
pub struct Settings {
    /// Every variable, `.env` included.
    pub variables: Variables,
    stage: Option<String>,
    stack_name: Option<String>,
    /// Call folders in a directory instead of a deployment's bucket.
    pub calls: Option<PathBuf>,
}

impl Settings {
    /// Reads the process's environment; options win over it.
    #[expect(clippy::disallowed_methods, reason = "where this binary reads its environment")]
    pub fn read(everywhere: &Everywhere) -> anyhow::Result<Self> {
        let mut variables = variables_of(Path::new(".env"), true)?;
        variables.extend(std::env::vars());
        let variables: Variables = variables.into_iter().collect();
        let given = |option: &Option<String>, name: &str| {
            option.clone().or_else(|| variables.get(name).map(str::to_owned))
        };
        Ok(Self {
            stage: given(&everywhere.stage, "OCG_STAGE"),
            stack_name: given(&everywhere.stack, "OCG_STACK"),
            calls: everywhere.calls.clone(),
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

/// The variables of a file such as `.env`.
///
/// # Errors
/// When it cannot be read or understood; one that is not there is fine if `optional`.
pub fn variables_of(file: &Path, optional: bool) -> anyhow::Result<BTreeMap<String, String>> {
    if optional && !file.exists() {
        return Ok(BTreeMap::new());
    }
    let shown = file.display();
    let lines =
        dotenvy::from_path_iter(file).map_err(|error| misuse(format!("cannot read {shown}: {error}")))?;
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| misuse(error.to_string()))
        .with_context(|| format!("cannot understand {shown}"))
}
