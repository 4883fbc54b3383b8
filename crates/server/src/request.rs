//! One request from its head to its answer. The order of checks is here, for every operation alike (api.md §2.4, as
//! observed on AWS); each check is somewhere else.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use rheos_types::Clock;
use rheos_wire::content_type::ContentType;
use rheos_wire::front::{self, Asked, Call};
use rheos_wire::operation::{Access, Plane};
use rheos_wire::sigv4::RequestHead;
use rheos_wire::{ErrorBody, ErrorCode, Operation, Protocol, event_stream, neighbour};

use crate::admission::{Admission, Held};
use crate::answer::{Answer, Body, Envelope, RequestId, overloaded};
use crate::auth::{Authenticator, Caller};
use crate::body::{self, BodyError};
use crate::chaos::{Injected, Injection, Injector};
use crate::config::Bounds;
use crate::dispatch::{Output, dispatch};
use crate::fault::{self, FaultLog};
use crate::health::{self, Stage};
use crate::neighbours;
use crate::services::cloudwatch::CloudWatch;
use crate::services::dynamodb::DynamoDb;
use crate::services::kinesis::Kinesis;
use crate::spawn::Spawner;

/// Tells what was injected from what is real.
const CHAOS: HeaderName = HeaderName::from_static("x-rheos-chaos");

/// Everything that a request meets.
pub(crate) struct Front {
    pub(crate) bounds: Bounds,
    /// Calls in clear text are refused.
    pub(crate) require_tls: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) envelope: Envelope,
    pub(crate) admission: Arc<Admission>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) faults: Arc<FaultLog>,
    pub(crate) chaos: Option<Injector>,
    /// Who runs connections.
    pub(crate) spawner: Spawner,
    /// Set once the log is open and the streams are loaded.
    pub(crate) inside: OnceLock<Inside>,
}

/// What there is only when the data directory is ours.
pub(crate) struct Inside {
    pub(crate) authenticator: Authenticator,
    pub(crate) kinesis: Arc<Kinesis>,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) dynamodb: Arc<DynamoDb>,
}

/// There is no answer; the connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// There is nobody to answer.
    #[error("the client went away before its request was complete")]
    ClientGone,
    /// On purpose.
    #[error("the connection is dropped by --chaos")]
    Chaos,
}

impl Front {
    /// Answers a request, which is `secure` if it came over TLS.
    pub(crate) async fn answer(&self, request: Request<Incoming>, secure: bool) -> Result<Response<Body>, Unanswered> {
        let (parts, body) = request.into_parts();
        if let Some(answer) = health::answer(&parts.method, parts.uri.path(), &self.stage) {
            return Ok(self.envelope.plain(answer));
        }
        // 1. Size.
        let body = body::read(body, &parts.headers, &self.bounds, &self.admission, &*self.clock).await;
        let (body, held) = match body {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return Ok(self.envelope.too_large()),
            Err(BodyError::TooSlow) => return Ok(self.envelope.too_slow()),
            Err(BodyError::Overloaded) => {
                let id = self.envelope.request_id();
                let answer = unseen(&parts, secure, no_memory(&parts), &id);
                return Ok(self.envelope.seal(answer, &id, &parts.headers));
            }
            Err(BodyError::Broken) => return Err(Unanswered::ClientGone),
        };
        let id = self.envelope.request_id();
        if self.require_tls && !secure {
            let answer = unseen(&parts, secure, clear_text(), &id);
            return Ok(self.envelope.seal(answer, &id, &parts.headers));
        }
        // 2. Pre-flight requests.
        if parts.method == Method::OPTIONS && parts.headers.contains_key(ORIGIN) {
            return Ok(self.envelope.preflight(&id, &parts.headers));
        }
        let mut injected = Injected::default();
        let answer = self.call(&parts, body, held, &id, secure, &mut injected).await.unwrap_or_else(|refused| refused);
        let Some(mark) = injected.mark() else { return Ok(self.envelope.seal(answer, &id, &parts.headers)) };
        tokio::time::sleep(Duration::from_millis(injected.latency_ms)).await;
        if let Some(Injection::Drop { .. }) = injected.fault {
            return Err(Unanswered::Chaos);
        }
        let mut response = self.envelope.seal(answer, &id, &parts.headers);
        response.headers_mut().insert(CHAOS, HeaderValue::from_static(mark));
        Ok(response)
    }

