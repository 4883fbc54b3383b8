//! What a worker measures, by the KCL's names, and who is told.
//!
//! Values are summed up where they come from and given to a [`MetricsPublisher`] every few seconds. It is told what happened, and has no part in it: a
//! publisher that fails, or does not answer, costs its figures and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rheos_types::Clock;
use tokio::time::timeout;

use super::worker::Shared;
use crate::figures::Figures;

/// A publisher that has not answered after so long is not waited for.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);

/// What is published, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// What is measured at all.
    pub level: MetricsLevel,
    /// How long values are summed up, in milliseconds.
    pub buffer_ms: u64,
    /// So many figures may wait to be published; what would be one more is left out.
    pub max_figures: usize,
    /// Whether what is of a shard says of which one.
    pub by_shard: bool,
    /// Whether what is of a worker says of which one.
    pub by_worker: bool,
}

impl Default for MetricsConfig {
    /// As the KCL has it.
    fn default() -> Self {
        Self { level: MetricsLevel::Detailed, buffer_ms: 10_000, max_figures: 10_000, by_shard: true, by_worker: true }
    }
}

/// How much is measured: each level has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricsLevel {
    /// Nothing.
    None,
    /// What one looks at every day.
    Summary,
    /// The calls of the service and of the lease store too.
    Detailed,
}

/// What a value is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// The values of one metric in one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datum {
    /// The metric.
    pub name: &'static str,
    /// What its values are numbers of.
    pub unit: Unit,
    /// Whose values these are: names and values.
    pub dimensions: Vec<(&'static str, String)>,
    /// The values.
    pub figures: Figures,
}

/// Takes what was measured.
pub trait MetricsPublisher: Send + Sync + 'static {
    /// Takes the figures of an interval. What it could not take is lost; the error goes to the log.
    fn publish<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), String>>;
}

/// Whose a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Application,
    Shard,
    Worker,
}

macro_rules! measures {
    ($($measure:ident $operation:literal $name:literal $unit:ident $of:ident $level:ident,)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Measure { $($measure,)* }

        impl Measure {
            fn operation(self) -> &'static str {
                match self { $(Self::$measure => $operation,)* }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$measure => $name,)* }
            }

            fn unit(self) -> Unit {
                match self { $(Self::$measure => Unit::$unit,)* }
            }

            fn of(self) -> Of {
                match self { $(Self::$measure => Of::$of,)* }
            }

            fn level(self) -> MetricsLevel {
                match self { $(Self::$measure => MetricsLevel::$level,)* }
            }
        }
    };
}

// Operations, names and levels of the KCL: its developer guide, "Monitor the Kinesis Client Library with Amazon CloudWatch". The last two of ProcessTask
// are of this crate, as the KCL leaves such records out without a word.
measures! {
    InitializeTime "InitializeTask" "RecordProcessor.initialize.Time" Milliseconds Application Summary,
    InitializeSuccess "InitializeTask" "RecordProcessor.initialize.Success" Count Application Summary,
    ShutdownTime "ShutdownTask" "RecordProcessor.shutdown.Time" Milliseconds Application Summary,
    ShutdownSuccess "ShutdownTask" "RecordProcessor.shutdown.Success" Count Application Summary,
    MostBehindLatest "ApplicationTracker" "MillisBehindLatest" Milliseconds Application Summary,
    RecordsProcessed "ProcessTask" "RecordsProcessed" Count Shard Summary,
    DataBytesProcessed "ProcessTask" "DataBytesProcessed" Bytes Shard Summary,
    MillisBehindLatest "ProcessTask" "MillisBehindLatest" Milliseconds Shard Summary,
    ExpiredIterator "ProcessTask" "ExpiredIterator" Count Shard Summary,
    ProcessTime "ProcessTask" "RecordProcessor.processRecords.Time" Milliseconds Shard Summary,
    ProcessSuccess "ProcessTask" "RecordProcessor.processRecords.Success" Count Shard Summary,
    GetRecordsTime "ProcessTask" "KinesisDataFetcher.getRecords.Time" Milliseconds Shard Detailed,
    GetRecordsSuccess "ProcessTask" "KinesisDataFetcher.getRecords.Success" Count Shard Detailed,
    UpdateLeaseTime "ProcessTask" "UpdateLease.Time" Milliseconds Shard Detailed,
    UpdateLeaseSuccess "ProcessTask" "UpdateLease.Success" Count Shard Detailed,
    RecordsSkipped "ProcessTask" "RecordsSkipped" Count Shard Summary,
    DeadLetters "ProcessTask" "DeadLetters" Count Shard Summary,
    RenewLeaseTime "RenewAllLeases" "RenewLease.Time" Milliseconds Worker Detailed,
    RenewLeaseSuccess "RenewAllLeases" "RenewLease.Success" Count Worker Detailed,
    RenewAllLeasesTime "RenewAllLeases" "Time" Milliseconds Worker Summary,
    CurrentLeases "RenewAllLeases" "CurrentLeases" Count Worker Summary,
    LostLeases "RenewAllLeases" "LostLeases" Count Worker Summary,
}

