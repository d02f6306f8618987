//! What the account allows. Source of the codes: AWS Service Quotas, "AWS Fargate" and "AWS Lambda".

use crate::report::Line;
use crate::stack::Stack;
use cloud::said;

/// Fewer calls at once than this are hardly meant.
const FEW_CALLS: f64 = 20.0;
/// Both of the router's instances, and room for the functions of others.
const FEW_INSTANCES: f64 = 10.0;
const VCPU_UNITS: f64 = 1024.0;

/// A line for each quota.
pub async fn check(stack: &Stack) -> Vec<Line> {
    let spot = stack.parameter("CapacityProvider") == Some("FARGATE_SPOT");
    let fargate = if spot { "L-36FBB829" } else { "L-3032A538" };
    vec![fargate_line(stack, fargate).await, lambda_line(stack).await]
}

async fn fargate_line(stack: &Stack, code: &str) -> Line {
    let what = "quota of Fargate";
    let vcpu =
        stack.parameter("TaskCpu").and_then(|units| units.parse::<f64>().ok()).unwrap_or(256.0) / VCPU_UNITS;
    match quota(stack, "fargate", code).await {
        Ok(most) => {
            let calls = (most / vcpu).floor();
            let detail = format!("{most} vCPU: {calls} calls at once");
            match calls < FEW_CALLS {
                true => {
                    Line::yellow(what, detail, format!("ask for more: Service Quotas, AWS Fargate, {code}"))
                }
                false => Line::green(what, detail),
            }
        }
        Err(detail) => unknown(what, &detail),
    }
}

async fn lambda_line(stack: &Stack) -> Line {
    let (what, code) = ("quota of Lambda", "L-B99A9384");
    match quota(stack, "lambda", code).await {
        Ok(most) if most < FEW_INSTANCES => Line::yellow(
            what,
            format!("{most} at once"),
            format!("ask for more: Service Quotas, AWS Lambda, {code}"),
        ),
        Ok(most) => Line::green(what, format!("{most} at once; the router takes 2")),
        Err(detail) => unknown(what, &detail),
    }
}

fn unknown(what: &str, detail: &str) -> Line {
    let detail = format!("cannot be found out: {detail}");
    Line::yellow(what, detail, "these credentials need servicequotas:GetServiceQuota for this check")
}

async fn quota(stack: &Stack, service: &str, code: &str) -> Result<f64, String> {
    let client = aws_sdk_servicequotas::Client::new(&stack.aws);
    let asked = client.get_service_quota().service_code(service).quota_code(code).send().await;
    let found = asked.map_err(|error| said(&error))?;
    found.quota().and_then(|quota| quota.value()).ok_or_else(|| "AWS names no value".to_owned())
}
