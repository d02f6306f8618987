//! `ocg flight export`: a call's folder as a directory, as it lies in the store or redacted.

use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use super::folder::{Flight, is_recording};
use super::redact::{Redaction, Words};
use crate::failure::{Answer, misuse};
use crate::output::Output;
use crate::settings::Settings;

/// `ocg flight export`
#[derive(Args, Debug)]
pub struct Export {
    /// The call: its key (or six characters of it), the id that events carry, or a directory.
    #[arg(value_name = "CALL")]
    call: String,
    /// The directory that is made.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Hash phone numbers and ids, wherever they stand; which keys were pressed is left out.
    #[arg(long)]
    redact: bool,
    /// Leave out what was said, and what the agent was told to be and to say.
    #[arg(long)]
    without_transcript: bool,
    /// Leave the recordings out.
    #[arg(long)]
    without_audio: bool,
}

/// Writes it.
pub async fn run(asked: &Export, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let Some(flight) = super::read(&asked.call, !asked.without_audio, settings, output).await? else {
        return Ok(Answer::No);
    };
    let to = &asked.output;
    if to.exists() {
        return Err(misuse(format!("{} is there already: name a directory that is not", to.display())));
    }
    let exported = exported(&flight, asked);
    for (name, bytes) in &exported.files {
        let path = to.join("calls").join(&exported.key).join(name);
        let parent = path.parent().context("a file in a folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let bytes: usize = exported.files.iter().map(|(_, bytes)| bytes.len()).sum();
    let files = exported.files.len();
    match output.json {
        true => output.object(&json!({ "directory": to, "files": files, "bytes": bytes }))?,
        false => output.say(format!("{}: {files} files, {:.1} MB", to.display(), bytes as f64 / 1e6)),
    }
    Ok(Answer::Yes)
}

struct Exported {
    key: String,
    files: Vec<(String, Bytes)>,
}

fn exported(flight: &Flight, asked: &Export) -> Exported {
    let wanted = flight.files.iter().filter(|(name, _)| !(asked.without_audio && is_recording(name)));
    let words = if asked.without_transcript { Words::LeftOut } else { Words::Kept };
    let redaction = asked.redact.then(|| Redaction::drawn(flight));
    let file = |name: &str, bytes: &Bytes| {
        if is_recording(name) {
            return bytes.clone();
        }
        match &redaction {
            Some(redaction) => redaction.file(bytes, words).into(),
            None if words == Words::LeftOut => Redaction::nothing_but_words(bytes).into(),
            None => bytes.clone(),
        }
    };
    let name = |name: &String| redaction.as_ref().map_or_else(|| name.clone(), |it| it.path(name));
    Exported {
        key: redaction.as_ref().map_or_else(|| flight.key.clone(), |it| it.key().to_owned()),
        files: wanted.map(|(path, bytes)| (name(path), file(path, bytes))).collect(),
    }
}
