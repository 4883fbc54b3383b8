//! Bytes of Amazon's libraries both ways, what a reader makes of anything else, and any records through packing and back.

use md5::{Digest, Md5};
use proptest::prelude::*;
use rheos_types::HashKey;

use super::*;

/// Partition key, explicit hash key, data.
type Given<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// What `aws-kinesis-agg` 1.2.3 for Python, which writes by Google's protobuf, and the KPL 1.0.7 made of the same records.
const GOLDEN: [(&str, &[Given<'static>]); 4] = [
    (include_str!("golden/python-two.hex"), &[("alpha", None, b"first"), ("beta", None, b"second")]),
    (
        include_str!("golden/python-ehk.hex"),
        &[
            ("alpha", Some("0"), b"first"),
            ("beta", Some("340282366920938463463374607431768211455"), b""),
            ("alpha", Some("0"), b"third"),
        ],
    ),
    (
        include_str!("golden/python-mixed.hex"),
        &[
            ("alpha", None, b"first"),
            ("äö€", Some("170141183460469231731687303715884105728"), &bytes_upwards()),
            ("alpha", None, &[b'x'; 300]),
        ],
    ),
    (
        include_str!("golden/kpl.hex"),
        &[
            ("alpha", None, b"first"),
            ("beta", Some("340282366920938463463374607431768211455"), b""),
            ("alpha", Some("0"), b"third"),
            ("äö€", None, &[b'x'; 300]),
        ],
    ),
];

const fn bytes_upwards() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 256 {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn record<'a>(partition_key: &'a str, explicit_hash_key: Option<&'a str>, data: &'a [u8]) -> UserRecord<'a> {
    UserRecord { partition_key, explicit_hash_key, data, tags: Vec::new() }
}

fn packed(records: &[UserRecord<'_>]) -> Packed {
    let mut packer = Packer::new();
    for record in records {
        let told = packer.bytes_with(record);
        for limit in [told.saturating_sub(1), told, told + 65, told + 66] {
            assert_eq!(packer.fits(record, limit), told <= limit, "{told} in {limit}");
        }
        packer.push(record);
        assert_eq!(told, packer.bytes(), "the size is known before");
    }
    let told = packer.bytes();
    let packed = packer.take().unwrap();
    assert_eq!(packed.data.len(), told);
    assert!(packer.is_empty() && packer.bytes() == 0 && packer.take().is_none());
    packed
}

/// The message as an aggregated record.
fn framed(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, &Md5::digest(message)].concat()
}

#[test]
fn bytes_of_amazons_libraries_are_read_and_written() {
    for (bytes, records) in GOLDEN {
        let records: Vec<_> = records.iter().map(|(key, hash_key, data)| record(key, *hash_key, data)).collect();
        assert_eq!(packed(&records).data, hex(bytes));
        assert_eq!(unpack(&hex(bytes)), Contents::Aggregated(records));
    }
}

#[test]
fn the_whole_goes_where_its_first_record_falls() {
    let by_key = packed(&[record("alpha", None, b"1"), record("beta", None, b"2")]);
    assert_eq!(
        (&*by_key.partition_key, by_key.explicit_hash_key),
        ("a", HashKey::of_partition_key("alpha").to_string())
    );
    let explicit = packed(&[record("alpha", Some("007"), b"1"), record("beta", None, b"2")]);
    assert_eq!(explicit.explicit_hash_key, "7");
}

#[test]
fn one_record_alone_is_written_as_it_is() {
    let alone = packed(&[record("alpha", None, b"first")]);
    assert_eq!((&*alone.partition_key, &*alone.data), ("alpha", &b"first"[..]));
    assert_eq!(alone.explicit_hash_key, HashKey::of_partition_key("alpha").to_string());
    // Amazon's library for Python packs even one.
    let bytes = hex(include_str!("golden/python-one.hex"));
    assert_eq!(unpack(&bytes), Contents::Aggregated(vec![record("alpha", None, b"first")]));
}

#[test]
fn what_nobody_meant_to_be_aggregated_is_plain() {
    let good = hex(GOLDEN[0].0);
    assert_eq!(unpack(b""), Contents::Plain);
    assert_eq!(unpack(b"text"), Contents::Plain);
    for length in 0..good.len() {
        assert_eq!(unpack(&good[..length]), Contents::Plain, "the first {length} bytes");
    }
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        assert_eq!(unpack(&flipped), Contents::Plain, "byte {at} differs");
    }
    assert_eq!(unpack(&framed(b"")), Contents::Plain, "magic and digest alone");
}

