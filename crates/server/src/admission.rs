//! Memory that requests and answers may take. It is counted before it is taken, and given back when the answer has left:
//! beyond the bound a caller is told to come back, and the server never dies of too many callers.
//!
//! Requests and answers with records have a part each, so that readers who take nothing never keep producers out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted: kibibytes, so that any amount of memory fits the semaphore's numbers.
const UNIT: usize = 1024;
/// Bodies of answers below this are not counted: a connection has only one, and they are no more than its own buffers.
const SMALL: usize = 16 << 10;

/// What a record takes in an answer apart from its data: the names of its members, its sequence number, its time, its key.
const RECORD_BYTES: usize = 300;
/// Bytes of records that a read is given at least, if there are few left.
const LEAST_READ: usize = 1 << 20;

/// The memory that a body of `bytes` takes on its way: of a PutRecords the body, three quarters of it as data and again as
/// encoded records.
pub(crate) const fn of_body(bytes: usize) -> usize {
    if bytes < SMALL { bytes } else { bytes / 2 * 5 }
}

/// The memory that `bytes` of records take as they are read and as an answer: themselves, base64, the members around each.
pub(crate) const fn of_answer(bytes: usize, records: usize) -> usize {
    bytes / 5 * 12 + records * RECORD_BYTES
}

/// The memory there is.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// There is no memory for this just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl Admission {
    /// So many bytes for requests, and for answers with records.
    pub(crate) fn new(request_bytes: usize, answer_bytes: usize) -> Self {
        let units = |bytes: usize| Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)));
        Self { requests: units(request_bytes), answers: units(answer_bytes) }
    }

    /// Holds nothing yet.
    pub(crate) fn held(&self) -> Held {
        Held { units: self.requests.clone(), permit: None, bytes: 0 }
    }

    /// Memory to read up to `records` records and `most` bytes of them: as much as there is just now, down to a mebibyte;
    /// for that it waits, in the order of arrival.
    pub(crate) async fn room(&self, most: usize, records: usize, patience: Duration) -> Result<Room, Overloaded> {
        let mut held = Held { units: self.answers.clone(), permit: None, bytes: 0 };
        let mut bytes = most;
        loop {
            let needed = of_answer(bytes, records.min(bytes));
            if held.grow_to(needed).is_ok() {
                break;
            }
            if bytes <= LEAST_READ {
                held.wait_for(needed, patience).await?;
                break;
            }
            bytes = (bytes / 2).max(LEAST_READ);
        }
        Ok(Room { bytes, held })
    }
}

/// Memory for records that are read and answered.
#[derive(Debug)]
pub(crate) struct Room {
    /// How many bytes of records may be read into it; one that is larger by itself comes all the same.
    pub(crate) bytes: usize,
    held: Held,
}

impl Room {
    /// Makes sure that `records` records of `bytes` bytes have room: what was read was a single large one, or is so already.
    pub(crate) async fn fits(&mut self, bytes: usize, records: usize, patience: Duration) -> Result<(), Overloaded> {
        let needed = of_answer(bytes, records);
        if self.held.grow_to(needed).is_ok() {
            return Ok(());
        }
        // What waits holds nothing, so that those before it can finish.
        self.held = Held { units: self.held.units.clone(), permit: None, bytes: 0 };
        self.held.wait_for(needed, patience).await
    }

    /// The room of a read that found nothing: whoever waits for records holds none.
    pub(crate) fn given_back(mut self) -> Self {
        self.held.shrink_to(0);
        self
    }

    /// Holds what the answer takes until it has been sent, and gives the rest back at once.
    pub(crate) fn carry(mut self, body: Vec<u8>) -> Bytes {
        if body.len() < SMALL {
            return body.into();
        }
        self.held.shrink_to(body.capacity());
        Bytes::from_owner(Carried { body: body.into(), _held: self.held })
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

    /// Holds no more than `bytes` from now on.
    fn shrink_to(&mut self, bytes: usize) {
        let units = bytes.div_ceil(UNIT);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(units)));
            self.bytes = permit.num_permits() * UNIT;
        }
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
        let admission = Admission::new(100 * UNIT, 0);
        let mut held = admission.held();
        held.grow_to(60 * UNIT).unwrap();
        held.grow_to(10).unwrap();
        assert_eq!(admission.held().grow_to(50 * UNIT), Err(Overloaded));
        let body = held.carry(Bytes::from(vec![1; 80 * UNIT])).unwrap();
        assert_eq!(admission.requests.available_permits(), 20);
        let part = body.slice(5..9);
        drop(body);
        assert_eq!(admission.requests.available_permits(), 20);
        drop(part);
        assert_eq!(admission.requests.available_permits(), 100);
        let too_much = Bytes::from(vec![1; 101 * UNIT]);
        assert_eq!(admission.held().carry(too_much), Err(Overloaded));
        assert_eq!(admission.requests.available_permits(), 100);
    }

    #[tokio::test]
    async fn a_read_gets_what_there_is_and_gives_back_what_it_does_not_need() {
        const MIB: usize = 1 << 20;
        let patience = Duration::from_millis(1);
        let admission = Admission::new(0, of_answer(10 * MIB, 10_000));
        let all = admission.answers.available_permits();
        let room = admission.room(10 * MIB, 10_000, patience).await.unwrap();
        assert_eq!(room.bytes, 10 * MIB);
        assert_eq!(admission.room(10 * MIB, 10_000, patience).await.unwrap_err(), Overloaded);
        let answer = room.carry(vec![0; 14 * MIB]);
        assert_eq!(all - admission.answers.available_permits(), 14 * MIB / UNIT);
        let mut second = admission.room(10 * MIB, 100, patience).await.unwrap();
        assert_eq!(second.bytes, 5 * MIB);
        assert_eq!(second.fits(10 * MIB, 1, patience).await, Err(Overloaded));
        drop((answer, second));
        assert_eq!(admission.answers.available_permits(), all);
        drop(admission.room(MIB, 10, patience).await.unwrap().carry(vec![0; 100]));
        assert_eq!(admission.answers.available_permits(), all);
    }
}
