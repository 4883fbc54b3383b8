//! One request, signed unless it is spoilt on purpose.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use rheos_wire::codec::cbor;
use rheos_wire::sigv4::{Credentials, SecretKey, sign};
use rheos_wire::{Operation, Protocol, Service};
use serde_json::Value;

/// A request to make.
#[derive(Clone, Debug)]
pub struct Call {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    key_id: Option<String>,
    secret: Option<SecretKey>,
    session_token: Option<String>,
    region: String,
    service: String,
    signed: bool,
    late_ms: i64,
    after_signing: Vec<(HeaderName, Option<HeaderValue>)>,
}

impl Call {
    /// A call of an operation.
    #[must_use]
    pub fn new(operation: &str, body: &Value) -> Self {
        Self::raw(operation, body.to_string())
    }

    /// A call of an operation with a body that need not be JSON.
    #[must_use]
    pub fn raw(operation: &str, body: impl Into<Vec<u8>>) -> Self {
        let call = Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: HeaderMap::new(),
            body: body.into(),
            key_id: None,
            secret: None,
            session_token: None,
            region: "us-east-1".to_owned(),
            service: "kinesis".to_owned(),
            signed: true,
            late_ms: 0,
            after_signing: Vec::new(),
        };
        call.header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", &format!("Kinesis_20131202.{operation}"))
    }

    /// A request to a service beside Kinesis, signed for it: without a target, to be given by headers and path.
    #[must_use]
    pub fn to_service(service: Service, body: impl Into<Vec<u8>>) -> Self {
        Self::raw("", body).without("x-amz-target").without("content-type").service(service.signing_name())
    }

    /// A call of an operation in CBOR, as the SDKs for Java write it: base64 and seconds in `body` become bytes and
    /// milliseconds where the model says so.
    #[must_use]
    pub fn cbor(operation: &str, body: &Value) -> Self {
        Self::new(operation, body).in_cbor().expect("an operation of the model and an object")
    }

    /// The same call in CBOR; `None` if it is not a call of an operation of the model with an object of JSON.
    #[must_use]
    pub fn in_cbor(&self) -> Option<Self> {
        let (operation, Protocol::Json, body) = self.asked()? else { return None };
        let body = cbor::from_json(operation.input(), &body, &mut cbor::like_jackson);
        let call = self.clone().header("content-type", Protocol::Cbor.content_type());
        Some(Self { body, ..call })
    }

    /// What is called, in which protocol, with which input; `None` if it is not a call of an operation of the model with
    /// an object.
    pub(crate) fn asked(&self) -> Option<(Operation, Protocol, Value)> {
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        let operation = Operation::from_target(header("x-amz-target")?).ok()?;
        let content_type = header("content-type")?;
        let protocols = [Protocol::Json, Protocol::Cbor];
        let protocol = protocols.into_iter().find(|protocol| protocol.content_type() == content_type)?;
        let body: Value = match protocol {
            Protocol::Json => serde_json::from_slice(&self.body).ok()?,
            Protocol::Cbor => cbor::to_json(&self.body).ok()?,
        };
        body.is_object().then_some((operation, protocol, body))
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With another path, query included.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With a header more, or another value for one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header's value");
        self.headers.insert(name.parse::<HeaderName>().expect("a header's name"), value);
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Not signed.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Signed with another access key id.
    #[must_use]
    pub fn key_id(mut self, id: &str) -> Self {
        self.key_id = Some(id.to_owned());
        self
    }

    /// Signed with another secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(SecretKey::new(secret));
        self
    }

    /// Signed with a session token.
    #[must_use]
    pub fn session_token(mut self, token: &str) -> Self {
        self.session_token = Some(token.to_owned());
        self
    }

    /// Signed for another region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// Signed for another service.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        service.clone_into(&mut self.service);
        self
    }

    /// Signed that much before it is sent; below zero: after.
    #[must_use]
    pub fn late(mut self, ms: i64) -> Self {
        self.late_ms = ms;
        self
    }

    /// With a header that changes after signing, or is gone.
    #[must_use]
    pub fn tampered(mut self, name: &str, value: Option<&str>) -> Self {
        let value = value.map(|value| value.parse().expect("a header's value"));
        self.after_signing.push((name.parse().expect("a header's name"), value));
        self
    }

    /// The bytes to send over HTTP/1.1. `key` signs unless the call has its own.
    #[must_use]
    pub fn bytes(&self, host: &str, key: Option<(&str, &SecretKey)>, now_ms: u64) -> Vec<u8> {
        let mut headers = self.headers.clone();
        headers.insert("host", host.parse().expect("a host"));
        let mut headers = self.signed(headers, None, key, now_ms);
        if !headers.contains_key("transfer-encoding") && !headers.contains_key("content-length") {
            headers.insert("content-length", self.body.len().into());
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The request to send over HTTP/2, which has an `:authority` instead of the `Host`.
    #[must_use]
    pub fn request(
        &self,
        scheme: &str,
        authority: &str,
        key: Option<(&str, &SecretKey)>,
        now_ms: u64,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(self.body.clone())));
        *request.method_mut() = self.method.parse().expect("a method");
        *request.uri_mut() = format!("{scheme}://{authority}{}", self.path).parse().expect("an address");
        *request.headers_mut() = self.signed(self.headers.clone(), Some(authority), key, now_ms);
        request
    }

    /// Headers with a signature, and then with what changes after signing.
    fn signed(
        &self,
        mut headers: HeaderMap,
        authority: Option<&str>,
        key: Option<(&str, &SecretKey)>,
        now_ms: u64,
    ) -> HeaderMap {
        if self.signed
            && let Some((id, secret)) = key
        {
            let credentials = Credentials {
                access_key_id: self.key_id.as_deref().unwrap_or(id),
                secret: self.secret.as_ref().unwrap_or(secret),
                session_token: self.session_token.as_deref(),
                region: &self.region,
                service: &self.service,
            };
            let now = i64::try_from(now_ms).expect("a time") - self.late_ms;
            let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
            let target = (self.method.as_str(), path, query);
            sign(&credentials, target, authority, &mut headers, &self.body, now).expect("headers are text");
        }
        for (name, value) in &self.after_signing {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
        headers
    }
}