#[test]
fn messages_that_are_wrong_say_what_is_wrong() {
    let table = b"\x0a\x01k".as_slice();
    for (message, words) in [
        (b"\x1a\x04\x08\x00\x1a\x00".to_vec(), "partition key 0, and the table has 0"),
        ([table, b"\x1a\x04\x08\x01\x1a\x00"].concat(), "partition key 1, and the table has 1"),
        ([table, b"\x1a\x06\x08\x00\x10\x02\x1a\x00"].concat(), "explicit hash key 2, and the table has 0"),
        ([table, b"\x12\x01x\x1a\x06\x08\x00\x10\x00\x1a\x00"].concat(), "no number from 0"),
        ([table, b"\x12\x02-1\x1a\x06\x08\x00\x10\x00\x1a\x00"].concat(), "no number from 0"),
        ([table, b"\x1a\x02\x08\x00"].concat(), "its data is missing"),
        ([table, b"\x1a\x02\x1a\x00"].concat(), "its partition key is missing"),
        ([table, b"\x1a\x06\x08\x00\x1a\x00\x22\x00"].concat(), "its key of a tag is missing"),
        (b"\x0a\x01\xff".to_vec(), "not UTF-8"),
        (b"\x0a\x05k".to_vec(), "ends in the middle"),
        (b"\x0a".to_vec(), "ends in the middle"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "ends in the middle"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "more than ten bytes"),
        (b"\x00\x00".to_vec(), "that no field has"),
        (b"\x0f".to_vec(), "that no field has"),
        (b"\x0c".to_vec(), "that no field has"),
        (b"\x2b\x34".to_vec(), "that no field has"),
        (b"\x2b".repeat(101), "too deep"),
    ] {
        let framed = framed(&message);
        let Contents::Malformed(why) = unpack(&framed) else { panic!("{message:x?} is malformed") };
        assert!(why.to_string().contains(words), "{message:x?}: {why}");
    }
}

#[test]
fn what_protobuf_allows_is_understood() {
    let expected = vec![record("k", None, b"v")];
    let body = b"\x1a\x05\x08\x00\x1a\x01v".as_slice();
    let table = b"\x0a\x01k".as_slice();
    for message in [
        [table, body].concat(),
        // The table after the record.
        [body, table].concat(),
        // Unknown fields: a number, 8 bytes, bytes, groups in each other, 4 bytes.
        [table, b"\x28\x96\x01\x31........\x3a\x02ab\x43\x4b\x08\x01\x4c\x44\x45....", body].concat(),
        // A known field of a type that it does not have is an unknown one.
        [table, b"\x08\x05\x18\x05", body].concat(),
        // A field twice: the last counts.
        [table, b"\x1a\x0a\x08\x05\x08\x00\x1a\x01u\x1a\x01v"].concat(),
        // A number in more bytes than it needs.
        [table, b"\x1a\x06\x08\x80\x00\x1a\x01v"].concat(),
    ] {
        assert_eq!(unpack(&framed(&message)), Contents::Aggregated(expected.clone()), "{message:x?}");
    }
    assert_eq!(unpack(&framed(table)), Contents::Aggregated(Vec::new()), "nobody's records");
    let explicit = [table, b"\x12\x03+07\x1a\x06\x08\x00\x10\x00\x1a\x00"].concat();
    let framed = framed(&explicit);
    let Contents::Aggregated(records) = unpack(&framed) else { panic!("Java reads +07 as a number") };
    assert_eq!(records[0].hash_key(), HashKey(7));
}

/// Partition key, explicit hash key, data, tags.
type Any = (String, Option<u128>, Vec<u8>, Vec<(String, Option<String>)>);

fn any_records() -> impl Strategy<Value = Vec<Any>> {
    let tags = proptest::collection::vec((".{0,3}", proptest::option::of(".{0,200}")), 0..2);
    let data = proptest::collection::vec(any::<u8>(), 0..200);
    proptest::collection::vec(("[a-d]|.{1,200}", proptest::option::of(any::<u128>()), data, tags), 2..40)
}

proptest! {
    #[test]
    fn any_records_come_back(records in any_records()) {
        let hash_keys: Vec<_> = records.iter().map(|(_, key, ..)| key.map(|key| key.to_string())).collect();
        let records: Vec<_> = records.iter().zip(&hash_keys).map(|((key, _, data, tags), hash_key)| UserRecord {
            partition_key: key,
            explicit_hash_key: hash_key.as_deref(),
            data,
            tags: tags.iter().map(|(key, value)| Tag { key, value: value.as_deref() }).collect(),
        }).collect();
        let packed = packed(&records);
        prop_assert_eq!(unpack(&packed.data), Contents::Aggregated(records.clone()));
        prop_assert_eq!(packed.explicit_hash_key, records[0].hash_key().to_string());
    }
}
