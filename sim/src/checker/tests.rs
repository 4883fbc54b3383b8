//! Each rule on a history that breaks it, beside one that does not.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::check;
use crate::history::{Call, History, Outcome};

const SHARD: &str = "shardId-000000000000";

/// A history that is written by hand: each call begins after the one before has ended.
struct Written(History);

impl Written {
    fn new() -> Self {
        Self(History { calm: u64::MAX, is_limited: true, latest_wall_ms: 1_000, ..History::default() })
    }

    fn call(&mut self, client: u64, operation: &'static str, input: Value, outcome: Outcome) -> &mut Call {
        let begun = 10 * self.0.calls.len() as u64 + 1;
        let (ended, wall_ms) = (begun + 5, if client == 0 { self.0.latest_wall_ms } else { 0 });
        let call = Call { client, operation, input, begun, ended, begun_ms: begun, ended_ms: ended, wall_ms, outcome };
        self.0.calls.push(call);
        self.0.calls.last_mut().unwrap()
    }

    fn put(&mut self, data: &str, outcome: Outcome) -> &mut Call {
        let input = json!({"StreamName": "s", "PartitionKey": "k", "ExplicitHashKey": "7", "Data": STANDARD.encode_to_string(data)});
        self.call(1, "PutRecord", input, outcome)
    }

    fn iterate(&mut self, client: u64, input: Value, iterator: &str) {
        let mut input = input;
        (input["StreamName"], input["ShardId"]) = (json!("s"), json!(SHARD));
        self.call(client, "GetShardIterator", input, Outcome::Done(json!({"ShardIterator": iterator})));
    }

    fn get(&mut self, client: u64, from: &str, next: &str, records: Value) -> &mut Call {
        let answer = json!({"Records": records, "NextShardIterator": next, "MillisBehindLatest": 0});
        self.call(client, "GetRecords", json!({"ShardIterator": from}), Outcome::Done(answer))
    }

    /// Everything is read at the end, as one shard that has it all.
    fn end(&mut self, records: Value) -> Vec<&'static str> {
        self.end_with(shards(&[(SHARD, "0", MAX, None, None)]), records)
    }

    fn end_with(&mut self, shards: Value, records: Value) -> Vec<&'static str> {
        self.0.calm = 10 * self.0.calls.len() as u64;
        self.call(0, "ListShards", json!({"StreamName": "s"}), Outcome::Done(json!({ "Shards": shards })));
        self.iterate(0, json!({"ShardIteratorType": "TRIM_HORIZON"}), "end-0");
        self.get(0, "end-0", "end-1", records);
        let mut rules: Vec<_> = check(&self.0).into_iter().map(|violation| violation.rule).collect();
        rules.dedup();
        rules
    }
}

const MAX: &str = "340282366920938463463374607431768211455";

/// Id, first and last hash key, parent, ending sequence number.
type Shard<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, Option<&'a str>);

fn shards(all: &[Shard<'_>]) -> Value {
    let shard = |(id, from, to, parent, ending): &Shard<'_>| {
        json!({
            "ShardId": id,
            "HashKeyRange": {"StartingHashKey": from, "EndingHashKey": to},
            "ParentShardId": parent,
            "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": ending},
        })
    };
    all.iter().map(shard).collect()
}

fn acked(sequence: u64) -> Outcome {
    Outcome::Done(json!({"ShardId": SHARD, "SequenceNumber": sequence.to_string()}))
}

fn records(all: &[(u64, &str)]) -> Value {
    let record = |(sequence, data): &(u64, &str)| {
        json!({
            "SequenceNumber": sequence.to_string(),
            "PartitionKey": "k",
            "Data": STANDARD.encode_to_string(data),
            "ApproximateArrivalTimestamp": *sequence as f64,
        })
    };
    all.iter().map(record).collect()
}

/// Two records, acknowledged as 10 and 11.
fn two() -> Written {
    let mut history = Written::new();
    history.put("a", acked(10));
    history.put("b", acked(11));
    history
}

#[test]
fn a_history_of_a_server_that_keeps_its_promises_breaks_no_rule() {
    let mut history = two();
    history.put("c", Outcome::Unknown);
    history.put("c", acked(13));
    history.iterate(2, json!({"ShardIteratorType": "TRIM_HORIZON"}), "i0");
    history.get(2, "i0", "i1", records(&[(10, "a"), (11, "b"), (12, "c"), (13, "c")]));
    assert!(history.end(records(&[(10, "a"), (11, "b"), (12, "c"), (13, "c")])).is_empty());
}

#[test]
fn a_lost_record_is_found() {
    assert_eq!(two().end(records(&[(10, "a")])), ["loss", "stale read"]);
    assert_eq!(two().end(records(&[(10, "a"), (11, "a")])), ["loss", "duplicate"]);
}

