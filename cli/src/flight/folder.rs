//! A call's folder, read whole: documents leniently, so that a redacted one, a half-written one and one of a newer
//! version are shown as far as they go.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use calls::fact::Fact;
use calls::outcome::Outcome;
use cloud::call_folder::documents::Next;
use cloud::call_folder::{RecordedFact, Recording};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use telemetry::flight::Attempt;

use crate::failure::misuse;

/// A recorded call.
#[derive(Debug, Default)]
pub struct Flight {
    /// The call's key, as far as it is known.
    pub key: String,
    /// Every file, by its path in the call's folder.
    pub files: BTreeMap<String, Bytes>,
    /// What is known of it besides its facts.
    pub about: About,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// Lines of facts that could not be understood.
    pub not_understood: usize,
}

/// Who was called, for whom, by what.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The id that events carry.
    pub call_id: Option<String>,
    /// Masked, or hashed.
    pub number: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// `metadata.campaignId`.
    pub campaign: Option<String>,
    /// `metadata.customerId`.
    pub customer: Option<String>,
    /// From when the message's age counts.
    #[serde(skip)]
    pub since: Option<Timestamp>,
    /// Its size.
    pub message_bytes: Option<usize>,
    /// The vendor's id of the last agent's call.
    pub agent_call_id: Option<String>,
    /// The last attempt's room.
    pub room: Option<String>,
    /// The program that wrote the last outcome.
    pub version: Option<String>,
}

/// Is this file sound?
pub fn is_recording(name: &str) -> bool {
    [Recording::Callee, Recording::Agent].iter().any(|it| name.ends_with(it.file_name()))
}

impl Flight {
    /// From its folder: `calls/<key>` itself, what is above it, or an export.
    ///
    /// # Errors
    /// When no call, or more than one, is in there.
    pub fn on_disk(directory: &Path, with_sound: bool) -> anyhow::Result<Self> {
        let folder = call_folder(directory)?;
        let mut files = BTreeMap::new();
        gather(&folder, "", with_sound, &mut files)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::of(name, files)
    }

    /// From its files.
    ///
    /// # Errors
    /// When there is nothing in it that could be a call.
    pub fn of(key: String, files: BTreeMap<String, Bytes>) -> anyhow::Result<Self> {
        let mut flight = Self { key, files, ..Self::default() };
        let numbers =
            flight.files.keys().filter_map(|name| name.strip_prefix('a')?.split_once('/')?.0.parse().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let attempt = flight.attempt(number);
            flight.attempts.push(attempt);
        }
        flight.about = flight.about();
        Ok(flight)
    }

    /// The last attempt.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// A recording of an attempt's.
    pub fn recording(&self, attempt: u32, which: Recording) -> Option<&Bytes> {
        self.files.get(&format!("a{attempt}/{}", which.file_name()))
    }

    /// When its story begins.
    pub fn began(&self) -> Option<Timestamp> {
        let first = self.attempts.iter().filter_map(|attempt| attempt.facts.first()).map(|(at, _)| *at).min();
        self.about.since.into_iter().chain(first).min()
    }

    fn attempt(&mut self, number: u32) -> Attempt {
        let folder = format!("a{number}/facts/");
        let mut facts: Vec<(Timestamp, Fact)> = Vec::new();
        let segments = self.files.iter().filter(|(name, _)| name.starts_with(&folder));
        for line in
            segments.flat_map(|(_, bytes)| bytes.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty())
        {
            match serde_json::from_slice::<RecordedFact>(line) {
                Ok(line) => facts.push((line.at, line.fact)),
                Err(_) => self.not_understood += 1,
            }
        }
        facts.sort_by_key(|(at, _)| *at);
        let outcome: Option<Outcome> = self.document(&format!("a{number}/outcome.json"));
        let next: Option<Next> = self.document(&format!("a{number}/next.json"));
        Attempt { number, facts, outcome, next: next.map(|next| next.next) }
    }

    fn about(&self) -> About {
        let text =
            |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let message: Value = self.document("message.json").unwrap_or_default();
        let last = self.last().map_or(0, |attempt| attempt.number);
        let job: Value = self.document(&format!("a{last}/job.json")).unwrap_or_default();
        let outcome = self.last().and_then(|attempt| attempt.outcome.as_ref());
        let facts = self.attempts.iter().flat_map(|attempt| &attempt.facts).map(|(_, fact)| fact);
        let mut about = About {
            call_id: text(&job, "/plan/callId"),
            campaign: text(&job, "/plan/tracking/campaignId"),
            customer: text(&job, "/plan/tracking/customerId"),
            since: text(&message, "/since").and_then(|since| since.parse().ok()),
            message_bytes: text(&message, "/body").map(|body| body.len()),
            agent_call_id: outcome.and_then(|outcome| outcome.agent_call_id.clone()),
            version: outcome.map(|outcome| outcome.version.clone()),
            ..About::default()
        };
        for fact in facts {
            match fact {
                Fact::MessageAccepted { call_id, to, country } => {
                    about.call_id.get_or_insert_with(|| call_id.clone());
                    about.number = Some(to.to_string());
                    about.country = Some(country.clone());
                }
                Fact::JobTaken { country, to, room } => {
                    about.number = to.as_ref().map(ToString::to_string).or(about.number);
                    about.country = Some(country.clone());
                    about.room = Some(room.clone());
                }
                Fact::AgentCreated { agent_call_id, .. } => about.agent_call_id = Some(agent_call_id.clone()),
                _ => {}
            }
        }
        about
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(self.files.get(name)?).ok()
    }
}

/// The one call's folder in or below a directory.
fn call_folder(directory: &Path) -> anyhow::Result<std::path::PathBuf> {
    if directory.join("message.json").is_file() || directory.join("a1").is_dir() {
        return Ok(std::path::absolute(directory)?);
    }
    let below = directory.join("calls");
    let above = if below.is_dir() { below } else { directory.to_owned() };
    let listed = std::fs::read_dir(&above).with_context(|| format!("cannot list {}", above.display()))?;
    let mut calls: Vec<_> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_call(path)).collect();
    calls.sort();
    match calls.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(misuse(format!(
            "there is no call in {}: name a call's folder (with message.json or a1/ in it), or an export",
            directory.display()
        ))),
        several => Err(misuse(format!(
            "there are {} calls in {}: name one by its folder, such as {}, or by its key with --calls {}",
            several.len(),
            directory.display(),
            several[0].display(),
            directory.display()
        ))),
    }
}

fn is_call(path: &Path) -> bool {
    path.join("message.json").is_file() || path.join("a1").is_dir()
}

fn gather(
    folder: &Path,
    below: &str,
    with_sound: bool,
    files: &mut BTreeMap<String, Bytes>,
) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
        if path.is_dir() {
            gather(&path, &name, with_sound, files)?;
        } else if with_sound || !is_recording(&name) {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(name, bytes.into());
        }
    }
    Ok(())
}
