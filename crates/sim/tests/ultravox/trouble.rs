//! Ends of every kind, and what goes wrong on purpose.

use std::time::Duration;

use serde_json::json;
use sim::ultravox::{EndReason, Line, Misstep, Script, Trouble, Ultravox};

use super::client::{Client, Ended, create, request, request_with, stand_in};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Says nothing and waits; at 200 ms it does `trouble`.
fn quiet(trouble: Option<Trouble>) -> Script {
    let missteps = trouble.into_iter().map(|does| Misstep { at_ms: 200, does }).collect();
    Script { lines: vec![], hang_up: false, missteps, ..Script::default() }
}

async fn end_reason(ultravox: &Ultravox) -> EndReason {
    let ended = |calls: &[sim::ultravox::CallSnapshot]| calls.iter().all(|call| call.ended.is_some());
    let calls = ultravox.wait_until("the call ends", MS(3000), ended).await.unwrap();
    calls[0].end_reason.unwrap()
}

#[tokio::test]
async fn the_client_ends_it_by_closing_by_asking_or_by_vanishing() {
    let ultravox = stand_in(quiet(None)).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_for(MS(200)).await;
    client.close().await;
    assert_eq!(end_reason(&ultravox).await, EndReason::Hangup);

    let ultravox = stand_in(quiet(None)).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.send(r#"{"type":"hang_up"}"#).await;
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    assert_eq!(end_reason(&ultravox).await, EndReason::Hangup);

    let ultravox = stand_in(quiet(None)).await;
    drop(Client::call(&ultravox, &request()).await);
    assert_eq!(end_reason(&ultravox).await, EndReason::ConnectionError);
}

#[tokio::test]
async fn a_hang_up_with_a_message_is_followed_by_the_farewell() {
    let farewell = Some(Line::Tone { hz: 600.0, ms: 250 });
    let ultravox = stand_in(Script { farewell, ..quiet(None) }).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.send(r#"{"type":"hang_up","message":"Tchau!"}"#).await;
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    assert_eq!(client.sound.len(), 16_000 / 4 * 2);
    assert_eq!(end_reason(&ultravox).await, EndReason::Hangup);
}

#[tokio::test]
async fn limits_end_it() {
    let ultravox = stand_in(quiet(None)).await;
    let mut client = Client::call(&ultravox, &request_with("/maxDuration", json!("0.5s"))).await;
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    assert_eq!(end_reason(&ultravox).await, EndReason::Timeout);

    let ultravox = stand_in(quiet(None)).await;
    let idle = request_with("/medium/serverWebSocket/mediaIdleTimeout", json!("0.5s"));
    let mut client = Client::call(&ultravox, &idle).await;
    client.run_for(MS(800)).await;
    assert_eq!(client.ended, None, "sound keeps it alive");
    tokio::time::sleep(MS(700)).await;
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    assert_eq!(end_reason(&ultravox).await, EndReason::ConnectionError);
}

#[tokio::test]
async fn sockets_are_refused_dropped_or_closed_as_scripted() {
    let ultravox = stand_in(Script { refuse_upgrade: Some(503), ..quiet(None) }).await;
    assert!(Client::join(&create(&ultravox, &request()).await).await.is_err());
    assert_eq!(ultravox.calls()[0].joined, None);

    for (trouble, ended, reason) in [
        (Trouble::Drop, Ended::Dropped, EndReason::ConnectionError),
        (Trouble::Close(1011), Ended::Closed(1011), EndReason::SystemError),
    ] {
        let ultravox = stand_in(quiet(Some(trouble))).await;
        let mut client = Client::call(&ultravox, &request()).await;
        assert_eq!(client.run_to_end().await, ended);
        assert_eq!(end_reason(&ultravox).await, reason);
    }
}

#[tokio::test]
async fn a_stalled_socket_neither_speaks_nor_listens_nor_ends() {
    let stall = Misstep { at_ms: 500, does: Trouble::Stall };
    let lines = vec![Line::Tone { hz: 440.0, ms: 5000 }];
    let script = Script { lines, ahead_ms: Some(0), missteps: vec![stall], ..Script::default() };
    let ultravox = stand_in(script).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_for(MS(1500)).await;
    let last = client.messages.last().unwrap().0;
    assert!((400..600).contains(&last.as_millis()), "the last sound came at {last:?}");
    assert_eq!(client.ended, None);
    let received = ultravox.calls()[0].bytes_received as f64 / 32_000.0;
    assert!((0.4..0.65).contains(&received), "{received} s were listened to");
    drop(ultravox);
    assert_eq!(client.run_to_end().await, Ended::Dropped, "what is dropped takes its sockets along");
}

#[tokio::test]
async fn texts_that_no_client_expects_are_sent_as_they_stand() {
    let odd = [r#"{"type":"something_new"}"#, "[1, 2]", "{{{", ""];
    let mut missteps: Vec<Misstep> =
        odd.map(|text| Misstep { at_ms: 100, does: Trouble::SendText(text.into()) }).into();
    missteps.push(Misstep { at_ms: 150, does: Trouble::SendLongText(300_000) });
    missteps.push(Misstep { at_ms: 200, does: Trouble::Clear });
    let ultravox = stand_in(Script { missteps, ..quiet(None) }).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run(MS(2000), |c| !c.of_type("playback_clear_buffer").is_empty()).await;
    let texts: Vec<_> = client.texts.iter().map(|(_, _, text)| text.as_str()).collect();
    assert!(odd.iter().all(|text| texts.contains(text)), "{:?}", &texts[..4]);
    assert!(texts.iter().any(|text| text.len() == 300_000));
    assert_eq!(ultravox.calls()[0].clears_sent, 1);
}

#[tokio::test]
async fn data_messages_are_answered_kept_and_can_be_switched_off() {
    let ultravox = stand_in(quiet(None)).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.send(r#"{"type":"ping","timestamp":12.5}"#).await;
    client.send(r#"{"type":"user_text_message","text":"dígito 5","urgency":"immediate"}"#).await;
    client.run(MS(1000), |c| !c.of_type("pong").is_empty()).await;
    assert_eq!(client.of_type("pong")[0].2, json!({"type": "pong", "timestamp": 12.5}));
    client.run_for(MS(100)).await;
    assert_eq!(ultravox.calls()[0].texts.len(), 2);

    let off = json!({"state": false, "callStarted": false, "pong": false});
    let request = request_with("/medium/serverWebSocket/dataMessages", off);
    let mut client = Client::call(&ultravox, &request).await;
    client.send(r#"{"type":"ping","timestamp":1}"#).await;
    client.run_for(MS(300)).await;
    assert_eq!(client.texts, []);
}

#[tokio::test]
async fn an_urgent_text_interrupts_and_is_answered() {
    let lines = vec![Line::Tone { hz: 440.0, ms: 5000 }, Line::Tone { hz: 880.0, ms: 200 }];
    let ultravox = stand_in(Script { lines, ahead_ms: Some(0), ..Script::default() }).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_for(MS(300)).await;
    client.send(r#"{"type":"user_text_message","text":"5","urgency":"immediate"}"#).await;
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    assert_eq!(client.of_type("playback_clear_buffer").len(), 1);
    assert_eq!(ultravox.calls()[0].lines_begun, 2);
}
