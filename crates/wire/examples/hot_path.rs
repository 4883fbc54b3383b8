//! How fast a full PutRecords gets through the front, in JSON and in CBOR: `cargo run --release -p rheos-wire --example hot_path`.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement for people")]

use std::hint::black_box;
use std::time::Instant;

use base64_simd::STANDARD;
use http::HeaderMap;
use rheos_types::{SequenceDigits, SequenceNumber, ShardId};
use rheos_wire::Protocol::{Cbor, Json};
use rheos_wire::codec::{
    Format, PutOutcome, PutRecordsWriter, RecordFields, RecordsWriter, cbor, decode, put_record, put_records,
};
use rheos_wire::generated::PutRecordsInput;
use rheos_wire::sigv4::{Credentials, RequestHead, SecretKey, SigningKeyCache, parse, sign, verify};
use rheos_wire::{Operation, Timestamp, in_format};

const NOW: i64 = 1_440_938_160_000;

fn main() {
    let data = STANDARD.encode_to_string((0..1024).map(|n: u32| (n * 31 % 251) as u8).collect::<Vec<_>>());
    let record = |n: usize| format!(r#"{{"Data":"{data}","PartitionKey":"partition-{n}"}}"#);
    let records: Vec<_> = (0..500).map(record).collect();
    let body = format!(r#"{{"StreamName":"orders","Records":[{}]}}"#, records.join(",")).into_bytes();
    let one = br#"{"StreamName":"orders","Data":"aGVsbG8gd29ybGQ=","PartitionKey":"partition-1"}"#;

    for (name, body) in [("500 x 1 KiB", &body[..]), ("1 x 11 B", &one[..])] {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "localhost:4567"),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "Kinesis_20131202.PutRecords"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE",
            secret: &secret,
            session_token: None,
            region: "us-east-1",
            service: "kinesis",
        };
        sign(&credentials, ("POST", "/", ""), None, &mut headers, body, NOW).unwrap();
        let cache = SigningKeyCache::new(64);
        let authentic = || {
            let head =
                RequestHead { method: "POST", path: "/", query: "", headers: &headers, authority: None, secure: false };
            let presented = parse(&head).unwrap().unwrap();
            verify(&presented, &head, body, &secret, NOW, &cache).unwrap();
        };
        println!("{name}: {} bytes", body.len());
        measure("  verify", body.len(), authentic);
    }

    let both = |operation: Operation, body: &[u8]| {
        let value = serde_json::from_slice(body).unwrap();
        [(Json, body.to_vec()), (Cbor, cbor::from_json(operation.input(), &value, &mut cbor::like_jackson))]
    };
    for ((protocol, body), (_, one)) in
        both(Operation::PutRecords, &body).into_iter().zip(both(Operation::PutRecord, one))
    {
        println!("{protocol:?}: {} bytes, {} bytes", body.len(), one.len());
        let mut arena = Vec::new();
        // A protocol has as much to do as there are records: its own bytes are its own affair.
        measure("  decode PutRecords", DATA, || {
            arena.clear();
            black_box(put_records(protocol, &body, &mut arena).unwrap());
        });
        measure("  decode PutRecords, slow path", DATA, || {
            black_box(decode::<PutRecordsInput>(protocol, &body).unwrap());
        });
        measure("  decode PutRecord", 11, || {
            arena.clear();
            black_box(put_record(protocol, &one, &mut arena).unwrap());
        });
        in_format!(protocol, outputs());
    }
}

const DATA: usize = 500 * 1024;

fn outputs<F: Format>() {
    let mut out = Vec::new();
    let numbers: Vec<_> =
        (0..500).map(|n| SequenceNumber::of_record(ShardId(1), 1_400_000_000, n, 1_500_000_000)).collect();
    measure("  encode PutRecords output", 500 * 120, || {
        out.clear();
        let mut writer = PutRecordsWriter::<F>::begin(&mut out, 500);
        let mut digits = SequenceDigits::default();
        for number in &numbers {
            let sequence_number = digits.of(*number);
            writer.push(PutOutcome::Stored { shard_id: "shardId-000000000000", sequence_number });
        }
        writer.finish(None);
    });
    let data = vec![7; 1024];
    measure("  encode GetRecords output", DATA, || {
        out.clear();
        let mut writer = RecordsWriter::<F>::begin(&mut out, DATA);
        let mut digits = SequenceDigits::default();
        for number in &numbers {
            writer.push(&RecordFields {
                sequence_number: digits.of(*number),
                arrival: Timestamp(NOW + 1),
                data: &data,
                partition_key: Some("partition-17"),
                encryption: None,
            });
        }
        writer.finish(Some("next"), 0, &[]);
    });
}

fn measure(name: &str, bytes: usize, mut run: impl FnMut()) {
    run();
    let (begin, mut runs) = (Instant::now(), 0);
    while begin.elapsed().as_millis() < 500 {
        (0..10).for_each(|_| run());
        runs += 10;
    }
    let each = begin.elapsed().as_secs_f64() / f64::from(runs);
    println!("{name}: {:.2} us, {:.2} GB/s", each * 1e6, bytes as f64 / each / 1e9);
}
