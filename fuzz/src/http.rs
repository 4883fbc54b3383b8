//! Requests before their bodies are read: which operation, and whose signature.

use http::{HeaderMap, HeaderName, HeaderValue};
use rheos_wire::sigv4::{self, Credentials, RequestHead, SecretKey, SigningKeyCache};
use rheos_wire::{ErrorBody, ErrorCode, Protocol, Service, front};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request as text: a line with method and target, a line for each header, an empty line, the body.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: HeaderMap,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(input: &'a [u8]) -> Option<Self> {
        let end = input.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let (method, target) = first.split_once(' ')?;
        let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in lines.take(100) {
            let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (name, value) = (&line[..at], line.get(at + 1..).unwrap_or_default());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        Some(Self { method, path, query, headers, body })
    }

    fn head(&self, secure: bool) -> RequestHead<'_> {
        let Self { method, path, query, headers, .. } = self;
        RequestHead { method, path, query, headers, authority: None, secure }
    }

    /// Whether its signature holds, at the moment that it names.
    fn verify(&self, secure: bool) -> Option<bool> {
        let head = self.head(secure);
        let presented = sigv4::parse(&head).ok()??;
        let _parts = (presented.access_key_id(), presented.date(), presented.region(), presented.session_token());
        let _scope = presented.check_scope("kinesis", Some(&["us-east-1"]));
        let (secret, cache) = (SecretKey::new(SECRET), SigningKeyCache::new(1));
        let verify = |now| sigv4::verify(&presented, &head, self.body, &secret, now, &cache).is_ok();
        let holds = verify(presented.signed_at());
        assert_eq!(verify(presented.signed_at()), holds, "a key from the cache is the same key");
        assert!(!verify(i64::MAX) && !verify(0) || presented.signed_at() < 1_000_000, "no signature is good for ever");
        Some(holds)
    }
}

/// Signatures: those that the input presents, and one that is made of the rest of it.
pub(crate) fn sigv4(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(at) = sigv4::time::parse(text).filter(|at| *at >= 0)
    {
        assert_eq!(sigv4::time::parse(&sigv4::time::iso_basic(at)), Some(at), "a date reads back");
    }
    let Some(mut request) = Request::read(input) else { return };
    let [plain, secure] = [false, true].map(|secure| request.verify(secure));
    assert!(plain != Some(true) || secure == Some(true), "what is good in clear text is good encrypted");
    // Signed by ourselves it holds, whatever the rest of it is.
    for name in ["authorization", "x-amz-content-sha256"] {
        request.headers.remove(name);
    }
    request.headers.insert("host", HeaderValue::from_static("localhost"));
    if request.query.contains('%') || request.query.contains("X-Amz-") {
        request.query = "";
    }
    let secret = SecretKey::new(SECRET);
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE",
        secret: &secret,
        session_token: None,
        region: "us-east-1",
        service: "kinesis",
    };
    let (target, body) = ((request.method, request.path, request.query), request.body);
    let signed = sigv4::sign(&credentials, target, None, &mut request.headers, body, 1_440_938_160_000);
    assert!(signed.is_ok(), "ours are valid headers");
    assert_eq!(request.verify(false), Some(true), "what we sign we take");
}

pub(crate) fn sigv4_seeds() -> Vec<Vec<u8>> {
    let suite: serde_json::Value =
        serde_json::from_str(include_str!("../../crates/wire/tests/sigv4/suite.json")).unwrap_or_default();
    let forms = ["header-signed-request", "query-signed-request"];
    let vectors = suite.as_array().into_iter().flatten();
    let requests = vectors.flat_map(|vector| forms.map(|form| vector[form].as_str().unwrap_or_default()));
    let dates = ["20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT", "2015-08-30T12:36:00.5Z"];
    requests.filter(|text| text.len() < 2000).chain(dates).map(|text| text.as_bytes().to_vec()).collect()
}

/// The front door: every request gets in or gets an answer that says why not.
pub(crate) fn front(input: &[u8]) {
    let Some(request) = Request::read(input) else { return };
    let head = request.head(false);
    match front::open(&head, request.body) {
        Ok(call) => {
            assert!(call.service() != Service::Kinesis || (head.method == "POST" && !request.body.is_empty()));
            let _is_readable = call.is_readable(request.body);
        }
        Err(reply) => assert!((400..500).contains(&reply.status) && !reply.body.is_empty()),
    }
    // A text of anybody's in an error stays a text.
    let message = String::from_utf8_lossy(request.body).into_owned();
    let body = ErrorBody::new(ErrorCode::Validation, message.clone());
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&body.encode(Protocol::Json));
    assert!(json.is_ok_and(|json| json["message"] == message.as_str()), "the message reads back");
    let cbor = rheos_wire::codec::cbor::to_json(&body.encode(Protocol::Cbor));
    assert!(cbor.is_ok_and(|json| json["message"] == message.as_str()), "the message reads back");
}

pub(crate) fn front_seeds() -> Vec<Vec<u8>> {
    let request = |kind: &str, target: &str, body: &str| {
        format!("POST / HTTP/1.1\ncontent-type:{kind}\nx-amz-target:{target}\n\n{body}").into_bytes()
    };
    vec![
        request("application/x-amz-json-1.1", "Kinesis_20131202.PutRecords", "{}"),
        request("application/x-amz-cbor-1.1", "Kinesis_20131202.ListStreams", "\u{0}"),
        request("application/json; charset=utf-8", "Kinesis_20131202.ListRivers", "{\"a\":[1]}"),
        request("text/plain", "A.B", "x"),
        request("application/x-amz-json-1.0", "DynamoDB_20120810.GetItem", "{}"),
        b"POST /service/GraniteServiceVersion20100801/operation/ListMetrics HTTP/1.1\nhost:a\n\n\xa0".to_vec(),
        b"POST / HTTP/1.1\ncontent-type:application/x-www-form-urlencoded\n\nAction=A%20b&Version=2011-06-15".to_vec(),
        b"GET /?x=y HTTP/1.1\nhost:a\n\n".to_vec(),
    ]
}
