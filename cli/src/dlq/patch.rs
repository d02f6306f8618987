//! `ocg dlq patch`

mod editor;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use calls::ids::CallKey;
use calls::trigger::{Refusal, TriggerCall};
use clap::Args;
use cloud::queue::dead_letter;
use serde::Serialize;

use super::fate::{self, Fate};
use super::filter::one;
use super::held::Held;
use super::json::{self, Node, Step};
use super::letter::{Letter, printable};
use super::{Desk, files, held};
use crate::failure::{Answer, misuse};
use crate::output::{GREEN, RED, styled};

/// The fields that a call's identity is made of.
const IDENTITY: [&str; 3] = ["id", "organizationId", "tenantId"];

/// Mends the message of a dead letter and sends it back, if the router would take it now.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ocg dlq patch 1b2c3d4e --set 'metadata.phoneNumbers[0].number=+5511987654321'\n\n\
    Exit code 3: there is no such letter, or it would still not be dialed; nothing was sent."
)]
pub struct Patch {
    /// The beginning of its id or of its call's key, or the id of its call or of its first message.
    #[arg(value_name = "ID")]
    id: String,
    /// Puts a value at a path; JSON if it is some, else a text. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Takes away what is at a path. May be repeated; comes before --set.
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
    /// Opens the message in $VISUAL or $EDITOR.
    #[arg(long, conflicts_with_all = ["set", "unset", "body"])]
    edit: bool,
    /// The whole message from a file; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["set", "unset"])]
    body: Option<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What machines are told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patched<'a> {
    id: &'a str,
    key: &'a CallKey,
    result: &'a str,
    attempt: Option<u32>,
    code: Option<&'a str>,
    path: Option<&'a str>,
    detail: Option<&'a str>,
    message_id: Option<&'a str>,
}

impl Patch {
    /// # Errors
    /// When it is not said what to mend, or not in a way that can be understood.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.set.is_empty() && self.unset.is_empty() && !self.edit && self.body.is_none() {
            return Err(misuse(
                "what is to be mended? Say --set PATH=VALUE, --unset PATH, --edit or --body FILE",
            ));
        }
        self.changes().map(drop)
    }

    fn changes(&self) -> anyhow::Result<Vec<(Vec<Step>, Option<Node>)>> {
        let unset = self.unset.iter().map(|path| Ok((json::path(path).map_err(misuse)?, None)));
        let set = self.set.iter().map(|text| {
            let (path, value) = text
                .split_once('=')
                .ok_or_else(|| misuse(format!("--set {text}: write it as PATH=VALUE")))?;
            Ok((json::path(path).map_err(misuse)?, Some(Node::typed(value))))
        });
        unset.chain(set).collect()
    }

    /// The message as it is to be; `None`: nothing was changed.
    async fn mended(&self, letter: &Letter, desk: &Desk<'_>) -> anyhow::Result<Option<String>> {
        let body = &letter.received.body;
        if let Some(file) = &self.body {
            return read(file).map(Some);
        }
        let read = Node::read(body);
        if self.edit {
            let text = match &read {
                Ok(node) => node.lines(None).into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n"),
                Err(_) => body.clone(),
            };
            let edited = desk.interrupt.not_during(editor::edit(&text, &desk.settings.variables)).await?;
            return Ok(edited.map(|edited| match Node::read(&edited) {
                Ok(node) if read.is_ok() => node.to_string(),
                _ => edited,
            }));
        }
        let mut node = read
            .map_err(|problem| misuse(format!("the message is no JSON ({problem}): mend it with --edit")))?;
        for (path, value) in self.changes()? {
            match value {
                Some(value) => node.set(&path, value),
                None => node.unset(&path),
            }
            .map_err(misuse)?;
        }
        Ok(Some(node.to_string()))
    }
}

pub(super) async fn run(asked: &Patch, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let act = async |held: &mut Held| {
        let Some(letter) = one(held.letters(), &asked.id)?.cloned() else {
            return Ok(desk.not_found(&asked.id, held.with_others));
        };
        held.keep(|other| other.id() == letter.id()).await?;
        patch(asked, &letter, held, desk).await
    };
    held::with_all(&desk.dead_letters, &desk.interrupt, desk.output, act).await
}

async fn patch(asked: &Patch, letter: &Letter, held: &Held, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let told = Told { desk, letter };
    if let Some(why) = is_claimed(&letter.key(), desk).await? {
        return told.stays(&why);
    }
    let Some(body) = asked.mended(letter, desk).await? else {
        return told.stays("nothing was changed");
    };
    let key = letter.key_with(&body);
    let answer = decide(asked, letter, held, desk, &body, &key).await;
    // What somebody typed is not thrown away because it was not right yet.
    if asked.edit && !matches!(answer, Ok(Answer::Yes)) {
        keep(letter, &body, desk);
    }
    answer
}

fn keep(letter: &Letter, body: &str, desk: &Desk<'_>) {
    let id = letter.id().get(..8).unwrap_or("letter");
    let names = (1..100).map(|nth| match nth {
        1 => format!("patched-{id}.json"),
        _ => format!("patched-{id}-{nth}.json"),
    });
    let Some(name) = names.into_iter().find(|name| !Path::new(name).exists()) else { return };
    match files::save_new(Path::new(&name), body.as_bytes()) {
        Ok(()) => desk.output.remark(format!("your text is in {name}: mend it and say --body {name}")),
        Err(problem) => desk.output.remark(format!("your text could not be kept: {problem:#}")),
    }
}

