//! The constraint check, in the words that AWS was heard to use (api.md §2.7).

use std::collections::BTreeSet;

use crate::codec::json;
use crate::error::ErrorCode;
use crate::operation::Operation;
use crate::shape::{Kind, Shape};

/// The items of the error for a body. Their order is not promised.
fn items(operation: Operation, body: &str) -> BTreeSet<String> {
    let Err(error) = json::decode_value(operation, body.as_bytes()) else { return BTreeSet::new() };
    assert_eq!(error.code, ErrorCode::Validation, "{error}");
    let message = error.message.unwrap();
    let (head, rest) = message.split_once(" detected: ").unwrap();
    let items: Vec<&str> = rest.split("; ").collect();
    let plural = if items.len() == 1 { "error" } else { "errors" };
    assert_eq!(head, format!("{} validation {plural}", items.len()));
    items.into_iter().map(str::to_owned).collect()
}

#[track_caller]
fn expect(operation: Operation, body: &str, expected: &[&str]) {
    let expected =
        expected.iter().map(|item| format!("Value {}", item.replace("failed:", "failed to satisfy constraint:")));
    assert_eq!(items(operation, body), expected.collect(), "{body}");
}

#[test]
fn absent_empty_and_long() {
    expect(Operation::PutRecords, "{}", &["null at 'records' failed: Member must not be null"]);
    expect(
        Operation::PutRecords,
        r#"{"StreamName":"","Records":[]}"#,
        &[
            "'[]' at 'records' failed: Member must have length greater than or equal to 1",
            "'' at 'streamName' failed: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            "'' at 'streamName' failed: Member must have length greater than or equal to 1",
        ],
    );
    let name = "a".repeat(129);
    expect(
        Operation::AddTagsToStream,
        &format!(r#"{{"StreamName":"{name}","Tags":{{}}}}"#),
        &[
            &format!("'{name}' at 'streamName' failed: Member must have length less than or equal to 128"),
            "'{}' at 'tags' failed: Member must have length greater than or equal to 1",
        ],
    );
}

#[test]
fn paths_lead_into_lists_and_structures() {
    let key = "k".repeat(257);
    expect(
        Operation::PutRecords,
        &format!(
            r#"{{"Records":[{{"Data":"","PartitionKey":"a"}},{{"PartitionKey":"{key}","ExplicitHashKey":"01"}}]}}"#
        ),
        &[
            "null at 'records.2.member.data' failed: Member must not be null",
            "'01' at 'records.2.member.explicitHashKey' failed: Member must satisfy regular expression pattern: \
             ^(0|([1-9]\\d{0,38}))$",
            &format!(
                "'{key}' at 'records.2.member.partitionKey' failed: Member must have length less than or equal to 256"
            ),
        ],
    );
    expect(
        Operation::SubscribeToShard,
        r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/b:1","ShardId":"s","StartingPosition":{}}"#,
        &["null at 'startingPosition.type' failed: Member must not be null"],
    );
    expect(
        Operation::PutRecords,
        r#"{"Records":[null]}"#,
        &["null at 'records.1.member' failed: Member must not be null"],
    );
    expect(
        Operation::AddTagsToStream,
        r#"{"Tags":{"a":null}}"#,
        &["null at 'tags.a.member' failed: Member must not be null"],
    );
}

#[test]
fn collections_of_scalars_speak_for_their_members() {
    let long = "k".repeat(129);
    let lengths =
        "[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]";
    expect(
        Operation::RemoveTagsFromStream,
        &format!(r#"{{"TagKeys":["a","{long}",""]}}"#),
        &[&format!("'[a, {long}, ]' at 'tagKeys' failed: Member must satisfy constraint: {lengths}")],
    );
    let value = "v".repeat(257);
    expect(
        Operation::AddTagsToStream,
        &format!(r#"{{"Tags":{{"":"{value}"}}}}"#),
        &[
            &format!("'{{={value}}}' at 'tags' failed: Map keys must satisfy constraint: {lengths}"),
            &format!(
                "'{{={value}}}' at 'tags' failed: Map value must satisfy constraint: [Member must have length less than or \
                 equal to 256, Member must have length greater than or equal to 0]"
            ),
        ],
    );
}

#[test]
fn sets_and_ranges() {
    expect(
        Operation::GetShardIterator,
        r#"{"ShardId":"s","ShardIteratorType":"NOW"}"#,
        &["'NOW' at 'shardIteratorType' failed: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, \
           AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"],
    );
    expect(
        Operation::GetRecords,
        r#"{"ShardIterator":"a","Limit":0}"#,
        &["'0' at 'limit' failed: Member must have value greater than or equal to 1"],
    );
    expect(
        Operation::GetRecords,
        r#"{"ShardIterator":"a","Limit":99999999999}"#,
        &["'2147483647' at 'limit' failed: Member must have value less than or equal to 10000"],
    );
}

#[test]
fn blobs_and_structures_print_as_java_prints_them() {
    let data = "A".repeat(10_485_764 / 3 * 4);
    expect(
        Operation::PutRecord,
        &format!(r#"{{"Data":"{data}","PartitionKey":"k"}}"#),
        &[
            "'java.nio.HeapByteBuffer[pos=0 lim=10485762 cap=10485762]' at 'data' failed: Member must have length less than \
           or equal to 10485760",
        ],
    );
    let records = format!(r#"{{"Records":[{}{{"Data":""}}]}}"#, r#"{"Data":""},"#.repeat(500));
    let items = items(Operation::PutRecords, &records);
    let item = items.first().unwrap();
    assert!(item.starts_with("Value '[com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@1, com."), "{item}");
    assert!(
        item.ends_with(
            "]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"
        )
    );
}

#[test]
fn lengths_are_counted_as_java_counts() {
    let fits = "\u{1f30a}".repeat(128);
    let body = |key: &str| format!(r#"{{"Data":"","PartitionKey":"{key}"}}"#);
    assert!(items(Operation::PutRecord, &body(&fits)).is_empty());
    assert_eq!(items(Operation::PutRecord, &body(&format!("{fits}a"))).len(), 1);
    assert!(items(Operation::PutRecord, &body(&"ü".repeat(256))).is_empty());
}

#[test]
fn ten_are_enough() {
    let records = format!(r#"{{"Records":[{}{{}}]}}"#, "{},".repeat(20));
    assert_eq!(items(Operation::PutRecords, &records).len(), super::MAX_ITEMS);
}

#[test]
fn errors_do_not_grow_with_what_they_quote() {
    let name = "a".repeat(4_000_000);
    let error = json::decode_value(Operation::DescribeStream, format!(r#"{{"StreamName":"{name}"}}"#).as_bytes());
    assert!(error.unwrap_err().message.unwrap().len() < 200_000);
}

#[test]
fn every_pattern_compiles_and_shapes_end() {
    fn visit(shape: &'static Shape, depth: usize) {
        assert!(depth < 12, "{} contains itself", shape.name);
        if let Some(pattern) = shape.pattern {
            assert!(pattern.compiled().is_some(), "{}", pattern.source());
            assert!(shape.max.is_none_or(|max| max <= 2048));
        }
        match shape.kind {
            Kind::List(element) => visit(element, depth + 1),
            Kind::Map(key, value) => [key, value].into_iter().for_each(|shape| visit(shape, depth + 1)),
            Kind::Structure(members) => members.iter().for_each(|member| visit(member.shape, depth + 1)),
            _ => {}
        }
    }
    Operation::ALL.iter().for_each(|operation| visit(operation.input(), 0));
}
