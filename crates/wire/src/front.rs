//! The front door: which operation a request is for and in which protocol it wants its answer, or the odd error that
//! AWS answers when it cannot tell.
//!
//! This is steps 3 to 7 of the order of checks (api.md §2.4, observed on AWS). Size, CORS and pre-flight requests come
//! before and are the server's; authentication comes after.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

use crate::codec::{self, json};
use crate::content_type::{ContentType, Protocol};
use crate::error::{ErrorBody, ErrorCode, ErrorReply};
use crate::operation::Operation;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The operation.
    pub operation: Operation,
    /// The protocol of request and answer.
    pub protocol: Protocol,
}

/// Finds out what a request asks for.
///
/// A body that is not empty is not read for an operation that is known: who decodes it reports what is wrong with it.
/// AWS reports a body that is not even an object before a missing or wrong signature; see [`Asked::is_readable`].
pub fn open(method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<Asked, ErrorReply> {
    if method != Method::POST {
        return Err(ErrorReply::nothing_to_authorize());
    }
    let content_type = ContentType::of(headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes));
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| Operation::from_target(target).ok());

    if body.is_empty() {
        let code = if operation.is_some() { ErrorCode::Serialization } else { ErrorCode::UnknownOperation };
        let protocol =
            if content_type == ContentType::Protocol(Protocol::Json) { Protocol::Json } else { Protocol::Cbor };
        return Err(ErrorReply::of(&ErrorBody::bare(code), protocol));
    }
    let protocol = match content_type {
        ContentType::Protocol(protocol) => protocol,
        ContentType::PlainJson => {
            let code = if json::is_object(body) { ErrorCode::UnknownOperation } else { ErrorCode::Serialization };
            return Err(ErrorReply::enveloped(code));
        }
        ContentType::Other if target.is_some_and(|target| target.contains('.')) => {
            return Err(ErrorReply::no_such_protocol());
        }
        ContentType::Other => return Err(ErrorReply::nothing_to_authorize()),
    };
    let refuse = |code| Err(ErrorReply::of(&ErrorBody::bare(code), protocol));
    match operation {
        Some(operation) => Ok(Asked { operation, protocol }),
        None if !codec::is_map(protocol, body) => refuse(ErrorCode::Serialization),
        None => refuse(ErrorCode::UnknownOperation),
    }
}

impl Asked {
    /// Whether the body is a map at all. An authentication error is answered with SerializationException instead when it
    /// is not; nobody else need ask, as decoding finds out by itself.
    pub fn is_readable(self, body: &[u8]) -> bool {
        codec::is_map(self.protocol, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, headers: &[(&'static str, &'static str)], body: &str) -> Result<Asked, (u16, String)> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        open(method, &headers, body.as_bytes())
            .map_err(|reply| (reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
    }

    const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
    const KNOWN: (&str, &str) = ("x-amz-target", "Kinesis_20131202.ListStreams");
    const UNKNOWN: (&str, &str) = ("x-amz-target", "Kinesis_20131202.ListRivers");

    #[test]
    fn a_request_that_says_what_it_wants_gets_in() {
        let asked = ask(&Method::POST, &[JSON, KNOWN], "{}").unwrap();
        assert_eq!(asked, Asked { operation: Operation::ListStreams, protocol: Protocol::Json });
        assert!(asked.is_readable(b" {}"));
        assert!(!asked.is_readable(b"[]"));
        assert!(!asked.is_readable(b"{} {}"));
    }

    #[test]
    fn the_others_get_the_error_that_aws_has_for_them() {
        let xml = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized\
                   </Message>\n</AccessDeniedException>\n";
        let serialization = r#"{"__type":"SerializationException"}"#;
        let unknown = r#"{"__type":"UnknownOperationException"}"#;
        let plain = ("content-type", "application/json");
        let other = ("content-type", "text/plain");
        for (method, headers, body, status, expected) in [
            (Method::GET, vec![JSON, KNOWN], "{}", 403, xml),
            (Method::POST, vec![], "{}", 403, xml),
            (Method::POST, vec![other], "{}", 403, xml),
            (Method::POST, vec![other, ("x-amz-target", "A.B")], "{}", 404, "<UnknownOperationException/>\n"),
            (Method::POST, vec![JSON, KNOWN], "", 400, serialization),
            (Method::POST, vec![JSON, UNKNOWN], "", 400, unknown),
            (Method::POST, vec![JSON, UNKNOWN], "{}", 400, unknown),
            (Method::POST, vec![JSON, UNKNOWN], "hello", 400, serialization),
            (Method::POST, vec![JSON], "{}", 400, unknown),
            (
                Method::POST,
                vec![plain, KNOWN],
                "hello",
                400,
                r#"{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}"#,
            ),
            (
                Method::POST,
                vec![plain, KNOWN],
                "{}",
                404,
                r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            ),
        ] {
            let answer = ask(&method, &headers, body);
            assert_eq!(answer, Err((status, expected.to_owned())), "{method} {headers:?} {body}");
        }
        let (status, body) = ask(&Method::POST, &[KNOWN], "").unwrap_err();
        assert_eq!(status, 400);
        assert!(body.ends_with("SerializationException") && !body.starts_with('{'), "CBOR: {body:?}");
    }
}
