//! Carries out a plan. A power cut at any moment leaves the directory as it was, or as it is to be, or one that says that
//! a repair was interrupted; a further repair comes to the same end.

use super::lost;
use super::plan::{Piece, Plan, RepairError, Source};
use super::survey::Survey;
use crate::batch::{BatchBuilder, BlockEntry, Place};
use crate::check::{Progress, check_locked};
use crate::engine::housekeeper::{self, OWN_FILE_BYTES};
use crate::engine::root::{Root, SnapshotRef, encode_snapshot};
use crate::engine::segment::SegmentBuilder;
use crate::files::Files;
use crate::medium::disk::log_file::{self, FIRST_BATCH};
use crate::medium::disk::manifest::{self, LogFileRef, Manifest};
use crate::medium::disk::{DiskObjects, FRESH, unfinished};
use crate::record::Block;
use rheos_types::ShardKey;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Objects that a repair writes are named this far above all that there ever were, in case the highest names are lost.
const NAMES_APART: u64 = 1 << 20;
/// The log file of a repaired directory: room for its first batches.
const LOG_FILE_BYTES: u64 = 256 << 10;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The directory, below the data directory, in which the old files are.
    pub aside: String,
    /// How many files were moved there.
    pub moved: usize,
    /// Records that can be read now.
    pub records: u64,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> RepairError {
    let what = what.into();
    move |source| RepairError::Io { what, source }
}

