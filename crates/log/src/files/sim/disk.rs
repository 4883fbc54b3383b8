//! What a simulated disk is: what programs see of it, what is durable, and everything between the two.
//!
//! Every change is an [`Operation`]; whoever applies the same operations to the same disk has the same disk again.

use super::contents::{Contents, SECTOR, Sector, mix};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A change of a disk, with everything that it takes to make it again.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// The sectors that a write left, and the offset behind it.
    Write {
        inode: u64,
        sectors: Vec<(usize, Sector)>,
        end: usize,
    },
    /// The file is at least this long.
    Allocate {
        inode: u64,
        length: usize,
    },
    Sync {
        inode: u64,
        works: bool,
    },
    Create {
        path: PathBuf,
        inode: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    SyncDirectory {
        path: PathBuf,
        works: bool,
    },
    /// Memory was short, and pages that a sync failed to write (which count as clean) were read again from the disk.
    Evict {
        seed: u64,
    },
    /// The power was cut and this is what the disk had.
    PowerCut(Disk),
}

impl Operation {
    pub(super) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncDirectory { .. })
    }
}

/// A sector that is not known to be durable.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsettled {
    /// What was written since it was durable, oldest first: the disk may have got any of these.
    pub(super) versions: Vec<Sector>,
    /// The next sync writes it. Not so after a sync that failed: the page counts as clean, and is not asked about again.
    dirty: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    /// What programs see.
    pub(super) live: Contents,
    /// What is on the disk of all that is settled.
    pub(super) durable: Contents,
    pub(super) unsettled: BTreeMap<usize, Unsettled>,
    /// Lengths since the durable one.
    pub(super) lengths: Vec<usize>,
    /// Open handles: an unlinked file lives as long as there is one.
    pub(super) handles: usize,
}

impl Inode {
    fn settled(contents: Contents) -> Self {
        Self { live: contents.clone(), durable: contents, ..Self::default() }
    }

    pub(super) fn replace(&mut self, contents: Contents) {
        *self = Self { handles: self.handles, ..Self::settled(contents) };
    }

    fn write(&mut self, index: usize, sector: &Sector) {
        // Zeros over a hole, say: nothing that a sync would have to write.
        if !self.unsettled.contains_key(&index) && self.live.sector(index) == *sector {
            return;
        }
        self.live.set(index, sector.clone());
        let unsettled = self.unsettled.entry(index).or_default();
        unsettled.versions.push(sector.clone());
        unsettled.dirty = true;
    }

    fn grow(&mut self, length: usize) {
        if length > self.live.length() {
            self.live.set_length(length);
            self.lengths.push(length);
        }
    }

    fn sync(&mut self, works: bool) {
        if !works {
            self.unsettled.values_mut().for_each(|unsettled| unsettled.dirty = false);
            return;
        }
        self.durable.set_length(self.live.length());
        self.lengths.clear();
        let (live, durable) = (&self.live, &mut self.durable);
        self.unsettled.retain(|index, unsettled| {
            if unsettled.dirty {
                durable.set(*index, live.sector(*index));
            }
            !unsettled.dirty
        });
    }

    fn evict(&mut self, seed: u64) {
        let (live, durable) = (&mut self.live, &mut self.durable);
        self.unsettled.retain(|index, unsettled| {
            if !unsettled.dirty {
                let choice = mix(seed ^ mix(*index as u64 + 1)) as usize % (unsettled.versions.len() + 1);
                if let Some(arrived) = unsettled.versions.get(choice) {
                    durable.set(*index, arrived.clone());
                }
                live.set(*index, durable.sector(*index));
            }
            unsettled.dirty
        });
    }
}

/// A change of a directory that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Create { path: PathBuf, inode: u64 },
    Rename { from: PathBuf, to: PathBuf, inode: u64 },
    Remove { path: PathBuf, inode: u64 },
}

