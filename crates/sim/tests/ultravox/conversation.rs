//! Who speaks when, and what is heard of it.

use std::time::Duration;

use audio::{SampleRate, levels};
use serde_json::json;
use sim::ultravox::{EndReason, Line, Script, Trouble, speech};

use super::client::{Client, Ended, RATE, look_up, request, request_with, stand_in};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn tone(hz: f64, ms: u32) -> Line {
    Line::Tone { hz, ms }
}

fn seconds_of(client: &Client) -> f64 {
    client.sound.len() as f64 / 2.0 / f64::from(RATE.hz())
}

#[tokio::test]
async fn a_whole_conversation_with_one_interruption() {
    let ultravox = stand_in(Script::default()).await;
    let callee_first = json!({"user": {"fallback": {"delay": "5s", "text": "Olá?"}}});
    let mut client = Client::call(&ultravox, &request_with("/firstSpeakerSettings", callee_first)).await;
    client.say(&speech::pcm("callee-hello", RATE).unwrap());

    // The greeting comes in one burst, after the callee's hello and half a second of silence.
    assert!(client.run(MS(4000), |c| c.finals("agent").len() == 1).await);
    let (began, _) = client.messages[0];
    assert!((700..1800).contains(&began.as_millis()), "the greeting began at {began:?}");
    let greeting = speech::pcm("agent-greeting", RATE).unwrap();
    assert_eq!(client.pcm(), greeting);
    assert_eq!(client.finals("agent"), [speech::text("agent-greeting").unwrap()]);

    // Let the greeting play, answer it, and cut into the long line.
    client.run_for(MS(greeting.len() as u64 / 16)).await;
    assert_eq!(client.states().last().unwrap(), "listening");
    client.say(&speech::pcm("callee-accepts", RATE).unwrap());
    assert!(client.run(MS(6000), |c| c.finals("agent").len() == 2).await);
    let heard = client.sound.len();
    client.say(&speech::pcm("callee-interrupts", RATE).unwrap());
    assert!(client.run(MS(2000), |c| !c.of_type("playback_clear_buffer").is_empty()).await);
    assert_eq!(client.sound.len(), heard);

    // The answer to that, played out; a last turn, and the agent says goodbye and hangs up.
    assert!(client.run(MS(9000), |c| c.finals("agent").len() == 3).await);
    client.run_for(MS(5200)).await;
    client.say(&speech::pcm("callee-goodbye", RATE).unwrap());
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    let goodbye = speech::pcm("agent-goodbye", RATE).unwrap();
    assert!(client.pcm().ends_with(&goodbye), "the goodbye was sent in full before the close");

    let call = &ultravox.calls()[0];
    assert_eq!(call.end_reason, Some(EndReason::AgentHangup));
    assert_eq!((call.lines_begun, call.interruptions, call.clears_sent, call.callee_turns), (4, 1, 1, 4));
    assert_eq!(look_up(&ultravox, &call.id).await["endReason"], "agent_hangup");
    let transcripts = client.of_type("transcript");
    assert!(transcripts.iter().all(|(_, _, t)| t["text"].is_null() != t["delta"].is_null()));
    assert_eq!(client.of_type("call_started")[0].2["callId"], json!(client.id));
}

#[tokio::test]
async fn the_call_is_measured_as_it_was() {
    let script = Script { talk_dbfs: 0.0, hang_up: false, lines: vec![], ..Script::default() };
    let ultravox = stand_in(script).await;
    let mut client = Client::call(&ultravox, &request()).await;
    let said = levels::tone(RATE, 700.0, -20.0, RATE.samples_in_ms(4000));
    client.say(&said);
    client.run_for(MS(2000)).await;
    let call = &ultravox.calls()[0];
    let pace = call.pace_received.unwrap();
    assert!((0.97..1.03).contains(&pace), "{pace} seconds of sound a second");
    assert!(call.longest_gap < MS(200), "{:?}", call.longest_gap);
    assert!((call.level_received_dbfs + 20.0).abs() < 0.5, "{} dBFS", call.level_received_dbfs);
    let (rate, heard) = ultravox.heard(&call.id).unwrap();
    assert_eq!(rate, RATE);
    assert_eq!(heard, said[..heard.len()]);
    assert!(heard.len() > 16_000 * 18 / 10);

    // A client that stops sending is seen to have stopped.
    tokio::time::sleep(MS(700)).await;
    client.run_for(MS(100)).await;
    assert!(ultravox.calls()[0].longest_gap > MS(600));
}

