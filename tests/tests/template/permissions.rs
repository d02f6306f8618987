//! The roles of the template and the table in `docs/permissions.md`, held to each other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::given::{Template, file, name_in};

/// One right: who, what, on what, under which conditions (their keys).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    role: String,
    verb: String,
    resource: String,
    conditions: BTreeSet<String>,
}

#[test]
fn the_table_says_what_the_roles_may_and_nothing_else() {
    let Some(template) = Template::translated() else { return };
    let (granted, told) = (granted(&template), told());
    assert!(granted.len() > 20, "{granted:#?}");
    let (untold, not_granted): (Vec<_>, Vec<_>) =
        (granted.difference(&told).collect(), told.difference(&granted).collect());
    assert!(untold.is_empty(), "docs/permissions.md does not tell: {untold:#?}");
    assert!(not_granted.is_empty(), "template.yaml does not grant: {not_granted:#?}");
}

#[test]
fn every_star_has_its_reason() {
    let starred: Vec<Line> =
        lines().into_iter().filter(|line| line.may.contains('*') || line.on.contains('*')).collect();
    assert!(!starred.is_empty());
    for line in starred {
        assert!(line.why.contains("`*`:"), "no word on the star: {} {} on {}", line.role, line.may, line.on);
    }
}

#[test]
fn the_router_reads_no_secrets_and_a_task_only_its_own_stages() {
    let Some(template) = Template::translated() else { return };
    let rights = granted(&template);
    let of = |role: &str, service: &str| -> Vec<(String, String)> {
        let found = rights.iter().filter(|right| right.role == role && right.verb.starts_with(service));
        found.map(|right| (right.verb.clone(), right.resource.clone())).collect()
    };
    let only = |verb: &str, resource: &str| vec![(verb.to_owned(), resource.to_owned())];
    assert_eq!(
        of("RouterRole", "ssm:"),
        only("ssm:GetParametersByPath", "ssm:parameter/ocg/<Stage>/profiles")
    );
    assert_eq!(of("RouterRole", "kms:"), []);
    assert_eq!(of("TaskRole", "ssm:"), only("ssm:GetParameter", "ssm:parameter/ocg/<Stage>/secrets/*"));
    let decrypts = rights.iter().find(|right| right.verb == "kms:Decrypt").unwrap();
    assert!(decrypts.conditions.contains("kms:EncryptionContext:PARAMETER_ARN"));
}

/// Who puts a message back after a failure is one party: what settles attempts. A task only says in its outcome whether
/// that may be done.
#[test]
fn a_task_puts_no_message_back() {
    let Some(template) = Template::translated() else { return };
    let rights = granted(&template);
    let of_task = rights.iter().filter(|right| right.role == "TaskRole" && right.verb.starts_with("sqs:"));
    for right in of_task {
        assert_eq!(
            right.resource, "sqs:<AWS::Region>:<Account>:<Name>",
            "only what upstream is told: {right:?}"
        );
        assert_eq!(right.verb, "sqs:SendMessage");
    }
}

#[test]
fn functions_and_tasks_have_these_roles_and_no_managed_policies() {
    let Some(template) = Template::translated() else { return };
    let roles = template.of_type("AWS::IAM::Role");
    let told: BTreeSet<String> = lines().into_iter().map(|line| line.role).collect();
    assert_eq!(roles.keys().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>(), told);
    for (id, role) in &roles {
        assert_eq!(role["ManagedPolicyArns"], Value::Null, "{id}");
    }
    for (id, function) in template.of_type("AWS::Lambda::Function") {
        assert!(roles.contains_key(name_in(&function["Role"])), "{id}");
    }
    let task = template.resource("TaskDefinition");
    assert_eq!(name_in(&task["TaskRoleArn"]), "TaskRole");
    assert_eq!(name_in(&task["ExecutionRoleArn"]), "TaskStartRole");
}

/// What the template grants, by roles and by policies that are attached to them.
fn granted(template: &Template) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for (role, properties) in template.of_type("AWS::IAM::Role") {
        for policy in list(&properties["Policies"]) {
            rights.extend(rights_of(role, &policy["PolicyDocument"]));
        }
    }
    for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"] {
        for properties in template.of_type(kind).values() {
            for role in list(&properties["Roles"]) {
                rights.extend(rights_of(name_in(role), &properties["PolicyDocument"]));
            }
        }
    }
    rights
}

fn rights_of(role: &str, document: &Value) -> Vec<Right> {
    let mut rights = Vec::new();
    for statement in list(&document["Statement"]) {
        assert_eq!(statement["Effect"], "Allow", "the table knows no denials: {statement}");
        let operators =
            statement["Condition"].as_object().into_iter().flat_map(|operators| operators.values());
        let keys = operators.flat_map(|operator| operator.as_object().unwrap().keys().cloned());
        let conditions: BTreeSet<String> = keys.collect();
        for verb in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                rights.push(Right {
                    role: role.to_owned(),
                    verb: verb.as_str().unwrap().to_owned(),
                    resource: spelled(resource),
                    conditions: conditions.clone(),
                });
            }
        }
    }
    rights
}

/// A resource as the table spells it.
fn spelled(resource: &Value) -> String {
    let text = match (resource, resource.get("Fn::Sub")) {
        (Value::String(text), _) | (_, Some(Value::String(text))) => text.as_str(),
        (_, Some(Value::Array(parts))) => parts[0].as_str().unwrap(),
        _ => return name_in(resource).to_owned(),
    };
    let text = text.replace("arn:${AWS::Partition}:", "").replace("${AWS::Region}:${AWS::AccountId}:", "");
    text.replace(".Arn}", "}").replace("${CallFolders}", "CallFolders").replace("${", "<").replace('}', ">")
}

/// One value or a list of them.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

/// A line of the table.
struct Line {
    role: String,
    may: String,
    on: String,
    only_if: String,
    why: String,
}

fn lines() -> Vec<Line> {
    let document = file("docs/permissions.md");
    let rows = document.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|row| {
        let cells: Vec<String> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let [role, may, on, only_if, why] =
            cells.try_into().unwrap_or_else(|_| panic!("not five cells: {row}"));
        Line { role, may, on, only_if, why }
    });
    rows.collect()
}

fn told() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for line in lines() {
        let conditions: BTreeSet<String> = quoted(&line.only_if).collect();
        for verb in quoted(&line.may) {
            for resource in quoted(&line.on) {
                let right = Right {
                    role: line.role.clone(),
                    verb: verb.clone(),
                    resource,
                    conditions: conditions.clone(),
                };
                assert!(rights.insert(right.clone()), "told twice: {right:?}");
            }
        }
    }
    rights
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}