impl Entry {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Create { path, .. } | Self::Remove { path, .. } | Self::Rename { to: path, .. } => path.parent(),
        }
    }

    pub(super) fn inode(&self) -> u64 {
        match self {
            Self::Create { inode, .. } | Self::Remove { inode, .. } | Self::Rename { inode, .. } => *inode,
        }
    }

    /// How many ways there are for it to arrive, beside not at all.
    pub(super) fn ways(&self) -> usize {
        if matches!(self, Self::Rename { .. }) { 2 } else { 1 }
    }

    /// Makes the change. A rename that arrives in the first way leaves the old name too, in the second it is whole.
    pub(super) fn apply(&self, entries: &mut BTreeMap<PathBuf, u64>, way: usize) {
        match self {
            Self::Create { path, inode } => drop(entries.insert(path.clone(), *inode)),
            Self::Rename { from, to, inode } => {
                if way > 1 && entries.get(from) == Some(inode) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *inode);
            }
            Self::Remove { path, inode } => {
                if entries.get(path) == Some(inode) {
                    entries.remove(path);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) live: BTreeMap<PathBuf, u64>,
    pub(super) durable: BTreeMap<PathBuf, u64>,
    /// Changes since `durable`, in order.
    pub(super) entries: Vec<Entry>,
    /// What the last file had that was removed from each directory: a new file may get its blocks.
    pub(super) freed: BTreeMap<PathBuf, Contents>,
    pub(super) next_inode: u64,
}

impl Disk {
    /// A disk on which everything is durable.
    pub(super) fn settled(&self, entries: BTreeMap<PathBuf, u64>, contents: BTreeMap<u64, Contents>) -> Self {
        Self {
            inodes: contents.into_iter().map(|(inode, contents)| (inode, Inode::settled(contents))).collect(),
            live: entries.clone(),
            durable: entries,
            entries: Vec::new(),
            freed: self.freed.clone(),
            next_inode: self.next_inode,
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.live.values().filter_map(|inode| self.inodes.get(inode)).map(|inode| inode.live.length() as u64).sum()
    }

    /// Makes a change that is known to be possible. What it does to a file that is nowhere any more is nothing.
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { inode, sectors, end } => {
                if let Some(inode) = self.inodes.get_mut(inode) {
                    inode.grow(*end);
                    sectors.iter().for_each(|(index, sector)| inode.write(*index, sector));
                }
            }
            Operation::Allocate { inode, length } => {
                if let Some(inode) = self.inodes.get_mut(inode) {
                    inode.grow(*length);
                }
            }
            Operation::Sync { inode, works } => {
                if let Some(inode) = self.inodes.get_mut(inode) {
                    inode.sync(*works);
                }
            }
            Operation::Create { path, inode } => {
                self.inodes.insert(*inode, Inode::default());
                self.next_inode = self.next_inode.max(inode + 1);
                self.live.insert(path.clone(), *inode);
                self.entries.push(Entry::Create { path: path.clone(), inode: *inode });
            }
            Operation::Rename { from, to } => {
                if let Some(inode) = self.live.remove(from) {
                    if let Some(replaced) = self.live.insert(to.clone(), inode) {
                        self.free(to, replaced);
                    }
                    self.entries.push(Entry::Rename { from: from.clone(), to: to.clone(), inode });
                }
            }
            Operation::Remove { path } => {
                if let Some(inode) = self.live.remove(path) {
                    self.free(path, inode);
                    self.entries.push(Entry::Remove { path: path.clone(), inode });
                }
            }
            // A directory is changed through the file system's journal. One that cannot write its journal stops for good
            // (ext4 and xfs alike), so that there is no clean and wrong directory: after a failure all is as before.
            Operation::SyncDirectory { path, works } => {
                if *works {
                    let durable = &mut self.durable;
                    self.entries.retain(|entry| {
                        let is_synced = entry.directory() == Some(path);
                        if is_synced {
                            entry.apply(durable, entry.ways());
                        }
                        !is_synced
                    });
                    self.forget_unlinked();
                }
            }
            Operation::Evict { seed } => {
                for (number, inode) in &mut self.inodes {
                    inode.evict(seed ^ mix(number + 1));
                }
            }
            Operation::PowerCut(disk) => *self = disk.clone(),
        }
    }

    fn free(&mut self, path: &Path, inode: u64) {
        if let (Some(directory), Some(inode)) = (path.parent(), self.inodes.get(&inode)) {
            self.freed.insert(directory.to_path_buf(), inode.live.clone());
        }
    }

    /// Files that no directory can have any more, and that nobody holds open.
    fn forget_unlinked(&mut self) {
        let linked: BTreeSet<u64> = self
            .live
            .values()
            .chain(self.durable.values())
            .copied()
            .chain(self.entries.iter().map(Entry::inode))
            .collect();
        self.inodes.retain(|number, inode| inode.handles > 0 || linked.contains(number));
    }

    /// What stands where a file was never written: what somebody else's file had there.
    pub(super) fn stale(&self, inode: u64) -> Vec<(usize, Sector)> {
        let Some(file) = self.inodes.get(&inode) else { return Vec::new() };
        let (from, to) = (file.durable.length().div_ceil(SECTOR), file.live.sectors());
        let name = self.live.iter().find(|(_, number)| **number == inode).map(|(path, _)| path.as_path());
        let freed = name.and_then(Path::parent).and_then(|directory| self.freed.get(directory));
        freed.map_or_else(Vec::new, |freed| {
            let filled = freed.filled().filter(|(index, _)| (from..to).contains(index));
            filled.map(|(index, sector)| (index, sector.clone())).collect()
        })
    }
}
