//! The services beside Kinesis: how a request says that it is for one of them, and the forms of their answers.
//!
//! | where | what |
//! | --- | --- |
//! | here | which service, protocol and operation a request names, and answers that are successes |
//! | [`error`] | their errors, in the form of each protocol |
//! | [`codec`] | bodies to typed inputs, typed outputs to bodies |
//! | [`form`], [`xml`] | bodies of the query protocol: forms in, XML out |
//!
//! Kinesis keeps to itself: it has two protocols that no other has, and an error of its own for every request that makes
//! no sense. Whatever names no neighbour is for Kinesis.

pub mod codec;
pub mod error;
pub mod form;
pub mod xml;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::codec::{cbor, json};
use crate::service::Service;
use crate::sigv4::RequestHead;

pub use codec::Input;
pub use error::{Code, ServiceError};

const TARGET: &str = "x-amz-target";
const QUERY_MODE: &str = "x-amzn-query-mode";
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// A protocol of the neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// awsJson 1.0.
    Json,
    /// Smithy RPC v2 in CBOR.
    RpcCbor,
    /// AWS Query: forms in, XML out.
    Query,
}

impl Protocol {
    /// The content type of its answers.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.0",
            Self::RpcCbor => "application/cbor",
            Self::Query => "text/xml",
        }
    }
}

/// What a request to a neighbour says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// The service.
    pub service: Service,
    /// The protocol of request and answer.
    pub protocol: Protocol,
    /// The name of the operation. `None` if it is in a body that is compressed, which is not looked into before the
    /// signature holds.
    pub operation: Option<String>,
    /// Whether errors are to be told by their old names too, for clients that came from the query protocol.
    pub query_mode: bool,
}

/// A whole answer, apart from the headers that every answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// Other headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// Which neighbour a request is for; `None`: it is for Kinesis.
///
/// A target comes first, then the path of RPC v2, then a form with a version that a neighbour has: in the body, or in the
/// query string of a GET, as links that are signed have it.
pub fn address(head: &RequestHead<'_>, body: &[u8]) -> Option<Addressed> {
    let addressed = |service, protocol, operation| Addressed {
        service,
        protocol,
        operation,
        query_mode: head.headers.get(QUERY_MODE).is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"true")),
    };
    if let Some(target) = head.headers.get(TARGET) {
        let (prefix, operation) = target.to_str().ok()?.split_once('.')?;
        let service = Service::of_target(prefix).filter(|service| *service != Service::Kinesis)?;
        return Some(addressed(service, Protocol::Json, Some(operation.to_owned())));
    }
    if let Some((prefix, operation)) =
        head.path.strip_prefix("/service/").and_then(|path| path.split_once("/operation/"))
    {
        let service = Service::of_target(prefix).filter(|service| service.speaks_rpc())?;
        return Some(addressed(service, Protocol::RpcCbor, Some(operation.to_owned())));
    }
    let form = match head.method {
        "GET" => head.query.as_bytes(),
        "POST" if is_form(head.headers) => body,
        _ => return None,
    };
    if head.method == "POST" && is_compressed(head.headers) {
        // Only one neighbour's clients compress.
        return Some(addressed(Service::CloudWatch, Protocol::Query, None));
    }
    let (service, operation) = form::action(form)?;
    Some(addressed(service, Protocol::Query, Some(operation.into_owned())))
}

/// Who a request seems to be for, of which there is no body. A form may be for any that takes forms.
pub fn address_of_head(head: &RequestHead<'_>) -> Option<Addressed> {
    let of_form = || {
        let addressed =
            Addressed { service: Service::CloudWatch, protocol: Protocol::Query, operation: None, query_mode: false };
        is_form(head.headers).then_some(addressed)
    };
    address(head, &[]).or_else(of_form)
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    content_type[..end].trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Whether a body says that it is compressed.
pub fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

impl Addressed {
    /// Whether the body can be read at all. An authentication error is answered with the error for one that cannot
    /// instead.
    pub fn is_readable(&self, body: &[u8]) -> bool {
        match self.protocol {
            Protocol::Json => json::is_object(body),
            Protocol::RpcCbor => body.is_empty() || cbor::is_map(body),
            Protocol::Query => true,
        }
    }

    /// A success with this body.
    pub fn answer(&self, body: Bytes) -> Reply {
        self.reply(StatusCode::OK, Vec::new(), body)
    }

    fn reply(&self, status: StatusCode, mut headers: Vec<(HeaderName, HeaderValue)>, body: Bytes) -> Reply {
        if self.protocol == Protocol::RpcCbor {
            headers.push((SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor")));
        }
        if self.service == Service::DynamoDb {
            headers.push((CRC32, HeaderValue::from(crc32fast::hash(&body))));
        }
        Reply { status, content_type: self.protocol.content_type(), headers, body }
    }
}

#[cfg(test)]
mod tests;