/// Something that takes its time and may fail: the two measures of that.
pub(super) type Attempt = (Measure, Measure);

pub(super) const INITIALIZE: Attempt = (Measure::InitializeTime, Measure::InitializeSuccess);
pub(super) const PROCESS: Attempt = (Measure::ProcessTime, Measure::ProcessSuccess);
pub(super) const SHUTDOWN: Attempt = (Measure::ShutdownTime, Measure::ShutdownSuccess);
pub(super) const GET_RECORDS: Attempt = (Measure::GetRecordsTime, Measure::GetRecordsSuccess);
pub(super) const UPDATE_LEASE: Attempt = (Measure::UpdateLeaseTime, Measure::UpdateLeaseSuccess);
pub(super) const RENEW_LEASE: Attempt = (Measure::RenewLeaseTime, Measure::RenewLeaseSuccess);

/// Sums up what happens between two publications.
pub(super) struct Meter {
    config: MetricsConfig,
    worker: String,
    clock: Arc<dyn Clock>,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    /// By shard where it is of one and that is told, else by no name.
    figures: BTreeMap<(Measure, String), Figures>,
    left_out: u64,
}

impl Meter {
    pub(super) fn new(config: MetricsConfig, worker: &str, clock: Arc<dyn Clock>) -> Self {
        Self { config, worker: worker.to_owned(), clock, sums: Mutex::default() }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value of a shard's, or of the worker that has the shard.
    pub(super) fn add(&self, measure: Measure, shard: &str, value: u64) {
        if measure.level() > self.config.level {
            return;
        }
        let shard = if measure.of() == Of::Shard && self.config.by_shard { shard } else { "" };
        let mut sums = self.sums();
        let has_room = sums.figures.len() < self.config.max_figures;
        let key = (measure, shard.to_owned());
        match sums.figures.get_mut(&key) {
            Some(figures) => figures.add(value),
            None if has_room => sums.figures.entry(key).or_default().add(value),
            None => sums.left_out += 1,
        }
    }

    /// Makes an attempt: how long it took, and whether it came to something.
    pub(super) async fn attempt<T>(
        &self,
        (time, success): Attempt,
        shard: &str,
        work: impl Future<Output = T>,
        has_succeeded: impl FnOnce(&T) -> bool,
    ) -> T {
        let begun_ms = self.clock.monotonic_ms();
        let outcome = work.await;
        self.add(time, shard, self.clock.monotonic_ms() - begun_ms);
        self.add(success, shard, u64::from(has_succeeded(&outcome)));
        outcome
    }

    /// Everything since the last time.
    fn take(&self) -> Vec<Datum> {
        let Sums { figures, left_out } = std::mem::take(&mut *self.sums());
        if left_out > 0 {
            tracing::warn!("{left_out} values were not measured: more than {} figures", self.config.max_figures);
        }
        figures.into_iter().map(|((measure, shard), figures)| self.datum(measure, shard, figures)).collect()
    }

    fn datum(&self, measure: Measure, shard: String, figures: Figures) -> Datum {
        let mut dimensions = vec![("Operation", measure.operation().to_owned())];
        if !shard.is_empty() {
            dimensions.push(("ShardId", shard));
        }
        if measure.of() == Of::Worker && self.config.by_worker {
            dimensions.push(("WorkerIdentifier", self.worker.clone()));
        }
        Datum { name: measure.name(), unit: measure.unit(), dimensions, figures }
    }
}

impl Shared {
    /// Publishes what was measured, every few seconds.
    pub(super) async fn keep_publishing(&self) {
        if self.metrics.is_none() {
            return;
        }
        loop {
            self.wait(self.config.metrics.buffer_ms, None).await;
            self.publish().await;
        }
    }

