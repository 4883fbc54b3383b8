//! Signed requests for the load generator. The hash of a body is computed when the body is made, so that a request costs little.

use aws_credential_types::Credentials;
use aws_lc_rs::digest;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use super::connection::{Body, Operation};
use crate::failure::{Failure, Outcome};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Makes requests to one service with one key.
pub(crate) struct Signer {
    key: Credentials,
    region: String,
    authority: String,
}

impl Signer {
    /// A signer for the service whose `Host` header is `authority`.
    pub(crate) fn new(key: Credentials, region: &str, authority: &str) -> Self {
        Self { key, region: region.to_owned(), authority: authority.to_owned() }
    }

    /// A signed call.
    pub(crate) fn request(&self, operation: Operation, body: &Body) -> Outcome<Request<Full<Bytes>>> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20261123/{}/kinesis/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, \
             Signature={}",
            self.key.access_key_id(),
            self.region,
            body.sha256,
        );
        let request = Request::post("/")
            .header("host", &self.authority)
            .header("content-type", CONTENT_TYPE)
            .header("x-amz-target", operation.target())
            .header("x-amz-date", "20261123T000000Z")
            .header("authorization", authorization)
            .body(Full::new(body.bytes.clone()));
        request.map_err(|error| Failure::new(format!("cannot build a request: {error}")))
    }
}

/// The SHA-256 of a body as a signature wants it.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