#[tokio::test]
async fn a_silent_callee_is_greeted_after_the_fallback_delay() {
    let ultravox = stand_in(Script { lines: vec![tone(440.0, 200)], ..Script::default() }).await;
    for settings in [
        json!({"user": {"fallback": {"delay": "0.8s", "text": "Olá?"}}}),
        json!({"agent": {"delay": "0.8s"}}),
    ] {
        let mut client = Client::call(&ultravox, &request_with("/firstSpeakerSettings", settings)).await;
        assert_eq!(client.run_to_end().await, Ended::Closed(1000));
        let began = client.messages[0].0.as_millis();
        assert!((790..1100).contains(&began), "{began} ms");
        assert_eq!(client.states(), ["listening", "speaking"]);
    }
    let patient = request_with("/firstSpeakerSettings", json!({"user": {}}));
    let mut client = Client::call(&ultravox, &patient).await;
    client.run_for(MS(1500)).await;
    assert_eq!((client.ended, client.sound.len()), (None, 0), "without a fallback it waits");
}

#[tokio::test]
async fn speech_keeps_its_pace_or_runs_ahead_as_far_as_it_may() {
    let line = || vec![tone(440.0, 1000)];
    let real_pace = Script { lines: line(), ahead_ms: Some(0), ..Script::default() };
    let ahead = Script { lines: line(), ahead_ms: Some(400), ..Script::default() };
    let ultravox = stand_in(real_pace).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_to_end().await;
    let last = client.messages.last().unwrap().0.as_millis();
    assert!((950..1300).contains(&last), "the last 20 ms came at {last} ms");
    assert_eq!(client.messages.len(), 50);

    ultravox.set_script(ahead).unwrap();
    let small_buffer = request_with("/medium/serverWebSocket/clientBufferSizeMs", json!(60));
    for (request, last_by) in [(request(), 570..800), (small_buffer, 900..1200)] {
        let mut client = Client::call(&ultravox, &request).await;
        client.run_to_end().await;
        let last = client.messages.last().unwrap().0.as_millis();
        assert!(last_by.contains(&last), "the last 20 ms came at {last} ms, not {last_by:?}");
    }
}

#[tokio::test]
async fn messages_of_any_size_carry_the_same_sound() {
    let expected = levels::tone(RATE, 440.0, -12.0, RATE.samples_in_ms(3000));
    let base = Script { lines: vec![tone(440.0, 3000)], ..Script::default() };
    let sizes = [
        (Script { message_ms: 10, ..base.clone() }, 320),
        (Script { message_ms: 5000, ..base.clone() }, 96_000),
        (Script { message_bytes: Some(333), ..base.clone() }, 333),
        (Script { message_bytes: Some(1), lines: vec![tone(440.0, 100)], ..base.clone() }, 1),
    ];
    for (script, size) in sizes {
        let ultravox = stand_in(script).await;
        let mut client = Client::call(&ultravox, &request()).await;
        client.run_to_end().await;
        assert_eq!(client.messages[0].1, size);
        let pcm = client.pcm();
        assert_eq!(pcm, expected[..pcm.len()]);
        assert_eq!(pcm.len(), if size == 1 { 1600 } else { 48_000 });
    }
}

