//! Opening sealed records on their way out. It stands below everything that reads: what is above sees plain data, and a
//! flag.

use crate::keys::KeyUnavailable;
use crate::open::Streams;
use crate::read::Unread;
use crate::view::{ShardView, StreamView};
use rheos_log::{Block, RecordFlags, RecordRef};
use rheos_types::seal::{Binding, Opening, Unopenable, key_number};
use rheos_types::{Namespace, SequenceNumber, ShardId, StreamArn, StreamName};

/// A sealed record cannot be opened. It is not served.
#[derive(Debug, thiserror::Error)]
#[error("record {sequence_number} of {shard} of stream {stream} in account {} is sealed and cannot be opened", namespace.account)]
pub struct SealedRecord {
    /// Where the stream is.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// The shard.
    pub shard: ShardId,
    /// The record.
    pub sequence_number: SequenceNumber,
    /// Why.
    #[source]
    pub why: WhySealed,
}

/// Why a sealed record cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhySealed {
    /// Its bytes are not those of a sealed record.
    #[error("its data is too short to be sealed")]
    TooShort,
    /// The stream does not have the key that it names.
    #[error("the stream has no data key {number}")]
    NoKey {
        /// The key's number.
        number: u32,
    },
    /// The key that it names cannot be had.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// It is not what was sealed under that key, for this place.
    #[error(transparent)]
    Changed(#[from] Unopenable),
}

impl Streams {
    /// The same records with their data opened; flags still say which were sealed. At a record that cannot be opened,
    /// those before it are what there is, and if there are none, that is the error.
    pub(crate) fn unsealed(
        &self,
        view: &StreamView,
        shard: &ShardView,
        mut blocks: Vec<Block>,
    ) -> Result<Vec<Block>, Unread> {
        // The reader's view may be older than a key. One that is looked at now is not: a key is in the view before
        // anything is sealed under it, and stays there.
        let now = self.views.get(&view.namespace, &view.name).filter(|now| now.record.uid == view.record.uid);
        let never_sealed = now.as_ref().is_some_and(|now| now.keys.is_empty());
        if never_sealed || !blocks.iter().any(|block| block.has_any(RecordFlags::SEALED)) {
            return Ok(blocks);
        }
        let view = &*now.ok_or(rheos_log::ReadError::UnknownShard)?;
        let mut opener = Opener::new(view, shard);
        for at in 0..blocks.len() {
            let block = &blocks[at];
            if !block.has_any(RecordFlags::SEALED) {
                continue;
            }
            let (opened, result) = block.rewrite(|position, record, bytes| {
                let opened = opener.open(&record, bytes);
                opened.map_err(|why| (position, why))
            });
            let Err((position, why)) = result else {
                blocks[at] = opened;
                continue;
            };
            if at == 0 && opened.count() == 0 {
                let (namespace, stream) = (view.namespace.clone(), view.name.clone());
                let time_s = block.time_ms() / 1000;
                let sequence_number = SequenceNumber::of_record(shard.id, shard.record.created_s, position, time_s);
                let sealed = SealedRecord { namespace, stream, shard: shard.id, sequence_number, why };
                return Err(Box::new(sealed).into());
            }
            blocks.truncate(at);
            blocks.extend((opened.count() > 0).then_some(opened));
            break;
        }
        Ok(blocks)
    }
}

/// Opens the records of one shard.
struct Opener<'a> {
    view: &'a StreamView,
    binding: Binding,
    /// The keys met so far: seldom more than one.
    keys: Vec<(u32, Opening<'a>)>,
}

impl<'a> Opener<'a> {
    fn new(view: &'a StreamView, shard: &ShardView) -> Self {
        let arn = StreamArn { namespace: view.namespace.clone(), name: view.name.clone() };
        Self { view, binding: Binding::new(&arn, shard.id), keys: Vec::new() }
    }

    /// Appends a record's data to `bytes`.
    fn open(&mut self, record: &RecordRef<'_>, bytes: &mut Vec<u8>) -> Result<(), WhySealed> {
        if !record.flags.contains(RecordFlags::SEALED) {
            bytes.extend_from_slice(record.data);
            return Ok(());
        }
        let number = key_number(record.data).ok_or(WhySealed::TooShort)?;
        let known = self.keys.iter().position(|(known, _)| *known == number);
        let at = match known {
            Some(at) => at,
            None => {
                let key = self.view.keys.key(number).ok_or(WhySealed::NoKey { number })?;
                self.keys.push((number, key.map_err(Clone::clone)?.opening()));
                self.keys.len() - 1
            }
        };
        Ok(self.keys[at].1.open(self.binding.of(record.partition_key), record.data, bytes)?)
    }
}
