//! Error codes and the bodies that carry them.

use std::borrow::Cow;

use bytes::Bytes;

use crate::codec::cbor;
use crate::content_type::Protocol;
use crate::text::push_json_string;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's: the same request fails again.
    Client,
    /// Ours.
    Server,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $status:literal, $retry:ident;)*) => {
        /// Every error that can be answered, by its name on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The short name, without a namespace: what `__type` and `x-amzn-ErrorType` say.
            pub const fn wire_name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The HTTP status: 400 for every fault of the client, access denied included.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed a little later.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => error_codes!(@$retry),)* }
            }
        }
    };
    (@once) => { false };
    (@again) => { true };
}

error_codes! {
    /// The principal may not do this.
    AccessDenied = "AccessDeniedException", 400, once;
    /// `DryRun` was asked for, and the call would have succeeded.
    DryRunOperation = "DryRunOperationException", 400, once;
    /// The shard iterator is older than five minutes.
    ExpiredIterator = "ExpiredIteratorException", 400, once;
    /// The next token is older than five minutes.
    ExpiredNextToken = "ExpiredNextTokenException", 400, once;
    /// Something failed on our side, as the model names it.
    InternalFailureException = "InternalFailureException", 500, again;
    /// An argument is well-formed and wrong.
    InvalidArgument = "InvalidArgumentException", 400, once;
    /// The key may not be used by this caller.
    KmsAccessDenied = "KMSAccessDeniedException", 400, once;
    /// The key is disabled.
    KmsDisabled = "KMSDisabledException", 400, once;
    /// The key is in a state in which it cannot be used.
    KmsInvalidState = "KMSInvalidStateException", 400, once;
    /// There is no such key.
    KmsNotFound = "KMSNotFoundException", 400, once;
    /// The account has no access to keys. The one name without the suffix.
    KmsOptInRequired = "KMSOptInRequired", 400, once;
    /// Too many requests to the key.
    KmsThrottling = "KMSThrottlingException", 400, again;
    /// A quota or a rate of the control plane is used up.
    LimitExceeded = "LimitExceededException", 400, again;
    /// A shard's throughput is used up.
    ProvisionedThroughputExceeded = "ProvisionedThroughputExceededException", 400, again;
    /// The resource is in a state in which it cannot do this.
    ResourceInUse = "ResourceInUseException", 400, once;
    /// There is no such resource.
    ResourceNotFound = "ResourceNotFoundException", 400, once;
    /// Too many requests to a queue.
    Throttling = "ThrottlingException", 400, again;
    /// An argument breaks a constraint of the model.
    Validation = "ValidationException", 400, once;

    // Common to the services of AWS and absent from the model.

    /// The body cannot be read, or a member has another type.
    Serialization = "SerializationException", 400, once;
    /// There is no such service or operation.
    UnknownOperation = "UnknownOperationException", 400, once;
    /// The request is not signed.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 400, once;
    /// The signature lacks a part.
    IncompleteSignature = "IncompleteSignatureException", 400, once;
    /// The signature is wrong, or too old.
    InvalidSignature = "InvalidSignatureException", 400, once;
    /// There is no such access key.
    UnrecognizedClient = "UnrecognizedClientException", 400, once;
    /// The session has ended.
    ExpiredToken = "ExpiredTokenException", 400, once;
    /// Something failed on our side, as the front door names it.
    InternalFailure = "InternalFailure", 500, again;
    /// The service takes no requests just now.
    ServiceUnavailable = "ServiceUnavailable", 503, again;
}

impl ErrorCode {
    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        if self.http_status() < 500 { Fault::Client } else { Fault::Server }
    }

    /// The member of the body that holds the message: lower case but for this one error.
    const fn message_member(self) -> &'static str {
        if matches!(self, Self::Serialization) { "Message" } else { "message" }
    }
}

/// What an error says: its code and, mostly, a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.wire_name(), message.as_deref().unwrap_or("(no message)"))]
pub struct ErrorBody {
    /// The code.
    pub code: ErrorCode,
    /// What a reader is told. Absent for bodies that cannot be read and operations that are unknown.
    pub message: Option<Cow<'static, str>>,
}

impl ErrorBody {
    /// An error that explains itself.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// An error that is only its code.
    pub const fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// For an operation of the model that this server does not do (yet): the code that clients know, and a message that
    /// tells a person which operation it was.
    pub fn not_implemented(operation: crate::Operation) -> Self {
        Self::new(
            ErrorCode::UnknownOperation,
            format!("{} is an operation of Kinesis that this server does not implement", operation.name()),
        )
    }

    /// The body in the protocol of the request.
    pub fn encode(&self, protocol: Protocol) -> Bytes {
        match protocol {
            Protocol::Json => self.to_json(),
            Protocol::Cbor => self.to_cbor(),
        }
    }

