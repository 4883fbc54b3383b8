//! Signed requests for the load generator. A signature holds for five minutes, so a body that is sent again and again is hashed and
//! signed only now and then: the generator shall cost little beside the service that it measures.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Uri};
use rheos_wire::sigv4::{SecretKey, sign};

use super::connection::{Body, Operation};
use crate::edge;
use crate::failure::{Failure, Outcome};

const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// How long a signature is used; services accept five minutes.
const REUSE: Duration = Duration::from_secs(60);

/// Makes requests to one service with one key.
pub(crate) struct Signer {
    key: Credentials,
    secret: SecretKey,
    region: String,
    host: HeaderValue,
}

/// The headers of a request, and when they were signed.
#[derive(Clone, Debug)]
pub(crate) struct SignedHead {
    at: Instant,
    headers: HeaderMap,
}

impl Signer {
    /// A signer for the service whose `Host` header is `authority`.
    pub(crate) fn new(key: Credentials, region: &str, authority: &str) -> Outcome<Self> {
        let secret = SecretKey::new(key.secret_access_key());
        let host = HeaderValue::try_from(authority);
        let host = host.map_err(|_| Failure::usage(format!("`{authority}` cannot be the name of a host")))?;
        Ok(Self { key, secret, region: region.to_owned(), host })
    }

    /// A signed call.
    pub(crate) fn request(&self, operation: Operation, body: &mut Body) -> Outcome<Request<Full<Bytes>>> {
        let signed = match body.signed.take().filter(|signed| signed.at.elapsed() < REUSE) {
            Some(signed) => signed,
            None => self.sign(operation, &body.bytes)?,
        };
        let mut request = Request::post(Uri::from_static("/")).body(Full::new(body.bytes.clone()));
        if let Ok(request) = &mut request {
            request.headers_mut().clone_from(&signed.headers);
        }
        body.signed = Some(signed);
        request.map_err(|error| Failure::new(format!("cannot build a request: {error}")))
    }

    fn sign(&self, operation: Operation, body: &[u8]) -> Outcome<SignedHead> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, JSON_1_1);
        headers.insert("x-amz-target", HeaderValue::from_static(operation.target()));
        let credentials = sign::Credentials {
            access_key_id: self.key.access_key_id(),
            secret: &self.secret,
            session_token: self.key.session_token(),
            region: &self.region,
            service: "kinesis",
        };
        let signed = sign::sign(&credentials, ("POST", "/", ""), None, &mut headers, body, edge::wall_ms());
        signed.map_err(|error| Failure::unreachable(format!("the key cannot be used: {error}")))?;
        Ok(SignedHead { at: edge::now(), headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(signer: &Signer, body: &mut Body) -> String {
        let request = signer.request(Operation::PutRecord, body).unwrap();
        assert_eq!(request.headers()["x-amz-target"], "Kinesis_20131202.PutRecord");
        String::from(request.headers()["authorization"].to_str().unwrap())
    }

    #[test]
    fn a_body_is_signed_once_and_by_its_content() {
        let key = Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
        let signer = Signer::new(key, "us-east-1", "127.0.0.1:4566").unwrap();
        let mut body = Body::new("{}");
        let first = authorization(&signer, &mut body);
        assert!(first.contains("Credential=AKIAEXAMPLE/") && first.contains("/us-east-1/kinesis/aws4_request"));
        assert_eq!(authorization(&signer, &mut body), first);
        let other = authorization(&signer, &mut Body::new("{ }"));
        assert_ne!(other.rsplit('=').next(), first.rsplit('=').next());
    }
}