    /// The checks from the method to the signature, then the operation with its own: types, constraints, state, limits.
    /// What chaos does to it is told in `injected`.
    async fn call(
        &self,
        parts: &Parts,
        body: Bytes,
        held: Held,
        id: &RequestId,
        secure: bool,
        injected: &mut Injected,
    ) -> Result<Answer, Answer> {
        // 3–7. Method, body at all, content type, target.
        let head = head_of(parts, secure);
        let call = front::open(&head, &body)?;
        let refuse = |error: ErrorBody| refused(&call, error, id);
        let known = neighbours::known(&call).map_err(refuse)?;
        let inside = self.inside.get().ok_or_else(|| {
            let message = "The server is starting. Nothing was done; try again.";
            refuse(ErrorBody::new(ErrorCode::ServiceUnavailable, message))
        })?;
        // 8–9. Who is it? A body that cannot be read at all is reported before.
        let now_ms = self.envelope.now_ms();
        let caller = inside.authenticator.authenticate(call.service(), &head, &body, now_ms).map_err(|error| {
            tracing::debug!(operation = call.operation(), request_id = id.as_str(), %error, "not admitted");
            let unreadable = || ErrorBody::bare(ErrorCode::Serialization);
            refuse(if call.is_readable(&body) { error.into() } else { unreadable() })
        })?;
        tracing::debug!(
            operation = call.operation(),
            protocol = call.content_type(),
            http = ?parts.version,
            agent = ?parts.headers.get(USER_AGENT),
            request_id = id.as_str(),
            "admitted"
        );
        // 10–13. Types, constraints, existence, rates of calls, state, other limits.
        match call {
            Call::Kinesis(asked) => self.kinesis(&inside.kinesis, asked, caller, body, held, id, injected).await,
            Call::Neighbour(addressed) => {
                let request =
                    neighbours::Request { inside, addressed: &addressed, caller, body, request_id: id.as_str() };
                let compressed = neighbour::is_compressed(&parts.headers);
                let done = neighbours::answer(request, known, compressed, held).await;
                done.map(Answer::from).map_err(|(operation, fault)| {
                    self.faults.note(&fault.told(), operation, id.as_str(), now_ms);
                    addressed.refuse(&fault.error, id.as_str()).into()
                })
            }
        }
    }

    /// An operation of Kinesis, and what chaos does to it.
    #[expect(clippy::too_many_arguments, reason = "what is left of a request when it is known who calls")]
    async fn kinesis(
        &self,
        kinesis: &Arc<Kinesis>,
        asked: Asked,
        caller: Caller,
        body: Bytes,
        held: Held,
        id: &RequestId,
        injected: &mut Injected,
    ) -> Result<Answer, Answer> {
        let refuse = |error: &ErrorBody| Answer::error(error, asked.protocol);
        *injected = self.chaos.as_ref().map(|chaos| chaos.next(asked.operation)).unwrap_or_default();
        let instead = injected.fault.and_then(|fault| fault::injected(fault, asked.operation));
        let instead = instead.map(|error| refuse(&error));
        if !injected.lets_through() {
            // Nobody gets the empty one: its connection is dropped.
            return Err(instead.unwrap_or_else(|| Answer::empty(StatusCode::SERVICE_UNAVAILABLE)));
        }
        let output = dispatch(kinesis, asked, caller, body, injected.entries()).await.map_err(|fault| {
            self.faults.note(&fault.told(), asked.operation.name(), id.as_str(), self.envelope.now_ms());
            // This one is real.
            injected.fault = injected.fault.filter(|fault| matches!(fault, Injection::Drop { .. }));
            refuse(&fault.body)
        })?;
        if let Some(instead) = instead {
            return Err(instead);
        }
        match output {
            Output::Whole(body) => {
                let body = carry(held, body, asked.operation).map_err(|error| refuse(&error))?;
                Ok(Answer::ok(asked.protocol.content_type(), body))
            }
            Output::Events(events) => Ok(Answer::ok(event_stream::CONTENT_TYPE, Body::Pieces(events))),
        }
    }
}

/// An error, in the protocol of the request.
fn refused(call: &Call, error: ErrorBody, id: &RequestId) -> Answer {
    match call {
        Call::Kinesis(asked) => Answer::error(&error, asked.protocol),
        Call::Neighbour(addressed) => addressed.refuse(&error.into(), id.as_str()).into(),
    }
}

/// An error of a request that nobody has looked at.
fn unseen(parts: &Parts, secure: bool, error: ErrorBody, id: &RequestId) -> Answer {
    match neighbour::address_of_head(&head_of(parts, secure)) {
        Some(addressed) => addressed.refuse(&error.into(), id.as_str()).into(),
        None => Answer::error(&error, protocol(parts)),
    }
}

/// Lets an answer hold the memory that it takes until it has been sent. What only reads may be refused for want of it;
/// what has changed something has to say so, and its answers are small.
fn carry(held: Held, output: Bytes, operation: Operation) -> Result<Bytes, ErrorBody> {
    match operation.access() {
        Access::Mutating => Ok(output),
        // Holds memory of its own.
        Access::Reading if operation == Operation::GetRecords => Ok(output),
        Access::Reading | Access::Streaming => {
            held.carry(output).map_err(|_| overloaded(operation.plane() == Plane::Data))
        }
    }
}

/// The error of a request whose body there was no memory for.
fn no_memory(parts: &Parts) -> ErrorBody {
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| Operation::from_target(target).ok());
    let moves_records = operation.is_some_and(|operation| operation.plane() == Plane::Data);
    overloaded(moves_records)
}

/// The error of a call in clear text where only TLS will do.
fn clear_text() -> ErrorBody {
    let message = "This server takes calls over TLS only (--require-tls): use an endpoint that begins with https://.";
    ErrorBody::new(ErrorCode::AccessDenied, message)
}

/// The head of a request as signatures see it.
fn head_of(parts: &Parts, secure: bool) -> RequestHead<'_> {
    RequestHead {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        secure,
    }
}

/// The protocol of Kinesis's answer to a request that nobody has looked at.
fn protocol(parts: &Parts) -> Protocol {
    match ContentType::of(parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)) {
        ContentType::Protocol(protocol) => protocol,
        ContentType::PlainJson | ContentType::Other => Protocol::Json,
    }
}
