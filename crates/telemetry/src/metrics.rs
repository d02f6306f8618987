//! Metrics, as lines that CloudWatch Logs turns into them (CloudWatch user guide, "Specification: Embedded metric
//! format"). Every pair of values in a dimension set is a metric that is paid for, so only what there are few of can
//! be one: a stage, a country that has a profile, and words of closed lists. Ids and numbers have no way in.

use std::io::Write as _;

use calls::outcome::OutcomeKind;
use calls::profile::CountryProfile;
use calls::trigger::RefusalCode;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Where all of them are found.
pub const NAMESPACE: &str = "OutboundCallGateway";

/// A deployment's name: one process knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage(String);

impl Stage {
    /// The stage that this process was deployed as.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A country that has a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// The profile's country: ISO 3166-1 alpha-2, as reading the profile has made sure.
    pub fn of(profile: &CountryProfile) -> Self {
        Self(profile.country.clone())
    }
}

/// One line of metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(Value);

/// The attempts that a sweep found open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAttempts {
    /// How many there still are.
    pub open: usize,
    /// How many of them nobody will ever settle without a person.
    pub stuck: usize,
    /// Since the oldest was last marked.
    pub oldest_seconds: u64,
}

impl Metrics {
    /// An attempt ended: `Calls` is 1 by stage, country and outcome; `DialFailed` is 0 or 1 by stage and country, so
    /// that its average is the share of attempts that failed by no fault of the callee. An attempt that was put off
    /// was no dial.
    pub fn of_attempt(at: Timestamp, stage: &Stage, country: &Country, outcome: OutcomeKind) -> Self {
        let mut directives = vec![directive(&["Stage", "Country", "Outcome"], "Calls")];
        let mut line =
            json!({ "Stage": stage.0, "Country": country.0, "Outcome": outcome.as_str(), "Calls": 1 });
        let failed = match outcome {
            OutcomeKind::Failed | OutcomeKind::Unknown => Some(1),
            OutcomeKind::Answered | OutcomeKind::NotAnswered => Some(0),
            OutcomeKind::Deferred => None,
        };
        if let Some(failed) = failed {
            directives.push(directive(&["Stage", "Country"], "DialFailed"));
            line["DialFailed"] = failed.into();
        }
        Self::new(at, &directives, line)
    }

    /// A message was refused: `Refusals` is 1 by stage and code.
    pub fn of_refusal(at: Timestamp, stage: &Stage, code: RefusalCode) -> Self {
        let line = json!({ "Stage": stage.0, "Code": code.as_str(), "Refusals": 1 });
        Self::new(at, &[directive(&["Stage", "Code"], "Refusals")], line)
    }

    /// A message did not go through and comes again: `WaitedSeconds` since it was sent, by stage.
    pub fn of_message_again(at: Timestamp, stage: &Stage, waited_seconds: u64) -> Self {
        let line = json!({ "Stage": stage.0, "WaitedSeconds": waited_seconds });
        let mut waited = directive(&["Stage"], "WaitedSeconds");
        waited["Metrics"][0]["Unit"] = "Seconds".into();
        Self::new(at, &[waited], line)
    }

    /// What a sweep found. `open`: what it saw of the attempts that are open; without it nobody knows, and no number
    /// says that all is well.
    pub fn of_sweep(at: Timestamp, stage: &Stage, problems: usize, open: Option<OpenAttempts>) -> Self {
        let mut line = json!({ "Stage": stage.0, "SweepProblems": problems });
        let mut directives = vec![directive(&["Stage"], "SweepProblems")];
        if let Some(OpenAttempts { open, stuck, oldest_seconds }) = open {
            for (name, value) in [("OpenAttempts", open as u64), ("StuckAttempts", stuck as u64)] {
                line[name] = value.into();
                directives.push(directive(&["Stage"], name));
            }
            line["OldestOpenSeconds"] = oldest_seconds.into();
            let mut oldest = directive(&["Stage"], "OldestOpenSeconds");
            oldest["Metrics"][0]["Unit"] = "Seconds".into();
            directives.push(oldest);
        }
        Self::new(at, &directives, line)
    }

    fn new(at: Timestamp, directives: &[Value], mut line: Value) -> Self {
        line["_aws"] = json!({ "Timestamp": at.as_millisecond(), "CloudWatchMetrics": directives });
        Self(line)
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        self.0.to_string()
    }

