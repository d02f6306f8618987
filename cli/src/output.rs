//! All that is printed: tables and lines for people, one JSON object a line for machines (`--json`).
//! Colours only on a terminal (and never with `NO_COLOR`); what one asked for goes to stdout, remarks to stderr.

use std::io::{IsTerminal as _, Write as _};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;

/// Good.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// To be looked at.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub const RED: Style = AnsiColor::Red.on_default().bold();
/// Beside the point.
pub const DIM: Style = Style::new().dimmed();

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object a line instead of text for people.
    pub json: bool,
}

impl Output {
    /// For machines if `json`.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people. Nobody reads on (a closed pipe): that is no failure.
    pub fn say(&self, line: impl AsRef<str>) {
        let _ = writeln!(anstream::stdout(), "{}", line.as_ref());
    }

    /// A remark beside the answer.
    pub fn remark(&self, line: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr(), "{}", line.as_ref());
    }

    /// One object of the answer, for machines.
    pub fn object(&self, object: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(object)?;
        self.say(line);
        Ok(())
    }

    /// Rows under a heading, as wide as the terminal at most.
    pub fn table<Row: IntoIterator<Item = String>>(
        &self,
        heading: &[&str],
        rows: impl IntoIterator<Item = Row>,
    ) {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let is_terminal = std::io::stdout().is_terminal();
        // To a pipe each row is one line, whatever its length.
        let arrangement =
            if is_terminal { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(arrangement);
        table.set_header(heading.iter().map(|title| title.to_uppercase()));
        for row in rows {
            table.add_row(row);
        }
        for line in table.lines() {
            self.say(line.trim_end());
        }
    }

    /// What went wrong.
    pub fn complain(&self, problem: &anyhow::Error) {
        self.remark(format!("{} {problem:#}", styled(RED, "ocg:")));
    }
}

/// Text in a style; the streams leave it out where there is no terminal.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// How long ago: `45s`, `12m`, `3h 5m`, `2d 4h`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).max(SignedDuration::ZERO).as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// A time in UTC, to the second.
pub fn at(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}
