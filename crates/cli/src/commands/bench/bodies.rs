//! Request bodies, made before the measurement, and the little that the generator reads in answers.

use base64_simd::STANDARD;
use memchr::memmem;
use serde_json::json;

use super::connection::{Answer, Body};

/// Numbers that look random and are the same in each run (SplitMix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// A sequence of its own for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A partition key of 16 characters.
    pub(crate) fn key(&mut self) -> String {
        format!("{:016x}", self.next())
    }

    /// Data that no compression makes smaller, in base64.
    pub(crate) fn data(&mut self, size: usize) -> String {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        STANDARD.encode_to_string(&bytes[..size])
    }
}

/// A PutRecord call with one record, or a PutRecords call with several.
pub(crate) fn put(stream: &str, records: u32, size: usize, numbers: &mut Numbers) -> Body {
    if records == 1 {
        return put_one(stream, &numbers.key(), &numbers.data(size));
    }
    let entries: Vec<_> =
        (0..records).map(|_| json!({ "Data": numbers.data(size), "PartitionKey": numbers.key() })).collect();
    Body::new(json!({ "StreamName": stream, "Records": entries }).to_string())
}

/// A PutRecord call.
pub(crate) fn put_one(stream: &str, key: &str, data_base64: &str) -> Body {
    Body::new(json!({ "StreamName": stream, "Data": data_base64, "PartitionKey": key }).to_string())
}

/// A GetShardIterator call.
pub(crate) fn get_iterator(stream: &str, shard: &str, kind: &str) -> Body {
    Body::new(json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": kind }).to_string())
}

/// A GetRecords call.
pub(crate) fn get_records(iterator: &str, limit: u32) -> Body {
    Body::new(json!({ "ShardIterator": iterator, "Limit": limit }).to_string())
}

/// A SubscribeToShard call, from the tip on.
pub(crate) fn subscribe(consumer: &str, shard: &str) -> Body {
    let latest = json!({ "Type": "LATEST" });
    Body::new(json!({ "ConsumerARN": consumer, "ShardId": shard, "StartingPosition": latest }).to_string())
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Result {
    /// So many records written or read; so many refused for now; so many failed otherwise.
    Done { records: u64, throttled: u64, failed: u64 },
    /// The whole call was refused for now.
    Throttled,
    /// The whole call failed.
    Failed(String),
}

/// What became of a PutRecord or PutRecords call with so many records.
pub(crate) fn read_put(answer: &Answer, records: u32) -> Result {
    if let Some(refusal) = refusal(answer) {
        return refusal;
    }
    let failed = if records == 1 { 0 } else { number_after(&answer.body, b"\"FailedRecordCount\":").unwrap_or(0) };
    // The throttling code stands in both the code and, with some servers, the message; the code alone has the quote in front.
    let throttled = if failed == 0 { 0 } else { count(&answer.body, b"\"ProvisionedThroughputExceededException\"") };
    Result::Done {
        records: u64::from(records) - failed,
        throttled: throttled.min(failed),
        failed: failed.saturating_sub(throttled),
    }
}

/// How many records a GetRecords answer has. Base64 holds no quotes, so the member's name can be counted.
pub(crate) fn read_page(answer: &Answer) -> Result {
    let records = || count(&answer.body, b"\"SequenceNumber\":");
    refusal(answer).unwrap_or_else(|| Result::Done { records: records(), throttled: 0, failed: 0 })
}

/// The iterator in an answer of GetShardIterator (`ShardIterator`) or GetRecords (`NextShardIterator`).
pub(crate) fn iterator<'body>(answer: &'body Answer, member: &str) -> Option<&'body str> {
    let name = format!("\"{member}\":");
    let after = &answer.body[memmem::find(&answer.body, name.as_bytes())? + name.len()..];
    let text = std::str::from_utf8(&after[..after.len().min(4096)]).unwrap_or_default();
    let text = if text.is_empty() { std::str::from_utf8(after).ok()? } else { text };
    text.trim_start().strip_prefix('"')?.split_once('"').map(|(iterator, _)| iterator)
}

fn refusal(answer: &Answer) -> Option<Result> {
    if answer.status.is_success() {
        return None;
    }
    if ["ProvisionedThroughputExceeded", "LimitExceeded"]
        .iter()
        .any(|code| memmem::find(&answer.body, code.as_bytes()).is_some())
    {
        return Some(Result::Throttled);
    }
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]);
    Some(Result::Failed(format!("{} {body}", answer.status)))
}

fn count(body: &[u8], name: &[u8]) -> u64 {
    memmem::find_iter(body, name).count() as u64
}

fn number_after(body: &[u8], name: &[u8]) -> Option<u64> {
    let after = &body[memmem::find(body, name)? + name.len()..];
    let digits = after.iter().skip_while(|byte| byte.is_ascii_whitespace()).take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&digits.copied().collect::<Vec<u8>>()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into() }
    }

    #[test]
    fn bodies_are_what_the_api_takes() {
        let body = put("s", 3, 100, &mut Numbers::new(1));
        let value: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap();
        let records = value["Records"].as_array().unwrap();
        assert_eq!(records.len(), 3);
        let data = STANDARD.decode_to_vec(records[0]["Data"].as_str().unwrap()).unwrap();
        assert_eq!(data.len(), 100);
        assert_ne!(records[0], records[1]);
    }

    #[test]
    fn put_answers() {
        let done = |records, throttled, failed| Result::Done { records, throttled, failed };
        assert_eq!(read_put(&answer(200, r#"{"FailedRecordCount":0,"Records":[]}"#), 500), done(500, 0, 0));
        let partly = r#"{"FailedRecordCount": 2,"Records":[{"ErrorCode":"ProvisionedThroughputExceededException"},{"ErrorCode":"InternalFailure"}]}"#;
        assert_eq!(read_put(&answer(200, partly), 500), done(498, 1, 1));
        assert_eq!(read_put(&answer(400, r#"{"__type":"LimitExceededException"}"#), 1), Result::Throttled);
        assert!(matches!(read_put(&answer(500, "boom"), 1), Result::Failed(_)));
    }

    #[test]
    fn pages() {
        let page = r#"{"NextShardIterator":"AAA","Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]}"#;
        assert_eq!(read_page(&answer(200, page)), Result::Done { records: 2, throttled: 0, failed: 0 });
        assert_eq!(iterator(&answer(200, page), "NextShardIterator"), Some("AAA"));
        assert_eq!(iterator(&answer(200, r#"{"NextShardIterator":null}"#), "NextShardIterator"), None);
        assert_eq!(iterator(&answer(200, "{}"), "NextShardIterator"), None);
    }
}
