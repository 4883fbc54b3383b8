//! Five ways to begin, and every way to be refused.

use super::*;

/// Three records at three times in the one shard of a stream.
async fn three() -> (Bench, StreamName, Vec<Stored>) {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let mut stored = Vec::new();
    for text in ["one", "two", "three"] {
        bench.clock.advance(1000);
        stored.push(bench.put(&a, "k", text).await);
    }
    (bench, a, stored)
}

#[tokio::test]
async fn each_kind_begins_where_it_says() {
    let (bench, a, stored) = three().await;
    let oldest = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    assert_eq!(bench.texts(&oldest).await, ["one", "two", "three"]);
    let latest = bench.iterator(&a, "0", IteratorKind::Latest).await.unwrap();
    assert_eq!(bench.texts(&latest).await, [""; 0]);
    let two = stored[1].sequence_number;
    let at = bench.iterator_from(&a, "0", IteratorKind::AtSequenceNumber, two).await;
    assert_eq!(bench.texts(&at).await, ["two", "three"]);
    let after = bench.iterator_from(&a, "0", IteratorKind::AfterSequenceNumber, two).await;
    assert_eq!(bench.texts(&after).await, ["three"]);
    let start = bench.describe(&a).shards[0].starting;
    assert!(start.to_string() < stored[0].sequence_number.to_string(), "no record is at the shard's start");
    for kind in [IteratorKind::AtSequenceNumber, IteratorKind::AfterSequenceNumber] {
        let from_start = bench.iterator_from(&a, "0", kind, start).await;
        assert_eq!(bench.texts(&from_start).await, ["one", "two", "three"]);
    }
}

#[tokio::test]
async fn a_time_begins_with_the_first_record_at_or_after_it() {
    let (bench, a, _) = three().await;
    let now_ms = bench.clock.wall_ms();
    let at = async |timestamp_ms| {
        let request =
            IteratorRequest { shard: "0", kind: IteratorKind::AtTimestamp, sequence_number: None, timestamp_ms };
        bench.streams.get_shard_iterator(&bench.ns, &a, request).await
    };
    for (ms, expected) in [
        (0, vec!["one", "two", "three"]),
        (now_ms - 1000, vec!["two", "three"]),
        (now_ms - 999, vec!["three"]),
        (now_ms, vec!["three"]),
    ] {
        assert_eq!(bench.texts(&at(Some(ms)).await.unwrap()).await, expected, "{ms}");
    }
    bench.clock.advance(10);
    let beyond = at(Some(now_ms + 5)).await.unwrap();
    assert_eq!(bench.texts(&beyond).await, [""; 0], "none at or after: still an iterator");
    assert!(matches!(at(None).await, Err(IteratorError::NoTimestamp)));
    let refused = at(Some(now_ms + 11)).await;
    assert!(
        matches!(refused, Err(IteratorError::FutureTimestamp { timestamp_ms, now_ms: now }) if (timestamp_ms, now) == (now_ms + 11, now_ms + 10))
    );
}

#[tokio::test]
async fn latest_is_fixed_when_the_iterator_is_made() {
    let (bench, a, _) = three().await;
    let latest = bench.iterator(&a, "0", IteratorKind::Latest).await.unwrap();
    bench.put(&a, "k", "four").await;
    assert_eq!(bench.texts(&latest).await, ["four"]);
    bench.put(&a, "k", "five").await;
    assert_eq!(bench.texts(&latest).await, ["four", "five"], "an iterator can be used again");
}

#[tokio::test]
async fn an_iterator_is_good_for_five_minutes_and_survives_a_restart() {
    let (mut bench, a, _) = three().await;
    let text = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    let issued_ms = bench.clock.wall_ms();
    bench.clock.advance(300_000);
    bench.restart().await;
    assert_eq!(bench.texts(&text).await.len(), 3);
    assert_eq!(bench.texts(&format!("\"{text}\"")).await.len(), 3);
    bench.clock.advance(1);
    let expired = OpenIteratorError::Expired { issued_ms, now_ms: issued_ms + 300_001 };
    assert_eq!(bench.streams.open_iterator(&text), Err(expired));
    assert_eq!(bench.streams.open_iterator(&text[4..]), Err(OpenIteratorError::Invalid));
    bench.clock.set_wall(issued_ms - 300_001);
    assert_eq!(bench.streams.open_iterator(&text), Err(OpenIteratorError::Invalid), "from the future");
}

#[tokio::test]
async fn every_refusal_says_what_it_is() {
    let (bench, a, stored) = three().await;
    let b = bench.create("b", 2).await;
    let make = async |stream: &StreamName, shard: &str, kind, number: Option<&str>| {
        let request = IteratorRequest { shard, kind, sequence_number: number, timestamp_ms: None };
        bench.streams.get_shard_iterator(&bench.ns, stream, request).await
    };
    use IteratorKind::{AfterSequenceNumber, AtSequenceNumber, Latest, TrimHorizon};
    let number = stored[0].sequence_number.to_string();
    let refused = make(&a, "shard-x", Latest, None).await;
    assert!(matches!(refused, Err(IteratorError::ShardId(ShardIdInvalid { shard, .. })) if shard == "shard-x"));
    let refused = make(&a, "7", Latest, Some("5")).await;
    assert!(matches!(refused, Err(IteratorError::NotFound(ShardNotFound { shard: ShardId(7), .. }))));
    assert!(matches!(make(&name_of("c"), "0", Latest, None).await, Err(IteratorError::NotFound(_))));
    for kind in [Latest, TrimHorizon] {
        let refused = make(&a, "0", kind, Some(&number)).await;
        assert!(matches!(refused, Err(IteratorError::SequenceMismatch { kind: k, given: true }) if k == kind));
    }
    for kind in [AtSequenceNumber, AfterSequenceNumber] {
        let refused = make(&a, "0", kind, None).await;
        assert!(matches!(refused, Err(IteratorError::SequenceMismatch { kind: k, given: false }) if k == kind));
        let refused = make(&a, "0", kind, Some("0")).await;
        assert!(matches!(refused, Err(IteratorError::SequenceInvalid { value, .. }) if value == "0"));
    }
    let other = bench.describe(&b).shards[1].starting.to_string();
    let refused = make(&b, "0", AtSequenceNumber, Some(&other)).await;
    assert!(
        matches!(refused, Err(IteratorError::OtherShard { encoded: ShardId(1), shard: ShardId(0) })),
        "{refused:?}"
    );
    let refused = make(&b, "0", AtSequenceNumber, Some(&number)).await;
    assert!(matches!(refused, Err(IteratorError::OtherStream { value, .. }) if value == number));
}

#[tokio::test]
async fn shard_ids_are_read_leniently() {
    let (bench, a, _) = three().await;
    for text in ["0", "x-0", "shardId-000000000000", "a-00"] {
        let iterator = bench.iterator(&a, text, IteratorKind::TrimHorizon).await.unwrap();
        assert_eq!(bench.texts(&iterator).await.len(), 3, "{text}");
    }
}
