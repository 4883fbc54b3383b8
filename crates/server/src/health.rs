//! `/health/live` and `/health/ready`, for orchestrators and scripts. They need no credentials and count as no call.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::answer::Answer;

/// How far the server is: read by the health checks, moved by the composition.
#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Stage {
    /// The log is open and the streams are loaded.
    pub(crate) fn ready(&self) {
        self.0.store(READY, Ordering::Release);
    }

    /// No new connections from now on.
    pub(crate) fn stopping(&self) {
        self.0.store(STOPPING, Ordering::Release);
    }

    fn name(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "stopping",
        }
    }
}

/// The answer to a health check, if the request is one.
pub(crate) fn answer(method: &Method, path: &str, stage: &Stage) -> Option<Answer> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let stage = stage.name();
    let (status, body) = match path {
        "/health/live" => (StatusCode::OK, Bytes::from_static(br#"{"status":"live"}"#)),
        "/health/ready" => {
            let status = if stage == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Bytes::from(format!(r#"{{"status":"{stage}"}}"#)))
        }
        _ => return None,
    };
    // The body of an answer to HEAD is left out by the transport, which keeps its length.
    Some(Answer { content_type: Some("application/json"), body: body.into(), ..Answer::empty(status) })
}
