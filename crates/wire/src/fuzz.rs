//! Entry points for fuzzing: bodies of requests as they come from clients. Each function panics where what is promised of
//! their decoding does not hold.
//!
//! An input that is for one operation begins with its name and a line feed; what names none is for the one that its first
//! byte chooses.

#![expect(clippy::expect_used, reason = "a target fails by panicking")]

use crate::codec::put::{put_record_fast, put_record_slow, put_records_fast, put_records_slow};
use crate::codec::{self, DataRef, RecordRef, cbor};
use crate::content_type::Protocol;
use crate::error::ErrorCode;
use crate::generated::calls::round_trip;
use crate::operation::Operation;

/// The operation that an input is for, and the body of its request.
fn split(input: &[u8]) -> (Operation, &[u8]) {
    let end = input.iter().take(64).position(|byte| *byte == b'\n');
    let named = end.and_then(|end| Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..])));
    if let Some((name, body)) = named
        && let Some(operation) = Operation::from_name(name)
    {
        return (operation, body);
    }
    match input.split_first() {
        Some((first, body)) => (Operation::ALL[usize::from(*first) % Operation::ALL.len()], body),
        None => (Operation::PutRecords, input),
    }
}

/// What holds for every body in every protocol.
fn decode(protocol: Protocol, operation: Operation, body: &[u8]) {
    let value = codec::decode_value(protocol, operation, body);
    if !codec::is_map(protocol, body) {
        assert_eq!(
            value.as_ref().map_err(|error| error.code),
            Err(ErrorCode::Serialization),
            "what is no map is refused"
        );
    }
    let Some(typed) = round_trip(protocol, operation, body) else { return };
    match (value, typed) {
        (Ok(_), Ok(written)) => {
            let again = round_trip(protocol, operation, &written).expect("it has types");
            assert_eq!(again.as_ref(), Ok(&written), "what was read is written the same from then on");
        }
        (Err(expected), Err(error)) => assert_eq!(error, expected),
        (value, typed) => panic!("the tables say {value:?} and the types {typed:?}"),
    }
}

/// A request in JSON, and the same in CBOR.
pub fn json(input: &[u8]) {
    let (operation, body) = split(input);
    decode(Protocol::Json, operation, body);
    // A tree keeps the last of repeated members, and not how numbers were written: what it prints is what is compared.
    let Ok(tree) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let in_json = codec::decode_value(Protocol::Json, operation, tree.to_string().as_bytes());
    let in_cbor = cbor::from_json(operation.input(), &tree, &mut cbor::like_jackson);
    decode(Protocol::Cbor, operation, &in_cbor);
    assert_eq!(codec::decode_value(Protocol::Cbor, operation, &in_cbor), in_json, "both protocols say the same");
}

/// A request in CBOR.
pub fn cbor(input: &[u8]) {
    let (operation, body) = split(input);
    decode(Protocol::Cbor, operation, body);
    if let Ok(tree) = cbor::to_json(body) {
        let written = cbor::from_json(operation.input(), &tree, &mut |_| false);
        decode(Protocol::Cbor, operation, &written);
    }
}

/// PutRecord and PutRecords in JSON: what is borrowed, beside what is copied.
pub fn json_put(body: &[u8]) {
    put(Protocol::Json, body);
}

/// PutRecord and PutRecords in CBOR.
pub fn cbor_put(body: &[u8]) {
    put(Protocol::Cbor, body);
}

fn put(protocol: Protocol, body: &[u8]) {
    let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
    if let Some(mut fast) = put_record_fast(protocol, body, &mut fast_data) {
        settle(&mut fast.record, &mut fast_data);
        assert_eq!(put_record_slow(protocol, body, &mut slow_data), Ok(fast));
        assert_eq!(fast_data, slow_data);
    }
    let mut arena = b"before".to_vec();
    if codec::put_record(protocol, body, &mut arena).is_err() {
        assert_eq!(arena, b"before", "an error leaves nothing behind");
    }
    let (mut fast_data, mut slow_data) = (Vec::new(), Vec::new());
    if let Some(mut fast) = put_records_fast(protocol, body, &mut fast_data) {
        fast.records.iter_mut().for_each(|record| settle(record, &mut fast_data));
        assert_eq!(put_records_slow(protocol, body, &mut slow_data), Ok(fast));
        assert_eq!(fast_data, slow_data);
    }
    let mut arena = b"before".to_vec();
    if codec::put_records(protocol, body, &mut arena).is_err() {
        assert_eq!(arena, b"before", "an error leaves nothing behind");
    }
}

/// Moves the data of a record to the arena, wherever it was.
fn settle(record: &mut RecordRef<'_>, arena: &mut Vec<u8>) {
    if let DataRef::Body(data) = record.data {
        record.data = DataRef::Arena(arena.len()..arena.len() + data.len());
        arena.extend_from_slice(data);
    }
}

/// Requests of every operation, with all their members and with those that have to be there.
fn samples() -> Vec<(Operation, serde_json::Value)> {
    let mut all = Vec::new();
    for operation in Operation::ALL {
        for only_required in [false, true] {
            all.push((*operation, crate::shape::sample(operation.input(), only_required)));
        }
    }
    all
}

