//! Where a function's part of calls' traces goes.

use anyhow::anyhow;
use telemetry::traces::Traces;

/// To this endpoint, if one is set. The process must have installed a rustls crypto provider before.
///
/// # Errors
/// When it is no address.
pub fn traces(endpoint: Option<&str>, service: &'static str, stage: &str) -> anyhow::Result<Option<Traces>> {
    endpoint
        .map(|endpoint| Traces::to(endpoint, None, service, stage).map_err(|wrong| anyhow!(wrong)))
        .transpose()
}
