//! `ocg flight`: the flight recorder. A call's life from its folder: in the store, or on disk.

mod diff;
mod export;
mod folder;
mod html;
mod peaks;
#[cfg(test)]
mod recorded;
mod redact;
mod show;
mod sparks;

use std::path::Path;

use clap::Subcommand;

use crate::failure::Answer;
use crate::output::Output;
use crate::settings::Settings;
use crate::{stack, tail, which};

use folder::Flight as Recorded;

/// `ocg flight`
#[derive(Debug, Subcommand)]
pub enum Flight {
    /// A call's life: why it ended, whether both sides were heard, what went wrong, and every fact.
    #[command(
        after_help = "Examples:\n  ocg flight show 3f2a9c --stage prod\n  ocg flight show examples/flights/moved --seconds"
    )]
    Show(show::Show),
    /// The same as one page that opens from disk: both voices to look at and to listen to, everything on one time axis.
    #[command(after_help = "Example:\n  ocg flight html 3f2a9c -o call.html --stage prod")]
    Html(html::Html),
    /// What is different in two calls.
    #[command(after_help = "Example:\n  ocg flight diff 3f2a9c 81b07d --stage prod")]
    Diff(diff::Diff),
    /// A call's folder as a directory, for who has no access to the store: every ocg flight command reads it.
    #[command(
        after_help = "Example:\n  ocg flight export 3f2a9c -o call-3f2a9c --redact --without-audio --stage prod\n\n\
                      --redact puts a hash in place of every run of seven digits or more, and of the call's own ids. Its \
                      key is drawn for this one export and kept nowhere, so nobody finds the number by trying all there \
                      are, and two exports cannot be put together. Names that somebody says stay: \
                      --without-transcript --without-audio"
    )]
    Export(export::Export),
}

/// Does it.
pub async fn run(asked: &Flight, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    match asked {
        Flight::Show(asked) => show::run(asked, settings, output).await,
        Flight::Html(asked) => html::run(asked, settings, output).await,
        Flight::Diff(asked) => diff::run(asked, settings, output).await,
        Flight::Export(asked) => export::run(asked, settings, output).await,
    }
}

/// The call that is meant: a directory if there is one of this name, else one of the store's. `None`, said aloud: there
/// is none. Recordings only if `with_sound`: they are large.
async fn read(
    meant: &str,
    with_sound: bool,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<Option<Recorded>> {
    let directory = Path::new(meant);
    if directory.is_dir() {
        return Recorded::on_disk(directory, with_sound).map(Some);
    }
    let folders = stack::folders(settings).await?;
    let Some(key) = which::find(&folders, meant).await? else {
        tail::no_such_call(meant, output);
        return Ok(None);
    };
    let files = folders.files(&key, |name| with_sound || !folder::is_recording(name)).await?;
    if files.is_empty() {
        tail::no_such_call(meant, output);
        return Ok(None);
    }
    Recorded::of(key.to_string(), files).map(Some)
}
