//! Signatures of AWS, version 4: signing and verifying with keyed hashes (AWS4-HMAC-SHA256).
//!
//! | where | what |
//! | --- | --- |
//! | [`mod@parse`] | what a request says about who signed it, from the `Authorization` header or the query string |
//! | [`mod@verify`] | whether that is true, for a given secret and time |
//! | [`mod@sign`] | the same from the other side |
//! | `canonical` | the one form of a request that both sides hash |
//! | [`key`] | secrets, signing keys derived from them, and a cache of these |
//! | [`time`] | the three spellings of a date |
//! | [`error`] | refusals, in the words of AWS |
//!
//! Facts: "AWS Signature Version 4 for API requests" in the IAM User Guide; governance.md §2.6 for what the guide leaves
//! out. The rules are those of every service but S3: paths are normalised and encoded twice.

mod canonical;
pub mod error;
pub mod key;
pub mod parse;
pub mod sign;
#[cfg(test)]
mod tests;
pub mod time;
pub mod verify;

use http::HeaderMap;

pub use error::{AuthError, AuthErrorKind};
pub use key::{SecretKey, SigningKeyCache};
pub use parse::{Presented, parse};
pub use sign::{Credentials, sign};
pub use verify::verify;

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every scope.
pub const TERMINATOR: &str = "aws4_request";

/// A request without its body, as it was received: nothing decoded, nothing rewritten.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, percent-encoding and all. Empty means `/`.
    pub path: &'a str,
    /// What follows the `?`, without it.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The `:authority` of HTTP/2, which stands for a `Host` that is not there.
    pub authority: Option<&'a str>,
    /// Whether nobody could have changed the request on its way (TLS), so that a body need not be signed.
    pub secure: bool,
}
