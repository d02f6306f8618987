//! `ocg dlq`: the dead letters, worked.
//!
//! A letter that somebody looks at or works on is received: nobody else gets it meanwhile, and it is given back at
//! the end, whatever the end is ([`held`]). What goes back is sent first and deleted then; who is interrupted between
//! leaves both, and the second time the router only acknowledges it, because it is the same call.

mod fate;
mod files;
mod filter;
mod held;
mod interrupt;
mod json;
mod letter;
mod ls;
mod patch;
mod purge;
mod redrive;
mod show;

use std::sync::Arc;

use calls::profile::Profiles;
use clap::{Args, Subcommand};
use cloud::call_folder::CallFolders;
use cloud::queue::Queue;

use crate::failure::Answer;
use crate::output::Output;
use crate::settings::Settings;
use crate::stack::{Stack, folders};
use interrupt::Interrupt;

/// `ocg dlq`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg dlq ls --stage prod --code no_profile_for_prefix --older-than 2h")]
pub struct Dlq {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How many there are, why, and which.
    Ls(ls::Ls),
    /// One of them: the message with the place at fault marked, the reason, and what its call has been through.
    Show(show::Show),
    /// Mends a message and sends it back: the same call, looked at by the router's own code before it goes.
    Patch(patch::Patch),
    /// Sends letters back as they are, as the same calls. Nobody is called who may have been called already.
    Redrive(redrive::Redrive),
    /// Deletes letters, after they were saved to a file.
    Purge(purge::Purge),
}

/// What every command works with.
struct Desk<'a> {
    dead_letters: Queue,
    trigger_calls: Queue,
    folders: CallFolders,
    stack: Stack,
    interrupt: Interrupt,
    settings: &'a Settings,
    output: &'a Output,
}

/// Runs the command.
pub async fn run(asked: &Dlq, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    match &asked.command {
        Command::Patch(patch) => patch.check()?,
        Command::Redrive(redrive) => redrive.which.check()?,
        Command::Purge(purge) => purge.check()?,
        Command::Ls(_) | Command::Show(_) => {}
    }
    let stack = Stack::find(settings).await?;
    let desk = Desk {
        dead_letters: stack.dead_letters()?,
        trigger_calls: stack.trigger_calls()?,
        folders: match settings.calls {
            Some(_) => folders(settings).await?,
            None => stack.folders()?,
        },
        stack,
        interrupt: Interrupt::listen(*output)?,
        settings,
        output,
    };
    match &asked.command {
        Command::Ls(ls) => ls::run(ls, &desk).await,
        Command::Show(show) => show::run(show, &desk).await,
        Command::Patch(patch) => patch::run(patch, &desk).await,
        Command::Redrive(redrive) => redrive::run(redrive, &desk).await,
        Command::Purge(purge) => purge::run(purge, &desk).await,
    }
}

impl Desk<'_> {
    /// The profiles, to look at; without them countries are told by the numbers alone.
    async fn profiles_if_any(&self) -> Option<Arc<Profiles>> {
        match self.profiles().await {
            Ok(profiles) => Some(profiles),
            Err(problem) => {
                self.output.remark(format!("without the country profiles: {problem:#}"));
                None
            }
        }
    }

    /// The profiles, to decide by.
    async fn profiles(&self) -> anyhow::Result<Arc<Profiles>> {
        Ok(self.stack.profiles().get(false).await.map_err(anyhow::Error::msg)?.profiles)
    }

    /// Others hold letters that are not among those we see.
    fn remark_others(&self, with_others: u64) {
        match with_others {
            0 => {}
            1 => self.output.remark("1 more is being worked on by somebody else, or was a moment ago"),
            more => self
                .output
                .remark(format!("{more} more are being worked on by somebody else, or were a moment ago")),
        }
    }
}

/// `1 letter`, `2 letters`.
fn letters(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}
