//! The root: which snapshots and segments count, and how much of the log they cover. Published as a whole.

use crate::codec::Reader;
use crate::medium::{Objects, OpenError};
use crate::state::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Segments in the order in which they were written, so that each shard's runs follow each other.
const FORMAT: u32 = 1;
/// Segments have been merged, or written anew by a repair: a shard's runs follow each other by their positions, not by the
/// order of the segments.
const FORMAT_MERGED: u32 = 2;
const SNAPSHOT_MAGIC: u64 = u64::from_le_bytes(*b"RHEOSSNP");
const SNAPSHOT_FORMAT: u16 = 1;
const SNAPSHOT_HEAD: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    pub(crate) format: u32,
    /// Segments hold every record of the batches up to this one.
    pub(crate) flushed_upto: u64,
    /// The newest snapshot, and the one before in case the newest cannot be read.
    pub(crate) snapshots: Vec<SnapshotRef>,
    /// Segments, roughly in the order of what they hold.
    pub(crate) segments: Vec<String>,
    /// The number in the next object's name.
    pub(crate) next_object: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnapshotRef {
    pub(crate) name: String,
    /// The last batch that is in it.
    pub(crate) batch: u64,
}

impl Default for Root {
    fn default() -> Self {
        Self { format: FORMAT, flushed_upto: 0, snapshots: Vec::new(), segments: Vec::new(), next_object: 1 }
    }
}

impl Root {
    /// An empty root whose segments need no order.
    pub(crate) fn in_any_order() -> Self {
        Self { format: FORMAT_MERGED, ..Self::default() }
    }

    pub(crate) fn decode(bytes: Option<&Bytes>) -> Result<Self, OpenError> {
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let file = || "the root in MANIFEST".to_owned();
        let corrupt =
            |error: serde_json::Error| OpenError::Corrupt { file: file(), offset: 0, what: error.to_string() };
        let Format { format } = serde_json::from_slice(bytes).map_err(corrupt)?;
        if !(FORMAT..=FORMAT_MERGED).contains(&format) {
            return Err(OpenError::newer(file(), format, 0));
        }
        serde_json::from_slice(bytes).map_err(corrupt)
    }

    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Batches up to this one are needed neither for records nor for either snapshot.
    pub(crate) fn covered_upto(&self) -> u64 {
        let oldest = if self.snapshots.len() < 2 { 0 } else { self.snapshots[self.snapshots.len() - 1].batch };
        self.flushed_upto.min(oldest)
    }

    /// The objects that count.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &String> {
        self.segments.iter().chain(self.snapshots.iter().map(|snapshot| &snapshot.name))
    }

    /// Whether an object of this name counts.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.objects().any(|object| object == name)
    }

    /// Puts `merged` in the place of the segments that it was made from.
    pub(crate) fn replace_segments(&mut self, sources: &[String], merged: Vec<String>) {
        self.format = FORMAT_MERGED;
        let last = self.segments.iter().rposition(|name| sources.contains(name)).map_or(0, |at| at + 1);
        let later = self.segments.split_off(last);
        self.segments.retain(|name| !sources.contains(name));
        self.segments.extend(merged);
        self.segments.extend(later);
    }

    /// A new object's name. It is never given again by the root that counts, also when what it was for fails: a publication
    /// that failed may be on the disk all the same, and what it names must not be written over or deleted.
    pub(crate) fn name_object(&mut self, kind: &str) -> String {
        let name = format!("{:016x}.{kind}", self.next_object);
        self.next_object += 1;
        name
    }
}

/// A state as a snapshot's bytes.
pub(crate) fn encode_snapshot(state: &State) -> Vec<u8> {
    let mut bytes = vec![0; SNAPSHOT_HEAD];
    state.encode(&mut bytes);
    let (head, body) = bytes.split_at_mut(SNAPSHOT_HEAD);
    head[..8].copy_from_slice(&SNAPSHOT_MAGIC.to_le_bytes());
    head[8..10].copy_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
    head[16..24].copy_from_slice(&(body.len() as u64).to_le_bytes());
    head[24..28].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let crc = crc32c::crc32c(&head[..28]);
    head[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The last batch in a snapshot that nothing names; `None` if it cannot be read.
pub(crate) fn snapshot_batch(objects: &dyn Objects, name: &str) -> Option<u64> {
    let length = objects.object_len(name).ok()?;
    let body = length.checked_sub(SNAPSHOT_HEAD as u64)?.min(8) as usize;
    Reader(&objects.read_object(name, SNAPSHOT_HEAD as u64, body).ok()?).u64()
}

/// Reads a snapshot.
pub(crate) fn load_snapshot(objects: &dyn Objects, snapshot: &SnapshotRef) -> Result<State, OpenError> {
    let io_error = |source| OpenError::Io { what: "cannot read snapshot", file: snapshot.name.clone(), source };
    let length = objects.object_len(&snapshot.name).map_err(io_error)?;
    let bytes = objects.read_object(&snapshot.name, 0, length as usize).map_err(io_error)?;
    let corrupt = |what: &str| OpenError::Corrupt { file: snapshot.name.clone(), offset: 0, what: what.to_owned() };
    let (head, body) = bytes.split_at_checked(SNAPSHOT_HEAD).ok_or_else(|| corrupt("it is too short"))?;
    let mut reader = Reader(head);
    let magic = reader.u64();
    let format = reader.u16();
    if magic != Some(SNAPSHOT_MAGIC) || crc32c::crc32c(&head[..28]).to_le_bytes() != head[28..] {
        return Err(corrupt("its head is not one of a snapshot"));
    }
    if format != Some(SNAPSHOT_FORMAT) {
        let format = format.map_or(0, u32::from);
        return Err(OpenError::newer(&snapshot.name, format, 0));
    }
    if crc32c::crc32c(body).to_le_bytes() != head[24..28] {
        return Err(corrupt("its checksum does not match"));
    }
    State::decode(body).filter(|state| state.batch == snapshot.batch).ok_or_else(|| corrupt("it does not decode"))
}
