//! Nothing reaches the phone: it is certain that nobody was rung, so it is tried again.

use std::net::TcpListener;

use anyhow::ensure;
use calls::fact::Fact;
use cloud::call_folder::draw_nonce;
use sim::stack::StackConfig;
use tests::arrange::COUNTRY;
use tests::{story, story_apart};

#[test]
fn no_sip_node_runs() {
    story_apart(StackConfig { without_sip_node: true, ..StackConfig::default() }, async |scene| {
        let call = scene.arrange().place().await?;
        call.ends().await?.is_failed_without_dial("no-sip-service")
    });
}

#[test]
fn livekit_is_unreachable() {
    story(async |scene| {
        let nobody_listens = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let call = scene.arrange().profile("/livekit/url", format!("ws://{nobody_listens}")).place().await?;
        let ended = call.ends().await?;
        ensure!(!ended.has_fact(|fact| matches!(fact, Fact::Dialing { .. })), "{:#?}", ended.kept.facts);
        ended.is_failed_without_dial("livekit-unreachable")
    });
}

#[test]
fn the_api_secret_is_wrong() {
    story(async |scene| {
        let another = draw_nonce().0;
        let call = scene.arrange().env(&format!("LIVEKIT_API_SECRET_{COUNTRY}"), &another).place().await?;
        let ended = call.ends().await?;
        ensure!(!ended.has_fact(|fact| matches!(fact, Fact::Dialing { .. })), "{:#?}", ended.kept.facts);
        ended.is_failed_without_dial("livekit-auth")
    });
}

#[test]
fn the_trunk_is_unknown() {
    story(async |scene| {
        let call = scene.arrange().profile("/livekit/trunkId", "ST_nobodys").place().await?;
        call.ends().await?.is_failed_without_dial("unknown-trunk")
    });
}
