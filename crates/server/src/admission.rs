//! Memory that bodies may take. Bytes are counted when they come in, and given back when the answer has left: beyond the
//! bound a caller is told to come back, and the server never dies of too many callers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What is counted: kibibytes, so that any amount of memory fits the semaphore's numbers.
const UNIT: usize = 1024;
/// Bodies of answers below this are not counted: a connection has only one, and they are no more than its own buffers.
const SMALL: usize = 16 << 10;

/// The memory there is for bodies.
#[derive(Debug)]
pub(crate) struct Admission {
    units: Arc<Semaphore>,
    reads: Semaphore,
}

/// There is no memory for this just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl Admission {
    /// `bytes` for bodies, and `reads` reads of records at a time.
    pub(crate) fn new(bytes: usize, reads: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units)), reads: Semaphore::new(reads) }
    }

    /// Holds nothing yet.
    pub(crate) fn held(&self) -> Held {
        Held { units: self.units.clone(), permit: None, bytes: 0 }
    }

    /// Waits for a turn to read records: what is read is counted only when it is written down, so that only a few may
    /// read at a time.
    pub(crate) async fn turn_to_read(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.reads.acquire().await.ok()
    }
}

/// Memory that a request and its answer hold; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    units: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Held {
    /// Holds at least `bytes` from now on.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Overloaded> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let units = (bytes - self.bytes).div_ceil(UNIT);
        let more = self.units.clone().try_acquire_many_owned(u32::try_from(units).map_err(|_| Overloaded)?);
        let more = more.map_err(|_| Overloaded)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        self.bytes += units * UNIT;
        Ok(())
    }

    /// Holds at least `bytes` from now on, if need be after a wait in the order of arrival. Whoever waits holds nothing
    /// for it, so that those before it can finish.
    pub(crate) async fn wait_for(&mut self, bytes: usize, patience: Duration) -> Result<(), Overloaded> {
        if self.grow_to(bytes).is_ok() {
            return Ok(());
        }
        let units = bytes.div_ceil(UNIT);
        let permit = self.units.clone().acquire_many_owned(u32::try_from(units).map_err(|_| Overloaded)?);
        // Never closed.
        let permit = tokio::time::timeout(patience, permit).await.map_err(|_| Overloaded)?.map_err(|_| Overloaded)?;
        self.permit = Some(permit);
        self.bytes = units * UNIT;
        Ok(())
    }

    /// Hands the memory on to the body of an answer, which gives it back when it has been sent.
    pub(crate) fn carry(mut self, body: Bytes) -> Result<Bytes, Overloaded> {
        if body.len() < SMALL {
            return Ok(body);
        }
        self.grow_to(body.len())?;
        Ok(Bytes::from_owner(Carried { body, _held: self }))
    }
}

struct Carried {
    body: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_answer_has_left() {
        let admission = Admission::new(100 * UNIT, 1);
        let mut held = admission.held();
        held.grow_to(60 * UNIT).unwrap();
        held.grow_to(10).unwrap();
        assert_eq!(admission.held().grow_to(50 * UNIT), Err(Overloaded));
        let body = held.carry(Bytes::from(vec![1; 80 * UNIT])).unwrap();
        assert_eq!(admission.units.available_permits(), 20);
        let part = body.slice(5..9);
        drop(body);
        assert_eq!(admission.units.available_permits(), 20);
        drop(part);
        assert_eq!(admission.units.available_permits(), 100);
        let too_much = Bytes::from(vec![1; 101 * UNIT]);
        assert_eq!(admission.held().carry(too_much), Err(Overloaded));
        assert_eq!(admission.units.available_permits(), 100);
    }
}
