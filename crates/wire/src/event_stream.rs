//! `application/vnd.amazon.eventstream`: the frames in which SubscribeToShard answers (api.md §8).
//!
//! A frame is `total length u32 | length of the headers u32 | CRC-32 of these eight bytes | headers | payload | CRC-32 of
//! everything before`, big-endian. A header is `length of the name u8 | name | 7 | length of the value u16 | value`, where 7
//! says that the value is text. The payload is written where it will be sent from: a frame is begun, the payload appended to
//! the same buffer, and the frame finished.

use crate::error::ErrorBody;
use crate::text::push_json_string;

/// The content type of an answer that is a stream of events.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The total length, the length of the headers, and the checksum of both.
const PRELUDE: usize = 12;
const TEXT: u8 = 7;

/// A frame that has been begun.
#[derive(Debug)]
#[must_use = "a frame that is not finished is none"]
pub struct Frame {
    start: usize,
}

impl Frame {
    /// Begins an event: the payload is then appended to `out`, as JSON.
    pub fn event(out: &mut Vec<u8>, event_type: &str) -> Self {
        let headers = [(":message-type", "event"), (":event-type", event_type), (":content-type", "application/json")];
        Self::begin(out, &headers)
    }

    fn begin(out: &mut Vec<u8>, headers: &[(&str, &str)]) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; PRELUDE]);
        for (name, value) in headers {
            debug_assert!(name.len() <= 0xff && value.len() <= 0xffff, "headers are short");
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the names and values are this module's own, and short"
            )]
            let (name_length, value_length) = (name.len() as u8, (value.len() as u16).to_be_bytes());
            out.push(name_length);
            out.extend_from_slice(name.as_bytes());
            out.push(TEXT);
            out.extend_from_slice(&value_length);
            out.extend_from_slice(value.as_bytes());
        }
        let headers_length = out.len() - start - PRELUDE;
        put_u32(&mut out[start + 4..], headers_length);
        Self { start }
    }

    /// Ends the frame behind what has been appended to `out`: it may then be sent.
    pub fn finish(self, out: &mut Vec<u8>) {
        let start = self.start;
        let total = out.len() - start + 4;
        put_u32(&mut out[start..], total);
        let prelude = crc32fast::hash(&out[start..start + 8]);
        out[start + 8..start + PRELUDE].copy_from_slice(&prelude.to_be_bytes());
        let whole = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&whole.to_be_bytes());
    }
}

/// Appends the frame that begins every answer; clients refuse a stream without it.
pub fn push_initial_response(out: &mut Vec<u8>) {
    let frame = Frame::event(out, "initial-response");
    out.extend_from_slice(b"{}");
    frame.finish(out);
}

/// Appends the frame that ends an answer with an error.
pub fn push_exception(out: &mut Vec<u8>, error: &ErrorBody) {
    let headers = [
        (":message-type", "exception"),
        (":exception-type", error.code.wire_name()),
        (":content-type", "application/json"),
    ];
    let frame = Frame::begin(out, &headers);
    out.extend_from_slice(b"{\"message\":");
    push_json_string(out, error.message.as_deref().unwrap_or_default());
    out.push(b'}');
    frame.finish(out);
}

/// Writes a length that the format bounds far below 4 GiB: an event holds at most one answer's worth of records.
fn put_u32(out: &mut [u8], length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn a_frame_is_the_one_of_the_specification() {
        // The vector `empty_message` and the shape of `payload_no_headers` of Amazon's event stream test vectors.
        let mut out = Vec::new();
        Frame::begin(&mut out, &[]).finish(&mut out);
        assert_eq!(out, [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255]);

        let mut out = b"before".to_vec();
        let frame = Frame::begin(&mut out, &[]);
        out.extend_from_slice(b"{'foo':'bar'}");
        frame.finish(&mut out);
        let expected = [
            0, 0, 0, 0x1d, 0, 0, 0, 0, 0xfd, 0x52, 0x8c, 0x5a, 0x7b, 0x27, 0x66, 0x6f, 0x6f, 0x27, 0x3a, 0x27, 0x62,
            0x61,
        ]
        .iter()
        .chain(&[0x72, 0x27, 0x7d, 0xc3, 0x65, 0x39, 0x36]);
        assert_eq!(&out[6..], expected.copied().collect::<Vec<u8>>());
    }

    #[test]
    fn headers_are_texts_with_their_lengths() {
        let mut out = Vec::new();
        push_exception(&mut out, &ErrorBody::new(ErrorCode::ResourceInUse, "a \"b\""));
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(text.contains("\u{f}:exception-type\u{7}\u{0}\u{16}ResourceInUseException"), "{text:?}");
        assert!(text.contains(r#"{"message":"a \"b\""}"#), "{text:?}");
        let headers = u32::from_be_bytes([out[4], out[5], out[6], out[7]]) as usize;
        assert_eq!(out[12 + headers], b'{');
        assert_eq!(u32::from_be_bytes([out[0], out[1], out[2], out[3]]) as usize, out.len());
    }
}
