//! What the `Content-Type` of a request says about its protocol.

/// A protocol that answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// awsJson 1.1.
    Json,
    /// The same in CBOR, which the Java SDKs prefer.
    Cbor,
}

impl Protocol {
    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }
}

/// A content type, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// A protocol of Kinesis.
    Protocol(Protocol),
    /// `application/json`, which is none, and gets errors in an envelope of its own.
    PlainJson,
    /// Anything else, or none.
    Other,
}

impl ContentType {
    /// Reads the header: what follows a `;` and the blanks around do not matter, nor does case (RFC 9110 §8.3.1).
    pub fn of(header: Option<&[u8]>) -> Self {
        let header = header.unwrap_or_default();
        let end = header.iter().position(|&byte| byte == b';').unwrap_or(header.len());
        let essence = header[..end].trim_ascii();
        for protocol in [Protocol::Json, Protocol::Cbor] {
            if essence.eq_ignore_ascii_case(protocol.content_type().as_bytes()) {
                return Self::Protocol(protocol);
            }
        }
        if essence.eq_ignore_ascii_case(b"application/json") { Self::PlainJson } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_blanks_and_case_do_not_matter() {
        let json = ContentType::Protocol(Protocol::Json);
        let cbor = ContentType::Protocol(Protocol::Cbor);
        for (header, expected) in [
            ("application/x-amz-json-1.1", json),
            ("  application/x-amz-json-1.1  ; charset=utf-8", json),
            ("Application/X-Amz-Json-1.1;", json),
            ("application/x-amz-cbor-1.1", cbor),
            ("application/json; charset=UTF-8", ContentType::PlainJson),
            ("application/x-amz-json-1.0", ContentType::Other),
            ("application/x-amz-json-1.1, text/plain", ContentType::Other),
            ("", ContentType::Other),
        ] {
            assert_eq!(ContentType::of(Some(header.as_bytes())), expected, "{header}");
        }
        assert_eq!(ContentType::of(None), ContentType::Other);
        assert_eq!(ContentType::of(Some(b"\xff\xfe")), ContentType::Other);
    }
}
