//! Facts, in segments of their writers.

use std::time::Duration;

use calls::fact::Fact;
use calls::ids::Nonce;
use cloud::call_folder::{CallFolders, FactsWriter, draw_nonce, paths};

use super::flaky::{Flaky, Put};
use super::{AT, at, attempt, file, in_directory};

#[tokio::test]
async fn facts_come_in_numbered_segments_of_their_writer() {
    let (folder, folders) = in_directory();
    let owner = Nonce("abcdef0123".to_owned());
    let mut writer = FactsWriter::start(folders.clone(), attempt(), owner.clone());
    let segment = |n| file(&folder, &paths::facts_segment(&attempt(), &owner, n));
    writer.note(at(), Fact::DialClaimed);
    writer.note(at() + Duration::from_millis(120), Fact::BridgeActive);
    assert!(!segment(1).exists(), "nothing is written before there is a reason to");
    writer.flush();
    for _ in 0..100 {
        if segment(1).exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    writer.note(at() + Duration::from_secs(1), Fact::MaxDuration);
    writer.flush();
    writer.flush();
    writer.close(Duration::from_secs(5)).await.unwrap();
    let first = std::fs::read_to_string(segment(1)).unwrap();
    assert_eq!(first.lines().count(), 2);
    assert_eq!(first.lines().next().unwrap(), format!(r#"{{"v":1,"at":"{AT}","fact":"dial-claimed"}}"#));
    assert_eq!(std::fs::read_to_string(segment(2)).unwrap().lines().count(), 1);
    assert!(!segment(3).exists(), "no empty segments");

    let mut other = FactsWriter::start(folders.clone(), attempt(), draw_nonce());
    other.note(at() + Duration::from_millis(60), Fact::DuplicateDelivery);
    other.close(Duration::from_secs(5)).await.unwrap();
    let facts = folders.facts(&attempt()).await.unwrap();
    let facts: Vec<Fact> = facts.into_iter().map(|line| line.fact).collect();
    assert_eq!(facts, [Fact::DialClaimed, Fact::DuplicateDelivery, Fact::BridgeActive, Fact::MaxDuration]);
}

#[tokio::test(start_paused = true)]
async fn facts_are_written_every_five_seconds_and_survive_a_bad_moment() {
    let store = Flaky::with([Put::Fails, Put::Fails]);
    let folders = CallFolders::over(store.clone());
    let mut writer = FactsWriter::start(folders.clone(), attempt(), draw_nonce());
    writer.note(at(), Fact::DialClaimed);
    tokio::time::sleep(Duration::from_millis(4900)).await;
    assert_eq!(store.puts(), 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.puts(), 1);
    writer.note(at(), Fact::BridgeActive);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(store.puts(), 3, "two failed, one got through, and without news there are no more");
    assert_eq!(folders.facts(&attempt()).await.unwrap().len(), 2);
    writer.close(Duration::from_secs(1)).await.unwrap();
    assert_eq!(store.puts(), 3);
}

#[tokio::test(start_paused = true)]
async fn noting_never_waits_and_what_did_not_fit_is_counted() {
    let folders = CallFolders::over(Flaky::down());
    let mut writer = FactsWriter::start(folders, attempt(), draw_nonce());
    for _ in 0..2000 {
        writer.note(at(), Fact::DialClaimed);
    }
    assert_eq!(writer.left_out(), 2000 - 1024);
    assert!(writer.close(Duration::from_secs(2)).await.is_err(), "the store is down");
}

#[tokio::test(start_paused = true)]
async fn seconds_of_sound_are_no_news_but_go_along_with_it_or_once_there_are_many() {
    let store = Flaky::with([]);
    let folders = CallFolders::over(store.clone());
    let mut writer = FactsWriter::start(folders.clone(), attempt(), draw_nonce());
    let second = Fact::SoundSecond(calls::sound::SoundSecond { queued_ms: 20, ..Default::default() });
    for _ in 0..30 {
        writer.note(at(), second.clone());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(store.puts(), 0);
    writer.note(at(), Fact::BridgeActive);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((store.puts(), folders.facts(&attempt()).await.unwrap().len()), (1, 31));
    (0..400).for_each(|_| writer.note(at(), second.clone()));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((store.puts(), folders.facts(&attempt()).await.unwrap().len()), (2, 431));
    writer.close(Duration::from_secs(1)).await.unwrap();
}