    /// Publishes what was measured since the last time.
    pub(super) async fn publish(&self) {
        let Some(publisher) = &self.metrics else { return };
        let behind_ms = self.all_held().iter().filter_map(|held| held.status().millis_behind_latest).max();
        if let Some(behind_ms) = behind_ms {
            self.meter.add(Measure::MostBehindLatest, "", behind_ms);
        }
        let data = self.meter.take();
        if data.is_empty() {
            return;
        }
        let outcome = timeout(PUBLISH_WITHIN, publisher.publish(&data)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {PUBLISH_WITHIN:?}")));
        if let Err(why) = outcome {
            tracing::warn!("{} figures were not published: {why}", data.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(config: MetricsConfig) -> Meter {
        Meter::new(config, "w", Arc::new(rheos_types::SystemClock::new()))
    }

    fn named<'a>(data: &'a [Datum], name: &str) -> Vec<&'a Datum> {
        data.iter().filter(|datum| datum.name == name).collect()
    }

    #[tokio::test]
    async fn values_are_summed_up_by_what_they_are_of() {
        let meter = meter(MetricsConfig::default());
        for (shard, records) in [("a", 3), ("b", 4), ("a", 5)] {
            meter.add(Measure::RecordsProcessed, shard, records);
            meter.attempt(RENEW_LEASE, shard, async { shard == "a" }, |renewed| *renewed).await;
        }
        let data = meter.take();
        assert!(meter.take().is_empty(), "it has been taken");
        let [of_a, of_b] = named(&data, "RecordsProcessed")[..] else { panic!("{data:?}") };
        assert_eq!(of_a.figures, Figures { count: 2, sum: 8, min: 3, max: 5 });
        let of = |shard: &str| vec![("Operation", "ProcessTask".to_owned()), ("ShardId", shard.to_owned())];
        assert_eq!((&of_a.dimensions, &of_b.dimensions), (&of("a"), &of("b")));
        let [renewed] = named(&data, "RenewLease.Success")[..] else { panic!("{data:?}") };
        assert_eq!(renewed.figures, Figures { count: 3, sum: 2, min: 0, max: 1 });
        let of_worker = vec![("Operation", "RenewAllLeases".to_owned()), ("WorkerIdentifier", "w".to_owned())];
        assert_eq!((renewed.unit, &renewed.dimensions), (Unit::Count, &of_worker));
    }

    #[tokio::test]
    async fn only_what_was_asked_for_is_measured() {
        let measured = async |level| {
            let config = MetricsConfig { level, by_shard: false, by_worker: false, ..MetricsConfig::default() };
            let meter = meter(config);
            for shard in ["a", "b"] {
                meter.attempt(GET_RECORDS, shard, async {}, |()| true).await;
                meter.attempt(PROCESS, shard, async {}, |()| true).await;
            }
            meter.add(Measure::CurrentLeases, "", 2);
            let data = meter.take();
            assert!(data.iter().all(|datum| datum.dimensions.len() == 1), "{data:?}");
            data.iter().map(|datum| datum.name).collect::<Vec<_>>()
        };
        let summary =
            ["RecordProcessor.processRecords.Time", "RecordProcessor.processRecords.Success", "CurrentLeases"];
        assert!(measured(MetricsLevel::None).await.is_empty());
        assert_eq!(measured(MetricsLevel::Summary).await, summary);
        assert_eq!(measured(MetricsLevel::Detailed).await.len(), 5);
    }

    #[test]
    fn figures_beyond_the_bound_are_left_out_and_the_others_go_on() {
        let meter = meter(MetricsConfig { max_figures: 2, ..MetricsConfig::default() });
        for shard in ["a", "b", "c", "a"] {
            meter.add(Measure::RecordsProcessed, shard, 1);
        }
        let data = meter.take();
        assert_eq!(data.iter().map(|datum| datum.figures.sum).collect::<Vec<_>>(), [2, 1]);
    }
}
