//! What a request says about who signed it.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};

use super::canonical::{decode_text, parameters};
use super::error::AuthError;
use super::time::{self, Millis};
use super::{ALGORITHM, RequestHead, TERMINATOR};

/// The longest that a signed link may be good for: a week, in seconds.
pub const MAX_EXPIRES: i64 = 604_800;

/// A signature and what it claims, not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    /// `key id/date/region/service/aws4_request`.
    pub(crate) credential: Cow<'a, str>,
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: Cow<'a, str>,
    pub(crate) signed_at: Millis,
    pub(crate) form: Form,
    pub(crate) session_token: Option<Cow<'a, str>>,
}

/// Where a signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query string, with the seconds it is good for if it says so.
    Query { expires: Option<i64> },
}

impl<'a> Presented<'a> {
    fn scope_part(&self, at: usize) -> &str {
        self.credential.split('/').nth(at).unwrap_or_default()
    }

    /// The public half of the access key.
    pub fn access_key_id(&self) -> &str {
        self.scope_part(0)
    }

    /// The day of the scope, `YYYYMMDD`.
    pub fn date(&self) -> &str {
        self.scope_part(1)
    }

    /// The region of the scope.
    pub fn region(&self) -> &str {
        self.scope_part(2)
    }

    /// The service of the scope, in its signing name: `kinesis`.
    pub fn service(&self) -> &str {
        self.scope_part(3)
    }

    /// The token of a session, which access keys that begin with `ASIA` need.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// When the request says it was signed.
    pub fn signed_at(&self) -> Millis {
        self.signed_at
    }

    /// Refuses a scope of another service, or of a region that is not one of `regions`, when these are given.
    pub fn check_scope(&self, service: &str, regions: Option<&[&str]>) -> Result<(), AuthError> {
        let mut message = String::new();
        if regions.is_some_and(|regions| !regions.contains(&self.region())) {
            message.push_str("Credential should be scoped to a valid region. ");
        }
        if self.service() != service {
            message.push_str(&format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if message.is_empty() { Ok(()) } else { Err(AuthError::invalid(message)) }
    }
}

/// Reads the signature of a request: `None` when there is none.
pub fn parse<'a>(head: &RequestHead<'a>) -> Result<Option<Presented<'a>>, AuthError> {
    let header = head.headers.get(AUTHORIZATION);
    let signed_query = parameters(head.query).any(|(name, _)| name == "X-Amz-Algorithm");
    match (header, signed_query) {
        (None, false) => Ok(None),
        (Some(_), true) => Err(AuthError::invalid(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
        )),
        (Some(header), false) => match header.to_str() {
            Ok(header) => from_header(header, head.headers).map(Some),
            Err(_) => Err(header_lacks(&String::from_utf8_lossy(header.as_bytes()), [None; 3], head.headers)),
        },
        (None, true) => from_query(head).map(Some),
    }
}

fn from_header<'a>(header: &'a str, headers: &'a HeaderMap) -> Result<Presented<'a>, AuthError> {
    // Parameters are separated by a comma, a blank or both.
    let mut words = header.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let algorithm = words.next().unwrap_or_default();
    let [mut credential, mut signature, mut signed_headers] = [None; 3];
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let place = match name {
            "Credential" => &mut credential,
            "Signature" => &mut signature,
            "SignedHeaders" => &mut signed_headers,
            _ => continue,
        };
        *place = Some(value).filter(|value| !value.is_empty());
    }
    let ours = text(headers, "x-amz-date");
    let date = ours.or_else(|| text(headers, DATE.as_str()));
    let (Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (credential, signature, signed_headers, date)
    else {
        return Err(header_lacks(header, [credential, signature, signed_headers], headers));
    };
    check_algorithm(algorithm)?;
    check_credential(credential)?;
    Ok(Presented {
        credential: credential.into(),
        signed_headers: signed_headers.into(),
        signature: signature.into(),
        signed_at: moment(date, ours.is_some())?,
        form: Form::Header,
        session_token: text(headers, "x-amz-security-token").map(Cow::Borrowed),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

fn header_lacks(header: &str, [credential, signature, signed]: [Option<&str>; 3], headers: &HeaderMap) -> AuthError {
    let mut message = String::new();
    for (name, value) in [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed)] {
        if value.is_none() {
            message.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    }
    if text(headers, "x-amz-date").or_else(|| text(headers, DATE.as_str())).is_none() {
        message.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
    }
    AuthError::incomplete(format!("{message}Authorization={header}"))
}

fn from_query<'a>(head: &RequestHead<'a>) -> Result<Presented<'a>, AuthError> {
    const NEEDED: [&str; 5] =
        ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let value = |wanted: &str| {
        let found = parameters(head.query).find(|(name, _)| name == wanted).map(|(_, value)| decode_text(value));
        found.filter(|value| !value.is_empty())
    };
    let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)] = NEEDED.map(value)
    else {
        let lacking = NEEDED.iter().filter(|name| value(name).is_none());
        let lacking = lacking.map(|name| format!("AWS query-string parameters must include '{name}'. "));
        let message = lacking.chain(["Re-examine the query-string parameters.".to_owned()]).collect::<String>();
        return Err(AuthError::incomplete(message));
    };
    check_algorithm(&algorithm)?;
    check_credential(&credential)?;
    let expires = value("X-Amz-Expires").map(|text| lifetime(&text)).transpose()?;
    Ok(Presented {
        credential,
        signed_headers,
        signature,
        signed_at: moment(&date, true)?,
        form: Form::Query { expires },
        session_token: value("X-Amz-Security-Token"),
    })
}

fn lifetime(text: &str) -> Result<i64, AuthError> {
    match text.parse::<i64>() {
        Ok(seconds) if seconds > MAX_EXPIRES => Err(AuthError::incomplete(format!(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             {MAX_EXPIRES} seconds"
        ))),
        Ok(seconds) if seconds < 0 => Err(AuthError::incomplete("X-Amz-Expires must be non-negative")),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err(AuthError::incomplete("X-Amz-Expires should be a number")),
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), AuthError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    // Among them AWS4-ECDSA-P256-SHA256, which signs for several regions at once and is not used for Kinesis.
    Err(AuthError::incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now).")))
}

fn check_credential(credential: &str) -> Result<(), AuthError> {
    if credential.split('/').count() != 5 || credential.split('/').any(str::is_empty) {
        return Err(AuthError::incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             '{credential}'"
        )));
    }
    match credential.rsplit('/').next() {
        Some(TERMINATOR) => Ok(()),
        other => Err(AuthError::invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.",
            other.unwrap_or_default()
        ))),
    }
}

/// `X-Amz-Date` is in the basic form of ISO 8601; a `Date` may also be an HTTP date.
fn moment(date: &str, ours: bool) -> Result<Millis, AuthError> {
    let moment = if ours { time::parse_iso_basic(date) } else { time::parse(date) };
    moment.ok_or_else(|| {
        AuthError::incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })
}
