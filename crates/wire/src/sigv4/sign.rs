//! Signing by header, for clients and tests.

use http::header::{AUTHORIZATION, HOST, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};

use super::key::{SecretKey, derive};
use super::time::{Millis, iso_basic};
use super::{ALGORITHM, RequestHead, TERMINATOR, canonical};

/// What a client signs with.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    /// The public half of the access key.
    pub access_key_id: &'a str,
    /// The secret half.
    pub secret: &'a SecretKey,
    /// The token, when they belong to a session.
    pub session_token: Option<&'a str>,
    /// The region to sign for.
    pub region: &'a str,
    /// The service to sign for, in its signing name.
    pub service: &'a str,
}

/// Headers that a proxy may change or add on the way, so that signing them breaks the signature.
const UNSIGNED: &[&str] = &["authorization", "user-agent", "expect", "connection", "x-amzn-trace-id"];

/// Signs a request by adding `X-Amz-Date`, `Authorization` and, for a session, `X-Amz-Security-Token` to `headers`.
///
/// All other headers have to be there already, `Host` among them (or `authority` given).
pub fn sign(
    credentials: &Credentials<'_>,
    (method, path, query): (&str, &str, &str),
    authority: Option<&str>,
    headers: &mut HeaderMap,
    body: &[u8],
    now: Millis,
) -> Result<(), InvalidHeaderValue> {
    let iso_date = iso_basic(now);
    let date = iso_date.get(..8).unwrap_or_default();
    headers.insert("x-amz-date", HeaderValue::try_from(&iso_date)?);
    if let Some(token) = credentials.session_token {
        let mut token = HeaderValue::try_from(token)?;
        token.set_sensitive(true);
        headers.insert("x-amz-security-token", token);
    }

    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| !UNSIGNED.contains(name));
    if authority.is_some() && !headers.contains_key(HOST) {
        names.push("host");
    }
    names.sort_unstable();
    let signed_headers = names.join(";");

    let scope = [date, credentials.region, credentials.service, TERMINATOR].join("/");
    let head = RequestHead { method, path, query, headers, authority, secure: false };
    let payload = canonical::sha256_hex(body);
    let canonical = canonical::request(&head, &signed_headers, &payload, &[]);
    let key = derive(credentials.secret, date, credentials.region, credentials.service);
    let signature = canonical::signature(&key, &canonical, &iso_date, &scope);
    let mut authorization = HeaderValue::try_from(format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        credentials.access_key_id
    ))?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    Ok(())
}
