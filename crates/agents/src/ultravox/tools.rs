//! The tools that an agent gets: hanging up is the vendor's own, the others run at our end (client tools).
//! Source: <https://docs.ultravox.ai/tools/custom/overview>.

use calls::call::{KEY_EVERY, KEY_PAUSE, LAST_WORDS_CAP, TRANSFER_REPLY};
use calls::keys::MOST_KEYS;
use calls::plan::CallPlan;
use calls::profile::TransferProfile;
use calls::tools::{SEND_DIGITS, TRANSFER_CALL};
use serde_json::{Value, json};

/// The vendor waits no longer than this for a tool; the agent says nothing meanwhile. Without a word of ours it is 2.5 s.
const LONGEST_TOOL_SECONDS: u64 = 40;
/// What a tool's answer may take beyond the tool itself.
const ANSWER_SECONDS: u64 = 2;

/// What goes into `selectedTools`.
pub(super) fn selected(plan: &CallPlan) -> Vec<Value> {
    let agent = &plan.profile.agent;
    let mut tools = Vec::new();
    if agent.hang_up_tool {
        tools.push(json!({ "toolName": "hangUp" }));
    }
    if agent.digits_tool {
        tools.push(send_digits());
    }
    if !plan.profile.transfer.targets.is_empty() {
        tools.push(transfer_call(&plan.profile.transfer));
    }
    tools
}

fn transfer_call(transfer: &TransferProfile) -> Value {
    let names: Vec<&str> = transfer.targets.keys().map(String::as_str).collect();
    let to = json!({ "type": "string", "enum": names });
    let longest = LAST_WORDS_CAP + TRANSFER_REPLY;
    client_tool(
        TRANSFER_CALL,
        &format!(
            "Passes the call on to somebody else, which ends your part in it: {}. Say first to whom the call is being \
             passed on. If they do not take it, you are told why and go on talking.",
            names.join(", ")
        ),
        json!([parameter("to", to)]),
        longest.as_secs() + u64::from(transfer.ring_seconds),
    )
}

fn send_digits() -> Value {
    let digits = json!({
        "type": "string",
        "description": "The keys in order: 0 to 9, * and #; w waits half a second. Such as 12w3#",
        "pattern": format!("^[0-9*#A-Dw,]{{1,{MOST_KEYS}}}$"),
    });
    let longest = KEY_EVERY.max(KEY_PAUSE) * u32::try_from(MOST_KEYS).unwrap_or(u32::MAX);
    client_tool(
        SEND_DIGITS,
        "Presses keys of the telephone, so that the other end of the line gets their tones. Use it where a machine \
         asks for a choice or a number, never to talk to a person.",
        json!([parameter("digits", digits)]),
        longest.as_secs(),
    )
}

fn parameter(name: &str, schema: Value) -> Value {
    json!({ "name": name, "location": "PARAMETER_LOCATION_BODY", "schema": schema, "required": true })
}

fn client_tool(name: &str, description: &str, parameters: Value, seconds: u64) -> Value {
    let timeout = (seconds + ANSWER_SECONDS).min(LONGEST_TOOL_SECONDS);
    json!({ "temporaryTool": {
        "modelToolName": name,
        "description": description,
        "dynamicParameters": parameters,
        "timeout": format!("{timeout}s"),
        "client": {},
    } })
}
