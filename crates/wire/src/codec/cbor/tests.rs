//! The encoding itself: what RFC 8949 shows, what clients send, what nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::codec::{decode, decode_value, is_map};
use crate::content_type::Protocol;
use crate::error::ErrorCode;
use crate::generated::*;
use crate::operation::Operation;
use crate::scalar::Blob;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn item(text: &str) -> Result<Item<'static>, Malformed> {
    let bytes: &'static [u8] = hex(text).leak();
    let mut reader = Reader::new(bytes);
    let item = reader.item()?;
    let is_whole = matches!(item, Item::List(_) | Item::Map(_)) || reader.is_at_end();
    assert!(is_whole, "{text}");
    Ok(item)
}

#[test]
fn items_of_the_rfc() {
    for (written, number) in [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1_000_000),
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("20", -1),
        ("3863", -100),
        ("3903e7", -1000),
        ("3b7fffffffffffffff", i64::MIN),
        // Tags are passed over.
        ("c11a514b67b0", 1_363_896_240),
        ("d9d9f7c100", 0),
    ] {
        assert_eq!(item(written), Ok(Item::Int(number)), "{written}");
    }
    for (written, number) in [
        ("1bffffffffffffffff", 18_446_744_073_709_551_616.0),
        ("3bffffffffffffffff", -18_446_744_073_709_551_616.0),
        ("f93e00", 1.5),
        ("f97bff", 65_504.0),
        ("f90001", 5.960_464_477_539_063e-8),
        ("f90400", 0.000_061_035_156_25),
        ("f9c400", -4.0),
        ("f97c00", f64::INFINITY),
        ("fac7c35000", -100_000.0),
        ("fb3ff199999999999a", 1.1),
    ] {
        assert_eq!(item(written), Ok(Item::Float(number)), "{written}");
    }
    assert!(matches!(item("f97e00"), Ok(Item::Float(number)) if number.is_nan()));
    for (written, expected) in [
        ("f4", Item::Bool(false)),
        ("f5", Item::Bool(true)),
        ("f6", Item::Null),
        ("f7", Item::Null),
        ("4401020304", Item::Bytes(vec![1, 2, 3, 4].into())),
        ("5f42010243030405ff", Item::Bytes(vec![1, 2, 3, 4, 5].into())),
        ("6449455446", Item::Text("IETF".into())),
        ("7f657374726561646d696e67ff", Item::Text("streaming".into())),
        // A character of two bytes in two pieces.
        ("7f61c361bcff", Item::Text("\u{fc}".into())),
        ("7fff", Item::Text("".into())),
        ("83", Item::List(Length::Known(3))),
        ("9f", Item::List(Length::UntilBreak)),
        ("bf", Item::Map(Length::UntilBreak)),
    ] {
        assert_eq!(item(written), Ok(expected), "{written}");
    }
    for malformed in [
        "",
        "18",
        "1900",
        "1c",
        "1f",
        "3f",
        "5f",
        "5f00ff",
        "5f5fffff",
        "5f6161ff",
        "61",
        "61ff",
        "62c328",
        "7f4161ff",
        "7b00000000ffffffff61",
        "7bffffffffffffffff",
        "5bffffffffffffffff",
        "c1",
        "df00",
        "ff",
        "c1ff",
        "e0",
        "f8ff",
        "fc",
    ] {
        assert_eq!(item(malformed), Err(Malformed), "{malformed}");
    }
}

#[test]
fn numbers_are_written_in_their_shortest_form() {
    for number in [0, 23, 24, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32, i64::MAX] {
        for number in [number, !number] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(Reader::new(&out).item(), Ok(Item::Int(number)));
        }
    }
    let mut out = Vec::new();
    push_timestamp(&mut out, Timestamp(1_787_036_486_712));
    assert_eq!(out, hex("c1 1b 000001a013accc38"));
}

#[test]
fn maps_are_told_from_everything_else_whatever_is_in_them() {
    for map in [
        "a0",
        "bfff",
        "a1 6161 9f 01 82 02 5f41 00ff ff",
        "bf 01 02 f6 a0 ff",
        "d9d9f7 a0",
        "bf6161bf6162bfffffff",
        "a161618080",
    ] {
        let readable = map != "a161618080";
        assert_eq!(is_map(Protocol::Cbor, &hex(map)), readable, "{map}");
    }
    for other in [
        "",
        "80",
        "f6",
        "6161",
        "a1",
        "a16161",
        "bf",
        "bf6161ff",
        "bf61616162",
        "a0a0",
        "a161611c",
        "bb8000000000000000",
        "ff",
    ] {
        assert!(!is_map(Protocol::Cbor, &hex(other)), "{other}");
    }
    let nested = |begin: &[u8], depth: usize, end: &[u8]| {
        [b"\xa1\x61a".to_vec(), begin.repeat(depth), vec![0], end.repeat(depth)].concat()
    };
    assert!(is_map(Protocol::Cbor, &nested(b"\x81", MAX_SKIPPED_DEPTH - 1, b"")));
    assert!(!is_map(Protocol::Cbor, &nested(b"\x81", MAX_SKIPPED_DEPTH, b"")));
    assert!(is_map(Protocol::Cbor, &nested(b"\x9f", MAX_SKIPPED_DEPTH - 1, b"\xff")));
    assert!(!is_map(Protocol::Cbor, &nested(b"\x9f", 1 << 20, b"\xff")));
    // Tags nest nothing.
    assert!(is_map(Protocol::Cbor, &nested(b"\xc1", 1 << 20, b"")));
}

