//! Its root file system as a task's root.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use calls::outcome::EndReason;
use cloud::call_folder::Recording as Direction;
use sim::stack::Recording;
use sim::ultravox::Script;
use tests::ears::seconds_of;
use tests::tls::Authority;
use tests::{agent, person, story};

use crate::names::Names;
use crate::root::{Root, layer};

/// A task whose callee has hung up takes no longer to end.
const SOON: Duration = Duration::from_secs(30);

/// Everything in it. What else comes in must be wanted.
const FILES: [(&str, u32); 6] = [
    ("bridge-task", 0o755),
    ("etc/group", 0o644),
    ("etc/nsswitch.conf", 0o644),
    ("etc/passwd", 0o644),
    ("etc/ssl/certs/ca-certificates.crt", 0o644),
    ("tmp", 0o1777),
];

#[test]
fn it_holds_what_a_call_needs_and_no_more() -> Result<()> {
    let Some(layer) = layer() else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let root = Root::unpack(&layer, dir.path())?;
    let mut found = Vec::new();
    for path in root.files()? {
        let mode = std::fs::symlink_metadata(root.path().join(&path))?.permissions().mode() & 0o7777;
        found.push((path, mode));
    }
    let found: Vec<_> = found.iter().map(|(path, mode)| (path.as_str(), *mode)).collect();
    ensure!(found == FILES, "{found:#?}");
    let authorities = std::fs::read_to_string(root.path().join("etc/ssl/certs/ca-certificates.crt"))?;
    let count = authorities.matches("BEGIN CERTIFICATE").count();
    // Who vouches for AWS, and for whoever uses Let's Encrypt.
    let known = ["Amazon Root CA 1", "ISRG Root X1"].iter().all(|name| authorities.contains(name));
    ensure!(count > 100 && known, "{count} authorities");
    Ok(())
}

/// As Fargate starts it: nobody's user, one directory to write to. Every name must be asked for, every certificate
/// looked up in the image's own bundle, and there is no device but /dev/urandom.
#[test]
fn a_call_is_carried_from_within_it() {
    let Some(layer) = layer() else { return };
    story(async |scene| {
        let root = Root::unpack(&layer, scene.dir())?;
        let names = Names::start("livekit.test").await?;
        let authority = Authority::new(scene.dir(), "authority")?;
        root.asks(names.server())?;
        root.knows("vendor.test")?;
        root.trusts(authority.file()?)?;
        // What the router writes is what the task reads.
        root.shows("tmp/calls", &scene.dir().join("call-1"))?;

        let (livekit, vendor) = (authority.proxy().await?, authority.proxy().await?);
        let (livekit_port, vendor_port) = (livekit.address().port(), vendor.address().port());
        let agent = Script {
            api_key: Some("the agent's key".to_owned()),
            public_url: Some(format!("wss://vendor.test:{vendor_port}")),
            ..agent::who_says([agent::line(1500)])
        };
        let call = scene
            .arrange()
            .agent(agent)
            .profile("/livekit/url", format!("wss://livekit.test:{livekit_port}"))
            .profile("/agent/callsUrl", format!("https://vendor.test:{vendor_port}/api/calls"))
            .plan()
            .await?;
        root.hands_over("tmp/calls")?;
        let environment = {
            let stack = scene.stage().stack().await;
            livekit.lead_to(([127, 0, 0, 1], stack.livekit().port()).into());
            vendor.lead_to(call.vendor().address());
            let (key, secret) = stack.livekit().credentials();
            [
                ("LIVEKIT_API_KEY_BR", key.to_owned()),
                ("LIVEKIT_API_SECRET_BR", secret.expose().to_owned()),
                ("ULTRAVOX_API_KEY", "the agent's key".to_owned()),
            ]
        };
        let attempt = call.attempt().to_string();
        let arguments = ["job", "--verbose", "--attempt", &attempt, "--calls", "/tmp/calls"];
        let mut task = root.run(&arguments, &environment)?;

        let told = async {
            call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 1400).await?;
            call.callee_hangs_up().await?;
            task.exit(SOON).await
        };
        let status = told.await.map_err(|error| error.context(root.log()))?;
        ensure!(status.code() == Some(0), "{status}: {}", root.log());
        let ended = call.ends().await?;

        ensure!(ended.outcome()?.end_reason == Some(EndReason::CalleeHangup), "{:#?}", ended.outcome()?);
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 1.5).abs() < 0.15, "the callee hears {heard:.2} s");
        let (rate, agent_heard) = ended.agent_heard()?;
        let heard = seconds_of(agent_heard, rate, person::TONE_HZ);
        ensure!((heard - 1.0).abs() < 0.15, "the agent hears {heard:.2} s");
        let recorded = seconds_of(&ended.recorded(Direction::Callee, rate)?, rate, person::TONE_HZ);
        ensure!((recorded - 1.0).abs() < 0.15, "{recorded:.2} s of the callee are recorded");
        // LiveKit: the signalling and the API. The vendor: REST and the agent's websocket.
        ensure!(livekit.handshakes() >= 2 && vendor.handshakes() >= 2);
        ensure!(names.asked() > 0, "nobody asked for livekit.test");
        Ok(())
    });
}
