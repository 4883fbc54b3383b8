//! The front door: which service and operation a request is for and in which protocol it wants its answer, or the odd
//! error that AWS answers when it cannot tell.
//!
//! This is steps 3 to 7 of the order of checks (api.md §2.4, observed on AWS). Size, CORS and pre-flight requests come
//! before and are the server's; authentication comes after. What is not addressed to a neighbour is for Kinesis.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

use crate::codec::{self, json};
use crate::content_type::{ContentType, Protocol};
use crate::error::{ErrorBody, ErrorCode, ErrorReply};
use crate::neighbour::{self, Addressed};
use crate::operation::Operation;
use crate::service::Service;
use crate::sigv4::RequestHead;

/// Whom a request is for, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Kinesis.
    Kinesis(Asked),
    /// A service beside it.
    Neighbour(Addressed),
}

/// What a request asks Kinesis for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The operation.
    pub operation: Operation,
    /// The protocol of request and answer.
    pub protocol: Protocol,
}

/// Finds out whom a request is for and what it asks for. Whether a neighbour has the operation is for the server to say.
pub fn open(head: &RequestHead<'_>, body: &[u8]) -> Result<Call, ErrorReply> {
    match neighbour::address(head, body) {
        Some(addressed) => Ok(Call::Neighbour(addressed)),
        None => kinesis(head.method, head.headers, body).map(Call::Kinesis),
    }
}

/// Finds out what a request asks Kinesis for.
///
/// A body that is not empty is not read for an operation that is known: who decodes it reports what is wrong with it.
/// AWS reports a body that is not even an object before a missing or wrong signature; see [`Asked::is_readable`].
fn kinesis(method: &str, headers: &HeaderMap, body: &[u8]) -> Result<Asked, ErrorReply> {
    if method != Method::POST.as_str() {
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

impl Call {
    /// The service that a signature has to be for.
    pub const fn service(&self) -> Service {
        match self {
            Self::Kinesis(_) => Service::Kinesis,
            Self::Neighbour(addressed) => addressed.service,
        }
    }

    /// What is asked for, as logs name it.
    pub fn operation(&self) -> &str {
        match self {
            Self::Kinesis(asked) => asked.operation.name(),
            Self::Neighbour(addressed) => addressed.operation.as_deref().unwrap_or("(compressed)"),
        }
    }

    /// The content type of the answer, if it is no stream of events.
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Kinesis(asked) => asked.protocol.content_type(),
            Self::Neighbour(addressed) => addressed.protocol.content_type(),
        }
    }

    /// See [`Asked::is_readable`].
    pub fn is_readable(&self, body: &[u8]) -> bool {
        match self {
            Self::Kinesis(asked) => asked.is_readable(body),
            Self::Neighbour(addressed) => addressed.is_readable(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, headers: &[(&'static str, &'static str)], body: &str) -> Result<Asked, (u16, String)> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let head = RequestHead {
            method: method.as_str(),
            path: "/",
            query: "",
            headers: &headers,
            authority: None,
            secure: false,
        };
        let asked = match open(&head, body.as_bytes()) {
            Ok(Call::Kinesis(asked)) => Ok(asked),
            Ok(Call::Neighbour(addressed)) => panic!("{addressed:?}"),
            Err(reply) => Err(reply),
        };
        asked.map_err(|reply| (reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
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
