//! The canonical request: the one form that signer and verifier hash, however the request was written and relayed.

use std::borrow::Cow;

use aws_lc_rs::digest;
use aws_lc_rs::hmac;

use super::{ALGORITHM, RequestHead};
use crate::text::push_hex;

/// SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    // Hexadecimal digits are ASCII.
    String::from_utf8(out).unwrap_or_default()
}

/// The signature of a canonical request, in hexadecimal. `scope` is `date/region/service/aws4_request`.
pub(crate) fn signature(key: &hmac::Key, canonical: &[u8], iso_date: &str, scope: &str) -> String {
    let mut text = Vec::with_capacity(160);
    for line in [ALGORITHM, iso_date, scope] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    push_hex(&mut text, digest::digest(&digest::SHA256, canonical).as_ref());
    hex(hmac::sign(key, &text).as_ref())
}

/// Writes the canonical request. Query parameters named in `unsigned` are left out.
pub(crate) fn request(head: &RequestHead<'_>, signed_headers: &str, payload: &str, unsigned: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(head.method.as_bytes());
    out.push(b'\n');
    push_path(&mut out, head.path);
    out.push(b'\n');
    push_query(&mut out, head.query, unsigned);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_header(&mut out, head, name);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// The path without empty, `.` and `..` segments, every byte that is not unreserved encoded: a second time, as the path
/// on the wire is encoded already.
fn push_path(out: &mut Vec<u8>, path: &str) {
    let start = out.len();
    // Where each segment that is still there begins.
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => out.truncate(kept.pop().unwrap_or(start)),
            segment => {
                kept.push(out.len());
                out.push(b'/');
                push_encoded(out, segment.as_bytes());
            }
        }
    }
    if out.len() == start || path.ends_with('/') {
        out.push(b'/');
    }
}

/// The parameters in the order of their encoded names, then values; each with a `=`. A `+` is a plus.
fn push_query(out: &mut Vec<u8>, query: &str, unsigned: &[&str]) {
    if query.is_empty() {
        return;
    }
    let encoded = |text: &str| {
        let mut out = Vec::with_capacity(text.len());
        push_encoded(&mut out, &decode(text));
        out
    };
    let parameters = parameters(query).filter(|(name, _)| !unsigned.contains(&name.as_ref()));
    let mut parameters: Vec<_> = parameters.map(|(name, value)| (encoded_bytes(&name), encoded(value))).collect();
    parameters.sort_unstable();
    for (at, (name, value)) in parameters.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn encoded_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    push_encoded(&mut out, text.as_bytes());
    out
}

/// The parameters of a query string: names decoded, values as they are.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode_text(name), value)
    })
}

/// Decodes percent-encoding; what is not UTF-8 then is replaced.
pub(crate) fn decode_text(text: &str) -> Cow<'_, str> {
    match decode(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Decodes percent-encoding (RFC 3986 §2.1). A `%` that two digits do not follow stands for itself.
fn decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = (byte == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
        let decoded = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        out.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    Cow::Owned(out)
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3), in capital digits.
fn push_encoded(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.push(b'%');
            let at = out.len();
            push_hex(out, &[byte]);
            out[at..].make_ascii_uppercase();
        }
    }
}

/// The values of a header, trimmed, runs of blanks made one, joined by commas.
fn push_header(out: &mut Vec<u8>, head: &RequestHead<'_>, name: &str) {
    let name = if name == ":authority" { "host" } else { name };
    let mut first = true;
    for value in head.headers.get_all(name) {
        if !first {
            out.push(b',');
        }
        first = false;
        push_trimmed(out, value.as_bytes());
    }
    if let (true, "host", Some(authority)) = (first, name, head.authority) {
        push_trimmed(out, authority.as_bytes());
    }
}

fn push_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let start = out.len();
    for word in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if out.len() > start {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> String {
        let mut out = Vec::new();
        push_path(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn query(text: &str) -> String {
        let mut out = Vec::new();
        push_query(&mut out, text, &["X-Amz-Signature"]);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths() {
        assert_eq!(path(""), "/");
        assert_eq!(path("//a//./b/../c%20d/"), "/a/c%2520d/");
        assert_eq!(path("/.."), "/");
        assert_eq!(path("/../../a"), "/a");
        assert_eq!(path("*"), "/%2A");
    }

    #[test]
    fn queries() {
        assert_eq!(query("b=2&a=%7e&a=+&&c&X-Amz-Signature=1"), "a=%2B&a=~&b=2&c=");
        assert_eq!(query("a=%zz%4"), "a=%25zz%254");
        assert_eq!(query("%61=x%3dy"), "a=x%3Dy");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>(), odd in "[%/.&=a0-9]{0,24}") {
            for text in [text, odd] {
                path(&text);
                query(&text);
            }
        }
    }
}
