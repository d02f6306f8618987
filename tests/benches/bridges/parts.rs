//! Parts of the report that other programs measure in the same run. Each leaves a file beside the report before this
//! one ends.
//!
//! Numbers of `many.json` that have a key of [`targets`](crate::targets) are judged. All of it is kept in
//! `report.json`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// Their names, which are also the files'.
const NAMES: [&str; 4] = ["many", "soak_short", "soak_long", "instructions"];

/// The parts that there are.
#[derive(Default)]
pub struct Parts(Map<String, Value>);

impl Parts {
    /// Those that lie in `dir`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(dir: Option<&Path>) -> Result<Self> {
        let mut parts = Map::new();
        for name in NAMES {
            let Some(file) = dir.map(|dir| dir.join(format!("{name}.json"))).filter(|file| file.is_file())
            else {
                continue;
            };
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let part = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
            parts.insert(name.to_owned(), part);
        }
        Ok(Self(parts))
    }

    /// The numbers of many calls in one worker, by their keys.
    pub fn figures(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0
            .get("many")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, figure)| figure.is_number())
    }

    /// For people: a worker that carries many calls at once, and what it keeps of many and of a long one.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        if let Some(many) = self.0.get("many") {
            text.push_str(&many_calls(many));
            text.push_str(&marked_calls(many));
        }
        let soaks: Vec<&Value> =
            ["soak_short", "soak_long"].iter().filter_map(|name| self.0.get(*name)).collect();
        if !soaks.is_empty() {
            text.push_str(&what_is_kept(&soaks));
        }
        text
    }

    /// All of them.
    pub fn json(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// A worker with one call and with many.
fn many_calls(many: &Value) -> String {
    let mut text = String::from(
        "\n## Many calls in one worker\n\nThe whole stack on the same two cores; the phones send packets back as \
         they come. Gap errors are of all calls' packets together; beside them the call with the largest p99.\n\n\
         | calls at once | CPU, s per call-second | PSS, MB | gap error p50, ms | p99 | max | worst call's p99 | \
         a thread that only waits p50 | p99 | max | at the phone p50 | p99 | max |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (calls, of) in [(&Value::from(1), &many["alone"]), (&many["calls"], &many["together"])] {
        let cpu = number(&of["cpu_per_call_second"], 4);
        let [sent, timer, at_phone] = ["gap_error", "timer_error", "gap_error_at_phone"]
            .map(|key| ["p50_ms", "p99_ms", "max_ms"].map(|share| number(&of[key][share], 2)).join(" | "));
        let (pss, worst) = (number(&of["held"]["pss_mb"], 1), number(&of["gap_error_worst_p99_ms"], 2));
        let _ = writeln!(text, "| {calls} | {cpu} | {pss} | {sent} | {worst} | {timer} | {at_phone} |");
    }
    text
}

/// A call in which both sides mark, alone and among many.
fn marked_calls(many: &Value) -> String {
    let mut text = String::from(
        "\nOne more call in which both sides mark, alone and in the place of one of the many; in ms, \
         with the server's way in the delays.\n\n| calls at once | toward the agent p50 | p99 | toward the callee p50 | \
         p99 | clear → last sound, p99 | stale packets | the server alone p50 | p99 |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (calls, of) in [(&Value::from(1), &many["marked_alone"]), (&many["calls"], &many["marked_together"])]
    {
        let keys = ["to_agent_p50", "to_agent_p99", "to_callee_p50", "to_callee_p99", "barge_in_p99"];
        let ours = keys.map(|key| number(&of[format!("{key}_ms")], 2)).join(" | ");
        let alone =
            ["p50", "p99"].map(|share| number(&of[format!("server_alone_{share}_ms")], 2)).join(" | ");
        let _ = writeln!(text, "| {calls} | {ours} | {} | {alone} |", of["stale_packets"]);
    }
    text
}

/// What a worker keeps of many short calls, and of a long one.
fn what_is_kept(soaks: &[&Value]) -> String {
    let mut text = String::from(
        "\n## What a worker keeps\n\nRun once, apart from the rounds (`make bench SOAK=1`). Early: after a tenth. \
         Left behind: memory, threads or descriptors that grow.\n\n| | minutes | PSS early, MB | late | threads | \
         descriptors | left behind |\n|---|---|---|---|---|---|---|\n",
    );
    for soak in soaks {
        let minutes = number(&Value::from(soak["seconds"].as_f64().unwrap_or_default() / 60.0), 0);
        let (early, late) = (&soak["early"], &soak["late"]);
        let both = |key: &str| format!("{} → {}", early[key], late[key]);
        let left = match soak["left_behind"].as_array() {
            Some(left) if left.is_empty() => "nothing".to_owned(),
            _ => soak["left_behind"].to_string(),
        };
        let _ = writeln!(
            text,
            "| {} | {minutes} | {} | {} | {} | {} | {left} |",
            soak["what"].as_str().unwrap_or_default(),
            number(&early["pss_mb"], 1),
            number(&late["pss_mb"], 1),
            both("threads"),
            both("descriptors"),
        );
    }
    text
}

/// A figure with so many decimals; a dash where there is none.
fn number(figure: &Value, decimals: usize) -> String {
    figure.as_f64().map_or_else(|| "–".to_owned(), |figure| format!("{figure:.decimals$}"))
}
