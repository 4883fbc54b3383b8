//! How a command fails: what happened, what to do about it, and the exit code.

use std::fmt;
use std::io;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// The exit codes of every command; `docs/cli.md` and `rheos --help` say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked to do.
    Done = 0,
    /// It did not: the service refused, something was not written, or a check failed.
    Failed = 1,
    /// The command line does not make sense (the argument parser uses this code too).
    Usage = 2,
    /// No service answered, or no credentials were found for it.
    Unreachable = 3,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

/// What went wrong, as the user reads it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What a command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The command could not do what it was asked to do.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// The request does not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// Nothing answers, or nobody let us in.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, ..Self::new(message) }
    }

    /// The user stopped the command.
    pub(crate) fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, ..Self::new("") }
    }

    /// A file or pipe failed. A reader that went away (`| head`) is no failure.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, ..Self::new("") };
        }
        Self::new(format!("{what}: {error}"))
    }

    /// The same, with advice.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// An answer of the service that is not a success, or no answer at all. `doing` completes "could not …".
    pub(crate) fn service<E>(doing: impl fmt::Display, endpoint: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(_) => {
                let code = error.code().unwrap_or("unknown error");
                let message = error.message().unwrap_or("the service gave no reason");
                let failure = Self::new(format!("could not {doing}: {code}: {message}"));
                match advice(code) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            SdkError::DispatchFailure(reason) if reason.is_io() || reason.is_timeout() => {
                Self::unreachable(format!("could not {doing}: no service answers at {endpoint}"))
                    .hint("start one with `rheos serve`, or name another with --endpoint-url (AWS itself: --aws)")
            }
            SdkError::TimeoutError(_) => {
                Self::unreachable(format!("could not {doing}: {endpoint} did not answer in time"))
            }
            other => Self::unreachable(format!("could not {doing} at {endpoint}: {}", DisplayErrorContext(other)))
                .hint("credentials come from AWS_ACCESS_KEY_ID, a --profile, or the --data-dir of a local server"),
        }
    }
}

/// What helps against errors that newcomers meet.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        "UnrecognizedClientException" | "InvalidSignatureException" | "MissingAuthenticationTokenException" => {
            Some("name the server's data directory with --data-dir, or start the server with --dev to accept any key")
        }
        "ResourceNotFoundException" => {
            Some("`rheos stream ls` lists what there is; a stream that is CREATING takes no records yet")
        }
        _ => None,
    }
}
