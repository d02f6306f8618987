//! Files of variables, such as `.env`.

use std::collections::BTreeMap;
use std::path::Path;

/// The variables of a process, and of a `.env` beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// All of them; the process's own win.
    pub variables: BTreeMap<String, String>,
    /// AWS's own variables that stand in the file alone: AWS's libraries read the process's environment and no file.
    pub unheard: Vec<String>,
}

impl Environment {
    /// Reads the file, if there is one, and puts the process's own variables over it.
    ///
    /// # Errors
    /// As [`from_env_file`].
    pub fn of(file: &Path, process: BTreeMap<String, String>) -> Result<Self, String> {
        let mut variables = if file.exists() { from_env_file(file)? } else { BTreeMap::new() };
        let is_unheard = |name: &&String| name.starts_with("AWS_") && !process.contains_key(*name);
        let unheard = variables.keys().filter(is_unheard).cloned().collect();
        variables.extend(process);
        Ok(Self { variables, unheard })
    }

    /// What to say about those that are not heard.
    pub fn complaint(unheard: &[String]) -> Option<String> {
        let names = unheard.join(", ");
        (!unheard.is_empty())
            .then(|| format!("{names} in .env is not used: export it, AWS's libraries read no .env"))
    }
}

/// Reads the variables of a file.
///
/// # Errors
/// A sentence that names the file and the line, and quotes nothing of it: there are secrets in such files.
pub fn from_env_file(file: &Path) -> Result<BTreeMap<String, String>, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let read: Result<BTreeMap<_, _>, _> = dotenvy::from_read_iter(text.as_bytes()).collect();
    read.map_err(|error| match error {
        dotenvy::Error::LineParse(bad, _) => {
            // A quote that is not closed goes on over the lines that follow.
            let first = bad.trim().lines().next().unwrap_or_default();
            let number = text.lines().position(|line| line.contains(first)).map_or(0, |index| index + 1);
            format!(
                "{shown}, line {number}, is not NAME=value: a value with blanks, quotes or # in it must stand in quotes"
            )
        }
        _ => format!("{shown} cannot be understood"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        from_env_file(file.path())
    }

    #[test]
    fn the_process_wins_over_the_file_and_what_aws_does_not_hear_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "A=file\nB=file\nAWS_REGION=x\nAWS_PROFILE=file\n").unwrap();
        let process =
            [("A", "real"), ("AWS_PROFILE", "real")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::of(file.path(), process.into()).unwrap();
        assert_eq!(
            (environment.variables["A"].as_str(), environment.variables["B"].as_str()),
            ("real", "file")
        );
        assert_eq!(environment.unheard, ["AWS_REGION"]);
        assert!(Environment::complaint(&environment.unheard).unwrap().contains("AWS_REGION"));
        assert_eq!(
            Environment::of(Path::new("no-such-file"), BTreeMap::new()).unwrap(),
            Environment::default()
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named_and_never_quoted() {
        for bad in ["KEY=hush hush", "KEY=hush \"hush", "KEY='hush"] {
            let told = read(&format!("A=1\n\n{bad}\nB=2\n")).unwrap_err();
            assert!(told.contains("line 3") && !told.contains("hush"), "{told}");
        }
        assert_eq!(read("A='x y' # note\nB=\n").unwrap().len(), 2);
        assert!(from_env_file(Path::new("no-such-file")).unwrap_err().contains("no-such-file"));
    }
}