#[test]
fn a_record_that_may_have_expired_is_not_lost() {
    let mut history = two();
    history.0.latest_wall_ms = 25 * 3_600_000;
    assert!(history.end(records(&[])).is_empty());
}

#[test]
fn a_duplicate_without_a_retry_is_found() {
    assert_eq!(two().end(records(&[(10, "a"), (11, "b"), (12, "b")])), ["duplicate"]);
    let mut refused = two();
    refused.put("c", Outcome::Refused { code: "ResourceNotFoundException".to_owned(), message: String::new() });
    assert_eq!(refused.end(records(&[(10, "a"), (11, "b"), (12, "c")])), ["duplicate"]);
}

#[test]
fn what_nobody_sent_is_found() {
    assert_eq!(two().end(records(&[(10, "a"), (11, "b"), (12, "z")])), ["never sent", "duplicate"]);
}

#[test]
fn a_later_put_with_an_earlier_number_is_found() {
    let mut history = Written::new();
    history.put("a", acked(11));
    history.put("b", acked(10));
    assert_eq!(history.end(records(&[(10, "b"), (11, "a")])), ["order"]);
}

#[test]
fn a_reversed_call_is_found() {
    let mut history = Written::new();
    let entry =
        |data: &str| json!({"PartitionKey": "k", "ExplicitHashKey": "7", "Data": STANDARD.encode_to_string(data)});
    let result = |sequence: &str| json!({"ShardId": SHARD, "SequenceNumber": sequence});
    let answer = json!({"Records": [result("11"), result("10")]});
    let input = json!({"StreamName": "s", "Records": [entry("a"), entry("b")]});
    history.call(1, "PutRecords", input, Outcome::Done(answer));
    assert_eq!(history.end(records(&[(10, "b"), (11, "a")])), ["order"]);
}

#[test]
fn half_of_a_call_is_found() {
    let mut history = Written::new();
    history.0.is_limited = false;
    let entry =
        |data: &str| json!({"PartitionKey": "k", "ExplicitHashKey": "7", "Data": STANDARD.encode_to_string(data)});
    let input = json!({"StreamName": "s", "Records": [entry("a"), entry("b")]});
    history.call(1, "PutRecords", input, Outcome::Unknown);
    assert_eq!(history.end(records(&[(10, "a")])), ["half"]);
}

#[test]
fn a_record_that_a_reader_skips_is_found() {
    for (kind, begin) in
        [("TRIM_HORIZON", Value::Null), ("AFTER_SEQUENCE_NUMBER", json!("10")), ("AT_SEQUENCE_NUMBER", json!("11"))]
    {
        let mut history = two();
        history.put("c", acked(12));
        history.iterate(2, json!({"ShardIteratorType": kind, "StartingSequenceNumber": begin}), "i0");
        history.get(2, "i0", "i1", records(&[(12, "c")]));
        assert_eq!(history.end(records(&[(10, "a"), (11, "b"), (12, "c")])), ["gap"], "{kind}");
    }
    let mut inside = two();
    inside.put("c", acked(12));
    inside.iterate(2, json!({"ShardIteratorType": "TRIM_HORIZON"}), "i0");
    inside.get(2, "i0", "i1", records(&[(10, "a"), (12, "c")]));
    assert_eq!(inside.end(records(&[(10, "a"), (11, "b"), (12, "c")])), ["gap"]);
    let mut by_time = two();
    by_time.iterate(2, json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 9.5}), "i0");
    by_time.get(2, "i0", "i1", records(&[(11, "b")]));
    assert_eq!(by_time.end(records(&[(10, "a"), (11, "b")])), ["gap"]);
}

#[test]
fn a_record_that_comes_again_is_found() {
    let mut history = two();
    history.iterate(2, json!({"ShardIteratorType": "TRIM_HORIZON"}), "i0");
    history.get(2, "i0", "i1", records(&[(10, "a"), (11, "b")]));
    history.get(2, "i1", "i2", records(&[(11, "b")]));
    assert_eq!(history.end(records(&[(10, "a"), (11, "b")])), ["gap"]);
}

#[test]
fn a_reader_at_the_tip_that_knows_less_than_another_is_found() {
    let mut history = two();
    history.iterate(2, json!({"ShardIteratorType": "TRIM_HORIZON"}), "i0");
    history.get(2, "i0", "i1", records(&[(10, "a")]));
    assert_eq!(history.end(records(&[(10, "a"), (11, "b")])), ["stale read"]);
}

#[test]
fn the_latest_is_neither_what_was_there_nor_what_came_later() {
    let mut old = two();
    old.iterate(2, json!({"ShardIteratorType": "LATEST"}), "i0");
    old.get(2, "i0", "i1", records(&[(11, "b")]));
    assert_eq!(old.end(records(&[(10, "a"), (11, "b")])), ["gap"]);
    let mut skipped = Written::new();
    skipped.iterate(2, json!({"ShardIteratorType": "LATEST"}), "i0");
    skipped.put("a", acked(10));
    skipped.put("b", acked(11));
    skipped.get(2, "i0", "i1", records(&[(11, "b")]));
    assert_eq!(skipped.end(records(&[(10, "a"), (11, "b")])), ["gap"]);
}

