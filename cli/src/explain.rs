//! `ocg explain`: what would happen to a message, and why.

mod messages;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use calls::profile::Profiles;
use clap::Args;

use crate::failure::{Answer, misuse};
use crate::output::{GREEN, Output, RED, YELLOW, styled};
use crate::settings::Settings;
use crate::stack::Stack;
pub use verdict::Verdict;

/// `ocg explain`
#[derive(Args, Debug)]
#[command(
    after_help = "With --json one object a message; decision is dial (number, country, callId, voiceId, systemPrompt, \
                        greetingMessage), refuse (code, path, detail, callId) or, where a profile is broken and the message \
                        would wait for it, retry (detail).\n\nExample:\n  ocg explain --profiles examples/profiles examples/messages/br-appointment.json"
)]
pub struct Explain {
    /// One message, or one a line (JSON lines); - for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the country profiles are: a directory of JSON files, or ssm for those of --stage.
    #[arg(long, value_name = "DIR|ssm", default_value = "ssm")]
    pub profiles: String,
    /// Each line is a message, whatever it looks like (as in a FILE that ends in .jsonl).
    #[arg(long)]
    pub lines: bool,
    /// Exit with 3 if any message would not be dialed.
    #[arg(long)]
    pub strict: bool,
}

/// Reads, explains, prints.
pub async fn run(asked: &Explain, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let text = messages::read(&asked.file)?;
    let profiles = profiles(&asked.profiles, settings).await?;
    let mut all_dial = true;
    for message in messages::split(&text, asked.lines || messages::says_lines(&asked.file)) {
        let verdict = Verdict::of(message, &profiles);
        all_dial &= matches!(verdict, Verdict::Dial { .. });
        match output.json {
            true => output.object(&verdict)?,
            false => show(&verdict, output),
        }
    }
    Ok(Answer::yes_if(all_dial || !asked.strict))
}

/// The profiles of a directory, or (`ssm`) of the deployment.
pub async fn profiles(asked: &str, settings: &Settings) -> anyhow::Result<Arc<Profiles>> {
    if asked == "ssm" {
        let hint = "or name a directory of profiles: --profiles DIR";
        let stack = Stack::find(settings).await.context(hint)?;
        return Ok(stack.profiles().get(false).await.map_err(anyhow::Error::msg)?.profiles);
    }
    cloud::profiles::from_directory(asked.as_ref()).profiles.map(Arc::new).map_err(misuse)
}

fn show(verdict: &Verdict, output: &Output) {
    match verdict {
        Verdict::Dial { number, country, call_id, voice_id, system_prompt, greeting_message } => {
            output.say(format!("{} {number} ({country})", styled(GREEN, "dial")));
            let greeting = greeting_message.as_deref().unwrap_or("-");
            let shown = call_id.as_deref().unwrap_or("- (the queue's message id makes one)");
            for (name, value) in
                [("call", shown), ("voice", voice_id), ("prompt", system_prompt), ("greeting", greeting)]
            {
                output.say(format!("  {name:9} {}", in_one_line(value)));
            }
        }
        Verdict::Refuse { code, path, detail, .. } => {
            let place = path.as_ref().map(|path| format!(" at {path}")).unwrap_or_default();
            output.say(format!("{} {code}{place}: {detail}", styled(RED, "refuse")));
        }
        Verdict::Retry { detail } => {
            output.say(format!("{} {detail}", styled(YELLOW, "retry")));
        }
    }
}

/// As much as one line of a terminal shows.
fn in_one_line(text: &str) -> String {
    const SHOWN: usize = 80;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} characters)", &line[..end], text.chars().count()),
        None => line,
    }
}
