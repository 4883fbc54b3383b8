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
use rheos_wire::operation::{Access, Plane};
use rheos_wire::{ErrorBody, ErrorCode, Operation, Protocol, event_stream, front};

use crate::admission::{Admission, Held};
use crate::answer::{Answer, Body, Envelope, RequestId, overloaded};
use crate::auth::Authenticator;
use crate::body::{self, BodyError};
use crate::chaos::{Injected, Injection, Injector};
use crate::config::Bounds;
use crate::dispatch::{Output, dispatch};
use crate::fault::{self, FaultLog};
use crate::health::{self, Stage};
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
                let answer = Answer::error(&no_memory(&parts), protocol(&parts));
                return Ok(self.envelope.seal(answer, &id, &parts.headers));
            }
            Err(BodyError::Broken) => return Err(Unanswered::ClientGone),
        };
        let id = self.envelope.request_id();
        if self.require_tls && !secure {
            let answer = Answer::error(&clear_text(), protocol(&parts));
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
        let asked = front::open(&parts.method, &parts.headers, &body)?;
        let refuse = |error: &ErrorBody| Answer::error(error, asked.protocol);
        let inside = self.inside.get().ok_or_else(|| {
            let message = "The server is starting. Nothing was done; try again.";
            refuse(&ErrorBody::new(ErrorCode::ServiceUnavailable, message))
        })?;
        // 8–9. Who is it? A body that cannot be read at all is reported before.
        let caller =
            inside.authenticator.authenticate(parts, &body, self.envelope.now_ms(), secure).map_err(|error| {
                tracing::debug!(operation = asked.operation.name(), request_id = id.as_str(), %error, "not admitted");
                let unreadable = || ErrorBody::bare(ErrorCode::Serialization);
                refuse(&if asked.is_readable(&body) { error.into() } else { unreadable() })
            })?;
        tracing::debug!(
            operation = asked.operation.name(),
            protocol = asked.protocol.content_type(),
            http = ?parts.version,
            agent = ?parts.headers.get(USER_AGENT),
            request_id = id.as_str(),
            "admitted"
        );
        *injected = self.chaos.as_ref().map(|chaos| chaos.next(asked.operation)).unwrap_or_default();
        let instead = injected.fault.and_then(|fault| fault::injected(fault, asked.operation));
        let instead = instead.map(|error| refuse(&error));
        if !injected.lets_through() {
            // Nobody gets the empty one: its connection is dropped.
            return Err(instead.unwrap_or_else(|| Answer::empty(StatusCode::SERVICE_UNAVAILABLE)));
        }
        // 10–13. Types, constraints, existence, rates of calls, state, other limits.
        let output = dispatch(&inside.kinesis, asked, caller, body, injected.entries()).await.map_err(|fault| {
            self.faults.note(&fault, asked.operation, id.as_str(), self.envelope.now_ms());
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

/// The protocol of an answer to a request that nobody has looked at.
fn protocol(parts: &Parts) -> Protocol {
    match ContentType::of(parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)) {
        ContentType::Protocol(protocol) => protocol,
        ContentType::PlainJson | ContentType::Other => Protocol::Json,
    }
}
