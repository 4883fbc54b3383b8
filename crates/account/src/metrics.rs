//! The metrics that applications report, kept in memory and aggregated when they are read.
//!
//! A *series* is a namespace, a name and an exact set of dimensions. Its samples lie in *buckets*: one for each unit and
//! minute, and one for each second where a caller asks for it. A bucket keeps a statistic set, and the values themselves
//! where they were given, so that percentiles can be had ([`distribution`]).
//!
//! Buckets age: seconds are kept for three hours, minutes for 15 days, five minutes for 63 days, hours for 455 days, as on
//! AWS. What is older goes over into the next coarser bucket. Nothing survives a restart.
//!
//! # Bounds
//! There are at most [`Bounds::series`] series and they take at most [`Bounds::bytes`] (counted, not measured). When bytes
//! are short, minutes and what is coarser are kept for half as long, and half of that, down to 1/64; when that does not
//! help, or when there are too many series, those that were reported longest ago go first.
//!
//! | where | what |
//! | --- | --- |
//! | [`series`] | buckets of one series, and how they age |
//! | [`statistic`] | statistic sets, and the statistics that can be asked for |
//! | [`distribution`] | values in few numbers |

pub mod distribution;
pub mod series;
pub mod statistic;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rheos_types::Namespace;

pub use distribution::Distribution;
pub use series::{Point, Range};
pub use statistic::{Statistic, StatisticSet};

use series::Series;

/// How long a series is listed after it was last reported.
pub const LISTED_MS: u64 = 14 * 24 * 60 * 60 * 1000;
/// A series that is listed as recently active was reported within this.
pub const RECENTLY_ACTIVE_MS: u64 = 3 * 60 * 60 * 1000;
/// How often buckets are looked through for those that have aged.
const AGING_MS: u64 = 10 * 60 * 1000;
/// How often the time that buckets are kept may be halved.
const MAX_PRESSURE: u32 = 6;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Series of all accounts together.
    pub series: usize,
    /// Bytes that they take together, as they are counted.
    pub bytes: usize,
}

/// Which series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId {
    /// The namespace, such as the name of an application.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Names and values, in order and each name once.
    pub dimensions: Vec<(String, String)>,
}

impl MetricId {
    /// A series with these dimensions, in whatever order they come. `None` if a name is repeated.
    #[must_use]
    pub fn new(namespace: &str, name: &str, mut dimensions: Vec<(String, String)>) -> Option<Self> {
        dimensions.sort_unstable();
        let repeats = dimensions.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!repeats).then(|| Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions })
    }

    fn bytes(&self) -> usize {
        let dimensions = self.dimensions.iter().map(|(name, value)| name.len() + value.len() + 48);
        self.namespace.len() + self.name.len() + dimensions.sum::<usize>()
    }
}

/// What was reported of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When it was, in milliseconds since 1970.
    pub at_ms: u64,
    /// The unit, which tells samples apart.
    pub unit: &'static str,
    /// Whether it is to be kept by the second too.
    pub by_second: bool,
    /// The numbers.
    pub content: Content,
}

/// The numbers of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Values, each with how often it was seen.
    Values(Vec<(f64, f64)>),
    /// Only their statistics.
    Set(StatisticSet),
}

/// Which series to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this namespace.
    pub namespace: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// That have these dimensions among theirs; without a value, any value.
    pub dimensions: Vec<(String, Option<String>)>,
    /// Reported within [`RECENTLY_ACTIVE_MS`].
    pub recently_active: bool,
}

impl Filter {
    fn takes(&self, id: &MetricId, active_ms: u64, now_ms: u64) -> bool {
        let within_ms = if self.recently_active { RECENTLY_ACTIVE_MS } else { LISTED_MS };
        let has = |(name, value): &(String, Option<String>)| {
            let is_it = |(n, v): &(String, String)| n == name && value.as_ref().is_none_or(|value| v == value);
            id.dimensions.iter().any(is_it)
        };
        active_ms.saturating_add(within_ms) > now_ms
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == id.namespace)
            && self.name.as_ref().is_none_or(|name| *name == id.name)
            && self.dimensions.iter().all(has)
    }
}

/// What had to be dropped because of the bounds, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Series.
    pub series: usize,
    /// Whether buckets are now kept for a shorter time.
    pub is_shortened: bool,
}

/// All series.
#[derive(Debug)]
pub struct Metrics {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By account and region, so that each is listed by itself.
    series: BTreeMap<Namespace, BTreeMap<MetricId, Series>>,
    count: usize,
    bytes: usize,
    aged_ms: u64,
    /// How often the time that buckets are kept has been halved.
    pressure: u32,
}

