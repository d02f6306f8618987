//! What can be seen of a call that the deployed functions and a task carry.

use anyhow::Result;
use tests::cloud::in_a_cloud_apart;
use tests::collector::{Collector, UPSTREAM};
use tests::person;

#[test]
fn a_call_is_one_trace_across_queue_function_task_vendor_and_watcher() -> Result<()> {
    let collector = Collector::bind()?;
    in_a_cloud_apart(&[("OtlpEndpoint", &collector.url)], async |cloud| {
        collector.serve()?;
        let call = cloud.call_to(person::hears_out()).await?.send_within(UPSTREAM).await?;
        collector.has_one_trace(cloud, &call).await?;
        call.rang_once().await
    });
    Ok(())
}
