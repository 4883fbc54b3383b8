//! Inputs come out as they went in, whichever way they take; outputs are what the generated types would write.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::put::{put_record_fast, put_record_slow, put_records_fast, put_records_slow};
use super::*;
use crate::generated::*;
use crate::scalar::{Blob, Timestamp};
use crate::shape::{Kind, Shape};

const JSON: Protocol = Protocol::Json;

#[test]
fn inputs_are_typed() {
    let input: GetShardIteratorInput = decode(JSON,
        br#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1400000000.123}"#,
    )
    .unwrap();
    assert_eq!(input.shard_iterator_type, ShardIteratorType::AtTimestamp);
    assert_eq!(input.timestamp, Some(Timestamp(1_400_000_000_123)));

    let input: PutRecordsInput =
        decode(JSON, br#"{"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k"}],"DryRun":"yes"}"#).unwrap();
    assert_eq!(input.records[0].data, Blob::from(b"hi".to_vec()));
    assert_eq!(input.dry_run, Some(true));

    let input: ListStreamsInput = decode(JSON, b"{}").unwrap();
    assert_eq!(input, ListStreamsInput::default());
}

#[test]
fn outputs_leave_out_what_is_absent() {
    let output = ListTagsForStreamOutput { has_more_tags: false, tags: vec![Tag { key: "a".to_owned(), value: None }] };
    assert_eq!(encode(JSON, &output).unwrap(), r#"{"HasMoreTags":false,"Tags":[{"Key":"a"}]}"#);
    assert_eq!(encode(JSON, &()).unwrap(), "");
    let policy = GetResourcePolicyOutput { policy: "{}".to_owned() };
    assert_eq!(encode(JSON, &policy).unwrap(), r#"{"Policy":"{}"}"#);
}

#[test]
fn timestamps_are_seconds_with_milliseconds() {
    for (ms, expected) in [(1_400_000_000_123, "1400000000.123"), (1_400_000_000_000, "1400000000"), (1, "0.001")] {
        assert_eq!(serde_json::to_string(&Timestamp(ms)).unwrap(), expected);
        let mut out = Vec::new();
        Timestamp(ms).push_seconds(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn every_operation_knows_what_an_empty_object_lacks() {
    for operation in Operation::ALL {
        if let Err(error) = decode_value(JSON, *operation, b"{}") {
            assert_eq!(error.code, ErrorCode::Validation, "{operation:?}");
        }
    }
    assert!(decode::<DescribeLimitsInput>(JSON, b"{}").is_ok());
    assert!(decode::<DescribeStreamInput>(JSON, b"{}").is_ok());
}

/// A value that satisfies its shape, with every member there.
fn sample(shape: &Shape) -> serde_json::Value {
    let account = "arn:aws:kinesis:us-east-1:000000000000";
    match shape.kind {
        Kind::Structure(members) => {
            members.iter().map(|member| (member.name.to_owned(), sample(member.shape))).collect()
        }
        Kind::List(element) => vec![sample(element)].into(),
        Kind::Map(key, value) => [(sample(key).as_str().unwrap().to_owned(), sample(value))].into_iter().collect(),
        Kind::Integer | Kind::Long => shape.min.unwrap_or(1).into(),
        Kind::Boolean => true.into(),
        Kind::Timestamp => 1_400_000_000.5.into(),
        Kind::Blob => "aGk=".into(),
        Kind::String => match (shape.name, shape.values) {
            (_, [first, ..]) => (*first).into(),
            ("ConsumerARN", _) => format!("{account}:stream/a/consumer/b:1").into(),
            ("StreamARN" | "ResourceARN", _) => format!("{account}:stream/a").into(),
            ("StreamId", _) => "aaaaaaaaaaaaaaaaaaaa-aaa".into(),
            ("HashKey" | "SequenceNumber", _) => "0".into(),
            _ => "a".into(),
        },
    }
}

#[test]
fn types_and_tables_agree_for_every_typed_operation() {
    let mut typed = 0;
    for operation in Operation::ALL {
        let body = sample(operation.input());
        if let Some(again) = crate::generated::calls::round_trip(JSON, *operation, body.to_string().as_bytes()) {
            let again: serde_json::Value = serde_json::from_slice(&again.unwrap()).unwrap();
            assert_eq!(again, body, "{operation:?}");
            typed += 1;
        }
    }
    assert_eq!(typed, 40);
}

#[test]
fn the_fast_path_takes_what_clients_send_and_leaves_the_rest() {
    let takes = |body: &str| put_record_fast(JSON, body.as_bytes(), &mut Vec::new()).is_some();
    let arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b-c_D";
    assert!(takes(r#"{"StreamName":"s","PartitionKey":"k","Data":"aGk="}"#));
    assert!(takes(&format!(
        r#"{{"StreamARN":"{arn}","PartitionKey":"k\u00fc","Data":"aGk\u003d","ExplicitHashKey":"0"}}"#
    )));
    assert!(takes(r#"{"Data":"","Stranger":[{}],"DryRun":null}"#));
    for left in [
        "",
        "[]",
        r#"{"PartitionKey":"k"}"#,
        r#"{"Data":"","Data":""}"#,
        r#"{"Data":"a"}"#,
        r#"{"Data":"aGl="}"#,
        r#"{"Data":"","StreamName":""}"#,
        r#"{"Data":"","StreamName":"a b"}"#,
        r#"{"Data":"","StreamARN":"arn:aws:kinesis:us-east-1:1:stream/a"}"#,
        r#"{"Data":"","PartitionKey":""}"#,
        r#"{"Data":"","ExplicitHashKey":"00"}"#,
        r#"{"Data":"","SequenceNumberForOrdering":""}"#,
        r#"{"Data":"","DryRun":"true"}"#,
        r#"{"Data":""} x"#,
    ] {
        assert!(!takes(left), "{left}");
    }
    let list = |count: usize| format!(r#"{{"Records":[{}]}}"#, vec![r#"{"Data":"aGk="}"#; count].join(","));
    let takes = |count| put_records_fast(JSON, list(count).as_bytes(), &mut Vec::new()).is_some();
    assert_eq!([0, 1, 500, 501].map(takes), [false, true, true, false]);
    // A list for a structure is what a derived implementation would take.
    assert!(put_records_fast(JSON, br#"{"Records":[["aGk="]]}"#, &mut Vec::new()).is_none());
}

#[test]
fn the_arena_holds_what_it_held_after_an_error() {
    let mut arena = b"before".to_vec();
    let body = br#"{"Records":[{"Data":"aGk="},{"Data":"!!!!"}]}"#;
    let error = put_records(JSON, body, &mut arena).unwrap_err();
    assert_eq!(error.message.unwrap(), "'!!!!' can not be converted to a Blob: Invalid Base64 character: '!'");
    assert_eq!(arena, b"before");

    let input = put_records(JSON, br#"{"Records":[{"Data":"aGk="},{"Data":"aG8="}]}"#, &mut arena).unwrap();
    assert_eq!(arena, b"beforehiho");
    assert_eq!(input.records[1].data, DataRef::Arena(8..10));
}

#[test]
fn hot_outputs_are_what_the_types_would_write() {
    let mut out = Vec::new();
    write_put_record::<Json>(&mut out, "shardId-000000000000", "495", Some(EncryptionType::Kms));
    let output: PutRecordOutput = serde_json::from_slice(&out).unwrap();
    assert_eq!(output.encryption_type, Some(EncryptionType::Kms));

    let mut out = Vec::new();
    let mut writer = PutRecordsWriter::<Json>::begin(&mut out, 2);
    writer.push(PutOutcome::Stored { shard_id: "shardId-000000000001", sequence_number: "496" });
    writer.push(PutOutcome::Failed { code: "InternalFailure", message: "Internal Service Failure" });
    writer.finish(None);
    let output: PutRecordsOutput = serde_json::from_slice(&out).unwrap();
    assert_eq!(output.failed_record_count, Some(1));
    assert_eq!(output.records[0].sequence_number.as_deref(), Some("496"));
    assert_eq!(output.records[1].error_code.as_deref(), Some("InternalFailure"));

    let mut out = Vec::new();
    RecordsWriter::<Json>::begin(&mut out, 0).finish(Some("next"), 0, &[]);
    assert_eq!(out, br#"{"Records":[],"NextShardIterator":"next","MillisBehindLatest":0}"#);

    let mut out = Vec::new();
    let child = ChildShardRef {
        shard_id: "shardId-000000000002",
        parent_shards: &["shardId-000000000000", "shardId-000000000001"],
        starting_hash_key: "0",
        ending_hash_key: "340282366920938463463374607431768211455",
    };
    RecordsWriter::<Json>::begin(&mut out, 0).finish_event(None, 12, &[child, child]);
    let event: SubscribeToShardEvent = serde_json::from_slice(&out).unwrap();
    assert_eq!(event.continuation_sequence_number, None);
    assert_eq!(event.child_shards.unwrap()[1].parent_shards.len(), 2);
    assert_eq!(event.millis_behind_latest, 12);
}

/// Texts of JSON as clients might write them, right more often than not.
///
/// Boxed, as nested strategies would otherwise outgrow the stack of a test.
fn member(name: &'static str) -> BoxedStrategy<String> {
    let value = prop_oneof![
        8 => "\"[a-z0-9]{1,6}\"",
        4 => "\"(aGk=|aGkh|)\"",
        2 => Just("\"arn:aws:kinesis:us-east-1:000000000000:stream/a\"".to_owned()),
        1 => prop_oneof![Just("null"), Just("true"), Just("\"yes\""), Just("1"), Just("[]"), Just("{}")].prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        1 => Just("\"\\ud83c\\udf0a\"".to_owned()),
        1 => Just("\"\\ud83c\"".to_owned()),
    ];
    value.prop_map(move |value| format!("\"{name}\":{value}")).boxed()
}

fn object(members: Vec<Option<String>>) -> String {
    format!("{{{}}}", members.into_iter().flatten().collect::<Vec<_>>().join(","))
}

fn record_members() -> impl Strategy<Value = Vec<Option<String>>> {
    let hash_key = prop_oneof![Just("\"0\""), Just("\"17\""), Just("\"01\""), Just("\"x\"")];
    (
        prop_oneof![6 => Just("\"Data\":\"aGkh\"".to_owned()), 1 => member("Data")],
        option::of(member("PartitionKey")),
        option::weighted(0.2, hash_key.prop_map(|key| format!("\"ExplicitHashKey\":{key}"))),
        option::weighted(0.2, member("Stranger")),
        option::weighted(0.1, member("PartitionKey")),
    )
        .prop_map(|(data, key, hash_key, stranger, again)| vec![Some(data), key, hash_key, stranger, again])
}

fn stream_members() -> impl Strategy<Value = Vec<Option<String>>> {
    (
        option::of(member("StreamName")),
        option::weighted(0.3, Just("\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/a\"".to_owned())),
        option::weighted(0.1, member("StreamARN")),
        option::weighted(0.1, member("StreamId")),
        option::weighted(0.2, prop_oneof![Just("\"DryRun\":true".to_owned()), member("DryRun")]),
    )
        .prop_map(|(name, arn, again, id, dry_run)| vec![name, arn, again, id, dry_run])
}

fn put_record_body() -> impl Strategy<Value = String> {
    (record_members(), stream_members(), option::weighted(0.2, member("SequenceNumberForOrdering"))).prop_map(
        |(mut members, stream, ordering)| {
            members.extend(stream);
            members.push(ordering);
            object(members)
        },
    )
}

fn put_records_body() -> impl Strategy<Value = String> {
    (vec(record_members().prop_map(object), 0..4), stream_members()).prop_map(|(records, mut members)| {
        members.push(Some(format!("\"Records\":[{}]", records.join(","))));
        object(members)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_fast_path_accepts_so_does_the_slow(one in put_record_body(), many in put_records_body()) {
        let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
        if let Some(fast) = put_record_fast(JSON, one.as_bytes(), &mut fast_data) {
            prop_assert_eq!(Ok(fast), put_record_slow(JSON, one.as_bytes(), &mut slow_data));
            prop_assert_eq!(&fast_data, &slow_data);
        }
        let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
        if let Some(fast) = put_records_fast(JSON, many.as_bytes(), &mut fast_data) {
            prop_assert_eq!(Ok(fast), put_records_slow(JSON, many.as_bytes(), &mut slow_data));
            prop_assert_eq!(&fast_data, &slow_data);
        }
    }

    #[test]
    fn the_same_holds_for_bodies_that_were_damaged(body in put_records_body(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
        if let Some(fast) = put_records_fast(JSON, &body, &mut fast_data) {
            prop_assert_eq!(Ok(fast), put_records_slow(JSON, &body, &mut slow_data));
            prop_assert_eq!(&fast_data, &slow_data);
        }
    }

    #[test]
    fn nothing_panics(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}:,\"a-zA-Z0-9.e\\\\-]{0,60}") {
        for body in [&bytes[..], text.as_bytes()] {
            for operation in [Operation::PutRecords, Operation::AddTagsToStream, Operation::CreateChannel] {
                let _verdict = decode_value(JSON, operation, body);
            }
            let _verdict = put_records(JSON, body, &mut Vec::new());
        }
    }

    #[test]
    fn records_are_written_as_the_types_would(
        records in vec((any::<String>(), 0..4_102_444_800_000_i64, any::<Vec<u8>>(), option::of(any::<String>())), 0..4),
    ) {
        let mut out = Vec::new();
        let mut writer = RecordsWriter::<Json>::begin(&mut out, 0);
        for (number, arrival, data, key) in &records {
            writer.push(&RecordFields {
                sequence_number: number,
                arrival: Timestamp(*arrival),
                data,
                partition_key: key.as_deref(),
                encryption: None,
            });
        }
        writer.finish(Some("next"), 7, &[]);
        let record = |(number, arrival, data, key): &(String, i64, Vec<u8>, Option<String>)| Record {
            sequence_number: number.clone(),
            approximate_arrival_timestamp: Some(Timestamp(*arrival)),
            data: data.clone().into(),
            partition_key: key.clone(),
            encryption_type: None,
        };
        let expected = GetRecordsOutput {
            records: records.iter().map(record).collect(),
            next_shard_iterator: Some("next".to_owned()),
            millis_behind_latest: Some(7),
            child_shards: None,
        };
        prop_assert_eq!(serde_json::from_slice::<GetRecordsOutput>(&out).unwrap(), expected);
    }
}
