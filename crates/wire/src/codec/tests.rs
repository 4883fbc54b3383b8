//! Inputs come out as they went in, whichever way they take; outputs are what the generated types would write.

use base64_simd::STANDARD;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rheos_types::{Digits, SequenceNumber, ShardId};
use serde::Deserialize;
use serde_json::json;

use super::put::{put_record_fast, put_record_slow, put_records_fast, put_records_slow};
use super::*;
use crate::generated::*;
use crate::scalar::{Blob, Timestamp};
use crate::shape::{Kind, Shape, sample};

const JSON: Protocol = Protocol::Json;
const CBOR: Protocol = Protocol::Cbor;

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

#[test]
fn types_and_tables_agree_for_every_typed_operation() {
    let mut typed = 0;
    for operation in Operation::ALL {
        let body = sample(operation.input(), false);
        if let Some(again) = crate::generated::calls::round_trip(JSON, *operation, body.to_string().as_bytes()) {
            let again: serde_json::Value = serde_json::from_slice(&again.unwrap()).unwrap();
            assert_eq!(again, body, "{operation:?}");
            typed += 1;
        }
        let cbor = cbor::from_json(operation.input(), &body, &mut cbor::like_jackson);
        if let Some(again) = crate::generated::calls::round_trip(CBOR, *operation, &cbor) {
            assert_eq!(cbor::to_json(&again.unwrap()), Ok(body), "{operation:?}");
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
    let java = |body: serde_json::Value| cbor::from_json(Operation::PutRecord.input(), &body, &mut cbor::like_jackson);
    let takes = |body: &[u8]| put_record_fast(CBOR, body, &mut Vec::new()).is_some();
    assert!(takes(&java(
        json!({"StreamName": "s", "PartitionKey": "k", "Data": "aGk=", "Stranger": [{}], "DryRun": null})
    )));
    assert!(takes(&cbor::from_json(Operation::PutRecord.input(), &json!({"StreamARN": arn, "Data": ""}), &mut |_| {
        false
    })));
    for left in [json!({"PartitionKey": "k"}), json!({"Data": "a"}), json!({"Data": "", "StreamName": ""}), json!([])] {
        assert!(!takes(&java(left.clone())), "{left}");
    }
    assert!(!takes(b"\xa2\x64Data\x40\x64Data\x40"));
    assert!(!takes(b"\xa1\x64Data\x5f\xff"));
    assert!(!takes(b"\xa1\x64Data\x40\x00"));
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

/// A sequence number.
fn digits(position: u64) -> Digits {
    SequenceNumber::of_record(ShardId(1), 1_400_000_000, position, 1_500_000_000).digits()
}

/// The outputs of puts, in a format.
fn puts<F: Format>() -> [Vec<u8>; 2] {
    let mut one = Vec::new();
    write_put_record::<F>(&mut one, "shardId-000000000000", &digits(5), Some(EncryptionType::Kms));
    let mut many = Vec::new();
    let mut writer = PutRecordsWriter::<F>::begin(&mut many, 2);
    writer.push(PutOutcome::Stored { shard_id: "shardId-000000000001", sequence_number: &digits(6) });
    writer.push(PutOutcome::Failed { code: "InternalFailure", message: "Internal Service Failure" });
    writer.finish(None);
    [one, many]
}

#[test]
fn hot_outputs_are_what_the_types_would_write() {
    let [one, many] = puts::<Json>();
    let output: PutRecordOutput = serde_json::from_slice(&one).unwrap();
    assert_eq!(output.encryption_type, Some(EncryptionType::Kms));
    let outputs: PutRecordsOutput = serde_json::from_slice(&many).unwrap();
    assert_eq!(outputs.failed_record_count, Some(1));
    assert_eq!(outputs.records[0].sequence_number.as_deref(), Some(digits(6).as_str()));
    assert_eq!(outputs.records[1].error_code.as_deref(), Some("InternalFailure"));
    let [one, many] = puts::<Cbor>();
    assert_eq!(PutRecordOutput::deserialize(&mut cbor::Reader::new(&one)).unwrap(), output);
    assert_eq!(PutRecordsOutput::deserialize(&mut cbor::Reader::new(&many)).unwrap(), outputs);

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

/// Values for a shape, right more often than not, as JSON has them.
fn along(shape: &'static Shape) -> BoxedStrategy<serde_json::Value> {
    let right = match shape.kind {
        Kind::Structure(members) => {
            let member = |member: &crate::shape::Member| {
                let name = member.name.to_owned();
                option::weighted(
                    if member.required { 0.9 } else { 0.3 },
                    along(member.shape).prop_map(move |value| (name.clone(), value)),
                )
            };
            let members: Vec<_> = members.iter().map(member).collect();
            let stranger = option::weighted(0.1, anything().prop_map(|value| ("Stranger".to_owned(), value)));
            (members, stranger)
                .prop_map(|(members, stranger)| members.into_iter().flatten().chain(stranger).collect())
                .boxed()
        }
        Kind::List(element) => vec(along(element), 0..4).prop_map(serde_json::Value::from).boxed(),
        Kind::Map(_, element) => {
            vec(("[a-zA-Z:]{0,4}", along(element)), 0..4).prop_map(|members| members.into_iter().collect()).boxed()
        }
        Kind::Integer | Kind::Long => number().boxed(),
        Kind::Double => any::<i32>().prop_map(|number| (f64::from(number) / 4.0).into()).boxed(),
        Kind::Boolean => any::<bool>().prop_map(serde_json::Value::from).boxed(),
        Kind::Timestamp => {
            prop_oneof![(0..4_102_444_800_000_u64).prop_map(|ms| json!(ms as f64 / 1000.0)), number(),].boxed()
        }
        Kind::Blob => vec(any::<u8>(), 0..9).prop_map(|bytes| STANDARD.encode_to_string(bytes).into()).boxed(),
        Kind::String if !shape.values.is_empty() => {
            prop::sample::select(shape.values).prop_map(serde_json::Value::from).boxed()
        }
        Kind::String => prop_oneof![
            Just(sample(shape, false)),
            "[a-z0-9]{0,5}".prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ]
        .boxed(),
    };
    prop_oneof![20 => right, 1 => anything()].boxed()
}

fn number() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        (0..200_i64).prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        (-1e4..1e4).prop_map(serde_json::Value::from),
    ]
}

fn anything() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        number(),
        ".{0,5}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            vec((".{0,4}", inner), 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn calls() -> impl Strategy<Value = (Operation, serde_json::Value)> {
    prop::sample::select(Operation::ALL).prop_flat_map(|operation| (Just(operation), along(operation.input())))
}

/// Decides by turns which values are written without their length.
fn by_turns(turns: Vec<bool>) -> impl FnMut(&serde_json::Value) -> bool {
    let mut turns = turns.into_iter().cycle();
    move |_| turns.next().unwrap_or(true)
}

/// The data of a record in the arena, wherever it was.
fn settle(record: &mut RecordRef<'_>, arena: &mut Vec<u8>) {
    if let DataRef::Body(data) = record.data {
        record.data = DataRef::Arena(arena.len()..arena.len() + data.len());
        arena.extend_from_slice(data);
    }
}

/// What the fast path accepts of CBOR so does the slow.
fn ways_agree(body: &[u8]) -> Result<(), TestCaseError> {
    let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
    if let Some(mut fast) = put_record_fast(CBOR, body, &mut fast_data) {
        settle(&mut fast.record, &mut fast_data);
        prop_assert_eq!(Ok(fast), put_record_slow(CBOR, body, &mut slow_data));
        prop_assert_eq!(&fast_data, &slow_data);
    }
    let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
    if let Some(mut fast) = put_records_fast(CBOR, body, &mut fast_data) {
        fast.records.iter_mut().for_each(|record| settle(record, &mut fast_data));
        prop_assert_eq!(Ok(fast), put_records_slow(CBOR, body, &mut slow_data));
        prop_assert_eq!(&fast_data, &slow_data);
    }
    Ok(())
}

/// The CBOR of the members of a body of JSON, one after the other, repetitions included; nothing if JSON has none.
fn in_cbor(operation: Operation, body: &str, turns: Vec<bool>) -> Option<Vec<u8>> {
    let mut turn = by_turns(turns);
    let mut out = vec![0xbf];
    // What is between the outer braces, cut at the names that the strategies above use.
    let Members(members) = serde_json::from_str(body).ok()?;
    for (name, value) in members {
        let body = cbor::from_json(operation.input(), &json!({name: value}), &mut |value| {
            value.as_object().is_none_or(|members| members.len() != 1) && turn(value)
        });
        // Without the head of a map of one member.
        out.extend_from_slice(body.strip_prefix(b"\xa1")?);
    }
    out.push(0xff);
    Some(out)
}

/// The members of an object with their repetitions.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> serde::de::Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}

/// What a format's writer of records makes, as the type that it should be, and as `encode` writes that type.
fn written<F: Format>(records: &[(u64, i64, Vec<u8>, Option<String>)], children: &[ChildShardRef<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RecordsWriter::<F>::begin(&mut out, 0);
    for (position, arrival, data, key) in records {
        let number = digits(*position);
        writer.push(&RecordFields {
            sequence_number: &number,
            arrival: Timestamp(*arrival),
            data,
            partition_key: key.as_deref(),
            encryption: key.is_none().then_some(EncryptionType::Kms),
        });
    }
    writer.finish(children.is_empty().then_some("next"), 7, children);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn both_protocols_decode_to_the_same((operation, body) in calls(), turns in vec(any::<bool>(), 1..8)) {
        let json = decode_value(JSON, operation, body.to_string().as_bytes());
        for indefinite in [&mut by_turns(turns) as &mut dyn FnMut(&serde_json::Value) -> bool, &mut cbor::like_jackson] {
            let cbor = cbor::from_json(operation.input(), &body, indefinite);
            prop_assert_eq!(&json, &decode_value(CBOR, operation, &cbor), "{:?}", cbor);
            prop_assert_eq!(is_map(CBOR, &cbor), body.is_object());
        }
    }

    #[test]
    fn what_the_fast_path_accepts_of_cbor_so_does_the_slow(
        one in put_record_body(),
        many in put_records_body(),
        turns in vec(any::<bool>(), 1..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for (operation, body) in [(Operation::PutRecord, one), (Operation::PutRecords, many)] {
            for turns in [turns.clone(), vec![false]] {
                let Some(mut body) = in_cbor(operation, &body, turns) else { continue };
                ways_agree(&body)?;
                let at = at.index(body.len());
                body[at] = byte;
                ways_agree(&body)?;
            }
        }
    }

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
        records in vec((0..1_u64 << 60, 0..4_102_444_800_000_i64, any::<Vec<u8>>(), option::of(any::<String>())), 0..4),
        ended in any::<bool>(),
    ) {
        let record = |(position, arrival, data, key): &(u64, i64, Vec<u8>, Option<String>)| Record {
            sequence_number: digits(*position).as_str().to_owned(),
            approximate_arrival_timestamp: Some(Timestamp(*arrival)),
            data: data.clone().into(),
            partition_key: key.clone(),
            encryption_type: key.is_none().then_some(EncryptionType::Kms),
        };
        let child = ChildShardRef { shard_id: "c", parent_shards: &["a", "b"], starting_hash_key: "0", ending_hash_key: "9" };
        let children = if ended { &[child, child][..] } else { &[] };
        let child = ChildShard {
            shard_id: "c".to_owned(),
            parent_shards: vec!["a".to_owned(), "b".to_owned()],
            hash_key_range: HashKeyRange { starting_hash_key: "0".to_owned(), ending_hash_key: "9".to_owned() },
        };
        let expected = GetRecordsOutput {
            records: records.iter().map(record).collect(),
            next_shard_iterator: (!ended).then(|| "next".to_owned()),
            millis_behind_latest: Some(7),
            child_shards: ended.then(|| vec![child.clone(), child.clone()]),
        };
        let out = written::<Json>(&records, children);
        prop_assert_eq!(&serde_json::from_slice::<GetRecordsOutput>(&out).unwrap(), &expected);
        let out = written::<Cbor>(&records, children);
        prop_assert_eq!(&GetRecordsOutput::deserialize(&mut cbor::Reader::new(&out)).unwrap(), &expected);
        prop_assert_eq!(cbor::to_json(&out), cbor::to_json(&encode(CBOR, &expected).unwrap()));
    }
}