/// GetShardIterator as floci saw Java v2 send it (issue 2368), PutRecords and ListShards in the same manner.
#[test]
fn bodies_as_java_sends_them() {
    let body = hex("bf 6a 53747265616d4e616d65 61 73 67 53686172644964 71 73686172644964 2d 303030303030303030
         71 53686172644974657261746f7254797065 6c 41545f54494d455354414d50
         69 54696d657374616d70 c1 1b 000001a013accc38 ff");
    let input: GetShardIteratorInput = decode(Protocol::Cbor, &body).unwrap();
    assert_eq!(input.timestamp, Some(Timestamp(1_787_036_486_712)));
    assert_eq!((input.shard_id.as_str(), input.stream_name.as_deref()), ("shardId-000000000", Some("s")));

    let body = hex("bf 67 5265636f726473 9f bf 64 44617461 43 01ff02 6c 506172746974696f6e4b6579 61 6b ff
         bf 64 44617461 40 6c 506172746974696f6e4b6579 61 6c ff ff 6a 53747265616d4e616d65 61 73 ff");
    let input: PutRecordsInput = decode(Protocol::Cbor, &body).unwrap();
    assert_eq!(input.records[0].data, Blob::from(vec![1, 0xff, 2]));
    assert_eq!(input.records[1].partition_key.as_deref(), Some("l"));
    let mut arena = Vec::new();
    let input = crate::codec::put_records(Protocol::Cbor, &body, &mut arena).unwrap();
    assert_eq!((input.records[0].data.of(&arena), input.records[1].data.of(&arena)), (&[1, 0xff, 2][..], &[][..]));
    assert_eq!(arena.capacity(), 0, "data is borrowed");

    let body =
        hex("bf 6a 53747265616d4e616d65 61 73 6b 536861726446696c746572 bf 64 54797065 6c 41545f54494d455354414d50
         69 54696d657374616d70 c1 1b 0000018bcfe56800 ff ff");
    let input: ListShardsInput = decode(Protocol::Cbor, &body).unwrap();
    assert_eq!(input.shard_filter.unwrap().timestamp, Some(Timestamp(1_700_000_000_000)));
}

#[test]
fn points_in_time_are_milliseconds_in_whatever_form() {
    // Tagged and not, and floats of every width, of which the fraction is cut off.
    for (written, ms) in [
        ("c1 1903e8", 1000),
        ("1903e8", 1000),
        ("c1 fb 408f44cccccccccd", 1000),
        ("fa 447a1000", 1000),
        ("c1 38 63", -100),
    ] {
        let body = [hex("a1 69 54696d657374616d70"), hex(written)].concat();
        let value = parse(Operation::GetShardIterator.input(), &body).unwrap();
        assert_eq!(value, Value::Map(vec![("Timestamp".to_owned(), Value::Timestamp(ms))]), "{written}");
    }
}

/// What is said of a value for a member, if anything.
fn complaint(operation: Operation, path: &[&str], value: &str) -> Option<String> {
    let mut body = Vec::new();
    for name in path {
        if *name == "*" {
            body.push(0x81);
        } else {
            body.push(0xa1);
            push_text(&mut body, name);
        }
    }
    body.extend(hex(value));
    let error = decode_value(Protocol::Cbor, operation, &body).err()?;
    (error.code == ErrorCode::Serialization).then(|| error.message.unwrap_or_default().into_owned())
}

#[test]
fn values_of_a_wrong_kind_are_refused_in_the_words_for_json() {
    use Operation as O;

    let class = |class: &str, to: &str| format!("class {class} can not be converted to {to}");
    let list = "Start of list found where not expected".to_owned();
    let map = "Start of structure or map found where not expected.".to_owned();
    let kinds = [
        ("f5", "java.lang.Boolean"),
        ("05", "com.amazon.coral.value.json.numbers.TruncatingBigNumber"),
        ("f93e00", "com.amazon.coral.value.json.numbers.TruncatingBigNumber"),
        ("6161", "java.lang.String"),
        ("4161", "java.nio.HeapByteBuffer"),
    ];
    let scalars: [(O, &[&str], &str, &[usize]); 5] = [
        (O::DescribeStream, &["StreamName"], "an String", &[0, 1, 2, 4]),
        (O::DescribeStream, &["Limit"], "an Integer", &[0, 3, 4]),
        (O::PutRecord, &["Data"], "a Blob", &[0, 1, 2]),
        (O::GetShardIterator, &["Timestamp"], "milliseconds since epoch", &[0, 3, 4]),
        (O::DeleteStream, &["EnforceConsumerDeletion"], "an Boolean", &[1, 2, 4]),
    ];
    for (operation, path, to, refused) in scalars {
        for &at in refused {
            let (value, from) = kinds[at];
            assert_eq!(complaint(operation, path, value), Some(class(from, to)), "{path:?} {value}");
        }
        for (value, expected) in [("80", &list), ("9fff", &list), ("a0", &map), ("bfff", &map)] {
            assert_eq!(complaint(operation, path, value).as_ref(), Some(expected), "{path:?} {value}");
        }
        assert_eq!(complaint(operation, path, "f6"), None);
    }
    for (value, _) in kinds {
        let said = |operation, path| complaint(operation, path, value).unwrap();
        assert_eq!(said(O::PutRecords, &["Records"]), "Expected list or null");
        assert_eq!(said(O::PutRecords, &["Records", "*"]), "Expected null");
        assert_eq!(said(O::AddTagsToStream, &["Tags"]), "Expected map or null");
    }
    let base64 =
        "'a' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 1";
    assert_eq!(complaint(O::PutRecord, &["Data"], "6161").as_deref(), Some(base64));
    assert_eq!(complaint(O::PutRecord, &["Data"], "6461476b3d"), None);
}

#[test]
fn strangers_are_passed_over_and_numbers_floored_and_clamped() {
    let read = |text: &str| decode::<DescribeStreamInput>(Protocol::Cbor, &hex(text));
    let limit = "65 4c696d6974";
    for (written, expected) in
        [("f94100", 2), ("fb7fefffffffffffff", 10_000), ("1bffffffffffffffff", 10_000), ("02", 2)]
    {
        let result = read(&format!("a2 {limit} {written} 68537472616e676572 9f bf01a0ff f818 5f40ff c1f6 ff"));
        match result {
            Ok(input) => assert_eq!(input.limit, Some(expected), "{written}"),
            // Clamped to what is too much for this member.
            Err(error) => assert_eq!((error.code, expected), (ErrorCode::Validation, 10_000), "{written}"),
        }
    }
    // A key that is no text, a value that is nothing known, something behind the map, less than was promised.
    for body in [
        "a1 01 02",
        "a1 655374726561 6d",
        &format!("a1 {limit} e5"),
        &format!("a1 {limit} 02 00"),
        &format!("a2 {limit} 02"),
        "80",
        "f6",
        "01",
    ] {
        let error = read(body).unwrap_err();
        assert_eq!((error.code, error.message), (ErrorCode::Serialization, None), "{body}");
    }
}

#[test]
fn there_are_only_so_many_values() {
    let many =
        |element: &[u8], count: usize| [b"\xa1\x67Records\x9f".to_vec(), element.repeat(count), vec![0xff]].concat();
    for element in [&b"\xf6"[..], b"\xa0", b"\xa1\x64Data\x40"] {
        let error = decode_value(Protocol::Cbor, Operation::PutRecords, &many(element, 100_000)).unwrap_err();
        assert_eq!((error.code, error.message), (ErrorCode::Serialization, None));
    }
    // Those that are not kept do not count.
    let error = decode_value(Protocol::Cbor, Operation::AddTagsToStream, &{
        let mut body = many(b"\xa1\x61a\x80", 100_000);
        body.splice(1..9, *b"\x67Strange");
        body
    });
    assert_eq!(error.unwrap_err().code, ErrorCode::Validation);
}

#[test]
fn what_is_translated_comes_back() {
    let call = json!({
        "StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_400_000_000.123, "x": [-1, null, 0.5, {"y": true}],
    });
    let body = from_json(Operation::GetShardIterator.input(), &call, &mut like_jackson);
    assert_eq!(to_json(&body), Ok(call));
    assert_eq!((body[0], *body.last().unwrap()), (0xbf, 0xff));
    assert_eq!(to_json(b""), Ok(json!(null)));
    assert_eq!(to_json(&hex("a1 6161 c1 fb 408f440000000000")), Err(Malformed));
    assert_eq!(to_json(&hex("81").repeat(1000)), Err(Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Initial bytes come more often than chance would have it, so that what is read goes beyond the first.
    #[test]
    fn nothing_panics_and_ways_agree(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), prop_oneof![
        Just(0xbf), Just(0x9f), Just(0xff), Just(0x64), Just(0x44), Just(0xa1), Just(0x81), Just(0x5f), Just(0x7f), Just(0xc1), Just(0x00)]], 0..60)) {
        for operation in [Operation::PutRecords, Operation::AddTagsToStream, Operation::CreateChannel, Operation::GetShardIterator] {
            let whole = decode_value(Protocol::Cbor, operation, &bytes);
            if whole.is_ok() {
                prop_assert!(is_map(Protocol::Cbor, &bytes));
            }
        }
        let _verdict = crate::codec::put_records(Protocol::Cbor, &bytes, &mut Vec::new());
        // Skipping and translating see the same ends, where translating goes at all.
        if to_json(&bytes).is_ok() && !bytes.is_empty() {
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.skip(), Ok(()));
            prop_assert!(reader.is_at_end());
        }
    }
}
