//! The editor that somebody is used to.

use std::io::Write as _;

use anyhow::Context as _;
use cloud::profiles::Variables;
use tokio::process::Command;

use crate::failure::misuse;

/// Has a text edited and returns it; `None`: it was left as it was. Nothing here holds up the rest of the program.
///
/// # Errors
/// When there is no editor, or it says that it was left without saving (a failing exit code, such as `:cq`).
pub async fn edit(text: &str, variables: &Variables) -> anyhow::Result<Option<String>> {
    let named = |name| variables.get(name).filter(|value: &&str| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or("vi");
    // Readable by nobody else: there are people's numbers in it.
    let mut file = tempfile::Builder::new().prefix("letter-").suffix(".json").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // As git does it: the variable may hold options, and the shell takes them apart.
    let script = format!("{editor} \"$1\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "editor"]).arg(file.path()).kill_on_drop(true);
    let ended = command.status().await.with_context(|| format!("cannot run {editor}"))?;
    if !ended.success() {
        return Err(misuse(format!("{editor} was left with {ended}; nothing was changed")));
    }
    // Editors write another file and rename it: what stands there now is read, not what we have open.
    let edited = std::fs::read_to_string(file.path()).context("cannot read what was edited")?;
    Ok((edited.trim_end() != text.trim_end()).then_some(edited))
}