fn named(operation: Operation, body: &[u8]) -> Vec<u8> {
    [operation.name().as_bytes(), b"\n", body].concat()
}

/// Requests of every operation in JSON.
#[must_use]
pub fn json_seeds() -> Vec<Vec<u8>> {
    samples().iter().map(|(operation, body)| named(*operation, body.to_string().as_bytes())).collect()
}

/// Requests of every operation in CBOR.
#[must_use]
pub fn cbor_seeds() -> Vec<Vec<u8>> {
    let cbor = |(operation, body): &(Operation, _)| {
        named(*operation, &cbor::from_json(operation.input(), body, &mut cbor::like_jackson))
    };
    samples().iter().map(cbor).collect()
}

fn puts() -> impl Iterator<Item = (Operation, serde_json::Value)> {
    samples().into_iter().filter(|(operation, _)| matches!(operation, Operation::PutRecord | Operation::PutRecords))
}

/// Puts in JSON.
#[must_use]
pub fn json_put_seeds() -> Vec<Vec<u8>> {
    let escaped = br#"{"Records":[{"Data":"aGk\u003d","PartitionKey":"k\u00fc"},{"Data":""}],"StreamName":"s"}"#;
    puts().map(|(_, body)| body.to_string().into_bytes()).chain([escaped.to_vec()]).collect()
}

/// Puts in CBOR.
#[must_use]
pub fn cbor_put_seeds() -> Vec<Vec<u8>> {
    let both = |(operation, body): (Operation, serde_json::Value)| {
        [false, true]
            .map(|open| cbor::from_json(operation.input(), &body, &mut |value| open && cbor::like_jackson(value)))
    };
    puts().flat_map(both).collect()
}

/// Requests to CloudWatch: the first byte chooses one of four operations and of three protocols.
pub fn metrics(input: &[u8]) {
    use crate::generated::cloudwatch::{
        GetMetricDataInput, GetMetricStatisticsInput, ListMetricsInput, PutMetricDataInput,
    };
    use crate::neighbour::codec::{decode, encode};
    use crate::neighbour::{Addressed, Input, Protocol};
    use crate::service::Service;

    fn read<I: Input + serde::Serialize>(protocol: Protocol, body: &[u8]) {
        let Ok(input) = decode::<I>(protocol, body) else { return };
        // Written it reads back. Not the same: moments after the year 140000 lose their milliseconds.
        let addressed =
            Addressed { service: Service::CloudWatch, protocol: Protocol::RpcCbor, operation: None, query_mode: false };
        let written = encode(&addressed, "Any", Some(&input), "id").expect("it can be written");
        assert!(decode::<I>(Protocol::RpcCbor, &written).is_ok(), "what was read can be read again");
        let addressed =
            Addressed { service: Service::CloudWatch, protocol: Protocol::Query, operation: None, query_mode: false };
        let text = encode(&addressed, "Any", Some(&input), "id").expect("it can be written");
        assert!(std::str::from_utf8(&text).is_ok(), "XML is text");
    }

    let Some((choice, body)) = input.split_first() else { return };
    let protocol = [Protocol::Json, Protocol::RpcCbor, Protocol::Query][usize::from(*choice) % 3];
    match choice / 3 % 4 {
        0 => read::<PutMetricDataInput>(protocol, body),
        1 => read::<ListMetricsInput>(protocol, body),
        2 => read::<GetMetricStatisticsInput>(protocol, body),
        _ => read::<GetMetricDataInput>(protocol, body),
    }
}

/// One of each protocol, and of each operation.
pub fn metrics_seeds() -> Vec<Vec<u8>> {
    let put = r#"{"Namespace":"n","MetricData":[{"MetricName":"m","Dimensions":[{"Name":"a","Value":"b"}],"Unit":"Count",
        "Timestamp":1764432000.5,"Values":[1,2.5],"Counts":[1,1],"StorageResolution":1}]}"#;
    let data = r#"{"StartTime":1,"EndTime":2,"MetricDataQueries":[{"Id":"a","MetricStat":{"Metric":{"Namespace":"n",
        "MetricName":"m"},"Period":60,"Stat":"p99"},"ReturnData":true}],"ScanBy":"TimestampAscending"}"#;
    let form = "Action=PutMetricData&Namespace=n&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1e3\
                &MetricData.member.1.Timestamp=2025-11-29T16%3A00%3A00Z";
    let cbor: &[u8] = b"\xbf\x69Namespace\x61n\x6aMetricData\x81\xa2\x6aMetricName\x61m\x69Timestamp\xc1\xfb\x41\xda\x4b\x0f\0\0\0\0\xff";
    let list = r#"{"Dimensions":[{"Name":"a"}],"RecentlyActive":"PT3H"}"#;
    let statistics = "Namespace=n&MetricName=m&StartTime=1&EndTime=2&Period=60&ExtendedStatistics.member.1=p50";
    let of = |choice: u8, body: &[u8]| [&[choice], body].concat();
    vec![
        of(0, put.as_bytes()),
        of(1, cbor),
        of(2, form.as_bytes()),
        of(3, list.as_bytes()),
        of(8, statistics.as_bytes()),
        of(9, data.as_bytes()),
    ]
}
