//! `selectedTools`, checked against the published schema.

use std::time::Duration;

use serde_json::Value;

use super::{Checked, duration, known, object};

/// The longest that the vendor waits for a tool.
const LONGEST: Duration = Duration::from_secs(40);

/// A tool that runs at the client's end.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ultravox) struct ClientTool {
    pub(in crate::ultravox) name: String,
    /// How long the agent waits for it.
    pub(in crate::ultravox) timeout: Option<Duration>,
}

/// Checks all tools; returns those that run at the client's end.
pub(super) fn client_tools(selected: &[Value]) -> Checked<Vec<ClientTool>> {
    let tools: Checked<Vec<_>> = selected.iter().map(client_tool).collect();
    let tools: Vec<_> = tools?.into_iter().flatten().collect();
    let twice = tools.iter().enumerate().find(|(at, tool)| tools[..*at].iter().any(|t| t.name == tool.name));
    match twice {
        Some((_, tool)) => Err(format!("selectedTools: {} is there twice", tool.name)),
        None => Ok(tools),
    }
}

fn client_tool(selected: &Value) -> Checked<Option<ClientTool>> {
    let names = ["toolId", "toolName", "temporaryTool"];
    if names.iter().filter(|name| selected.get(**name).is_some()).count() != 1 {
        return Err("selectedTools: each needs one of toolId, toolName, temporaryTool".into());
    }
    let selected = selected.as_object().ok_or("selectedTools: objects")?;
    let Some(tool) = object(selected, "temporaryTool")? else { return Ok(None) };
    let fields = ["modelToolName", "description", "dynamicParameters", "timeout", "client", "http"];
    known(tool, "temporaryTool.", &fields)?;
    let name = tool.get("modelToolName").and_then(Value::as_str).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(format!("modelToolName: {name:?} does not match ^[a-zA-Z0-9_-]{{1,64}}$"));
    }
    for parameter in super::array(tool, "dynamicParameters")? {
        check_parameter(parameter).map_err(|problem| format!("{name}: dynamicParameters: {problem}"))?;
    }
    let timeout = duration(tool, "timeout")?;
    if timeout.is_some_and(|timeout| timeout > LONGEST) {
        return Err(format!("{name}: timeout: at most 40s"));
    }
    let client = object(tool, "client")?.is_some();
    Ok(client.then(|| ClientTool { name: name.to_owned(), timeout }))
}

fn check_parameter(parameter: &Value) -> Checked<()> {
    let parameter = parameter.as_object().ok_or("objects")?;
    known(parameter, "", &["name", "location", "schema", "required"])?;
    if !parameter.get("name").is_some_and(Value::is_string) {
        return Err("a name is missing".into());
    }
    // A client tool has no path, no query and no header.
    if parameter.get("location").is_none_or(|location| location != "PARAMETER_LOCATION_BODY") {
        return Err("location: a client tool has PARAMETER_LOCATION_BODY only".into());
    }
    object(parameter, "schema")?.ok_or("a schema is missing")?;
    match parameter.get("required") {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err("required: must be true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn client_tools_are_told_from_the_others_and_checked() {
        let digits = json!({ "temporaryTool": { "modelToolName": "sendDigits", "description": "d", "timeout": "18s",
            "dynamicParameters": [{ "name": "digits", "location": "PARAMETER_LOCATION_BODY",
                                    "schema": { "type": "string" }, "required": true }], "client": {} } });
        let found = client_tools(&[json!({ "toolName": "hangUp" }), digits.clone()]).unwrap();
        let wanted = ClientTool { name: "sendDigits".into(), timeout: Some(Duration::from_secs(18)) };
        assert_eq!(found, [wanted]);
        assert!(client_tools(&[digits.clone(), digits.clone()]).unwrap_err().contains("twice"));
        for (pointer, wrong) in [
            ("/temporaryTool/timeout", json!("41s")),
            ("/temporaryTool/modelToolName", json!("send digits")),
            ("/temporaryTool/dynamicParameters/0/location", json!("PARAMETER_LOCATION_QUERY")),
            ("/temporaryTool/dynamicParameters/0/schema", json!("string")),
        ] {
            let mut tool = digits.clone();
            *tool.pointer_mut(pointer).unwrap() = wrong;
            assert!(client_tools(&[tool.clone()]).is_err(), "{tool}");
        }
    }
}
