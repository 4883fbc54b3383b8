//! Entry points for the fuzz targets of `fuzz/`.

use md5::{Digest, Md5};

use crate::aggregation::{Contents, MAGIC, Packer, UserRecord, unpack};

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
