//! Writes `docs/events.md` from the code that decides: `cargo run --example events_page > docs/events.md`.

use std::io::Write as _;

use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::trigger::Tracking;
use jiff::Timestamp;
use serde_json::Value;
use telemetry::call_history::About;
use telemetry::examples;
use telemetry::metrics::{self, Kind, Metric, Unit};

const HEAD: &str = include_str!("events_page/head.md");
const METRICS: &str = include_str!("events_page/metrics.md");
/// What each fact is stands at its declaration.
const DECLARED: &str = include_str!("../../calls/src/fact.rs");

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(page().as_bytes())
}

/// The whole page.
pub fn page() -> String {
    let facts = examples::facts();
    let rows = facts.iter().map(row);
    let lines = facts.iter().map(|fact| format!("{}\n", json(fact)));
    let measured = Metric::ALL.iter().map(|metric| metric_row(*metric));
    [
        HEAD.to_owned(),
        rows.collect(),
        "\n## One of each\n\nA line of a call folder has the fact's time before it, as `at`.\n\n```json\n"
            .to_owned(),
        lines.collect(),
        "```\n".to_owned(),
        METRICS.to_owned(),
        measured.collect(),
    ]
    .concat()
}

fn row(fact: &Fact) -> String {
    let line = telemetry::line(fact, false);
    let measured: Vec<String> =
        names(metrics::from_fact(fact).iter().map(|sample| sample.metric.name())).collect();
    let event = event(fact).map(|status| format!("`{status}`")).unwrap_or_default();
    format!(
        "| `{}` | {} | {}: *{}* | {} | {event} | {} |\n",
        name(fact),
        meaning(fact),
        line.level.as_str().to_lowercase(),
        line.title,
        measured.join(", "),
        telemetry::flight::entry(fact).lane.as_str(),
    )
}

fn metric_row(metric: Metric) -> String {
    let unit = match metric.unit() {
        Unit::Count => "",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
    };
    let place = metric.labels().place.then_some("Country, Provider");
    let labels: Vec<&str> = place.into_iter().chain(metric.labels().own).collect();
    let kind = match metric.kind() {
        Kind::Sum => "sum",
        Kind::Share => "average",
        Kind::Spread => "percentiles",
        Kind::Last => "last",
    };
    format!(
        "| `{}` | `{}` | {} | {unit} | {kind} | {} |\n",
        metric.name(),
        metrics::prometheus::series_names(metric).first().map_or("", String::as_str),
        metric.help(),
        labels.join(", "),
    )
}

/// Each once, in their order.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut seen: Vec<&str> = Vec::new();
    for name in all {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.into_iter().map(|name| format!("`{name}`"))
}

fn event(fact: &Fact) -> Option<String> {
    let key = CallKey::from_ids(None, None, "1");
    let about = About::waiting(&AttemptId::new(key, 1), None, &Tracking::default());
    let event = about.event(Timestamp::UNIX_EPOCH, fact)?;
    event["metadata"]["status"].as_str().map(str::to_owned)
}

/// The comment at its declaration.
fn meaning(fact: &Fact) -> String {
    let variant = variant(fact);
    let declared = DECLARED.split("pub enum Fact").nth(1).unwrap_or_default();
    let mut comment = Vec::new();
    for line in declared.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment.push(text);
        } else if line.split(|letter: char| !letter.is_alphanumeric()).next() == Some(&variant) {
            return comment.join(" ").replace("[`", "`").replace("`]", "`");
        } else {
            comment.clear();
        }
    }
    String::new()
}

/// `dial-failed` → `DialFailed`.
fn variant(fact: &Fact) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name(fact).split('-').map(capital).collect()
}

fn name(fact: &Fact) -> String {
    json(fact)["fact"].as_str().unwrap_or_default().to_owned()
}

fn json(fact: &Fact) -> Value {
    serde_json::to_value(fact).unwrap_or_default()
}
