//! `ocg dlq purge`

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use cloud::queue::attributes::Content;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::filter::Which;
use super::held::Held;
use super::letter::Letter;
use super::{Desk, files, held, letters};
use crate::failure::{Answer, misuse};
use crate::output::{RED, styled};

/// Deletes dead letters. They are saved to a file first; nothing else remembers them.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg dlq purge --code not_json --older-than 7d --save not-json.jsonl\n\n\
    Exit code 3: there are no such letters, or the question was answered otherwise.")]
pub struct Purge {
    #[command(flatten)]
    which: Which,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Where they are saved, one JSON object a line [default: dead-letters-<TIME>.jsonl here]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl Purge {
    /// # Errors
    /// When it is not said which, or nobody can be asked.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.which.check()?;
        if !self.yes && !std::io::stdin().is_terminal() {
            return Err(misuse("there is no terminal to ask at: say --yes if they are really to be deleted"));
        }
        match &self.save {
            Some(file) if file.exists() => {
                Err(misuse(format!("{} is there already: name another file", file.display())))
            }
            _ => Ok(()),
        }
    }
}

pub(super) async fn run(asked: &Purge, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let profiles = match asked.which.filter.country.is_empty() {
        true => None,
        false => Some(desk.profiles().await?),
    };
    let act = async |held: &mut Held| {
        let with_others = held.with_others;
        let now = Timestamp::now();
        let meant = asked.which.ids_of(held.letters(), profiles.as_deref(), now)?;
        held.keep(|letter| meant.contains(letter.id())).await?;
        if meant.is_empty() {
            desk.output.remark("there is no such letter");
            desk.remark_others(with_others);
            return Ok(Answer::No);
        }
        if !asked.yes && !confirmed(meant.len(), desk).await? {
            desk.output.remark("nothing was deleted");
            return Ok(Answer::No);
        }
        let name = || format!("dead-letters-{}.jsonl", now.strftime("%Y%m%dT%H%M%SZ")).into();
        let file = asked.save.clone().unwrap_or_else(name);
        let lines: String = held.letters().iter().map(|letter| format!("{}\n", saved(letter))).collect();
        files::save_new(&file, lines.as_bytes()).context("nothing was deleted")?;
        let shown = file.display();
        desk.output.remark(format!("saved {} to {shown}", letters(meant.len())));
        let answer = delete(held, desk).await.with_context(|| format!("all of them are in {shown}"));
        desk.remark_others(with_others);
        answer
    };
    held::with_all(&desk.dead_letters, &desk.interrupt, desk.output, act).await
}

async fn delete(held: &Held, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let (total, mut deleted) = (held.letters().len(), 0);
    for letter in held.letters() {
        let left = || format!("{deleted} of {} were deleted, the others were not", letters(total));
        if desk.interrupt.happened() {
            bail!("interrupted: {}", left());
        }
        if !held.is_ours(letter) {
            desk.output.remark(format!(
                "letter {} was held too long and may be somebody else's now; it is not deleted",
                letter.id()
            ));
            continue;
        }
        held.delete(letter).await.with_context(left)?;
        deleted += 1;
        if desk.output.json {
            desk.output.object(&json!({ "id": letter.id(), "result": "deleted" }))?;
        }
    }
    if !desk.output.json {
        desk.output.say(format!("deleted {}", letters(deleted)));
    }
    Ok(Answer::yes_if(deleted > 0))
}

/// Asks for the number: who types it has read it.
async fn confirmed(count: usize, desk: &Desk<'_>) -> anyhow::Result<bool> {
    let question = format!("{} will be deleted. Type {count} to go on:", letters(count));
    desk.output.remark(styled(RED, question));
    let (tell, told) = oneshot::channel();
    // Not a task of the runtime: it could not end before somebody types something.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = tell.send(read.map(|_| line));
    });
    tokio::select! {
        told = told => Ok(told??.trim() == count.to_string()),
        () = desk.interrupt.wait() => Err(anyhow!("interrupted; nothing was deleted")),
    }
}

/// A letter as it was, for a file.
fn saved(letter: &Letter) -> Value {
    let received = &letter.received;
    let attributes = received.attributes.iter().map(|attribute| {
        let content = match &attribute.content {
            Content::Text(text) => json!({ "type": attribute.data_type, "text": text }),
            Content::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "type": attribute.data_type, "hex": hex })
            }
        };
        (attribute.name.clone(), content)
    });
    json!({
        "v": 1, "id": letter.id(), "sentAt": received.sent_at, "receiveCount": received.receive_count,
        "attributes": attributes.collect::<serde_json::Map<_, _>>(), "body": received.body,
    })
}

#[cfg(test)]
mod tests {
    use cloud::queue::attributes::Attribute;

    use super::super::letter::tests::letter;
    use super::*;

    #[test]
    fn a_saved_letter_is_whole() {
        let mut letter = letter("l-1", "no \"json\"\n", &[("RefusalCode", "not_json")]);
        letter.received.attributes.push(Attribute {
            name: "trace".to_owned(),
            data_type: "Binary".to_owned(),
            content: Content::Bytes(vec![0, 255]),
        });
        let wanted = json!({
            "v": 1, "id": "l-1", "sentAt": "1970-01-01T00:00:00Z", "receiveCount": 0, "body": "no \"json\"\n",
            "attributes": {
                "RefusalCode": { "type": "String", "text": "not_json" },
                "trace": { "type": "Binary", "hex": "00ff" },
            },
        });
        assert_eq!(saved(&letter), wanted);
    }
}
