//! Files of variables, such as `.env`.

use std::collections::BTreeMap;
use std::path::Path;

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
    fn what_cannot_be_understood_is_named_and_never_quoted() {
        for bad in ["KEY=hush hush", "KEY=hush \"hush", "KEY='hush"] {
            let told = read(&format!("A=1\n\n{bad}\nB=2\n")).unwrap_err();
            assert!(told.contains("line 3") && !told.contains("hush"), "{told}");
        }
        assert_eq!(read("A='x y' # note\nB=\n").unwrap().len(), 2);
        assert!(from_env_file(Path::new("no-such-file")).unwrap_err().contains("no-such-file"));
    }
}
