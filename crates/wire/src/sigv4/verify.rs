//! Whether a signature holds.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::RequestHead;
use super::canonical;
use super::error::AuthError;
use super::key::{self, SecretKey, SigningKeyCache};
use super::parse::{Form, Presented};
use super::time::{Millis, iso_basic};

/// How far a client's clock may be off: five minutes, as on the services of AWS that speak JSON.
pub const MAX_SKEW: Millis = MAX_SKEW_MINUTES * MINUTE;
const MAX_SKEW_MINUTES: i64 = 5;
const MINUTE: Millis = 60 * 1000;

/// Header that holds the hash of the body, or says that it is not signed.
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const SECURITY_TOKEN: &str = "x-amz-security-token";

/// Verifies what a request presents: its day, its time, that everything that matters is signed, the body, and the
/// signature itself.
///
/// Whether the scope is ours ([`Presented::check_scope`]) and the session token valid is for the caller to say.
pub fn verify(
    presented: &Presented<'_>,
    head: &RequestHead<'_>,
    body: &[u8],
    secret: &SecretKey,
    now: Millis,
    cache: &SigningKeyCache,
) -> Result<(), AuthError> {
    check_time(presented, now)?;
    check_coverage(presented, head)?;
    let payload = payload(head, body)?;

    let iso_date = iso_basic(presented.signed_at);
    let scope = presented.credential.split_once('/').map_or("", |(_, scope)| scope);
    let cached = cache.get(&presented.credential, secret);
    let is_cached = cached.is_some();
    let key = cached.unwrap_or_else(|| key::derive(secret, presented.date(), presented.region(), presented.service()));
    let holds = |unsigned: &[&str]| {
        let canonical = canonical::request(head, &presented.signed_headers, &payload, unsigned);
        let expected = canonical::signature(&key, &canonical, &iso_date, scope);
        verify_slices_are_equal(expected.as_bytes(), presented.signature.as_bytes()).is_ok()
    };
    let holds = match presented.form {
        Form::Header => holds(&[]),
        // A link may have got its token after it was signed.
        Form::Query { .. } => {
            holds(&["X-Amz-Signature"])
                || (presented.session_token().is_some() && holds(&["X-Amz-Signature", "X-Amz-Security-Token"]))
        }
    };
    if !holds {
        return Err(AuthError::mismatch());
    }
    if !is_cached {
        cache.put(&presented.credential, secret, key);
    }
    Ok(())
}

fn check_time(presented: &Presented<'_>, now: Millis) -> Result<(), AuthError> {
    let signed_at = presented.signed_at;
    let signed = iso_basic(signed_at);
    let day = signed.get(..8).unwrap_or_default();
    if presented.date() != day {
        return Err(AuthError::invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', \
             from '{signed}'.",
            presented.date()
        )));
    }
    let (lifetime, described) = match presented.form {
        Form::Query { expires: Some(seconds) } if seconds % 60 == 0 => {
            (seconds * 1000, format!("{} min", seconds / 60))
        }
        Form::Query { expires: Some(seconds) } => (seconds * 1000, format!("{seconds} sec")),
        Form::Header | Form::Query { expires: None } => (MAX_SKEW, format!("{MAX_SKEW_MINUTES} min")),
    };
    let (oldest, newest) = (now.saturating_sub(lifetime), now.saturating_add(MAX_SKEW));
    if signed_at < oldest {
        return Err(AuthError::invalid(format!(
            "Signature expired: {signed} is now earlier than {} ({} - {described}.)",
            iso_basic(oldest),
            iso_basic(now)
        )));
    }
    if signed_at > newest {
        return Err(AuthError::invalid(format!(
            "Signature not yet current: {signed} is still later than {} ({} + {MAX_SKEW_MINUTES} min.)",
            iso_basic(newest),
            iso_basic(now)
        )));
    }
    Ok(())
}

/// The host has to be signed, and every header that is an argument to AWS; but for the session token, which some add
/// after signing, and which says by itself whose it is.
///
/// No header may be named twice: the canonical request, which is built before anything is known to be true, is then never
/// longer than the head of the request.
fn check_coverage(presented: &Presented<'_>, head: &RequestHead<'_>) -> Result<(), AuthError> {
    let mut signed: Vec<&str> = presented.signed_headers.split(';').collect();
    signed.sort_unstable();
    if signed.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(AuthError::mismatch());
    }
    let is_signed = |name: &str| signed.binary_search(&name).is_ok();
    if !is_signed("host") && !is_signed(":authority") {
        let message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(AuthError::invalid(message));
    }
    let names = head.headers.keys().map(http::HeaderName::as_str);
    let unsigned = names.filter(|name| name.starts_with("x-amz-") && *name != SECURITY_TOKEN && !is_signed(name));
    let unsigned: Vec<&str> = unsigned.collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed: ";
    Err(AuthError::invalid(format!("{message}{}", unsigned.join(", "))))
}

/// What stands for the body in the canonical request.
fn payload(head: &RequestHead<'_>, body: &[u8]) -> Result<String, AuthError> {
    let said = match head.headers.get(CONTENT_SHA256).map(|value| value.to_str()) {
        None => return Ok(canonical::sha256_hex(body)),
        Some(Ok(said)) => said.trim(),
        Some(Err(_)) => "",
    };
    if said == "UNSIGNED-PAYLOAD" && head.secure {
        return Ok(said.to_owned());
    }
    if said == "UNSIGNED-PAYLOAD" {
        return Err(AuthError::invalid("An unsigned payload is accepted over TLS only."));
    }
    if said.starts_with("STREAMING-") {
        return Err(AuthError::invalid(format!("The payload option '{said}' is not supported by this service.")));
    }
    let hash = canonical::sha256_hex(body);
    if hash != said {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(AuthError::invalid(message));
    }
    Ok(hash)
}