#[test]
fn a_shard_that_ends_without_children_is_found() {
    let mut history = two();
    history.iterate(2, json!({"ShardIteratorType": "TRIM_HORIZON"}), "i0");
    let call = history.get(2, "i0", "i1", records(&[(10, "a"), (11, "b")]));
    if let Outcome::Done(answer) = &mut call.outcome {
        answer["NextShardIterator"] = Value::Null;
    }
    assert_eq!(history.end(records(&[(10, "a"), (11, "b")])), ["end of a shard"]);
}

#[test]
fn a_subscription_with_a_gap_or_a_repetition_is_found() {
    for events in [&[&[(10, "a")][..], &[(12, "c")]][..], &[&[(10, "a"), (11, "b")], &[(11, "b"), (12, "c")]]] {
        let mut history = two();
        history.put("c", acked(12));
        let event = |all: &&[(u64, &str)]| json!({"Records": records(all), "ContinuationSequenceNumber": "1"});
        let input = json!({"ConsumerARN": "arn:aws:kinesis:r:a:stream/s/consumer/c:1", "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}});
        history.call(3, "SubscribeToShard", input, Outcome::Done(events.iter().map(event).collect()));
        assert_eq!(history.end(records(&[(10, "a"), (11, "b"), (12, "c")])).len(), 1);
    }
}

#[test]
fn shards_that_leave_a_hole_or_overlap_are_found() {
    for (first_to, second_from) in [("99", "101"), ("100", "100")] {
        let listed = shards(&[(SHARD, "0", first_to, None, None), ("shardId-1", second_from, MAX, None, None)]);
        assert_eq!(Written::new().end_with(listed, records(&[])), ["lineage"]);
    }
}

#[test]
fn a_parent_that_goes_on_after_its_child_began_is_found() {
    let listed = shards(&[(SHARD, "0", MAX, None, Some("20")), ("shardId-1", "0", MAX, Some(SHARD), None)]);
    let mut history = Written::new();
    history.put("a", Outcome::Done(json!({"ShardId": "shardId-1", "SequenceNumber": "30"})));
    history.put("b", acked(10));
    assert!(history.end_with(listed, records(&[(10, "b")])).contains(&"lineage"));
    let forgotten = shards(&[(SHARD, "0", MAX, None, Some("20")), ("shardId-1", "0", MAX, None, None)]);
    assert_eq!(Written::new().end_with(forgotten, records(&[])), ["lineage"]);
}

#[test]
fn a_record_in_a_shard_where_its_hash_key_does_not_belong_is_found() {
    let listed = shards(&[(SHARD, "100", MAX, None, None), ("shardId-1", "0", "99", None, None)]);
    assert_eq!(two().end_with(listed, records(&[(10, "a"), (11, "b")])), ["lineage"]);
}

#[test]
fn a_tag_that_goes_back_is_found() {
    let mut history = Written::new();
    for value in ["1", "2"] {
        history.call(
            1,
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"of-1": value}}),
            Outcome::Done(json!({})),
        );
    }
    let listed = |value: &str| Outcome::Done(json!({"Tags": [{"Key": "of-1", "Value": value}]}));
    history.call(2, "ListTagsForStream", json!({"StreamName": "s"}), listed("2"));
    assert!(history.end(records(&[])).is_empty());
    history.call(2, "ListTagsForStream", json!({"StreamName": "s"}), listed("1"));
    assert_eq!(check(&history.0)[0].rule, "tags");
}

#[test]
fn throttling_without_reason_is_found() {
    let refused = |message: &str| Outcome::Refused {
        code: "ProvisionedThroughputExceededException".to_owned(),
        message: message.to_owned(),
    };
    let message = format!("Rate exceeded for shard {SHARD} in stream s under account 1.");
    let mut idle = two();
    idle.put("c", refused(&message));
    assert_eq!(idle.end(records(&[(10, "a"), (11, "b")])), ["throttle"]);
    // A megabyte was written just before: then it is due.
    let mut busy = two();
    let large = "y".repeat(1 << 20);
    busy.put(&large, acked(12));
    busy.put(&large[..10_000], refused(&message));
    assert!(busy.end(records(&[(10, "a"), (11, "b"), (12, &large)])).is_empty());
    let mut calls = Written::new();
    calls.call(
        1,
        "AddTagsToStream",
        json!({"StreamName": "s"}),
        refused("Rate exceeded for stream s under account 1."),
    );
    assert_eq!(calls.end(records(&[])), ["throttle"]);
}
