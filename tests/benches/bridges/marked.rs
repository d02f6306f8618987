//! How late sound is that goes through a bridge, and how soon it is silent when it is told to be.

use anyhow::{Context as _, Result};
use serde::Serialize;
use sim::stack::Call;
use tests::Scene;
use tests::measure::marked::{Marked, Marking};
use tests::measure::server_alone;

use crate::machine::{Busy, Load};
use crate::running::Running;
use crate::{Bridge, Settings};

/// One call.
#[derive(Debug, Serialize)]
pub struct MarkedCall {
    /// What became of the marks.
    #[serde(flatten)]
    pub sound: Marked,
    /// Of packets that no bridge carries, right after the call: from one phone through the server to another.
    pub server_alone_ms: Vec<f64>,
    machine: Load,
}

/// One call, from the start of its process to its end.
pub async fn measure(scene: &Scene, settings: &Settings, bridge: Bridge, round: u32) -> Result<MarkedCall> {
    let mut marking = Marking::of_seed(u64::from(round));
    let callee = marking.callee(&scene.dir().join("marks.wav"))?;
    let call = Running::start(scene, settings, bridge, callee, Marking::agent()).await?;
    call.phone("the callee answers", Call::is_answered).await?;
    call.is_talking().await?;
    let busy = Busy::now()?;
    marking.goes_on(call.vendor()).await;
    let machine = busy.until_now()?;
    let sound = marking.came(call.vendor(), call.packets().await?);
    call.callee_hangs_up().await?;
    call.ends().await?;
    let server_alone_ms = server_alone::measure(scene).await.context("livekit-server alone")?;
    Ok(MarkedCall { sound: sound?, server_alone_ms, machine })
}
