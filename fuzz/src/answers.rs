//! Answers that are written record by record, beside the same written from the types. Their texts and data are those that
//! clients have put.

use rheos_types::{Digits, SequenceNumber, ShardId};
use rheos_wire::codec::{Cbor, ChildShardRef, Format, Json, RecordFields, RecordsWriter, cbor, encode};
use rheos_wire::generated::{ChildShard, EncryptionType, GetRecordsOutput, HashKeyRange, Record};
use rheos_wire::{Protocol, Timestamp};

/// Takes a piece off the input: as long as its first byte says.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first()?;
    let (piece, after) = after.split_at_checked(usize::from(*length))?;
    *rest = after;
    Some(piece)
}

/// The number of the record whose position these bytes are.
fn digits(position: &[u8]) -> Digits {
    let position = position.iter().take(4).fold(0, |number, byte| number << 8 | u64::from(*byte));
    SequenceNumber::of_record(ShardId(3), 1_700_000_000, position, 1_700_000_000).digits()
}

struct Given {
    number: Digits,
    arrival: Timestamp,
    data: Vec<u8>,
    key: Option<String>,
}

/// Records of an answer: pieces with their length before them.
pub(crate) fn answers(input: &[u8]) {
    let (mut rest, mut records) = (input, Vec::new());
    while let (Some(number), Some(data), Some(key)) = (take(&mut rest), take(&mut rest), take(&mut rest)) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let arrival = data.iter().take(7).fold(0, |number, byte| number << 8 | i64::from(*byte)) % 253_402_300_800_000;
        let key = (key != b"none").then(|| text(key));
        records.push(Given { number: digits(number), arrival: Timestamp(arrival), data: data.to_vec(), key });
    }
    let next = String::from_utf8_lossy(rest).into_owned();
    for ended in [false, true] {
        let expected = expected(&records, &next, ended);
        let json = written::<Json>(&records, &next, ended);
        let read: Result<GetRecordsOutput, _> = serde_json::from_slice(&json);
        assert!(read.is_ok_and(|read| read == expected), "{}", String::from_utf8_lossy(&json));
        let of_types = encode(Protocol::Cbor, &expected).map(|cbor| cbor::to_json(&cbor));
        assert_eq!(Ok(cbor::to_json(&written::<Cbor>(&records, &next, ended))), of_types);
    }
}

fn written<F: Format>(records: &[Given], next: &str, ended: bool) -> Vec<u8> {
    let child =
        ChildShardRef { shard_id: next, parent_shards: &["a", "b"], starting_hash_key: "0", ending_hash_key: "9" };
    let mut out = Vec::new();
    let mut writer = RecordsWriter::<F>::begin(&mut out, 0);
    for Given { number, arrival, data, key } in records {
        writer.push(&RecordFields {
            sequence_number: number,
            arrival: *arrival,
            data,
            partition_key: key.as_deref(),
            encryption: key.is_none().then_some(EncryptionType::Kms),
        });
    }
    writer.finish((!ended).then_some(next), 7, if ended { std::slice::from_ref(&child) } else { &[] });
    out
}

fn expected(records: &[Given], next: &str, ended: bool) -> GetRecordsOutput {
    let record = |given: &Given| Record {
        sequence_number: String::from_utf8_lossy(given.number.as_bytes()).into_owned(),
        approximate_arrival_timestamp: Some(given.arrival),
        data: given.data.clone().into(),
        partition_key: given.key.clone(),
        encryption_type: given.key.is_none().then_some(EncryptionType::Kms),
    };
    let child = ChildShard {
        shard_id: next.to_owned(),
        parent_shards: vec!["a".to_owned(), "b".to_owned()],
        hash_key_range: HashKeyRange { starting_hash_key: "0".to_owned(), ending_hash_key: "9".to_owned() },
    };
    GetRecordsOutput {
        records: records.iter().map(record).collect(),
        next_shard_iterator: (!ended).then(|| next.to_owned()),
        millis_behind_latest: Some(7),
        child_shards: ended.then(|| vec![child]),
    }
}

pub(crate) fn answers_seeds() -> Vec<Vec<u8>> {
    let piece = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let record = |number: &str, data: &str, key: &str| [piece(number), piece(data), piece(key)].concat();
    vec![
        b"next".to_vec(),
        [record("495", "data", "key"), b"next".to_vec()].concat(),
        [record("1", "\u{1}\u{2}\u{3}\u{4}\u{5}", "none"), record("", "", "k\u{fc}\"\\\n\u{1f30a}"), b"\"".to_vec()]
            .concat(),
    ]
}