#[tokio::test]
async fn an_interruption_leaves_the_sound_aligned_and_may_be_spelled_in_camel_case() {
    let lines = vec![tone(440.0, 5000), tone(880.0, 300)];
    let base = Script { message_bytes: Some(2001), ahead_ms: Some(200), lines, ..Script::default() };
    let ultravox = stand_in(Script { camel_case_clear: true, ..base }).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_for(MS(600)).await;
    client.say(&levels::tone(RATE, 300.0, -20.0, RATE.samples_in_ms(400)));
    assert_eq!(client.run_to_end().await, Ended::Closed(1000));
    let clears = client.of_type("playbackClearBuffer");
    let (at, bytes, _) = &clears[0];
    assert!((780..1200).contains(&at.as_millis()), "cleared at {at:?}");
    assert_eq!((clears.len(), bytes % 2), (1, 0));
    let pcm = client.pcm();
    let after = &pcm[bytes / 2..];
    assert_eq!(after, levels::tone(RATE, 880.0, -12.0, RATE.samples_in_ms(300)));
    assert!(seconds_of(&client) < 1.6, "the first line was not said to its end");
}

#[tokio::test]
async fn lines_are_said_on_demand_and_everything_has_its_time() {
    let script = Script { talk_dbfs: 0.0, hang_up: false, lines: vec![], ..Script::default() };
    let ultravox = stand_in(script).await;
    let mut client = Client::call(&ultravox, &request()).await;
    client.run_for(MS(100)).await;
    ultravox.says(Line::Mark, MS(0));
    client.run_for(MS(300)).await;
    assert_eq!(client.pcm(), sim::mark::mark(RATE));
    ultravox.says(tone(440.0, 5000), MS(2000));
    client.run_for(MS(200)).await;
    ultravox.goes_wrong(Trouble::Clear);
    client.run_for(MS(200)).await;

    let times = ultravox.times(&client.id).unwrap();
    let said: usize = times.said.iter().map(|moment| moment.bytes).sum();
    assert_eq!(said, client.sound.len());
    let ahead_ms = (said / 2 - RATE.samples_in_ms(sim::mark::MARK_MS)) / RATE.samples_in_ms(1);
    assert!((2000..2900).contains(&ahead_ms), "{ahead_ms} ms were sent within 200");
    let heard: Vec<_> = times.heard.iter().map(|moment| moment.bytes).collect();
    assert!(heard.len() > 20 && heard.iter().all(|bytes| *bytes == RATE.frame_samples() * 2));
    assert!(times.heard.is_sorted_by_key(|moment| moment.at_us));
    let last_us = times.said.last().unwrap().at_us;
    assert!(times.cleared.len() == 1 && times.cleared[0] >= last_us, "{:?}", times.cleared);
}

#[tokio::test]
async fn echo_sends_back_what_it_hears() {
    let ultravox = stand_in(Script { echo: true, ..Script::default() }).await;
    let mut client = Client::call(&ultravox, &request()).await;
    let said = levels::tone(RATE, 500.0, -20.0, RATE.samples_in_ms(1000));
    client.say(&said);
    client.run(MS(3000), |c| c.sound.len() >= 32_000).await;
    assert_eq!(client.pcm()[..16_000], said);
    let mixed = request_with("/medium/serverWebSocket/outputSampleRate", json!(8000));
    assert_eq!(super::client::post(&ultravox, &mixed).await.status(), 400);
}

#[tokio::test]
async fn each_rate_is_spoken_at() {
    let ultravox =
        stand_in(Script { lines: vec![Line::Speech("callee-hello".into())], ..Script::default() }).await;
    for rate in SampleRate::ALL {
        let request = request_with("/medium/serverWebSocket/outputSampleRate", json!(rate.hz()));
        let mut client = Client::call(&ultravox, &request).await;
        client.run_to_end().await;
        assert_eq!(client.pcm(), speech::pcm("callee-hello", rate).unwrap());
    }
}
