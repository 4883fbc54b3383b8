//! Which shards need a lease: the stream's shards beside the leases that there are.
//!
//! What is guaranteed: every open shard has a lease, or an ancestor whose end will make one; and no lease begins behind records of its shard that
//! the application was to see. Pure: what is read, and what is written, is the worker's.

use std::collections::{BTreeMap, BTreeSet};

use rheos_types::{HashKey, HashRange};

use super::config::InitialPosition;
use super::kinesis::{Shard, ShardFilter};
use crate::lease::{Checkpoint, Lease, RecordNumber};

impl InitialPosition {
    /// The shards with which an application without leases begins.
    pub(super) fn filter(self) -> ShardFilter {
        match self {
            Self::TrimHorizon => ShardFilter::AtTrimHorizon,
            Self::Latest => ShardFilter::AtLatest,
            Self::AtTimestamp(ms) => ShardFilter::AtTimestamp(ms),
        }
    }
}

/// The leases of an application that has none: one for each shard of its beginning.
///
/// # Errors
/// The shards do not cover the key space, so that the list is not whole: what is missing.
pub(super) fn bootstrap(shards: &[Shard], start: InitialPosition) -> Result<Vec<Lease>, String> {
    covers_everything(shards)?;
    Ok(in_order(shards.iter().map(|shard| (shard, start.checkpoint())).collect()))
}

/// The leases that are missing, parents before children.
pub(super) fn missing(leases: &[Lease], shards: &[Shard], start: InitialPosition) -> Vec<Lease> {
    let walk = Walk {
        shards: shards.iter().map(|shard| (shard.id.as_str(), shard)).collect(),
        leased: leases.iter().map(Lease::shard_id).collect(),
        start,
    };
    let mut findings = Findings::default();
    for shard in shards.iter().filter(|shard| shard.is_open && !walk.leased.contains(shard.id.as_str())) {
        let is_descendant = walk.visit(shard, &mut findings);
        let checkpoint = if is_descendant { start.of_descendants() } else { start.checkpoint() };
        findings.missing.insert(&shard.id, (shard, checkpoint));
    }
    in_order(findings.missing.into_values().collect())
}

/// What is known of the shards, while their ancestors are walked.
struct Walk<'a> {
    shards: BTreeMap<&'a str, &'a Shard>,
    leased: BTreeSet<&'a str>,
    start: InitialPosition,
}

#[derive(Default)]
struct Findings<'a> {
    /// Whether a shard comes after one that is read, and so must be read from its beginning.
    is_covered: BTreeMap<&'a str, bool>,
    missing: BTreeMap<&'a str, (&'a Shard, Checkpoint)>,
}

impl<'a> Walk<'a> {
    /// Finds out whether a shard without a lease descends from one that is read, and which of its ancestors need leases too.
    ///
    /// A stack and no recursion: a stream may have been split as often as it likes.
    fn visit(&self, shard: &'a Shard, findings: &mut Findings<'a>) -> bool {
        let mut stack = vec![(shard, false)];
        while let Some((shard, parents_are_known)) = stack.pop() {
            if findings.is_covered.contains_key(shard.id.as_str()) {
                continue;
            }
            let parents: Vec<&Shard> =
                shard.parents.iter().filter_map(|parent| self.shards.get(parent.as_str()).copied()).collect();
            let is_unknown = |parent: &&&Shard| {
                !self.leased.contains(parent.id.as_str()) && !findings.is_covered.contains_key(parent.id.as_str())
            };
            let unknown: Vec<&Shard> = parents.iter().filter(is_unknown).copied().collect();
            if !parents_are_known && !unknown.is_empty() {
                stack.push((shard, true));
                stack.extend(unknown.into_iter().map(|parent| (parent, false)));
                continue;
            }
            let leased_parent = shard.parents.iter().any(|parent| self.leased.contains(parent.as_str()));
            let covered_parent =
                parents.iter().any(|parent| findings.is_covered.get(parent.id.as_str()).copied().unwrap_or(false));
            let descends = leased_parent || covered_parent;
            if descends {
                for parent in parents.iter().filter(|parent| !self.leased.contains(parent.id.as_str())) {
                    let checkpoint = self.start.of_descendants();
                    findings.missing.entry(&parent.id).or_insert((parent, checkpoint));
                }
            }
            // Whoever begins with the oldest records, or at a time, wants those of the first ancestor too.
            let is_covered = descends || self.start != InitialPosition::Latest;
            findings.is_covered.insert(&shard.id, is_covered);
        }
        findings.is_covered.get(shard.id.as_str()).copied().unwrap_or(false)
    }
}

fn in_order(mut shards: Vec<(&Shard, Checkpoint)>) -> Vec<Lease> {
    let number = |shard: &Shard| RecordNumber::parse(&shard.starting_sequence_number, 0);
    shards.sort_by(|(one, _), (another, _)| number(one).cmp(&number(another)).then_with(|| one.id.cmp(&another.id)));
    shards.into_iter().map(|(shard, checkpoint)| lease_of(shard, checkpoint)).collect()
}

