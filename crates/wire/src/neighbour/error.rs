//! Errors of the neighbours: a code, which every protocol spells its own way, a message, and the form of each protocol
//! (governance.md §1.2, §2.6).

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::{Addressed, Protocol, Reply};
use crate::codec::cbor;
use crate::error::{ErrorBody, ErrorCode};
use crate::service::Service;
use crate::text::{push_json_string, push_xml_text};

const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An error's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name in JSON and CBOR, without a namespace.
    pub name: &'static str,
    /// Whose name it is.
    pub origin: Origin,
    /// The HTTP status in JSON and CBOR.
    pub status: u16,
    /// Its name in the query protocol.
    pub query_name: &'static str,
    /// The HTTP status in the query protocol.
    pub query_status: u16,
}

/// Who declares an error: what its namespace tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The service.
    Service,
    /// What all services have in common.
    Common,
    /// The check of constraints that all have in common.
    Validation,
}

impl Code {
    /// An error of a service that has one name in all protocols and blames the caller.
    pub const fn client(name: &'static str) -> Self {
        Self { name, origin: Origin::Service, status: 400, query_name: name, query_status: 400 }
    }

    /// The same under another name in the query protocol.
    pub const fn with_query_name(self, query_name: &'static str) -> Self {
        Self { query_name, ..self }
    }

    /// The same with another status.
    pub const fn with_status(self, status: u16) -> Self {
        Self { status, query_status: status, ..self }
    }

    /// The error that all services have in common.
    pub const fn common(code: ErrorCode) -> Self {
        let (query_name, query_status) = match code {
            ErrorCode::MissingAuthenticationToken => ("MissingAuthenticationToken", 403),
            ErrorCode::IncompleteSignature => ("IncompleteSignature", 400),
            ErrorCode::UnrecognizedClient => ("InvalidClientTokenId", 403),
            ErrorCode::InvalidSignature => ("SignatureDoesNotMatch", 403),
            ErrorCode::ExpiredToken => ("ExpiredToken", 403),
            ErrorCode::AccessDenied => ("AccessDenied", 403),
            ErrorCode::UnknownOperation => ("InvalidAction", 400),
            ErrorCode::Validation => ("ValidationError", 400),
            ErrorCode::Serialization => ("MalformedInput", 400),
            ErrorCode::Throttling => ("Throttling", 400),
            other => (other.wire_name(), other.http_status()),
        };
        let origin = if matches!(code, ErrorCode::Validation) { Origin::Validation } else { Origin::Common };
        Self { name: code.wire_name(), origin, status: code.http_status(), query_name, query_status }
    }

    /// Whether it blames the caller.
    pub const fn is_callers(&self) -> bool {
        self.status < 500
    }

    const fn prefix(&self, service: Service) -> &'static str {
        match self.origin {
            Origin::Service => service.error_prefix(),
            Origin::Common => "com.amazon.coral.service#",
            Origin::Validation => "com.amazon.coral.validate#",
        }
    }
}

/// An error of a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.name, message.as_deref().unwrap_or("(no message)"))]
pub struct ServiceError {
    /// The code.
    pub code: Code,
    /// What a reader is told.
    pub message: Option<Cow<'static, str>>,
    /// Other members of an error in JSON: names, and values as they are written.
    pub members: Vec<(&'static str, Bytes)>,
}

impl ServiceError {
    /// An error that explains itself.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: Some(message.into()), members: Vec::new() }
    }

    /// With another member, whose value is a text of JSON.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: Bytes) -> Self {
        self.members.push((name, value));
        self
    }

    fn to_json(&self, service: Service) -> Bytes {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(b"{\"__type\":\"");
        out.extend_from_slice(self.code.prefix(service).as_bytes());
        out.extend_from_slice(self.code.name.as_bytes());
        out.push(b'"');
        for (name, value) in &self.members {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value);
        }
        if let Some(message) = &self.message {
            out.extend_from_slice(b",\"message\":");
            push_json_string(&mut out, message);
        }
        out.push(b'}');
        out.into()
    }

    fn to_cbor(&self, service: Service) -> Bytes {
        let mut out = Vec::with_capacity(128);
        cbor::push_map(&mut out, 1 + u64::from(self.message.is_some()));
        cbor::push_text(&mut out, "__type");
        cbor::push_text(&mut out, &format!("{}{}", self.code.prefix(service), self.code.name));
        if let Some(message) = &self.message {
            cbor::push_text(&mut out, "message");
            cbor::push_text(&mut out, message);
        }
        out.into()
    }

    fn to_xml(&self, service: Service, request_id: &str) -> Bytes {
        let namespace = service.query().map_or("", |query| query.xml_namespace);
        let whose = if self.code.is_callers() { "Sender" } else { "Receiver" };
        let head = format!("<ErrorResponse xmlns=\"{namespace}\">\n  <Error>\n    <Type>{whose}</Type>\n    <Code>");
        let mut out = head.into_bytes();
        push_xml_text(&mut out, self.code.query_name);
        out.extend_from_slice(b"</Code>\n    <Message>");
        push_xml_text(&mut out, self.message.as_deref().unwrap_or_default());
        out.extend_from_slice(b"</Message>\n  </Error>\n  <RequestId>");
        push_xml_text(&mut out, request_id);
        out.extend_from_slice(b"</RequestId>\n</ErrorResponse>\n");
        out.into()
    }
}

/// What all services have in common.
impl From<ErrorBody> for ServiceError {
    fn from(ErrorBody { code, message }: ErrorBody) -> Self {
        Self { code: Code::common(code), message, members: Vec::new() }
    }
}

impl Addressed {
    /// The answer that says what went wrong.
    pub fn refuse(&self, error: &ServiceError, request_id: &str) -> Reply {
        let code = &error.code;
        let (status, body) = match self.protocol {
            Protocol::Json => (code.status, error.to_json(self.service)),
            Protocol::RpcCbor => (code.status, error.to_cbor(self.service)),
            Protocol::Query => (code.query_status, error.to_xml(self.service, request_id)),
        };
        let mut headers = Vec::new();
        if self.query_mode && self.protocol != Protocol::Query {
            let whose = if code.is_callers() { "Sender" } else { "Receiver" };
            // Names are letters.
            if let Ok(value) = HeaderValue::from_str(&format!("{};{whose}", code.query_name)) {
                headers.push((QUERY_ERROR, value));
            }
        }
        self.reply(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, body)
    }
}
