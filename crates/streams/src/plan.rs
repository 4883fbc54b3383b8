//! From the hash ranges that a stream's shards have to those that they are to have, by splits and merges of two.
//!
//! The fewest there can be: every boundary that is missing takes one split, and every one that is too many takes one
//! merge. So splits are made at wanted boundaries only, and merges only across unwanted ones; a shard that has a wanted
//! range is left alone. What is made on the way and closed again (AWS calls such shards short-lived) is what cannot be
//! avoided with two shards at a time.

use rheos_types::{HashKey, HashRange};

/// How far a boundary may lie from where `count` shards of one size have it, and be taken for it. The sizes are no whole
/// numbers: without this, three shards would become six by five splits and two merges, with shards of a single hash key
/// in between. It is less than a 2^80th of the smallest shard.
const CLOSE_ENOUGH: u128 = 1 << 32;

/// The ranges of `count` shards of one size, with those boundaries of `open` that are close enough. It stays the same
/// while steps [`toward`] it are done.
pub(crate) fn uniform(open: &[HashRange], count: u32) -> Vec<HashRange> {
    let near = |key: HashKey| {
        let after = open.partition_point(|range| range.start < key);
        let candidates = open[after.saturating_sub(1)..].iter().take(2).map(|range| range.start);
        let near = candidates.filter(|start| start.0.abs_diff(key.0) <= CLOSE_ENOUGH);
        near.min_by_key(|start| start.0.abs_diff(key.0)).unwrap_or(key)
    };
    let starts: Vec<HashKey> = HashRange::uniform(count.max(1)).map(|range| near(range.start)).collect();
    let ends = starts.iter().skip(1).map(|start| HashKey(start.0 - 1)).chain([HashKey::MAX]);
    starts.iter().zip(ends).map(|(start, end)| HashRange { start: *start, end }).collect()
}

/// A split or a merge, of shards counted in the order of their hash ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Split the shard in two; the second begins with `at`.
    Split { shard: usize, at: HashKey },
    /// Merge the shard with the next.
    Merge { shard: usize },
}

