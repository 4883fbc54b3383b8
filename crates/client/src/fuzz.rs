//! Entry points for the fuzz targets of `fuzz/`.

mod leases;
mod multilang;

use md5::{Digest, Md5};

use crate::aggregation::{Contents, MAGIC, Packer, UserRecord, unpack};
use crate::consumer::{DeadLetter, DeadLetterEntry, Record};

pub use leases::{lease_row_seeds, lease_rows};
pub use multilang::{daemon_properties, daemon_properties_seeds, program, program_seeds};

/// Aggregated records: the bytes as they are, and as a message whose digest is right.
pub fn aggregation(input: &[u8]) {
    read(input);
    read(&[&MAGIC, input, &Md5::digest(input)].concat());
}

/// What was read and is written again reads as the same.
fn read(data: &[u8]) {
    let records = match unpack(data) {
        Contents::Plain => return,
        Contents::Malformed(why) => {
            assert!(why.to_string().len() < 300, "an error is told in few words");
            return;
        }
        Contents::Aggregated(records) => records,
    };
    let mut packer = Packer::new();
    for record in &records {
        let _falls_somewhere = record.hash_key();
        let told = packer.bytes_with(record);
        packer.push(record);
        assert_eq!(told, packer.bytes(), "the size is known before");
    }
    let Some(packed) = packer.take() else { return };
    assert_eq!(packed.explicit_hash_key, records[0].hash_key().to_string());
    match records.as_slice() {
        [alone] => assert_eq!((&*packed.partition_key, &*packed.data), (alone.partition_key, alone.data)),
        records => assert_eq!(unpack(&packed.data), Contents::Aggregated(records.to_vec())),
    }
}

/// Messages as the product writes them, and one with everything that protobuf allows.
#[must_use]
pub fn aggregation_seeds() -> Vec<Vec<u8>> {
    let record = |partition_key, explicit_hash_key, data| UserRecord {
        partition_key,
        explicit_hash_key,
        data,
        ..UserRecord::default()
    };
    let mut packer = Packer::new();
    for user_record in
        [record("alpha", None, b"first".as_slice()), record("beta", Some("7"), b""), record("alpha", Some("7"), b"x")]
    {
        packer.push(&user_record);
    }
    let packed = packer.take().map(|packed| packed.data.to_vec()).unwrap_or_default();
    let message = packed[MAGIC.len()..packed.len() - 16].to_vec();
    let odd = b"\x1a\x0f\x08\x05\x08\x80\x00\x1a\x01v\x22\x05\x0a\x01t\x12\x00\x28\x96\x01\x31........\x43\x4b\x08\x01\x4c\x44\x45....\x0a\x01k";
    vec![packed, message, odd.to_vec()]
}

/// Records of a dead-letter stream, which anybody may have written: what is read as a letter is written as one that reads the same.
pub fn dead_letters(input: &[u8]) {
    let Some(DeadLetterEntry::Letter(letter)) = DeadLetterEntry::parse(input) else { return };
    let record = Record {
        number: letter.number.clone(),
        partition_key: letter.partition_key.clone(),
        explicit_hash_key: letter.explicit_hash_key.clone(),
        data: letter.data.clone().unwrap_or_default(),
        arrival_ms: letter.arrival_ms,
        is_aggregated: false,
    };
    let again = DeadLetter {
        cause: &letter.cause,
        application: &letter.application,
        stream: &letter.stream,
        shard: &letter.shard,
        record: &record,
        attempts: u32::try_from(letter.attempts).unwrap_or(u32::MAX),
    };
    let json = if letter.data.is_some() { again.to_json() } else { again.to_json_without_data() };
    let Some(DeadLetterEntry::Letter(mut read)) = DeadLetterEntry::parse(json.to_string().as_bytes()) else {
        panic!("a letter of ours is a letter")
    };
    // What is kept of a cause has a bound, and a number of attempts is a small one.
    assert!(letter.cause.starts_with(&read.cause), "a cause is cut at its end");
    (read.cause, read.attempts) = (letter.cause.clone(), letter.attempts);
    assert_eq!(read, letter);
}

/// A letter, one without its data, and the note that one is done.
#[must_use]
pub fn dead_letter_seeds() -> Vec<Vec<u8>> {
    let letter = r#"{"application":"a","approximateArrivalTimestamp":7,"attempts":3,"cause":"why","data":"AA==","explicitHashKey":"5","partitionKey":"k","sequenceNumber":"49","shard":"s","stream":"t","subSequenceNumber":1}"#;
    let bare = letter.replace(r#""AA==""#, "null").replace(r#""5""#, "null");
    let note = DeadLetterEntry::put_back("49", "s", "50").to_string();
    [letter.to_owned(), bare, note].map(String::into_bytes).to_vec()
}
