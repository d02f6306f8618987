//! Dashboards and alarms ask for what the code measures, by the labels that it gives.

use std::collections::BTreeSet;

use serde_json::Value;
use telemetry::metrics::emf::NAMESPACE;
use telemetry::metrics::{Labels, Metric, prometheus};

use crate::given::{Template, file};

/// A metric and the dimensions by which it is asked for.
type Asked = (String, BTreeSet<String>);

fn dimensions_of(labels: Labels) -> BTreeSet<String> {
    let place: &[&str] = if labels.place { &["Country", "Provider"] } else { &[] };
    ["Stage"].iter().chain(place).chain(&labels.own).map(|name| (*name).to_owned()).collect()
}

fn assert_measured(asked: &[Asked]) {
    for (name, dimensions) in asked {
        let metric = Metric::ALL.iter().find(|metric| metric.name() == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is measured nowhere"));
        assert_eq!(*dimensions, dimensions_of(metric.labels()), "{name}");
    }
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

/// `SELECT SUM(Name) FROM SCHEMA("…", A, B) …`, or `SEARCH('{…,A,B} MetricName="Name" …', …)`.
fn of_expression(expression: &str) -> Option<Asked> {
    let between =
        |from: &str, to: &str| expression.split_once(from)?.1.split_once(to).map(|(found, _)| found);
    if expression.starts_with("SELECT") {
        let name = expression.split_once('(')?.1.split_once(')')?.0;
        return Some((name.to_owned(), names(between(&format!("SCHEMA(\"{NAMESPACE}\","), ")")?)));
    }
    let name = between("MetricName=\"", "\"")?;
    Some((name.to_owned(), names(between(&format!("{{{NAMESPACE},"), "}")?)))
}

/// `["OutboundCallGateway", "Name", "Stage", "…"]`, and rows below it that repeat with `.`.
fn of_rows(rows: &[Value]) -> Vec<Asked> {
    let mut above: Vec<String> = Vec::new();
    let mut asked = Vec::new();
    for row in rows.iter().filter_map(Value::as_array) {
        let texts = row.iter().filter_map(Value::as_str).enumerate();
        let whole = |(nth, text): (usize, &str)| match text {
            "." => above.get(nth).cloned().unwrap_or_default(),
            text => text.to_owned(),
        };
        let row: Vec<String> = texts.map(whole).collect();
        if row.first().is_some_and(|namespace| namespace == NAMESPACE) {
            asked.push((row[1].clone(), row[2..].iter().step_by(2).cloned().collect()));
        }
        above = row;
    }
    asked
}

#[test]
fn the_cloudwatch_dashboard_asks_for_what_is_measured() {
    let Some(template) = Template::translated() else { return };
    let body = template.resource("Dashboard")["DashboardBody"]["Fn::Sub"][0].as_str().unwrap();
    let body: Value = serde_json::from_str(&body.replace("${MoreAlarms}", "")).unwrap();
    let mut asked = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        let rows = widget["properties"]["metrics"].as_array().map_or(&[][..], Vec::as_slice);
        let expressions = rows.iter().filter_map(|row| row[0]["expression"].as_str());
        for expression in expressions.filter(|expression| expression.contains(NAMESPACE)) {
            asked.push(of_expression(expression).unwrap_or_else(|| panic!("not understood: {expression}")));
        }
        asked.extend(of_rows(rows));
    }
    assert!(asked.len() >= 18, "{asked:?}");
    assert_measured(&asked);
}

#[test]
fn alarms_look_at_what_is_measured() {
    let Some(template) = Template::translated() else { return };
    let mut asked = Vec::new();
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values() {
        if alarm["Namespace"] == NAMESPACE {
            let dimensions = alarm["Dimensions"].as_array().unwrap().iter();
            let dimensions = dimensions.map(|dimension| dimension["Name"].as_str().unwrap().to_owned());
            asked.push((alarm["MetricName"].as_str().unwrap().to_owned(), dimensions.collect()));
        }
        let queries = alarm["Metrics"].as_array().into_iter().flatten();
        let queries = queries.filter_map(|metric| metric["Expression"]["Fn::Sub"].as_str());
        asked.extend(queries.filter(|query| query.contains(NAMESPACE)).filter_map(of_expression));
    }
    assert!(asked.len() >= 5, "{asked:?}");
    assert_measured(&asked);
}

/// The words of a query, with what stands before and after each.
fn words(query: &str) -> Vec<&str> {
    query
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn the_grafana_dashboard_asks_for_what_a_worker_tells() {
    let dashboard: Value = serde_json::from_str(&file("infra/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels {
        let queries =
            panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap());
        for query in queries {
            let series: Vec<&str> =
                words(query).into_iter().filter(|word| word.starts_with("ocg_")).collect();
            assert!(!series.is_empty(), "{query} asks for nothing of ours");
            let mut labels: BTreeSet<String> = BTreeSet::from(["le".to_owned()]);
            for name in series {
                let is_its =
                    |metric: &&Metric| prometheus::series_names(**metric).iter().any(|its| its == name);
                let metric = Metric::ALL
                    .iter()
                    .find(is_its)
                    .unwrap_or_else(|| panic!("{name} is told nowhere: {query}"));
                labels.extend(prometheus::labels(*metric));
                shown.insert(*metric);
            }
            for by in query.split("by (").skip(1).filter_map(|rest| rest.split_once(')')) {
                let unknown: Vec<String> = names(by.0).difference(&labels).cloned().collect();
                assert!(unknown.is_empty(), "{query}: no such label: {unknown:?}");
            }
            let legend = panel["targets"].as_array().unwrap().iter();
            let legend = legend
                .filter(|target| target["expr"] == query)
                .filter_map(|target| target["legendFormat"].as_str());
            for label in
                legend.flat_map(|legend| legend.split("{{").skip(1)).filter_map(|rest| rest.split_once("}}"))
            {
                assert!(labels.contains(label.0), "{query}: no such label: {}", label.0);
            }
        }
    }
    let unseen: Vec<&Metric> = Metric::ALL.iter().filter(|metric| !shown.contains(metric)).collect();
    assert!(unseen.is_empty(), "nobody sees {unseen:?}");
    let variable = dashboard["templating"]["list"][1]["query"].as_str().unwrap();
    assert_eq!(variable, "label_values(ocg_calls_total, country)");
}
