//! Metrics as lines that CloudWatch Logs turns into them (CloudWatch user guide, "Specification: Embedded metric
//! format").

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Label, Place, Sample, Stage, Unit};

/// Where all of them are found.
pub const NAMESPACE: &str = "OutboundCallGateway";

/// The lines of some samples, without their ends: one for all that share their labels' values.
pub fn lines(at: Timestamp, stage: &Stage, place: Option<&Place>, samples: &[Sample]) -> Vec<String> {
    let mut groups: Vec<(bool, Option<Label>, Vec<&Sample>)> = Vec::new();
    for sample in samples {
        let has_place = sample.metric.labels().place;
        match groups.iter_mut().find(|(place, label, _)| *place == has_place && *label == sample.label) {
            Some((_, _, group)) => group.push(sample),
            None => groups.push((has_place, sample.label, vec![sample])),
        }
    }
    let line = |(has_place, label, group): (bool, Option<Label>, Vec<&Sample>)| {
        line(at, stage, place.filter(|_| has_place), label, &group)
    };
    groups.into_iter().map(line).collect()
}

fn line(
    at: Timestamp,
    stage: &Stage,
    place: Option<&Place>,
    label: Option<Label>,
    samples: &[&Sample],
) -> String {
    let mut dimensions = vec![("Stage", stage.as_str())];
    dimensions.extend(
        place.iter().flat_map(|place| [("Country", place.country()), ("Provider", place.provider())]),
    );
    dimensions.extend(label.map(|label| (label.name(), label.value())));
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics = samples
        .iter()
        .map(|sample| json!({ "Name": sample.metric.name(), "Unit": unit(sample.metric.unit()) }));
    let directive = json!({
        "Namespace": NAMESPACE,
        "Dimensions": [names],
        "Metrics": metrics.collect::<Vec<_>>(),
    });
    let mut line = json!({ "_aws": { "Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive] } });
    for (name, value) in dimensions {
        line[name] = value.into();
    }
    for sample in samples {
        line[sample.metric.name()] = number(sample.value);
    }
    line.to_string()
}

/// Puts a line on standard output, where the log driver finds it; log lines go to standard error. Whoever closed that
/// does not want metrics.
pub(super) fn emit(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "Count",
        Unit::Seconds => "Seconds",
        Unit::Milliseconds => "Milliseconds",
    }
}

/// Whole numbers as such.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use calls::cost::Cost;
    use calls::fact::Fact;
    use calls::outcome::{Ending, Outcome, OutcomeKind};
    use calls::profile::CountryProfile;

    use super::*;
    use crate::metrics::{Metric, follow};

    fn brazil() -> Place {
        let profile = CountryProfile::from_json(
            r#"{"country":"BR","provider":"twilio","livekit":{"url":"wss://livekit.example","trunkId":"ST_1",
                "callerId":"+551140000000"},"agent":{"voice":"voice"}}"#,
        );
        Place::of(&profile.unwrap())
    }

    fn at() -> Timestamp {
        "2026-07-21T12:00:01.120Z".parse().unwrap()
    }

    /// What the specification asks of a document: `_aws` with a time in milliseconds and directives; each names its
    /// namespace, at least one set of at most 30 dimensions, and at most 100 metrics; each dimension is a member of
    /// the root with a text of 1 to 1,024 characters, each metric one with a number; and nothing else is there.
    /// Gives back each metric's value by its name and its dimensions' values.
    fn extracted(samples: &[Sample]) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        for line in lines(at(), &Stage::new("prod"), Some(&brazil()), samples) {
            assert!(!line.contains('\n') && line.len() < 256 * 1024);
            let document: Value = serde_json::from_str(&line).unwrap();
            let root = document.as_object().unwrap();
            let aws = root["_aws"].as_object().unwrap();
            assert_eq!(aws.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
            assert_eq!(aws["Timestamp"], 1_784_635_201_120_u64);
            let mut named = BTreeSet::from(["_aws"]);
            for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
                let directive = directive.as_object().unwrap();
                assert_eq!(directive.keys().collect::<Vec<_>>(), ["Dimensions", "Metrics", "Namespace"]);
                assert_eq!(directive["Namespace"], NAMESPACE);
                let (sets, metrics) = (directive["Dimensions"].as_array(), directive["Metrics"].as_array());
                let (sets, metrics) = (sets.unwrap(), metrics.unwrap());
                assert!(sets.len() == 1 && (1..=100).contains(&metrics.len()));
                let set: Vec<&str> =
                    sets[0].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                assert!((1..=30).contains(&set.len()));
                let values: Vec<&str> = set.iter().map(|name| root[*name].as_str().unwrap()).collect();
                assert!(values.iter().all(|value| (1..=1024).contains(&value.chars().count())));
                for metric in metrics {
                    let name = metric["Name"].as_str().unwrap();
                    assert!(["Count", "Seconds", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
                    let of = format!("{name} {}", values.join(" "));
                    assert_eq!(found.insert(of, root[name].as_f64().unwrap()), None, "{name} twice");
                    named.insert(name);
                }
                named.extend(set);
            }
            assert_eq!(root.keys().map(String::as_str).collect::<BTreeSet<_>>(), named, "and no member more");
        }
        found
    }

    fn outcome(kind: OutcomeKind) -> Outcome {
        Outcome::new(Ending::of(kind), 1, at(), at(), "0.1.0")
    }

    fn with(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn an_answered_call_is_counted_with_all_that_was_measured_of_it() {
        let cost = Cost { currency: "USD".to_owned(), total: 0.125, lines: Vec::new() };
        let outcome = Outcome {
            answer_delay_seconds: Some(4.5),
            duration_seconds: Some(62.0),
            first_agent_audio_seconds: Some(0.25),
            mos: Some(4.36),
            cost: Some(cost),
            ..outcome(OutcomeKind::Answered)
        };
        let wanted = with(&[
            ("Calls prod BR twilio answered", 1.0),
            ("Answered prod BR twilio", 1.0),
            ("DialFailed prod BR twilio", 0.0),
            ("TimeToAnswerSeconds prod BR twilio", 4.5),
            ("TalkSeconds prod BR twilio", 62.0),
            ("FirstAgentAudioSeconds prod BR twilio", 0.25),
            ("Mos prod BR twilio", 4.36),
            ("CallCost prod BR twilio", 0.125),
        ]);
        assert_eq!(extracted(&follow::from_outcome(&outcome)), wanted);
    }

    #[test]
    fn a_failed_dial_is_counted_by_its_sip_class_and_an_agent_that_could_not_be_had_by_its_kind() {
        let busy = Outcome { sip_status: Some(486), ..outcome(OutcomeKind::NotAnswered) };
        let wanted = with(&[
            ("Calls prod BR twilio not-answered", 1.0),
            ("Answered prod BR twilio", 0.0),
            ("DialFailed prod BR twilio", 0.0),
            ("DialFailures prod BR twilio 4xx", 1.0),
        ]);
        assert_eq!(extracted(&follow::from_outcome(&busy)), wanted);
        let full = Outcome { reason: Some("agent-busy".to_owned()), ..outcome(OutcomeKind::Failed) };
        let wanted = with(&[
            ("Calls prod BR twilio failed", 1.0),
            ("Answered prod BR twilio", 0.0),
            ("DialFailed prod BR twilio", 1.0),
            ("DialFailures prod BR twilio none", 1.0),
            ("AgentErrors prod BR twilio busy", 1.0),
        ]);
        assert_eq!(extracted(&follow::from_outcome(&full)), wanted);
        let put_off = follow::from_outcome(&outcome(OutcomeKind::Deferred));
        assert_eq!(extracted(&put_off), with(&[("Calls prod BR twilio deferred", 1.0)]));
    }

    #[test]
    fn facts_are_measured_where_they_happen() {
        let facts = [
            Fact::BargeIn { dropped_ms: 900, tail_ms: Some(12) },
            Fact::MessageRefused {
                code: "invalid_phone_number".to_owned(),
                path: None,
                detail: String::new(),
            },
            Fact::DuplicateMessage,
            Fact::AgentCreated { agent_call_id: "a".to_owned(), took_ms: 210 },
            Fact::AttemptClaimed { attempt: 1, waited_ms: Some(1500) },
            Fact::AttemptClaimed { attempt: 1, waited_ms: None },
        ];
        let samples: Vec<Sample> = facts.iter().flat_map(follow::from_fact).collect();
        let wanted = with(&[
            ("BargeIns prod BR twilio", 1.0),
            ("BargeInTailMilliseconds prod BR twilio", 12.0),
            ("Refusals prod invalid_phone_number", 1.0),
            ("Duplicates prod message", 1.0),
            ("StartPhaseMilliseconds prod BR twilio agent", 210.0),
            ("StartPhaseMilliseconds prod BR twilio queued", 1500.0),
        ]);
        assert_eq!(extracted(&samples), wanted);
    }

    #[test]
    fn every_metric_is_a_line_with_each_of_its_labels() {
        for metric in Metric::ALL {
            let own = metric.labels().own;
            let labels: Vec<Option<Label>> = match own {
                None => vec![None],
                Some(name) => {
                    Label::all().into_iter().filter(|label| label.name() == name).map(Some).collect()
                }
            };
            assert!(!labels.is_empty(), "{metric:?} has a label that there is none of");
            for label in labels {
                assert_eq!(extracted(&[Sample { metric: *metric, label, value: 1.5 }]).len(), 1);
            }
        }
    }
}
