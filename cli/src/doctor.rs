//! `ocg doctor`: every endpoint, permission and quota that a deployment needs, a line each. Changes nothing.

mod endpoints;
mod quotas;
mod rights;

use clap::Args;
use cloud::profiles::stored_credentials;

use crate::failure::Answer;
use crate::output::Output;
use crate::profile::{check_country, stored};
use crate::report::{Light, Line, verdict};
use crate::settings::Settings;
use crate::stack::Stack;
use endpoints::Parts;

/// `ocg doctor`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg doctor --stage prod")]
pub struct Doctor {
    /// Show only what is not as it must be.
    #[arg(long)]
    quiet: bool,
}

/// Looks at everything. No: something is red.
pub async fn run(asked: &Doctor, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let stack = Stack::find(settings).await?;
    let mut shown = Vec::new();
    let mut show = |lines: Vec<Line>| -> anyhow::Result<()> {
        for line in lines {
            if !asked.quiet || line.light() != Light::Green {
                line.show(output)?;
            }
            shown.push(line);
        }
        Ok(())
    };
    let parts = Parts::find(&stack).await;
    show(endpoints::check(&stack, &parts).await)?;
    show(rights::check(&stack, &parts).await)?;
    show(quotas::check(&stack).await)?;
    show(countries(&stack).await)?;
    Ok(verdict(&shown, output))
}

async fn countries(stack: &Stack) -> Vec<Line> {
    let todo = "may these credentials read parameters below /ocg/<stage>?";
    let profiles = match stored::all(stack).await {
        Ok(profiles) => profiles,
        Err(problem) => return vec![Line::red("profiles", format!("{problem:#}"), todo)],
    };
    if profiles.is_empty() {
        return vec![Line::red("profiles", "there is none: every number is refused", "ocg profile put FILE")];
    }
    let mut lines = Vec::new();
    if let Err(conflict) = crate::profile::together(&profiles) {
        lines.push(Line::red(
            "profiles",
            conflict,
            "nobody is called until they go together: ocg profile put",
        ));
    }
    for profile in profiles {
        let credentials = stored_credentials(&stack.ssm(), &stack.stage, &profile.country).await;
        lines.extend(check_country(&profile.country, profile.read(), credentials).await);
    }
    lines
}