    /// Puts the line on standard output, where the log driver finds it; log lines go to standard error. Whoever
    /// closed that does not want metrics.
    pub fn emit(&self) {
        let line = format!("{}\n", self.line());
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

fn directive(dimensions: &[&str], metric: &str) -> Value {
    json!({
        "Namespace": NAMESPACE,
        "Dimensions": [dimensions],
        "Metrics": [{ "Name": metric, "Unit": "Count" }],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn brazil() -> Country {
        let profile = CountryProfile::from_json(
            r#"{"country":"BR","livekit":{"url":"wss://livekit.example","trunkId":"ST_1","callerId":"+551140000000"},
                "agent":{"voice":"voice"}}"#,
        );
        Country::of(&profile.unwrap())
    }

    fn at() -> Timestamp {
        "2026-07-21T12:00:01.120Z".parse().unwrap()
    }

    /// What the specification asks of a document: `_aws` with a time in milliseconds and directives; each names its
    /// namespace, at least one set of at most 30 dimensions, and at most 100 metrics; each dimension is a member of
    /// the root with a text of 1 to 1,024 characters, each metric one with a number; and nothing else is there.
    /// Gives back `(metric, its value, its dimensions' values)`.
    fn extracted(metrics: &Metrics) -> Vec<(String, f64, Vec<String>)> {
        let line = metrics.line();
        assert!(!line.contains('\n') && line.len() < 256 * 1024);
        let document: Value = serde_json::from_str(&line).unwrap();
        let root = document.as_object().unwrap();
        let aws = root["_aws"].as_object().unwrap();
        assert_eq!(aws.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
        assert_eq!(aws["Timestamp"], 1_784_635_201_120_u64);
        let mut named = BTreeSet::from(["_aws"]);
        let mut found = Vec::new();
        for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
            let directive = directive.as_object().unwrap();
            assert_eq!(directive.keys().collect::<Vec<_>>(), ["Dimensions", "Metrics", "Namespace"]);
            assert_eq!(directive["Namespace"], NAMESPACE);
            let sets = directive["Dimensions"].as_array().unwrap();
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!(!sets.is_empty() && (1..=100).contains(&metrics.len()));
            for (set, metric) in sets.iter().flat_map(|set| metrics.iter().map(move |metric| (set, metric))) {
                let set: Vec<&str> =
                    set.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                assert!((1..=30).contains(&set.len()));
                let values = set.iter().map(|name| root[*name].as_str().unwrap().to_owned());
                let values: Vec<String> = values.collect();
                assert!(values.iter().all(|value| (1..=1024).contains(&value.chars().count())));
                let name = metric["Name"].as_str().unwrap();
                assert_eq!(metric["Unit"], if name.ends_with("Seconds") { "Seconds" } else { "Count" });
                found.push((name.to_owned(), root[name].as_f64().unwrap(), values));
                named.insert(name);
                named.extend(set);
            }
        }
        assert_eq!(root.keys().map(String::as_str).collect::<BTreeSet<_>>(), named, "and no member more");
        found
    }

    #[test]
    fn an_attempt_is_counted_by_its_outcome_and_its_dial_by_whether_it_failed() {
        for &outcome in OutcomeKind::ALL {
            let found = extracted(&Metrics::of_attempt(at(), &Stage::new("prod"), &brazil(), outcome));
            let by_outcome = ["prod", "BR", outcome.as_str()].map(str::to_owned).to_vec();
            assert_eq!(found[0], ("Calls".to_owned(), 1.0, by_outcome));
            let failed = match outcome.as_str() {
                "failed" | "unknown" => vec![1.0],
                "answered" | "not-answered" => vec![0.0],
                _ => vec![],
            };
            let by_country = ["prod", "BR"].map(str::to_owned).to_vec();
            let wanted: Vec<_> = failed
                .into_iter()
                .map(|failed| ("DialFailed".to_owned(), failed, by_country.clone()))
                .collect();
            assert_eq!(found[1..], wanted, "{outcome}");
        }
    }

    #[test]
    fn a_refusal_is_counted_by_its_code() {
        for &code in RefusalCode::ALL {
            let by_code = ["prod", code.as_str()].map(str::to_owned).to_vec();
            let found = extracted(&Metrics::of_refusal(at(), &Stage::new("prod"), code));
            assert_eq!(found, [("Refusals".to_owned(), 1.0, by_code)]);
        }
    }

    #[test]
    fn a_sweep_says_what_it_leaves() {
        let of = |name: &str, value| (name.to_owned(), value, vec!["prod".to_owned()]);
        let open = OpenAttempts { open: 12, stuck: 1, oldest_seconds: 635 };
        let found = extracted(&Metrics::of_sweep(at(), &Stage::new("prod"), 2, Some(open)));
        let wanted = [of("OpenAttempts", 12.0), of("StuckAttempts", 1.0), of("OldestOpenSeconds", 635.0)];
        assert_eq!((&found[0], &found[1..]), (&of("SweepProblems", 2.0), &wanted[..]));
        let found = extracted(&Metrics::of_sweep(at(), &Stage::new("prod"), 1, None));
        assert_eq!(found, [of("SweepProblems", 1.0)], "nothing says that nothing is open");
    }

    #[test]
    fn a_message_that_comes_again_says_how_long_it_has_waited() {
        let found = extracted(&Metrics::of_message_again(at(), &Stage::new("prod"), 635));
        assert_eq!(found, [("WaitedSeconds".to_owned(), 635.0, vec!["prod".to_owned()])]);
    }
}