pub(super) fn apply(
    files: &Arc<dyn Files>,
    directory: &Path,
    mut survey: Survey,
    plan: Plan,
    aside: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Repaired, RepairError> {
    let begun = unfinished::read(&**files, directory)?;
    let aside = match begun.as_deref().and_then(|text| text.strip_prefix(unfinished::REPAIR)) {
        Some(before) if is_plain_name(before) => before.to_owned(),
        _ => aside.to_owned(),
    };
    if begun.is_none() {
        let text = format!("{}{aside}", unfinished::REPAIR);
        unfinished::begin(&**files, directory, &text).map_err(failed("write UNFINISHED"))?;
    }
    if !plan.findings().is_empty() {
        let root = write_objects(files, directory, &mut survey, &plan, progress).map_err(failed("write segments"))?;
        let kept = directory.join(&aside);
        files.create_dir(&kept).map_err(failed(format!("create {aside}")))?;
        copy_manifest(&**files, directory, &kept).map_err(failed(format!("copy MANIFEST to {aside}")))?;
        commit(&**files, directory, &survey, &plan, &root).map_err(failed("write the new log"))?;
        lost::store(&**files, directory, &plan.lost).map_err(failed("write LOST"))?;
    }
    let moved = move_aside(files, directory, &aside).map_err(failed(format!("move old files to {aside}")))?;
    let report = check_locked(files, directory, progress)?;
    if let Some(finding) = report.findings.first() {
        return Err(RepairError::Unsound { problem: format!("{}: {}", finding.file, finding.what) });
    }
    unfinished::end(&**files, directory).map_err(failed("remove UNFINISHED"))?;
    Ok(Repaired { aside, moved, records: report.records })
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
}

/// Writes what is to be written anew, and names all that is to count.
fn write_objects(
    files: &Arc<dyn Files>,
    directory: &Path,
    survey: &mut Survey,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<Root> {
    let objects = DiskObjects::new(files.clone(), directory);
    objects.create_directory()?;
    let highest = survey.highest_object.max(survey.root.next_object);
    let next_object = highest + NAMES_APART;
    let mut root = Root { flushed_upto: plan.state.batch, next_object, ..Root::in_any_order() };
    let kept = survey.segments.iter().zip(&plan.keeps).filter(|(_, keeps)| **keeps);
    root.segments = kept.map(|(segment, _)| segment.name.clone()).collect();
    let anew = written_anew(plan);
    let all_bytes =
        |survey: &Survey, shards: &Shards| shards.values().map(|of| len_bytes(survey, plan, of)).sum::<u64>();
    let total_bytes = all_bytes(survey, &anew);
    let mut done_bytes = 0;
    for shards in by_class(survey, plan, &anew).values() {
        let name = root.name_object("segment");
        write_segment(&objects, &name, survey, plan, shards)?;
        root.segments.push(name);
        done_bytes += all_bytes(survey, shards);
        progress(Progress { doing: "new segments", done_bytes, total_bytes });
    }
    // Two, as a log has that has run for a while: one of them may rot.
    let snapshot = encode_snapshot(&plan.state);
    for _ in 0..2 {
        let name = root.name_object("snapshot");
        let mut object = objects.create(&name)?;
        object.write(&snapshot)?;
        object.finish()?;
        root.snapshots.push(SnapshotRef { name, batch: plan.state.batch });
    }
    Ok(root)
}

type Shards = BTreeMap<u64, Vec<Piece>>;

/// How much the pieces come to; of runs of which only a part is wanted, all of it.
fn len_bytes(survey: &Survey, plan: &Plan, pieces: &[Piece]) -> u64 {
    let of_one = |piece: &Piece| match piece.source {
        Source::Log(at) => u64::from(plan.blocks[at].entry.bytes),
        Source::Segment(at, run) => survey.segments[at].runs[run].run.len_bytes(),
    };
    pieces.iter().map(of_one).sum()
}

/// The pieces that are in no segment that stays.
fn written_anew(plan: &Plan) -> Shards {
    let stays = |piece: &Piece| matches!(piece.source, Source::Segment(at, _) if plan.keeps[at]);
    let anew = plan.pieces.iter().map(|(shard, pieces)| {
        let pieces: Vec<Piece> = pieces.iter().filter(|piece| !stays(piece)).copied().collect();
        (*shard, pieces)
    });
    anew.filter(|(_, pieces)| !pieces.is_empty()).collect()
}

/// One segment for each retention class, and one for each shard with much to write.
fn by_class(survey: &Survey, plan: &Plan, shards: &Shards) -> BTreeMap<(u32, u64), Shards> {
    let mut classes: BTreeMap<(u32, u64), Shards> = BTreeMap::new();
    for (shard, pieces) in shards {
        let class = plan.state.shards.get(shard).map_or(0, |shard| shard.class);
        let own = if len_bytes(survey, plan, pieces) >= OWN_FILE_BYTES { shard + 1 } else { 0 };
        classes.entry((class, own)).or_default().insert(*shard, pieces.clone());
    }
    classes
}

fn write_segment(
    objects: &DiskObjects,
    name: &str,
    survey: &mut Survey,
    plan: &Plan,
    shards: &Shards,
) -> io::Result<()> {
    let mut builder = SegmentBuilder::into_object(objects.create(name)?, name, survey.log_id);
    for (shard, pieces) in shards {
        for piece in pieces {
            let mut position = piece.first;
            while position < piece.next {
                let count = usize::try_from(piece.next - position).unwrap_or(usize::MAX);
                for block in read(objects, survey, plan, piece, position, count)? {
                    let crc = crc32c::crc32c(block.bytes());
                    let (first, count, bytes) = (block.first(), block.count(), block.bytes().len() as u32);
                    let entry = BlockEntry { shard: ShardKey(*shard), first, count, bytes, crc };
                    housekeeper::push(&mut builder, &entry, &block)?;
                    position = first + u64::from(count);
                }
            }
        }
    }
    builder.finish().map(drop)
}

/// Records of a piece from `position` on: at least one, since the survey has read them.
fn read(
    objects: &DiskObjects,
    survey: &mut Survey,
    plan: &Plan,
    piece: &Piece,
    position: u64,
    count: usize,
) -> io::Result<Vec<Block>> {
    let changed = || io::Error::new(io::ErrorKind::InvalidData, "what could be read before cannot be read now");
    let blocks = match piece.source {
        Source::Segment(at, run) => {
            let run = survey.segments[at].runs[run].run.clone();
            run.read(objects, position, count, 1 << 20).map_err(|_| changed())?
        }
        Source::Log(at) => {
            let block = plan.blocks[at];
            let found = survey.batches.get(&block.batch).cloned().ok_or_else(changed)?;
            let records = survey.records(&found, &block.entry, block.offset);
            if crc32c::crc32c(&records) != block.entry.crc {
                return Err(changed());
            }
            let whole = Block::new(block.entry.first, block.entry.count, block.time_ms, records);
            whole.part(position, count, usize::MAX).into_iter().collect()
        }
    };
    if blocks.first().is_none_or(|block| block.first() != position) { Err(changed()) } else { Ok(blocks) }
}

fn copy_manifest(files: &dyn Files, directory: &Path, aside: &Path) -> io::Result<()> {
    let source = match files.open_read(&directory.join(manifest::NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        source => source?,
    };
    let target = aside.join(manifest::NAME);
    if files.open_read(&target).is_ok() {
        // An earlier attempt: what it kept is the older, and the one that matters.
        return Ok(());
    }
    let length = source.len_bytes()?.min(64 << 20) as usize;
    let mut bytes = vec![0; length];
    // A disk that does not give it back keeps nobody from repairing.
    let read = source.read_at(&mut bytes, 0).unwrap_or(0);
    files.replace(aside, manifest::NAME, &bytes[..read])
}

/// Makes a log file with an empty batch in it, and a manifest that names all that counts. From then on it does.
fn commit(files: &dyn Files, directory: &Path, survey: &Survey, plan: &Plan, root: &Root) -> io::Result<()> {
    let known = survey.manifest.as_ref();
    let id = known.map_or(0, |manifest| manifest.next_file_id).max(survey.highest_log_file + 1);
    let generation = survey.generation + 1;
    let logs = log_file::directory(directory);
    files.create_dir(&logs)?;
    let fresh = logs.join(FRESH);
    files.remove_if_there(&fresh)?;
    let file = files.create(&fresh)?;
    file.allocate(LOG_FILE_BYTES)?;
    log_file::write_name(&*file, survey.log_id, id)?;
    let mut batch = BatchBuilder::default().finish(plan.state.batch + 1, plan.state.batch, plan.state.time_ms);
    let place = Place { log_id: survey.log_id, generation, file_id: id, offset: FIRST_BATCH };
    file.write_at(batch.seal(place), FIRST_BATCH)?;
    file.sync_data()?;
    files.rename(&fresh, &log_file::path(directory, id))?;
    files.sync_dir(&logs)?;
    let manifest = Manifest {
        log_id: survey.log_id,
        generation,
        next_file_id: id + 1,
        log_files: vec![LogFileRef { id, bytes: LOG_FILE_BYTES }],
        root: Some(root.encode()?.into()),
    };
    manifest.store(files, directory)
}

/// Moves everything that the manifest does not name aside: how many files.
fn move_aside(files: &Arc<dyn Files>, directory: &Path, aside: &str) -> io::Result<usize> {
    let unsound = |error: crate::OpenError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let manifest = Manifest::load(&**files, directory).map_err(unsound)?.ok_or(io::ErrorKind::NotFound)?;
    let root = Root::decode(manifest.root.as_ref()).map_err(unsound)?;
    let moved = move_files(&**files, directory, aside, "log", &|name| manifest.lists(name))?;
    Ok(moved + move_files(&**files, directory, aside, "objects", &|name| root.names(name))?)
}

fn move_files(
    files: &dyn Files,
    directory: &Path,
    aside: &str,
    folder: &str,
    stays: &dyn Fn(&str) -> bool,
) -> io::Result<usize> {
    let (from, to) = (directory.join(folder), directory.join(aside).join(folder));
    let moving: Vec<String> = files.list(&from)?.into_iter().filter(|name| !stays(name)).collect();
    if moving.is_empty() {
        return Ok(0);
    }
    files.create_dir(&to)?;
    for name in &moving {
        files.rename(&from.join(name), &to.join(name))?;
    }
    // Where they went first: they may for a moment have two names, never none.
    files.sync_dir(&to)?;
    files.sync_dir(&from)?;
    Ok(moving.len())
}
