//! One series: its buckets, and how they age.

use std::ops::ControlFlow;

use super::{Content, Distribution, Sample, StatisticSet};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Buckets of seconds, and how long they stay. The minutes have the same samples.
const SECONDS_KEPT_MS: u64 = 3 * HOUR_MS;
/// Buckets of so many milliseconds, and how long they stay before they go over into the next.
const TIERS: [(u64, u64); 3] = [(60 * 1000, 15 * DAY_MS), (5 * 60 * 1000, 63 * DAY_MS), (HOUR_MS, 455 * DAY_MS)];
/// What a series takes besides its buckets and its name.
const SERIES_BYTES: usize = 400;

/// Some of the time, in steps: buckets that begin from `start_ms` on and before `end_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first moment; it counts from the beginning of its period.
    pub start_ms: u64,
    /// The first moment that does not count.
    pub end_ms: u64,
    /// The length of a step; below a minute the buckets of seconds are read.
    pub period_ms: u64,
}

/// What is known of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When the period begins.
    pub at_ms: u64,
    /// The unit.
    pub unit: &'static str,
    /// The statistics.
    pub set: StatisticSet,
    /// The values, if all are known.
    pub values: Option<Distribution>,
}

impl Point {
    /// What is known of this and another together; of the unit, what it was.
    pub fn add(&mut self, other: &Self) {
        self.set = self.set.and(other.set);
        match (&mut self.values, &other.values) {
            (Some(values), Some(more)) => values.add(more.values()),
            (values, _) => *values = None,
        }
    }

    fn bytes(&self) -> usize {
        self.values.as_ref().map_or(0, Distribution::bytes)
    }
}

/// Buckets of one length in order of time and unit.
#[derive(Debug, Default)]
struct Buckets {
    points: Vec<Point>,
    /// What their values take.
    value_bytes: usize,
}

impl Buckets {
    fn add(&mut self, point: Point) {
        let key = |point: &Point| (point.at_ms, point.unit);
        // Mostly it is the last.
        let place = match self.points.last() {
            Some(last) if key(last) < key(&point) => Err(self.points.len()),
            _ => self.points.binary_search_by(|held| key(held).cmp(&key(&point))),
        };
        match place {
            Ok(at) => {
                let held = &mut self.points[at];
                self.value_bytes -= held.bytes();
                held.add(&point);
                self.value_bytes += held.bytes();
            }
            Err(at) => {
                self.value_bytes += point.bytes();
                self.points.insert(at, point);
            }
        }
    }

    /// Takes those that begin before a moment.
    fn take_before(&mut self, moment_ms: u64) -> Vec<Point> {
        let count = self.points.partition_point(|point| point.at_ms < moment_ms);
        let taken: Vec<Point> = self.points.drain(..count).collect();
        self.value_bytes -= taken.iter().map(Point::bytes).sum::<usize>();
        if count > 0 {
            self.points.shrink_to(2 * self.points.len());
        }
        taken
    }

    /// Those that begin from one moment on and before another.
    fn between(&self, start_ms: u64, end_ms: u64) -> &[Point] {
        let index = |moment_ms| self.points.partition_point(|point| point.at_ms < moment_ms);
        self.points.get(index(start_ms)..index(end_ms)).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<Point>() + self.value_bytes
    }
}

/// The buckets of a series.
#[derive(Debug)]
pub(super) struct Series {
    /// When it was last reported.
    pub(super) active_ms: u64,
    key_bytes: usize,
    seconds: Buckets,
    tiers: [Buckets; 3],
    is_new: bool,
}

impl Series {
    pub(super) fn new(key_bytes: usize) -> Self {
        let (seconds, tiers) = (Buckets::default(), Default::default());
        Self { active_ms: 0, key_bytes, seconds, tiers, is_new: true }
    }

    /// Whether nothing was ever added.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seconds.points.is_empty() && self.tiers.iter().all(|tier| tier.points.is_empty())
    }

    pub(super) fn bytes(&self) -> usize {
        SERIES_BYTES + self.key_bytes + self.seconds.bytes() + self.tiers.iter().map(Buckets::bytes).sum::<usize>()
    }

    pub(super) fn add(&mut self, sample: &Sample, now_ms: u64) {
        self.active_ms = self.active_ms.max(now_ms);
        self.is_new = false;
        let (set, values) = match &sample.content {
            Content::Values(values) => {
                let sets = values.iter().map(|(value, count)| StatisticSet::of(*value, *count));
                let Some(set) = sets.reduce(StatisticSet::and) else { return };
                (set, Some(Distribution::of(values)))
            }
            // All of them are known to be the same, or there is one.
            Content::Set(set) if set.minimum == set.maximum || set.count == 1.0 => {
                (*set, Some(Distribution::of(&[(set.minimum, set.count)])))
            }
            Content::Set(set) => (*set, None),
        };
        let point = |step_ms| Point {
            at_ms: sample.at_ms - sample.at_ms % step_ms,
            unit: sample.unit,
            set,
            values: values.clone(),
        };
        if sample.by_second {
            self.seconds.add(point(1000));
        }
        self.tiers[0].add(point(TIERS[0].0));
    }

    /// Lets buckets go over into coarser ones; each doubling of `pressure` halves the time that they stay.
    pub(super) fn age(&mut self, now_ms: u64, pressure: u32) {
        drop(self.seconds.take_before(now_ms.saturating_sub(SECONDS_KEPT_MS >> pressure)));
        for (at, (_, kept_ms)) in TIERS.iter().enumerate() {
            let aged = self.tiers[at].take_before(now_ms.saturating_sub(kept_ms >> pressure));
            if let (Some(coarser), Some((step_ms, _))) = (self.tiers.get_mut(at + 1), TIERS.get(at + 1)) {
                for mut point in aged {
                    point.at_ms -= point.at_ms % step_ms;
                    coarser.add(point);
                }
            }
        }
    }

    /// Shows the points of a range in order of time and unit, until `each` has seen enough.
    pub(super) fn points(&self, range: Range, with_values: bool, mut each: impl FnMut(&Point) -> ControlFlow<()>) {
        let period_ms = range.period_ms.max(1);
        let period_of = |point: &Point| point.at_ms - point.at_ms % period_ms;
        let start_ms = range.start_ms - range.start_ms % period_ms;
        let tiers = if period_ms < TIERS[0].0 { std::slice::from_ref(&self.seconds) } else { &self.tiers[..] };
        // Each tier is in order; a period may have some of all.
        let mut rests: Vec<&[Point]> = tiers.iter().map(|tier| tier.between(start_ms, range.end_ms)).collect();
        while let Some(at_ms) = rests.iter().filter_map(|rest| rest.first()).map(period_of).min() {
            let mut period = Buckets::default();
            for rest in &mut rests {
                let count = rest.iter().take_while(|point| period_of(point) == at_ms).count();
                let (now, later) = rest.split_at(count);
                *rest = later;
                for point in now {
                    let values = with_values.then(|| point.values.clone()).flatten();
                    period.add(Point { at_ms, unit: point.unit, set: point.set, values });
                }
            }
            if period.points.iter().any(|point| each(point).is_break()) {
                return;
            }
        }
    }
}