async fn decide(
    asked: &Patch,
    letter: &Letter,
    held: &Held,
    desk: &Desk<'_>,
    body: &str,
    key: &CallKey,
) -> anyhow::Result<Answer> {
    let told = Told { desk, letter };
    if *key != letter.key() {
        if !may_become(letter) {
            let why = format!(
                "it would be another call then: {} make its identity; upstream may send that",
                IDENTITY.join(", ")
            );
            return told.stays(&why);
        }
        desk.output.remark(format!("the message has another identity now: its call is {key}"));
        if let Some(why) = is_claimed(key, desk).await? {
            return told.stays(&why);
        }
    }
    let standing = desk.folders.look(key).await?;
    let profiles = desk.profiles().await?;
    let attempt = match fate::of(key, body, letter.received.text("OcgAttempt"), &standing, &profiles) {
        Fate::Attempt(attempt) => attempt.number,
        Fate::Refused(refusal) => return told.refused(&refusal),
        Fate::Stays(why) => return told.stays(&why),
    };
    let attributes = match dead_letter::put_back(&letter.received, key, body.len()) {
        Ok(attributes) => attributes,
        Err(no_room) => return told.stays(&no_room.to_string()),
    };
    if asked.dry_run {
        return told.goes_back("would-be-patched", key, attempt, None);
    }
    if desk.interrupt.happened() {
        bail!("interrupted; nothing was sent");
    }
    if !held.is_ours(letter) {
        bail!("the letter was held too long and may be somebody else's now; nothing was sent");
    }
    let sent = desk.trigger_calls.send(body, &attributes).await;
    let message_id = sent.context("the letter stays as it is")?;
    held.delete(letter).await.with_context(|| {
        format!(
            "the mended message went back, but the letter {} is still there; purge it with --id",
            letter.id()
        )
    })?;
    told.goes_back("patched", key, attempt, Some(&message_id))
}

/// A call that was taken up is made of what is stored, whatever a message says later.
async fn is_claimed(key: &CallKey, desk: &Desk<'_>) -> anyhow::Result<Option<String>> {
    let is_claimed = desk.folders.look(key).await?.message.is_some();
    Ok(is_claimed.then(|| {
        "its call was taken up before, and what is dialed is the message that is stored since then, whatever is \
         patched: redrive it as it is, or have upstream send the mended message with a new id"
            .to_owned()
    }))
}

/// May this letter become another call? Only if nobody can ever be called for it as it is (should it outlive its
/// mended twin), and its own identity could not be read as it was meant.
fn may_become(letter: &Letter) -> bool {
    let Err(unusable) = TriggerCall::read(letter.received.body.as_bytes()) else { return false };
    let has_id = unusable.tracking.id.is_some_and(|id| !id.is_empty());
    !has_id || letter.path().is_some_and(|path| IDENTITY.contains(&path))
}

struct Told<'a> {
    desk: &'a Desk<'a>,
    letter: &'a Letter,
}

impl Told<'_> {
    fn goes_back(
        &self,
        result: &str,
        key: &CallKey,
        attempt: u32,
        message_id: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let id = self.letter.id();
        if self.desk.output.json {
            let attempt = Some(attempt);
            let patched =
                Patched { id, key, result, attempt, code: None, path: None, detail: None, message_id };
            self.desk.output.object(&patched)?;
        } else {
            let word = if message_id.is_some() { "went back" } else { "would go back" };
            self.desk.output.say(format!("{} {id}: attempt {attempt} of call {key}", styled(GREEN, word)));
        }
        Ok(Answer::Yes)
    }

    fn refused(&self, refusal: &Refusal) -> anyhow::Result<Answer> {
        let place = refusal.path.as_ref().map(|path| format!(" at {path}")).unwrap_or_default();
        let why = format!("it would be refused: {}{place}: {}", refusal.code, printable(&refusal.detail));
        self.not_sent(&why, Some(refusal))
    }

    fn stays(&self, why: &str) -> anyhow::Result<Answer> {
        self.not_sent(why, None)
    }

    fn not_sent(&self, why: &str, refusal: Option<&Refusal>) -> anyhow::Result<Answer> {
        let id = self.letter.id();
        if self.desk.output.json {
            let (key, path) = (self.letter.key(), refusal.and_then(|refusal| refusal.path.as_deref()));
            let code = refusal.map(|refusal| refusal.code.as_str());
            let detail = Some(refusal.map_or(why, |refusal| refusal.detail.as_str()));
            let (key, attempt, message_id) = (&key, None, None);
            self.desk.output.object(&Patched {
                id,
                key,
                result: "not-sent",
                attempt,
                code,
                path,
                detail,
                message_id,
            })?;
        } else {
            self.desk.output.say(format!("{} {id}: {why}", styled(RED, "not sent")));
        }
        Ok(Answer::No)
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(misuse(format!("cannot read {}: {error}", file.display()))),
    }
}
