//! What a power cut can leave of a disk.
//!
//! Each sector that was written since the last sync of its file may have arrived or not, and if it was written more than
//! once, as it was after any of the writes. A file that grew may be as long as it was at any time since, and where
//! nothing arrived of what grew there are zeros, or what another file left in those blocks. Each change of a directory
//! since its last sync may have arrived or not; a rename may have left the old name as well. All of these are
//! independent of each other, also where ext4 and xfs would keep an order (they commit changes of directories in order
//! and write a file's bytes before its new length): the log may not rely on it.

use super::contents::{Contents, SECTOR, Sector, mix};
use super::disk::{Disk, Entry};
use super::{SimFiles, Unsynced};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// With so many unsynced pieces or fewer, every image is made.
const EXHAUSTIVE: usize = 8;

/// A piece of what is not synced, which arrives by itself or not.
#[derive(Debug)]
enum Piece {
    Sector { inode: u64, index: usize, versions: Vec<Sector> },
    Length { inode: u64, lengths: Vec<usize> },
    Entry { index: usize },
}

/// What of the possibilities of a piece came true. 0: nothing arrived.
type Way = usize;

/// A moment before a sync, and everything that a power cut could leave then.
#[derive(Debug)]
pub struct CrashPoint {
    disk: Disk,
    capacity: u64,
    pieces: Vec<(Piece, Ways)>,
    samples: usize,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Ways {
    /// How many ways there are, with that of not arriving.
    count: usize,
    /// The one of having arrived whole.
    whole: Way,
}

/// A disk that a power cut left.
#[derive(Debug)]
pub struct Image {
    /// The disk: nothing is locked and no fault set.
    pub files: SimFiles,
    /// Two images with the same files have the same number, and no others but for a chance of 2⁻⁶⁴.
    pub fingerprint: u64,
}

/// Numbers that look random, from a seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(mix(self.0)) % bound as u64) as usize
    }
}

impl CrashPoint {
    pub(super) fn new(disk: Disk, capacity: u64, samples: usize, seed: u64) -> Self {
        let mut pieces = Vec::new();
        for (index, entry) in disk.entries.iter().enumerate() {
            pieces.push((Piece::Entry { index }, Ways { count: entry.ways() + 1, whole: entry.ways() }));
        }
        let linked: BTreeSet<u64> =
            disk.durable.values().copied().chain(disk.entries.iter().map(Entry::inode)).collect();
        for (number, inode) in disk.inodes.iter().filter(|(number, _)| linked.contains(number)) {
            let mut lengths = inode.lengths.clone();
            lengths.retain(|length| *length != inode.durable.length());
            lengths.dedup();
            if !lengths.is_empty() {
                let count = lengths.len();
                pieces.push((Piece::Length { inode: *number, lengths }, Ways { count: count + 1, whole: count }));
            }
            let mut sectors: BTreeMap<usize, Vec<Sector>> = BTreeMap::new();
            for (index, sector) in disk.stale(*number) {
                sectors.entry(index).or_default().push(sector);
            }
            for (index, unsettled) in &inode.unsettled {
                sectors.entry(*index).or_default().extend(unsettled.versions.iter().cloned());
            }
            for (index, mut versions) in sectors {
                let (durable, live) = (inode.durable.sector(index), inode.live.sector(index));
                let mut seen = Vec::new();
                versions.retain(|version| {
                    let is_new = *version != durable && !seen.contains(version);
                    seen.push(version.clone());
                    is_new
                });
                if !versions.is_empty() {
                    let whole = versions.iter().position(|version| *version == live).map_or(0, |at| at + 1);
                    let ways = Ways { count: versions.len() + 1, whole };
                    pieces.push((Piece::Sector { inode: *number, index, versions }, ways));
                }
            }
        }
        Self { disk, capacity, pieces, samples, seed }
    }

