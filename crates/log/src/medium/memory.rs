//! A log in memory: a full implementation and the shortest description of what a medium does.

use super::{Location, Medium, NoRoom, ObjectWriter, Objects, OpenError};
use crate::batch::{Batch, Header, HeaderAt, ParsedBatch, Place};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What survives an opening: the memory that stands for a disk. Clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    generation: u64,
    root: Option<Bytes>,
    batches: BTreeMap<u64, (Location, Bytes)>,
    objects: BTreeMap<String, Bytes>,
    /// Batches up to this number have been let go.
    unneeded: u64,
    offset: u64,
    capacity: Option<u64>,
}

/// How many bytes of batches share a file id: what one log file is to a disk.
const FILE_BYTES: u64 = 8 << 20;

impl MemoryStore {
    /// Bounds the bytes of batches and objects: beyond it, appends are not admitted.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.contents().capacity = bytes;
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn used(&self) -> u64 {
        let batches = self.batches.values().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        batches + self.objects.values().map(|bytes| bytes.len() as u64).sum::<u64>()
    }
}

/// An opening of a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryMedium {
    store: MemoryStore,
    generation: u64,
}

impl MemoryMedium {
    /// Opens the store and fences every earlier opening.
    #[must_use]
    pub fn open(store: &MemoryStore) -> Self {
        let mut contents = store.contents();
        contents.generation += 1;
        Self { store: store.clone(), generation: contents.generation }
    }
}

impl Objects for MemoryMedium {
    fn read_object(&self, name: &str, offset: u64, length: usize) -> io::Result<Bytes> {
        let contents = self.store.contents();
        let bytes = contents.objects.get(name).ok_or(io::ErrorKind::NotFound)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(bytes.slice(start..end))
    }

    fn object_len(&self, name: &str) -> io::Result<u64> {
        let contents = self.store.contents();
        Ok(contents.objects.get(name).ok_or(io::ErrorKind::NotFound)?.len() as u64)
    }

    fn list_objects(&self) -> io::Result<Vec<String>> {
        Ok(self.store.contents().objects.keys().cloned().collect())
    }
}

impl Medium for MemoryMedium {
    fn log_id(&self) -> u128 {
        0
    }

    fn root(&self) -> Option<Bytes> {
        self.store.contents().root.clone()
    }

    fn replay(
        &self,
        above: u64,
        visit: &mut dyn FnMut(ParsedBatch, Location) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let batches: Vec<_> =
            self.store.contents().batches.range(above + 1..).map(|(_, batch)| batch.clone()).collect();
        for (location, bytes) in batches {
            let parsed = match Header::decode(&bytes) {
                HeaderAt::Valid(header) => ParsedBatch::parse(header, bytes),
                HeaderAt::Invalid | HeaderAt::Newer { .. } => None,
            };
            let damaged = || OpenError::Corrupt {
                file: "memory".to_owned(),
                offset: location.offset,
                what: "a batch".to_owned(),
            };
            visit(parsed.ok_or_else(damaged)?, location)?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(), OpenError> {
        Ok(())
    }

    fn admit(&self, length: usize, frees_space: bool) -> Result<(), NoRoom> {
        let contents = self.store.contents();
        let Some(capacity) = contents.capacity else { return Ok(()) };
        let reserve_bytes = capacity / 4;
        let free_bytes = capacity.saturating_sub(contents.used());
        let available = if frees_space { free_bytes } else { free_bytes.saturating_sub(reserve_bytes) };
        if length as u64 <= available { Ok(()) } else { Err(NoRoom { free_bytes, reserve_bytes }) }
    }

    fn append(&self, batch: &mut Batch) -> io::Result<Location> {
        let mut contents = self.store.contents();
        if contents.generation != self.generation {
            return Err(io::Error::other("the log has been opened again elsewhere"));
        }
        let location =
            Location { number: batch.number(), file_id: contents.offset / FILE_BYTES, offset: contents.offset };
        let place =
            Place { log_id: 0, generation: self.generation, file_id: location.file_id, offset: location.offset };
        let bytes = Bytes::copy_from_slice(batch.seal(place));
        contents.offset += bytes.len() as u64;
        contents.batches.insert(batch.number(), (location, bytes));
        Ok(location)
    }

    fn seal(&self, _length: usize) -> bool {
        let mut contents = self.store.contents();
        contents.offset = contents.offset.next_multiple_of(FILE_BYTES);
        true
    }

    fn read(&self, location: Location, offset: usize, length: usize) -> io::Result<Bytes> {
        let contents = self.store.contents();
        let (_, bytes) = contents.batches.get(&location.number).ok_or(io::ErrorKind::NotFound)?;
        (offset + length <= bytes.len())
            .then(|| bytes.slice(offset..offset + length))
            .ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn publish(&self, root: &[u8], unneeded: u64) -> io::Result<()> {
        let mut contents = self.store.contents();
        contents.root = Some(Bytes::copy_from_slice(root));
        contents.unneeded = contents.unneeded.max(unneeded);
        Ok(())
    }

    fn maintain(&self, _: bool) -> io::Result<()> {
        let mut contents = self.store.contents();
        let unneeded = contents.unneeded;
        contents.batches.retain(|number, _| *number > unneeded);
        Ok(())
    }

    fn files_that_may_wait(&self, _: u64) -> usize {
        0
    }

    fn create_object(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(MemoryObject { store: self.store.clone(), name: name.to_owned(), bytes: Vec::new() }))
    }

    fn delete_object(&self, name: &str) -> io::Result<()> {
        self.store.contents().objects.remove(name);
        Ok(())
    }

    fn has_room_for_object(&self, length: u64) -> bool {
        let contents = self.store.contents();
        contents.capacity.is_none_or(|capacity| contents.used() + length <= capacity)
    }
}

struct MemoryObject {
    store: MemoryStore,
    name: String,
    bytes: Vec<u8>,
}

impl ObjectWriter for MemoryObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.store.contents().objects.insert(self.name, self.bytes.into());
        Ok(())
    }
}
