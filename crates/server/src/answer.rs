//! Answers, and the headers that all of them have.

mod body;

pub(crate) use body::Body;

use std::sync::{Arc, Mutex, PoisonError};

use base64_simd::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, CONTENT_TYPE, DATE, ORIGIN, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use rheos_types::time::civil;
use rheos_types::{Clock, Random};
use rheos_wire::error::{ErrorBody, ErrorReply};
use rheos_wire::neighbour::Reply;
use rheos_wire::{ErrorCode, Protocol};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXTENDED_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";

/// What is sent, apart from the headers that every answer has.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) error_type: Option<&'static str>,
    /// Those that few answers have.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
}

impl Answer {
    /// Success.
    pub(crate) fn ok(content_type: &'static str, body: impl Into<Body>) -> Self {
        let (status, content_type) = (StatusCode::OK, Some(content_type));
        Self { status, content_type, error_type: None, headers: Vec::new(), body: body.into() }
    }

    /// An error of Kinesis, in the protocol of the request.
    pub(crate) fn error(error: &ErrorBody, protocol: Protocol) -> Self {
        ErrorReply::of(error, protocol).into()
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, content_type: None, error_type: None, headers: Vec::new(), body: Bytes::new().into() }
    }
}

impl From<ErrorReply> for Answer {
    fn from(reply: ErrorReply) -> Self {
        Self {
            status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            content_type: reply.content_type,
            error_type: reply.error_type,
            headers: Vec::new(),
            body: reply.body.into(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(Reply { status, content_type, headers, body }: Reply) -> Self {
        Self { status, content_type: Some(content_type), error_type: None, headers, body: body.into() }
    }
}

/// What a request is known by, from its first byte on.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    id: HeaderValue,
    extended: HeaderValue,
}

impl RequestId {
    fn new(random: &dyn Random) -> Self {
        let bytes: [u8; 16 + 72] = rheos_types::random::bytes(random);
        let (id, extended) = bytes.split_at(16);
        Self { id: header(uuid(id)), extended: header(STANDARD.encode_type::<Vec<u8>>(extended)) }
    }

    /// As log lines and support cases name it.
    pub(crate) fn as_str(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }
}

/// Text that was made of letters, digits and punctuation only.
fn header(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}

/// A random UUID (version 4) of sixteen random bytes.
fn uuid(random: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(36);
    for (at, byte) in random.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        let byte = match at {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        text.push(HEX[usize::from(byte >> 4)]);
        text.push(HEX[usize::from(byte & 0xf)]);
    }
    text
}

/// Puts answers into their final form.
pub(crate) struct Envelope {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// The second of the last answer, as the header has it.
    date: Mutex<(u64, HeaderValue)>,
}

impl Envelope {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, date: Mutex::new((0, header(http_date(0)))) }
    }

    /// A new request.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::new(&*self.random)
    }

    /// The time it is.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// An answer with the headers that all have; `asked` are the request's.
    pub(crate) fn seal(&self, answer: Answer, id: &RequestId, asked: &HeaderMap) -> Response<Body> {
        let mut response = self.plain(answer);
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.id.clone());
        headers.insert(EXTENDED_ID, id.extended.clone());
        if asked.contains_key(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    }

    /// An answer to something that is no call: without ids.
    pub(crate) fn plain(&self, answer: Answer) -> Response<Body> {
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(DATE, self.date());
        if let Some(content_type) = answer.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(error_type) = answer.error_type {
            headers.insert(ERROR_TYPE, HeaderValue::from_static(error_type));
        }
        for (name, value) in answer.headers {
            headers.insert(name, value);
        }
        response
    }

    /// What a browser asks before it asks: anything may be asked from anywhere, as credentials decide.
    pub(crate) fn preflight(&self, id: &RequestId, asked: &HeaderMap) -> Response<Body> {
        let mut response = self.plain(Answer::empty(StatusCode::OK));
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.id.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
        let echoed = [
            (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
            (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        ];
        for (request, allow) in echoed {
            if let Some(value) = asked.get(request) {
                headers.insert(allow, value.clone());
            }
        }
        response
    }

    /// A body that is larger than any may be.
    pub(crate) fn too_large(&self) -> Response<Body> {
        self.last(Answer::empty(StatusCode::PAYLOAD_TOO_LARGE))
    }

    /// A body that did not come in time.
    pub(crate) fn too_slow(&self) -> Response<Body> {
        self.last(Answer::empty(StatusCode::REQUEST_TIMEOUT))
    }

    /// More headers than any request needs.
    pub(crate) fn too_many_headers(&self) -> Response<Body> {
        self.last(Answer::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
    }

    /// There is no place for a stream. Nothing of its request was read, so it may come again.
    pub(crate) fn full(&self) -> Response<Body> {
        let mut response = self.plain(Answer::empty(StatusCode::SERVICE_UNAVAILABLE));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }

    /// An answer after which the connection is of no more use.
    fn last(&self, answer: Answer) -> Response<Body> {
        let mut response = self.plain(answer);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// The `Date` header, made once a second: clients set their clocks by it before they sign.
    fn date(&self) -> HeaderValue {
        let second = self.clock.wall_ms() / 1000;
        let mut cached = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.0 != second {
            *cached = (second, header(http_date(second)));
        }
        cached.1.clone()
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(second: u64) -> Vec<u8> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, rest) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    let month = MONTHS[usize::try_from(month).unwrap_or(1).saturating_sub(1) % 12];
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT").into_bytes()
}

/// What is answered to a call that there is no memory for just now: nothing of it was done.
pub(crate) fn overloaded(moves_records: bool) -> ErrorBody {
    let code = if moves_records { ErrorCode::ProvisionedThroughputExceeded } else { ErrorCode::LimitExceeded };
    ErrorBody::new(code, "Rate exceeded: too many requests are being worked on. Nothing was done; try again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn request_ids_are_random_uuids() {
        let id = RequestId::new(&rheos_types::SystemRandom);
        let text = id.as_str();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(STANDARD.decode_to_vec(id.extended.as_bytes()).unwrap().len(), 72);
        assert_ne!(RequestId::new(&rheos_types::SystemRandom).as_str(), text);
    }
}
