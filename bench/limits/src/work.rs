//! What a put costs on the processor.

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::digest;
use base64_simd::{Out, STANDARD};
use md5::{Digest, Md5};
use serde::Deserialize;

/// The bytes for the log, and the answer to send once they are safe.
pub struct Done {
    pub log: Vec<u8>,
    pub answer: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'body> {
    #[serde(borrow, default)]
    records: Vec<Record<'body>>,
    #[serde(borrow)]
    data: Option<Cow<'body, str>>,
    #[serde(borrow)]
    partition_key: Option<Cow<'body, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'body> {
    #[serde(borrow)]
    data: Cow<'body, str>,
    #[serde(borrow)]
    partition_key: Cow<'body, str>,
}

/// Hash and head of a record in the log.
const HEAD: usize = 32;

/// Hashes, parses, decodes and encodes one PutRecord or PutRecords body.
pub fn put(body: &[u8]) -> Done {
    std::hint::black_box(digest::digest(&digest::SHA256, body));
    let put: Put = sonic_rs::from_slice(body).expect("the load generator sends JSON");
    let mut log = Vec::with_capacity(body.len());
    let single = put.data.as_deref().zip(put.partition_key.as_deref());
    for (data, key) in put.records.iter().map(|record| (&*record.data, &*record.partition_key)).chain(single) {
        append(&mut log, data, key);
    }
    let answer = match single {
        Some(_) => format!(r#"{{"SequenceNumber":"{}","ShardId":"shardId-000000000000"}}"#, sequence(0)),
        None => answer(put.records.len()),
    };
    Done { log, answer }
}

fn append(log: &mut Vec<u8>, data: &str, key: &str) {
    let start = log.len();
    let data_at = start + HEAD + key.len();
    log.resize(data_at + STANDARD.estimated_decoded_length(data.len()), 0);
    log[start..start + 16].copy_from_slice(&Md5::digest(key.as_bytes()));
    log[start + HEAD..data_at].copy_from_slice(key.as_bytes());
    let decoded = STANDARD.decode(data.as_bytes(), Out::from_slice(&mut log[data_at..])).map_or(0, |data| data.len());
    log.truncate(data_at + decoded);
    let checksum = crc32c::crc32c(&log[start + HEAD..]);
    log[start + 16..start + 20].copy_from_slice(&checksum.to_le_bytes());
}

fn answer(records: usize) -> String {
    let mut text = String::with_capacity(records * 130 + 50);
    text.push_str(r#"{"FailedRecordCount":0,"Records":["#);
    for n in 0..records {
        let comma = if n == 0 { "" } else { "," };
        let written =
            write!(text, r#"{comma}{{"SequenceNumber":"{}","ShardId":"shardId-{:012}"}}"#, sequence(n), n % 4);
        written.expect("a String takes everything");
    }
    text.push_str("]}");
    text
}

/// A sequence number of the usual length.
pub fn sequence(n: usize) -> String {
    format!("4968048649260699531845{n:034}")
}
