//! The command line.

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::call::Call;
use crate::calls::Calls;
use crate::dlq::Dlq;
use crate::doctor::Doctor;
use crate::explain::Explain;
use crate::flight::Flight;
use crate::hangup::Hangup;
use crate::profile::Profile;
use crate::settings::Everywhere;
use crate::tail::Tail;

/// Operates the Outbound Call Gateway: profiles, calls, dead letters.
///
/// Region and credentials are found as every AWS tool finds them (AWS_PROFILE, AWS_REGION …). Exit codes: 0 done,
/// 1 it did not work, 2 asked wrongly, 3 the answer is no.
#[derive(Debug, Parser)]
#[command(name = "ocg", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub everywhere: Everywhere,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The countries that can be called, and their secrets.
    #[command(subcommand)]
    Profile(Profile),
    /// Calls somebody: a real message on the queue, followed until its outcome.
    #[command(
        after_help = "Example:\n  ocg call --stage dev --to +5511987654321 --prompt-file prompt.txt --greeting 'Bom dia!'\n\n\
                            Exits with 0 if somebody answered, with 3 if not."
    )]
    Call(Call),
    /// What happens in a call, as it happens.
    #[command(after_help = "Example:\n  ocg tail 3f2a9c --stage prod")]
    Tail(Tail),
    /// Which calls there were, and how they ended.
    #[command(subcommand)]
    Calls(Calls),
    /// The flight recorder: a call's life from its folder, to read, to look at and to listen to.
    #[command(subcommand)]
    Flight(Flight),
    /// Ends a call now; one that has not rung yet never will.
    Hangup(Hangup),
    /// Stops routing messages; they wait on the queue, and calls that run go on.
    #[command(after_help = "Example:\n  ocg pause --stage prod")]
    Pause,
    /// Routes messages again.
    #[command(after_help = "Example:\n  ocg resume --stage prod")]
    Resume,
    /// Every endpoint, permission and quota that the deployment needs: what is wrong, and what to do.
    Doctor(Doctor),
    /// What would happen to a message, and why: by the router's own code.
    Explain(Explain),
    /// The dead letters: messages that were refused or given up.
    Dlq(Dlq),
    /// Prints what a shell completes ocg with.
    #[command(after_help = "Example:\n  ocg completions bash > /etc/bash_completion.d/ocg")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// What a shell completes `ocg` with, printed.
pub fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "ocg", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Command as Clap;
    use clap::error::ErrorKind;

    use super::*;

    fn leaves(command: &Clap, name: &str, found: &mut Vec<(String, Clap)>) {
        let below: Vec<&Clap> =
            command.get_subcommands().filter(|below| below.get_name() != "help").collect();
        if below.is_empty() {
            found.push((name.to_owned(), command.clone()));
        }
        for command in below {
            leaves(command, &format!("{name} {}", command.get_name()), found);
        }
    }

    #[test]
    fn every_command_shows_a_real_example() {
        Cli::command().debug_assert();
        let mut commands = Vec::new();
        leaves(&Cli::command(), "ocg", &mut commands);
        assert!(commands.len() > 10);
        for (name, mut command) in commands {
            let help = command.render_long_help().to_string();
            let examples: Vec<&str> = help.lines().filter(|line| line.trim().contains(&name)).collect();
            assert!(!examples.is_empty(), "{name} --help has no example: {help}");
            for example in examples {
                assert!(parses(example.trim()), "{name}: {example}");
            }
        }
    }

    /// As far as the shell would give it to us.
    fn parses(line: &str) -> bool {
        let from = line.find("ocg ").unwrap_or(0);
        let to = line[from..].find(['|', '>', ';', '#', '`']).map_or(line.len(), |end| from + end);
        let Ok(words) = shell_words::split(&line[from..to]) else { return false };
        match Cli::try_parse_from(&words) {
            Ok(_) => true,
            // A command that is only named.
            Err(error) => matches!(
                error.kind(),
                ErrorKind::DisplayHelp
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    | ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
            ),
        }
    }

    #[test]
    fn what_the_documents_tell_people_to_type_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut typed = 0;
        for document in ["README.md", "docs/operations.md", "docs/migration.md"] {
            let text = std::fs::read_to_string(root.join(document)).unwrap_or_default();
            for (number, line) in text.lines().enumerate() {
                let quoted = line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("ocg "));
                let alone =
                    Some(line.trim().trim_start_matches("$ ")).filter(|line| line.starts_with("ocg "));
                for command in quoted.chain(alone) {
                    typed += 1;
                    assert!(parses(command), "{document}:{}: {command}", number + 1);
                }
            }
        }
        assert!(typed > 0, "no document names a command");
    }
}
