//! Parts of the report that other programs measure in the same run. Each leaves a file beside the report before this
//! one ends.
//!
//! Numbers of `many.json` that have a key of [`targets`](crate::targets) are judged. All of it is kept in
//! `report.json`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// Their names, which are also the files'.
const NAMES: [&str; 4] = ["many", "soak_short", "soak_long", "instructions"];

/// The parts that there are.
#[derive(Default)]
pub struct Parts(Map<String, Value>);

impl Parts {
    /// Those that lie in `dir`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(dir: Option<&Path>) -> Result<Self> {
        let mut parts = Map::new();
        for name in NAMES {
            let Some(file) = dir.map(|dir| dir.join(format!("{name}.json"))).filter(|file| file.is_file())
            else {
                continue;
            };
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let part = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
            parts.insert(name.to_owned(), part);
        }
        Ok(Self(parts))
    }

    /// The numbers of many calls in one worker, by their keys.
    pub fn figures(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0
            .get("many")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, figure)| figure.is_number())
    }

    /// All of them.
    pub fn json(&self) -> &Map<String, Value> {
        &self.0
    }
}
