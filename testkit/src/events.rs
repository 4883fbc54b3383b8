//! Event streams as a client reads them: every length and checksum is held to the specification.

use std::collections::BTreeMap;

use serde_json::Value;

/// A frame of an event stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its payload.
    pub payload: Value,
}

impl Frame {
    /// The type of the event or of the exception.
    #[must_use]
    pub fn kind(&self) -> &str {
        let kind = match self.headers[":message-type"].as_str() {
            "exception" => ":exception-type",
            _ => ":event-type",
        };
        &self.headers[kind]
    }

    /// The data of an event's records, as texts.
    #[must_use]
    pub fn data(&self) -> Vec<String> {
        let records = self.payload["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |record: &Value| {
            let data = record["Data"].as_str().expect("data is text");
            let data = base64_simd::STANDARD.decode_to_vec(data).expect("data is base64");
            String::from_utf8(data).expect("tests write text")
        };
        records.iter().map(text).collect()
    }

    /// Takes a whole frame off the front of `bytes`; `None` if it has not come whole.
    ///
    /// # Panics
    /// If it is not as the specification says.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let total = number(bytes.get(..4)?);
        if bytes.len() < total {
            return None;
        }
        let frame: Vec<u8> = bytes.drain(..total).collect();
        let headers_end = 12 + number(&frame[4..]);
        assert_eq!(crc32fast::hash(&frame[..8]), number(&frame[8..]) as u32, "the prelude's checksum");
        assert_eq!(crc32fast::hash(&frame[..total - 4]), number(&frame[total - 4..]) as u32, "the frame's checksum");
        let mut headers = BTreeMap::new();
        let mut rest = &frame[12..headers_end];
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at(usize::from(*length));
            assert_eq!(after[0], 7, "headers are texts");
            let (value, after) = after[3..].split_at(usize::from(u16::from_be_bytes([after[1], after[2]])));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("headers are texts");
            headers.insert(text(name), text(value));
            rest = after;
        }
        let payload = serde_json::from_slice(&frame[headers_end..total - 4]).expect("payloads are JSON");
        Some(Self { headers, payload })
    }
}

fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}