impl Metrics {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes samples; what had to be dropped for them is told.
    pub fn put(&self, of: &Namespace, samples: Vec<(MetricId, Sample)>, now_ms: u64) -> Dropped {
        let mut state = self.state();
        for (id, sample) in samples {
            state.add(of, id, &sample, now_ms);
        }
        if now_ms.saturating_sub(state.aged_ms) >= AGING_MS {
            state.age(now_ms);
            // There is room again: what comes from now on may stay longer.
            if state.pressure > 0 && state.bytes < self.bounds.bytes / 4 {
                state.pressure -= 1;
            }
        }
        state.keep_within(self.bounds, now_ms)
    }

    /// Up to `most` series that a filter takes, in order, after the given one; and whether there are more.
    #[must_use]
    pub fn list(
        &self,
        of: &Namespace,
        filter: &Filter,
        after: Option<&MetricId>,
        most: usize,
        now_ms: u64,
    ) -> (Vec<MetricId>, bool) {
        use std::ops::Bound;

        let state = self.state();
        let Some(series) = state.series.get(of) else { return (Vec::new(), false) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut taken = series
            .range::<MetricId, _>((from, Bound::Unbounded))
            .filter(|(id, series)| filter.takes(id, series.active_ms, now_ms))
            .map(|(id, _)| id);
        let listed = taken.by_ref().take(most).cloned().collect();
        (listed, taken.next().is_some())
    }

    /// Shows the points of a series in a range, in order of time, those of each unit by themselves, until `each` has seen
    /// enough. Their values are shown only if asked for.
    pub fn read(
        &self,
        of: &Namespace,
        id: &MetricId,
        range: Range,
        with_values: bool,
        each: impl FnMut(&Point) -> ControlFlow<()>,
    ) {
        let state = self.state();
        if let Some(series) = state.series.get(of).and_then(|series| series.get(id)) {
            series.points(range, with_values, each);
        }
    }

    /// How many series there are, and the bytes that are counted for them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.count, state.bytes)
    }
}

impl State {
    fn add(&mut self, of: &Namespace, id: MetricId, sample: &Sample, now_ms: u64) {
        let series = self.series.entry(of.clone()).or_default();
        let key_bytes = id.bytes();
        let series = series.entry(id).or_insert_with(|| {
            self.count += 1;
            Series::new(key_bytes)
        });
        let before = if series.is_new() { 0 } else { series.bytes() };
        series.add(sample, now_ms);
        self.bytes = self.bytes + series.bytes() - before;
    }

    fn age(&mut self, now_ms: u64) {
        self.aged_ms = now_ms;
        let pressure = self.pressure;
        self.each(|_, series| {
            series.age(now_ms, pressure);
            !series.is_empty()
        });
    }

    /// Keeps the series for which a function says so, and counts again.
    fn each(&mut self, mut keep: impl FnMut(&MetricId, &mut Series) -> bool) {
        let (mut count, mut bytes) = (0, 0);
        for series in self.series.values_mut() {
            series.retain(|id, series| {
                let kept = keep(id, series);
                if kept {
                    count += 1;
                    bytes += series.bytes();
                }
                kept
            });
        }
        self.series.retain(|_, series| !series.is_empty());
        (self.count, self.bytes) = (count, bytes);
    }

    fn keep_within(&mut self, bounds: Bounds, now_ms: u64) -> Dropped {
        let mut dropped = Dropped::default();
        while self.bytes > bounds.bytes && self.pressure < MAX_PRESSURE {
            self.pressure += 1;
            dropped.is_shortened = true;
            self.age(now_ms);
        }
        if self.count > bounds.series || self.bytes > bounds.bytes {
            dropped.series = self.drop_oldest(bounds);
        }
        dropped
    }

    /// Drops those that were reported longest ago, an eighth more than has to be, so that it is not done at every put.
    fn drop_oldest(&mut self, bounds: Bounds) -> usize {
        let (most, bytes) = (bounds.series - bounds.series / 8, bounds.bytes - bounds.bytes / 8);
        let all = self.series.values().flat_map(BTreeMap::values);
        let mut by_age: Vec<(u64, usize)> = all.map(|series| (series.active_ms, series.bytes())).collect();
        by_age.sort_unstable_by(|one, other| other.cmp(one));
        // The newest that fit stay.
        let mut left = 0;
        let fits = |(at, (_, size)): &(usize, &(u64, usize))| {
            left += size;
            *at < most && left <= bytes
        };
        let kept = by_age.iter().enumerate().take_while(fits).count();
        let Some(&(first_gone_ms, _)) = by_age.get(kept) else { return 0 };
        let mut among_equals = by_age[..kept].iter().filter(|(active_ms, _)| *active_ms == first_gone_ms).count();
        let before = self.count;
        self.each(|_, series| {
            let is_equal = series.active_ms == first_gone_ms;
            let stays = series.active_ms > first_gone_ms || (is_equal && among_equals > 0);
            if is_equal && stays {
                among_equals -= 1;
            }
            stays
        });
        before - self.count
    }
}

#[cfg(test)]
mod tests;
