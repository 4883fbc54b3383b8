//! Bodies of requests: bounded in size, in memory and in time.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use rheos_types::Clock;

use crate::admission::{Admission, Held, of_body};
use crate::config::Bounds;

/// Bytes beyond the largest body that are still taken, so that their sender gets to see the answer.
const LINGER_BYTES: usize = 32 << 20;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than any may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// There is no memory for it just now. It was taken, and dropped, so that the connection can go on.
    Overloaded,
    /// The client went away, or what it sent is no HTTP. There is nobody to answer.
    Broken,
}

/// Reads the whole body, and holds as much memory as it takes.
pub(crate) async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    bounds: &Bounds,
    admission: &Admission,
    clock: &dyn Clock,
) -> Result<(Bytes, Held), BodyError> {
    let mut held = admission.held();
    let declared = body.size_hint().exact().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut refused = (declared > bounds.body_bytes).then_some(BodyError::TooLarge);
    if refused.is_some() && headers.contains_key(EXPECT) {
        // The client waits for a word before it sends anything.
        return Err(BodyError::TooLarge);
    }
    if refused.is_none() {
        // All of it at once: of many that each had a part, none would ever be whole.
        let patience = Duration::from_millis(bounds.memory_wait_ms);
        refused = held.wait_for(of_body(declared), patience).await.is_err().then_some(BodyError::Overloaded);
    }
    let mut pace = Pace { started_ms: clock.monotonic_ms(), received: 0, bounds, clock };
    let mut whole = Vec::new();
    while let Some(bytes) = pace.next(&mut body).await? {
        if pace.received > bounds.body_bytes {
            refused = Some(BodyError::TooLarge);
        } else if refused.is_none() && held.grow_to(of_body(pace.received)).is_err() {
            refused = Some(BodyError::Overloaded);
        }
        if refused.is_some() {
            whole = Vec::new();
            if pace.received > bounds.body_bytes + LINGER_BYTES {
                break;
            }
        } else if bytes.len() == declared {
            // The usual small body came as one piece: it need not be copied.
            return Ok((bytes, held));
        } else {
            if whole.is_empty() {
                whole.reserve_exact(declared);
            }
            whole.extend_from_slice(&bytes);
        }
    }
    refused.map_or_else(|| Ok((whole.into(), held)), Err)
}

/// Takes pieces of a body for as long as they come fast enough.
struct Pace<'a> {
    started_ms: u64,
    received: usize,
    bounds: &'a Bounds,
    clock: &'a dyn Clock,
}

impl Pace<'_> {
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
        loop {
            let earned_ms = self.received as u64 * 1000 / self.bounds.body_rate.max(1);
            let deadline_ms = self.started_ms.saturating_add(self.bounds.body_start_ms).saturating_add(earned_ms);
            let left_ms = deadline_ms.saturating_sub(self.clock.monotonic_ms());
            let frame = tokio::time::timeout(Duration::from_millis(left_ms), body.frame()).await;
            let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else { return Ok(None) };
            // Trailers say nothing that matters.
            if let Ok(bytes) = frame.map_err(|_| BodyError::Broken)?.into_data() {
                self.received = self.received.saturating_add(bytes.len());
                return Ok(Some(bytes));
            }
        }
    }
}