    /// How many sectors, lengths and directory entries are not synced.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.pieces.len()
    }

    /// Whether [`Self::images`] are all that there are.
    #[must_use]
    pub fn is_exhaustive(&self) -> bool {
        self.pieces.len() <= EXHAUSTIVE
    }

    /// How many images there are to make: all, or if too much is unsynced, the one that lost all, the one that lost
    /// nothing, one that misses each single piece, and samples.
    #[must_use]
    pub fn images(&self) -> usize {
        if self.is_exhaustive() {
            self.pieces.iter().map(|(_, ways)| ways.count).product()
        } else {
            2 + self.pieces.len() + self.samples
        }
    }

    /// An image by its number.
    #[must_use]
    pub fn image(&self, number: usize) -> Image {
        self.with(&self.choose(number))
    }

    /// An image drawn at random.
    #[must_use]
    pub fn sample_image(&self, seed: u64) -> Image {
        self.of(Unsynced::Torn(seed))
    }

    pub(super) fn of(&self, unsynced: Unsynced) -> Image {
        self.with(&match unsynced {
            Unsynced::Lost => vec![0; self.pieces.len()],
            Unsynced::Kept => self.whole(),
            Unsynced::Torn(seed) => self.sample(&mut Dice::new(seed)),
        })
    }

    fn whole(&self) -> Vec<Way> {
        self.pieces.iter().map(|(_, ways)| ways.whole).collect()
    }

    fn choose(&self, number: usize) -> Vec<Way> {
        if self.is_exhaustive() {
            let mut rest = number;
            return self
                .pieces
                .iter()
                .map(|(_, ways)| {
                    let way = rest % ways.count;
                    rest /= ways.count;
                    way
                })
                .collect();
        }
        match number.checked_sub(2) {
            None if number == 0 => vec![0; self.pieces.len()],
            None => self.whole(),
            Some(missing) if missing < self.pieces.len() => {
                let mut ways = self.whole();
                ways[missing] = 0;
                ways
            }
            Some(sample) => self.sample(&mut Dice::new(self.seed ^ mix(sample as u64 + 1))),
        }
    }

    /// Some way for each piece. Sometimes nearly all or nearly nothing arrived, sometimes the same of the whole file.
    fn sample(&self, dice: &mut Dice) -> Vec<Way> {
        // Out of 16, how many pieces arrive whole, and how many not at all.
        const CHANCES: [(usize, usize); 4] = [(5, 6), (14, 1), (2, 13), (8, 8)];
        let (whole, lost) = CHANCES[dice.below(CHANCES.len())];
        let by_file = dice.below(4) == 0;
        let mut of_file = BTreeMap::new();
        self.pieces
            .iter()
            .map(|(piece, ways)| {
                let coin = match piece {
                    Piece::Sector { inode, .. } | Piece::Length { inode, .. } if by_file => {
                        *of_file.entry(*inode).or_insert_with(|| dice.below(16))
                    }
                    Piece::Sector { .. } | Piece::Length { .. } | Piece::Entry { .. } => dice.below(16),
                };
                if coin < whole {
                    ways.whole
                } else if coin < whole + lost {
                    0
                } else {
                    dice.below(ways.count)
                }
            })
            .collect()
    }

    fn with(&self, ways: &[Way]) -> Image {
        let chosen = || self.pieces.iter().zip(ways).filter(|(_, way)| **way > 0);
        let mut entries = self.disk.durable.clone();
        for ((piece, _), way) in chosen() {
            if let Piece::Entry { index } = piece {
                self.disk.entries[*index].apply(&mut entries, *way);
            }
        }
        let mut contents: BTreeMap<u64, Contents> = entries
            .values()
            .filter_map(|inode| self.disk.inodes.get(inode).map(|file| (*inode, file.durable.clone())))
            .collect();
        entries.retain(|_, inode| contents.contains_key(inode));
        for ((piece, _), way) in chosen() {
            match piece {
                Piece::Length { inode, lengths } => {
                    if let Some(file) = contents.get_mut(inode) {
                        file.set_length(lengths[way - 1]);
                    }
                }
                Piece::Sector { inode, index, versions } => {
                    if let Some(file) = contents.get_mut(inode).filter(|file| index * SECTOR < file.length()) {
                        file.set(*index, versions[way - 1].clone());
                    }
                }
                Piece::Entry { .. } => {}
            }
        }
        for (inode, file) in &mut contents {
            // A last sector of which the length holds a part only.
            if self.disk.inodes.get(inode).is_some_and(|inode| !inode.lengths.is_empty()) {
                let length = file.length();
                file.set_length(length + 1);
                file.set_length(length);
            }
        }
        let fingerprint = entries.iter().fold(0u64, |sum, (path, inode)| {
            let file = contents.get(inode).map_or(0, Contents::fingerprint);
            sum.wrapping_add(mix(hash(path) ^ file))
        });
        let files = SimFiles::of(self.disk.settled(entries, contents), self.capacity);
        Image { files, fingerprint }
    }

    /// What arrived in an image, for people.
    #[must_use]
    pub fn describe(&self, number: usize) -> String {
        let lines = self.pieces.iter().zip(self.choose(number)).map(|((piece, ways), way)| {
            let name = |inode: &u64| {
                let path = self.disk.live.iter().chain(&self.disk.durable).find(|(_, number)| *number == inode);
                path.map_or_else(|| format!("file {inode}"), |(path, _)| path.display().to_string())
            };
            let what = match piece {
                Piece::Sector { inode, index, .. } => format!("{} sector {index}", name(inode)),
                Piece::Length { inode, lengths } => format!("{} length {lengths:?}", name(inode)),
                Piece::Entry { index } => format!("{:?}", self.disk.entries[*index]),
            };
            match way {
                0 => format!("  {what}: lost\n"),
                way if way == ways.whole => format!("  {what}: arrived\n"),
                way => format!("  {what}: arrived in way {way} of {}\n", ways.count - 1),
            }
        });
        lines.collect()
    }
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