/// The lease of a shard that nobody has read.
pub(super) fn lease_of(shard: &Shard, checkpoint: Checkpoint) -> Lease {
    Lease {
        parents: shard.parents.iter().cloned().collect(),
        hash_range: Some(shard.hash_range),
        ..Lease::new(&shard.id, checkpoint)
    }
}

fn covers_everything(shards: &[Shard]) -> Result<(), String> {
    let mut ranges: Vec<HashRange> = shards.iter().map(|shard| shard.hash_range).collect();
    ranges.sort_by_key(|range| range.start);
    let mut next = Some(HashKey(0));
    for range in ranges {
        match next {
            Some(next) if range.start <= next => {}
            Some(next) => return Err(format!("no shard has the hash keys from {next} to {}", range.start)),
            None => {}
        }
        let after = range.end.0.checked_add(1).map(HashKey);
        next = match (next, after) {
            (Some(next), Some(after)) => Some(next.max(after)),
            _ => None,
        };
    }
    match next {
        None => Ok(()),
        Some(next) => Err(format!("no shard has the hash keys from {next} on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: u128 = u128::MAX;

    fn shard(id: &str, parents: &[&str], range: (u128, u128), is_open: bool) -> Shard {
        Shard {
            id: id.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            hash_range: HashRange { start: HashKey(range.0), end: HashKey(range.1) },
            starting_sequence_number: id.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned(),
            is_open,
        }
    }

    /// s1 was split into s2 and s3; these were merged into s4; s4 was split into s5 and s6, which are open.
    fn family() -> Vec<Shard> {
        vec![
            shard("s1", &[], (0, LAST), false),
            shard("s2", &["s1"], (0, 9), false),
            shard("s3", &["s1"], (10, LAST), false),
            shard("s4", &["s2", "s3"], (0, LAST), false),
            shard("s5", &["s4"], (0, 9), true),
            shard("s6", &["s4"], (10, LAST), true),
        ]
    }

    fn names(leases: &[Lease]) -> Vec<(&str, Checkpoint)> {
        leases.iter().map(|lease| (lease.key.as_str(), lease.checkpoint.clone().unwrap())).collect()
    }

    fn missing_of(leased: &[&str], start: InitialPosition) -> Vec<(String, Checkpoint)> {
        let leases: Vec<Lease> = leased.iter().map(|key| Lease::new(*key, Checkpoint::TrimHorizon)).collect();
        let missing = missing(&leases, &family(), start);
        names(&missing).into_iter().map(|(name, checkpoint)| (name.to_owned(), checkpoint)).collect()
    }

    fn all_at(names: &[&str], checkpoint: &Checkpoint) -> Vec<(String, Checkpoint)> {
        names.iter().map(|name| ((*name).to_owned(), checkpoint.clone())).collect()
    }

    #[test]
    fn from_the_oldest_records_every_ancestor_is_read() {
        let all = ["s1", "s2", "s3", "s4", "s5", "s6"];
        assert_eq!(missing_of(&[], InitialPosition::TrimHorizon), all_at(&all, &Checkpoint::TrimHorizon));
        assert_eq!(missing_of(&[], InitialPosition::AtTimestamp(5)), all_at(&all, &Checkpoint::AtTimestamp));
    }

    #[test]
    fn from_the_latest_only_what_is_open_is_read() {
        assert_eq!(missing_of(&[], InitialPosition::Latest), all_at(&["s5", "s6"], &Checkpoint::Latest));
    }

    #[test]
    fn what_comes_after_a_shard_that_is_read_is_read_from_its_beginning() {
        let trim = Checkpoint::TrimHorizon;
        for start in [InitialPosition::Latest, InitialPosition::TrimHorizon] {
            assert_eq!(missing_of(&["s4"], start), all_at(&["s5", "s6"], &trim));
            assert_eq!(missing_of(&["s2", "s3"], start), all_at(&["s4", "s5", "s6"], &trim));
            assert_eq!(missing_of(&["s5", "s6"], start), []);
        }
    }

    #[test]
    fn the_other_parent_of_a_merged_shard_is_read_too() {
        assert_eq!(
            missing_of(&["s2"], InitialPosition::Latest),
            all_at(&["s3", "s4", "s5", "s6"], &Checkpoint::TrimHorizon)
        );
    }

    #[test]
    fn a_thousand_generations_are_no_recursion() {
        let mut shards = vec![shard("s1", &[], (0, LAST), false)];
        for number in 2..5000 {
            let parent = format!("s{}", number - 1);
            shards.push(shard(&format!("s{number}"), &[&parent], (0, LAST), number == 4999));
        }
        assert_eq!(missing(&[], &shards, InitialPosition::TrimHorizon).len(), 4999);
        assert_eq!(missing(&[], &shards, InitialPosition::Latest).len(), 1);
    }

    #[test]
    fn an_application_does_not_begin_with_a_part_of_the_stream() {
        let halves = [shard("s1", &[], (0, 9), true), shard("s2", &[], (10, LAST), true)];
        let leases = bootstrap(&halves, InitialPosition::Latest).unwrap();
        assert_eq!(names(&leases), [("s1", Checkpoint::Latest), ("s2", Checkpoint::Latest)]);
        for part in [&halves[..1], &halves[1..], &[]] {
            assert!(bootstrap(part, InitialPosition::Latest).is_err(), "{part:?}");
        }
    }
}
