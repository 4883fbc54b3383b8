//! Why a request is refused, in the words of AWS (api.md §2.5, governance.md §2.6).

use std::borrow::Cow;

use crate::error::{ErrorBody, ErrorCode};

/// What is wrong with the authentication of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthErrorKind {
    /// There is none.
    Missing,
    /// It lacks a part, or a part cannot be read.
    Incomplete,
    /// It does not hold: the signature, its time, or what it covers.
    Invalid,
    /// There is no such access key.
    UnknownKey,
    /// The session it belongs to has ended.
    ExpiredToken,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthError {
    /// What is wrong; each protocol has its own code for it.
    pub kind: AuthErrorKind,
    /// What the caller is told.
    pub message: Cow<'static, str>,
}

impl AuthError {
    pub(crate) fn incomplete(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: AuthErrorKind::Incomplete, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: AuthErrorKind::Invalid, message: message.into() }
    }

    /// For a request that is not signed.
    pub const fn missing() -> Self {
        Self { kind: AuthErrorKind::Missing, message: Cow::Borrowed("Missing Authentication Token") }
    }

    /// For an access key or a session token that nobody was given.
    pub const fn unknown_key() -> Self {
        let message = "The security token included in the request is invalid.";
        Self { kind: AuthErrorKind::UnknownKey, message: Cow::Borrowed(message) }
    }

    /// For a session that has ended.
    pub const fn expired_token() -> Self {
        let message = "The security token included in the request is expired";
        Self { kind: AuthErrorKind::ExpiredToken, message: Cow::Borrowed(message) }
    }

    pub(crate) const fn mismatch() -> Self {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation for details.";
        Self { kind: AuthErrorKind::Invalid, message: Cow::Borrowed(message) }
    }

    /// The code in the JSON protocols and CBOR.
    pub const fn code(&self) -> ErrorCode {
        match self.kind {
            AuthErrorKind::Missing => ErrorCode::MissingAuthenticationToken,
            AuthErrorKind::Incomplete => ErrorCode::IncompleteSignature,
            AuthErrorKind::Invalid => ErrorCode::InvalidSignature,
            AuthErrorKind::UnknownKey => ErrorCode::UnrecognizedClient,
            AuthErrorKind::ExpiredToken => ErrorCode::ExpiredToken,
        }
    }
}

impl From<AuthError> for ErrorBody {
    fn from(error: AuthError) -> Self {
        Self::new(error.code(), error.message)
    }
}