/// What can be done at once to bring `open` nearer to `wanted`: at most `most` steps, no two of which touch the same
/// shard, at least one unless all is as wanted. Both cover the key space, in order.
///
/// Each step brings a wanted boundary in or takes an unwanted one away, so that it ends after as many steps as there are
/// of these.
pub(crate) fn toward(open: &[HashRange], wanted: &[HashRange], most: usize) -> Vec<Step> {
    // Which of the wanted ranges holds a key.
    let home = |key: HashKey| wanted.partition_point(|range| range.start <= key).saturating_sub(1);
    let mut steps = Vec::new();
    let mut shard = 0;
    while shard < open.len() && steps.len() < most {
        let (first, last) = (home(open[shard].start), home(open[shard].end));
        if first < last {
            // The middle one of the boundaries within, so that a shard of many parts takes few rounds.
            let middle = first + (last - first).div_ceil(2);
            steps.push(Step::Split { shard, at: wanted[middle].start });
            shard += 1;
        } else if open.get(shard + 1).is_some_and(|next| home(next.end) == first) {
            steps.push(Step::Merge { shard });
            shard += 2;
        } else {
            shard += 1;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The ranges between boundaries.
    fn cover(boundaries: &BTreeSet<u128>) -> Vec<HashRange> {
        let starts: Vec<u128> = [0].into_iter().chain(boundaries.iter().copied().filter(|at| *at > 0)).collect();
        let ends = starts.iter().skip(1).map(|start| start - 1).chain([u128::MAX]);
        starts.iter().zip(ends).map(|(start, end)| HashRange { start: HashKey(*start), end: HashKey(end) }).collect()
    }

    fn boundaries(ranges: &[HashRange]) -> BTreeSet<u128> {
        ranges.iter().skip(1).map(|range| range.start.0).collect()
    }

    fn even(count: u32) -> Vec<HashRange> {
        HashRange::uniform(count).collect()
    }

    /// Does the steps, each to shards as they were before any.
    fn carry_out(open: &[HashRange], steps: &[Step]) -> Vec<HashRange> {
        let mut closed = BTreeSet::new();
        let mut after = Vec::new();
        for step in steps {
            match *step {
                Step::Split { shard, at } => {
                    assert!(closed.insert(shard));
                    let HashRange { start, end } = open[shard];
                    assert!(start < at && at <= end, "two children, neither empty");
                    after.push(HashRange { start, end: HashKey(at.0 - 1) });
                    after.push(HashRange { start: at, end });
                }
                Step::Merge { shard } => {
                    assert!(closed.insert(shard) && closed.insert(shard + 1), "no shard is closed twice");
                    after.push(HashRange { start: open[shard].start, end: open[shard + 1].end });
                }
            }
        }
        after.extend(open.iter().enumerate().filter(|(at, _)| !closed.contains(at)).map(|(_, range)| *range));
        after.sort_by_key(|range| range.start);
        after
    }

    /// All rounds from one cover to `count` shards of one size: how many rounds, splits and merges there were.
    fn reach(mut open: Vec<HashRange>, count: u32, most: usize) -> (usize, usize, usize) {
        let wanted = uniform(&open, count);
        assert!(even(count).iter().zip(&wanted).all(|(even, is)| even.start.0.abs_diff(is.start.0) <= CLOSE_ENOUGH));
        let (had, wants) = (boundaries(&open), boundaries(&wanted));
        let (mut rounds, mut splits, mut merges) = (0, 0, 0);
        loop {
            assert_eq!(uniform(&open, count), wanted, "the aim stays");
            let steps = toward(&open, &wanted, most);
            if steps.is_empty() {
                assert_eq!(open, wanted);
                assert_eq!((splits, merges), (wants.difference(&had).count(), had.difference(&wants).count()));
                return (rounds, splits, merges);
            }
            assert!(steps.len() <= most);
            let is_right = |range: &HashRange| {
                wanted.binary_search_by_key(&range.start, |range| range.start).is_ok_and(|at| wanted[at] == *range)
            };
            for step in &steps {
                match *step {
                    Step::Split { shard, .. } => {
                        splits += 1;
                        assert!(!is_right(&open[shard]), "a shard that is right stays");
                    }
                    Step::Merge { shard } => {
                        merges += 1;
                        assert!(!is_right(&open[shard]) && !is_right(&open[shard + 1]));
                    }
                }
            }
            open = carry_out(&open, &steps);
            let covered = open[0].start.0 == 0 && open[open.len() - 1].end == HashKey::MAX;
            assert!(covered && open.windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0), "{open:?}");
            rounds += 1;
        }
    }

    #[test]
    fn doubling_and_halving_take_one_round_and_leave_nothing_in_between() {
        for count in [1, 2, 3, 64, 500] {
            assert_eq!(reach(even(count), 2 * count, usize::MAX), (1, count as usize, 0));
            assert_eq!(reach(even(2 * count), count, usize::MAX), (1, 0, count as usize));
        }
        assert_eq!(reach(even(7), 7, 1), (0, 0, 0));
        // Two thirds move: two boundaries come, one goes.
        assert_eq!(reach(even(2), 3, usize::MAX), (2, 2, 1));
    }

    #[test]
    fn within_a_factor_of_two_few_rounds_are_enough() {
        for (from, to) in [(4, 5), (4, 6), (4, 7), (100, 75), (100, 125), (100, 51), (3, 2), (9999, 10_000)] {
            let (rounds, ..) = reach(even(from), to, usize::MAX);
            assert!(rounds <= 4, "{from} to {to}: {rounds}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_cover_comes_to_any_uniform_one(
            at in prop::collection::btree_set(
                prop_oneof![any::<u128>(), 1_u128..20, (u128::MAX - 20)..u128::MAX, (1 << 127) - 5..(1_u128 << 127) + 5],
                0..40,
            ),
            count in 1_u32..90,
            most in 1_usize..12,
        ) {
            reach(cover(&at), count, most);
        }

        #[test]
        fn and_so_within_a_factor_of_two(from in 1_u32..200, share in 0.5_f64..=2.0, most in 1_usize..500) {
            let to = (f64::from(from) * share).ceil().clamp(1.0, f64::from(2 * from)) as u32;
            reach(even(from), to, most);
        }
    }
}