    /// `{"__type":"ShortName","message":"..."}`.
    pub fn to_json(&self) -> Bytes {
        let name = self.code.wire_name();
        let mut out = Vec::with_capacity(64 + self.message.as_ref().map_or(0, |message| message.len()));
        out.extend_from_slice(b"{\"__type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        if let Some(message) = &self.message {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(self.code.message_member().as_bytes());
            out.extend_from_slice(b"\":");
            push_json_string(&mut out, message);
        }
        out.push(b'}');
        out.into()
    }

    /// The same map in CBOR.
    pub fn to_cbor(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.message.as_ref().map_or(0, |message| message.len()));
        cbor::push_map(&mut out, 1 + u64::from(self.message.is_some()));
        cbor::push_text(&mut out, "__type");
        cbor::push_text(&mut out, self.code.wire_name());
        if let Some(message) = &self.message {
            cbor::push_text(&mut out, self.code.message_member());
            cbor::push_text(&mut out, message);
        }
        out.into()
    }
}

/// A whole answer that is an error: what the server has to send, apart from the headers that every answer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, where there is one.
    pub content_type: Option<&'static str>,
    /// The `x-amzn-ErrorType`, where there is one.
    pub error_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

impl ErrorReply {
    /// The ordinary form of an error.
    pub fn of(error: &ErrorBody, protocol: Protocol) -> Self {
        Self {
            status: error.code.http_status(),
            content_type: Some(protocol.content_type()),
            error_type: Some(error.code.wire_name()),
            body: error.encode(protocol),
        }
    }

    /// For requests that do not even say what they want: another method than POST, or neither a content type of ours
    /// nor a target. (api.md §2.4.3 and .5, observed on AWS.)
    pub fn nothing_to_authorize() -> Self {
        let body = "<AccessDeniedException>\n  \
                    <Message>Unable to determine service/operation name to be authorized</Message>\n\
                    </AccessDeniedException>\n";
        Self { status: 403, content_type: None, error_type: None, body: Bytes::from_static(body.as_bytes()) }
    }

    /// For a target with a content type that no protocol of ours has.
    pub fn no_such_protocol() -> Self {
        let body = "<UnknownOperationException/>\n";
        Self { status: 404, content_type: None, error_type: None, body: Bytes::from_static(body.as_bytes()) }
    }

    /// For the content type `application/json`, which gets as far as a front end of AWS that has an envelope of its own.
    pub fn enveloped(code: ErrorCode) -> Self {
        let name = code.wire_name();
        let body = format!(r#"{{"Output":{{"__type":"com.amazon.coral.service#{name}"}},"Version":"1.0"}}"#);
        let status = if matches!(code, ErrorCode::UnknownOperation) { 404 } else { code.http_status() };
        Self { status, content_type: Some("application/json"), error_type: None, body: body.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modelled_error_has_a_code_and_its_own_suffix() {
        let model: serde_json::Value = serde_json::from_str(include_str!("../models/kinesis.json")).unwrap();
        for (name, shape) in model["shapes"].as_object().unwrap() {
            if shape["exception"] == true {
                let code = ErrorCode::ALL.iter().find(|code| code.wire_name() == name);
                let code = code.unwrap_or_else(|| panic!("{name} has no code"));
                assert_eq!(code.fault() == Fault::Server, shape["fault"] == true, "{name}");
            }
        }
        assert_eq!(ErrorCode::KmsOptInRequired.wire_name(), "KMSOptInRequired");
        assert_eq!(ErrorCode::AccessDenied.http_status(), 400);
    }

    #[test]
    fn bodies_are_spelled_as_clients_expect() {
        let error = ErrorBody::new(ErrorCode::ResourceNotFound, "Stream \"a\nb\" not found.");
        assert_eq!(error.to_json(), r#"{"__type":"ResourceNotFoundException","message":"Stream \"a\nb\" not found."}"#);
        let error = ErrorBody::new(ErrorCode::Serialization, "Expected null");
        assert_eq!(error.to_json(), r#"{"__type":"SerializationException","Message":"Expected null"}"#);
        let error = ErrorBody::bare(ErrorCode::Serialization);
        assert_eq!(error.to_json(), r#"{"__type":"SerializationException"}"#);
        assert_eq!(&error.to_cbor()[..8], b"\xa1\x66__type");
        assert_eq!(error.to_cbor().len(), 8 + 1 + 22);
        let long = ErrorBody::new(ErrorCode::Validation, "x".repeat(300)).to_cbor();
        assert_eq!(&long[long.len() - 303..][..3], b"\x79\x01\x2c");
    }

    #[test]
    fn an_operation_to_come_is_named() {
        let error = ErrorBody::not_implemented(crate::Operation::CreateChannel);
        assert_eq!(error.code.wire_name(), "UnknownOperationException");
        assert!(error.message.unwrap().starts_with("CreateChannel "));
    }

    #[test]
    fn envelopes() {
        let reply = ErrorReply::enveloped(ErrorCode::Serialization);
        assert_eq!(reply.status, 400);
        let body = r#"{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}"#;
        assert_eq!(reply.body, body);
        assert_eq!(ErrorReply::enveloped(ErrorCode::UnknownOperation).status, 404);
    }
}
