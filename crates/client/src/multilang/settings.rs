//! What the properties of the Java daemon mean here.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::protocol::Protocol;
use crate::consumer::{Config, InitialPosition, MetricsConfig, MetricsLevel, Poison, Retrieval};

/// What is wrong with the properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A key that everybody has to say.
    #[error("the properties file says no {0}")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("{key} in the properties file: {why}")]
    Wrong {
        /// The key.
        key: &'static str,
        /// What the value is not.
        why: String,
    },
}

/// Everything that a properties file says, as far as it concerns this daemon.
#[derive(Debug)]
pub struct Settings {
    /// How the worker behaves.
    pub config: Config,
    /// The program of a shard, and its arguments.
    pub command: Vec<String>,
    /// The lease table.
    pub table: String,
    /// The name of the registered consumer.
    pub consumer: String,
    /// Where the stream is, if not where the environment says.
    pub region: Option<String>,
    /// Where Kinesis answers, if not where it does by itself.
    pub kinesis_endpoint: Option<String>,
    /// Where DynamoDB answers, if not where it does by itself.
    pub dynamodb_endpoint: Option<String>,
    /// Where CloudWatch answers, if not where it does by itself.
    pub cloudwatch_endpoint: Option<String>,
    /// Where records go that cannot be processed.
    pub dead_letter_stream: Option<String>,
    /// The second half of the way from three lease tables to one.
    pub migrates: bool,
    /// How programs are told the end, if the file says it.
    pub protocol: Option<Protocol>,
    /// A program that does not answer for so long is ended.
    pub timeout: Option<Duration>,
}

/// Nothing waits longer than a year.
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
/// What a wait may be that comes again and again.
const MS: RangeInclusive<u64> = 1..=YEAR_MS;
/// The last second of the year 9999, after which nobody can say a time to Kinesis.
const LATEST_S: u64 = 253_402_300_799;
/// A figure takes some hundred bytes.
const MAX_FIGURES: usize = 1_000_000;

/// Polling is meant where one of these is said and nothing about the way of retrieval.
const POLLING_KEYS: [&str; 5] = [
    "maxRecords",
    "idleTimeBetweenReadsInMillis",
    "retryGetRecordsInSeconds",
    "maxGetRecordsThreadPool",
    "millisBehindLatestThresholdForReducedTps",
];

impl Settings {
    /// What these properties say. Keys that this daemon has no use for are ignored, as Java ignores those that it does not know. A worker without a
    /// name gets one from `random_worker`.
    ///
    /// # Errors
    /// A key that is missing, or has a value that makes no sense.
    pub fn new(
        properties: &BTreeMap<String, String>,
        random_worker: impl FnOnce() -> String,
    ) -> Result<Self, SettingsError> {
        let keys = Keys(properties);
        let command: Vec<String> = keys.required("executableName")?.split_whitespace().map(str::to_owned).collect();
        let application = keys.required("applicationName")?.to_owned();
        let arn = keys.get("streamArn");
        let (stream, arn_region) = match arn {
            Some(arn) => stream_of_arn(arn)?,
            None => (keys.required("streamName")?.to_owned(), None),
        };
        let worker =
            keys.get("workerId").or_else(|| keys.get("workerIdentifier")).map_or_else(random_worker, str::to_owned);
        let mut config = Config::new(&application, &stream, worker);
        config.start = keys.start()?;
        config.retrieval = keys.retrieval()?;
        if let Some(failover_ms) = keys.number("failoverTimeMillis", MS)? {
            config.failover_ms = failover_ms;
            config.leader_lock_ms = 3 * failover_ms;
            config.assignment_interval_ms = 2 * failover_ms;
        }
        // The default of Java.
        config.idle_ms = 1_500;
        keys.set(&mut config.idle_ms, "idleTimeBetweenReadsInMillis", 0..=YEAR_MS)?;
        keys.set(&mut config.assignment_interval_ms, "leaseAssignmentIntervalMillis", MS)?;
        keys.set(&mut config.shard_sync_interval_ms, "shardSyncIntervalMillis", MS)?;
        keys.set(&mut config.parent_poll_ms, "parentShardPollIntervalMillis", MS)?;
        keys.set(&mut config.handoff_ms, "gracefulLeaseHandoffTimeoutMillis", MS)?;
        keys.set(&mut config.worker_metrics_interval_ms, "workerMetricsReporterFreqInMillis", MS)?;
        config.metrics = keys.metrics()?;
        keys.set(&mut config.retry.backoff_ms, "taskBackoffTimeMillis", MS)?;
        keys.set(&mut config.max_records, "maxRecords", 1..=10_000)?;
        keys.set(&mut config.renewals_at_once, "maxLeaseRenewalThreads", 1..=usize::MAX)?;
        keys.set(&mut config.max_leases, "maxLeasesForWorker", 1..=usize::MAX)?;
        keys.set(&mut config.max_leases_to_steal, "maxLeasesToStealAtOneTime", 1..=usize::MAX)?;
        keys.set(&mut config.retry.attempts, "rheos.attempts", 1..=u32::MAX)?;
        // Java's default is no grace at all, and every stop of a worker costs duplicates.
        if let Some(grace_ms) = keys.number("shutdownGraceMillis", 0..=YEAR_MS)?.filter(|grace_ms| *grace_ms > 0) {
            config.shutdown_grace_ms = grace_ms;
        }
        config.call_for_empty_batches = keys.is_set("callProcessRecordsEvenForEmptyRecordList")?;
        let dead_letter_stream = keys.get("rheos.deadLetterStream").map(str::to_owned);
        config.poison = match (keys.get("rheos.poison"), &dead_letter_stream) {
            (None, None) | (Some("stop"), _) => Poison::Stop,
            (Some("skip"), _) => Poison::Skip,
            (None | Some("dead-letter"), Some(_)) => Poison::DeadLetter,
            (Some("dead-letter"), None) => return Err(wrong("rheos.poison", "it needs a rheos.deadLetterStream")),
            (Some(other), _) => {
                return Err(wrong("rheos.poison", format!("`{other}` is not stop, skip or dead-letter")));
            }
        };
        let seconds = keys.number("timeoutInSeconds", 1..=YEAR_MS / 1000)?;
        Ok(Self {
            config,
            command,
            table: keys.get("tableName").unwrap_or(&application).to_owned(),
            consumer: keys.get("fanoutConfig.consumerName").unwrap_or(&application).to_owned(),
            region: keys.get("regionName").map(str::to_owned).or(arn_region),
            kinesis_endpoint: keys.either("kinesisEndpoint", "kinesisClient.endpointOverride"),
            dynamodb_endpoint: keys.either("dynamoDBEndpoint", "dynamoDbClient.endpointOverride"),
            cloudwatch_endpoint: keys.get("cloudWatchClient.endpointOverride").map(str::to_owned),
            dead_letter_stream,
            migrates: keys.is_set("migrateAllEntitiesToLeaseTable")?,
            protocol: match keys.number("rheos.protocol", 1..=2)? {
                None => None,
                Some(1) => Some(Protocol::One),
                Some(_) => Some(Protocol::Two),
            },
            timeout: seconds.map(Duration::from_secs),
        })
    }
}

struct Keys<'a>(&'a BTreeMap<String, String>);

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn either(&self, one: &str, another: &str) -> Option<String> {
        self.get(one).or_else(|| self.get(another)).map(str::to_owned)
    }

    fn required(&self, key: &'static str) -> Result<&'a str, SettingsError> {
        self.get(key).ok_or(SettingsError::Missing(key))
    }

    fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Result<Option<T>, SettingsError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(key) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let why = || format!("`{text}` is no number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| wrong(key, why()))
    }

    /// Puts the number where it belongs, if the file says one.
    fn set<T>(&self, place: &mut T, key: &'static str, range: RangeInclusive<T>) -> Result<(), SettingsError>
    where
        T: FromStr + PartialOrd + Display,
    {
        if let Some(number) = self.number(key, range)? {
            *place = number;
        }
        Ok(())
    }

    fn is_set(&self, key: &'static str) -> Result<bool, SettingsError> {
        match self.get(key) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(other) => Err(wrong(key, format!("`{other}` is not true or false"))),
        }
    }

    fn start(&self) -> Result<InitialPosition, SettingsError> {
        if let Some(seconds) = self.number("initialPositionInStreamExtended", 0..=LATEST_S)? {
            return Ok(InitialPosition::AtTimestamp(seconds * 1000));
        }
        match self.get("initialPositionInStream").unwrap_or("LATEST") {
            text if text.eq_ignore_ascii_case("LATEST") => Ok(InitialPosition::Latest),
            text if text.eq_ignore_ascii_case("TRIM_HORIZON") => Ok(InitialPosition::TrimHorizon),
            other => Err(wrong("initialPositionInStream", format!("`{other}` is not LATEST or TRIM_HORIZON"))),
        }
    }

    fn metrics(&self) -> Result<MetricsConfig, SettingsError> {
        let mut metrics = MetricsConfig::default();
        if let Some(text) = self.get("metricsLevel") {
            metrics.level = match text.to_ascii_uppercase().as_str() {
                "NONE" => MetricsLevel::None,
                "SUMMARY" => MetricsLevel::Summary,
                "DETAILED" => MetricsLevel::Detailed,
                _ => return Err(wrong("metricsLevel", format!("`{text}` is not NONE, SUMMARY or DETAILED"))),
            };
        }
        self.set(&mut metrics.buffer_ms, "metricsBufferTimeMillis", MS)?;
        self.set(&mut metrics.max_figures, "metricsMaxQueueSize", 1..=MAX_FIGURES)?;
        if let Some(text) = self.get("metricsEnabledDimensions") {
            (metrics.by_shard, metrics.by_worker) = (false, false);
            for name in text.split(',').map(str::trim) {
                match name {
                    // Always there.
                    "Operation" => {}
                    "ShardId" => metrics.by_shard = true,
                    "WorkerIdentifier" => metrics.by_worker = true,
                    "ALL" => (metrics.by_shard, metrics.by_worker) = (true, true),
                    other => {
                        let why = format!("`{other}` is not Operation, ShardId, WorkerIdentifier or ALL");
                        return Err(wrong("metricsEnabledDimensions", why));
                    }
                }
            }
        }
        Ok(metrics)
    }

    fn retrieval(&self) -> Result<Retrieval, SettingsError> {
        let polls = POLLING_KEYS.iter().any(|key| self.get(key).is_some());
        match self.get("retrievalMode").unwrap_or("DEFAULT").to_ascii_uppercase().as_str() {
            "POLLING" => Ok(Retrieval::Polling),
            "DEFAULT" if polls => Ok(Retrieval::Polling),
            "FANOUT" | "DEFAULT" => Ok(Retrieval::FanOut),
            other => Err(wrong("retrievalMode", format!("`{other}` is not DEFAULT, FANOUT or POLLING"))),
        }
    }
}

fn wrong(key: &'static str, why: impl Into<String>) -> SettingsError {
    SettingsError::Wrong { key, why: why.into() }
}

/// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`
fn stream_of_arn(arn: &str) -> Result<(String, Option<String>), SettingsError> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "kinesis", region, _, resource]
            if resource.len() > "stream/".len() && resource.starts_with("stream/") =>
        {
            Ok((resource["stream/".len()..].to_owned(), Some(region.to_owned())))
        }
        _ => Err(wrong("streamArn", format!("`{arn}` is no ARN of a stream"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, SettingsError> {
        Settings::new(&super::super::properties::parse(text).unwrap(), || "drawn".to_owned())
    }

    #[test]
    fn a_file_of_kclpy_says_what_it_says_to_java() {
        let text = "executableName = sample_kclpy_app.py --fast\nstreamName = words\napplicationName = PythonKCLSample\n\
                    initialPositionInStream = TRIM_HORIZON\nprocessingLanguage = python/3.8\nregionName = eu-west-1\nmaxRecords=50\n";
        let read = settings(text).unwrap();
        assert_eq!(read.command, ["sample_kclpy_app.py", "--fast"]);
        let config = &read.config;
        let names = (config.application.as_str(), config.stream.as_str(), config.worker.as_str());
        assert_eq!(names, ("PythonKCLSample", "words", "drawn"));
        assert_eq!((config.start, config.retrieval), (InitialPosition::TrimHorizon, Retrieval::Polling));
        assert_eq!((config.max_records, config.poison), (50, Poison::Stop));
        assert_eq!((read.table.as_str(), read.region.as_deref()), ("PythonKCLSample", Some("eu-west-1")));
    }

    #[test]
    fn an_arn_wins_over_a_name() {
        let text =
            "executableName=a\napplicationName=b\nstreamName=c\nstreamArn=arn:aws:kinesis:us-west-2:1:stream/d\n";
        let read = settings(text).unwrap();
        assert_eq!((read.config.stream.as_str(), read.region.as_deref()), ("d", Some("us-west-2")));
        assert_eq!(read.config.retrieval, Retrieval::FanOut);
    }

    #[test]
    fn metrics_are_as_the_file_says_and_else_as_in_java() {
        let whole = "executableName=a\napplicationName=b\nstreamName=c\n";
        assert_eq!(settings(whole).unwrap().config.metrics, MetricsConfig::default());
        let text = format!(
            "{whole}metricsLevel=summary\nmetricsBufferTimeMillis=500\nmetricsMaxQueueSize=7\n\
             metricsEnabledDimensions=Operation, ShardId\ncloudWatchClient.endpointOverride=http://localhost:1\n"
        );
        let read = settings(&text).unwrap();
        let expected = MetricsConfig {
            level: MetricsLevel::Summary,
            buffer_ms: 500,
            max_figures: 7,
            by_shard: true,
            by_worker: false,
        };
        assert_eq!((read.config.metrics, read.cloudwatch_endpoint.as_deref()), (expected, Some("http://localhost:1")));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let whole = "executableName=a\napplicationName=b\nstreamName=c\n";
        for (text, name) in [
            ("applicationName=b\nstreamName=c", "executableName"),
            ("executableName=a\nstreamName=c", "applicationName"),
            ("executableName=a\napplicationName=b", "streamName"),
            (&format!("{whole}maxRecords=many"), "maxRecords"),
            (&format!("{whole}maxRecords=10001"), "from 1 to 10000"),
            (&format!("{whole}failoverTimeMillis={}", u64::MAX), "failoverTimeMillis"),
            (&format!("{whole}leaseAssignmentIntervalMillis=0"), "leaseAssignmentIntervalMillis"),
            (&format!("{whole}rheos.attempts=0"), "rheos.attempts"),
            (&format!("{whole}rheos.protocol=3"), "from 1 to 2"),
            (&format!("{whole}metricsLevel=ALL"), "metricsLevel"),
            (&format!("{whole}metricsMaxQueueSize=0"), "metricsMaxQueueSize"),
            (&format!("{whole}metricsEnabledDimensions=Shard"), "WorkerIdentifier or ALL"),
            (&format!("{whole}migrateAllEntitiesToLeaseTable=yes"), "true or false"),
            (&format!("{whole}initialPositionInStream=NOW"), "NOW"),
            (&format!("{whole}retrievalMode=PUSH"), "PUSH"),
            (&format!("{whole}rheos.poison=dead-letter"), "rheos.deadLetterStream"),
            (&format!("{whole}streamArn=x"), "streamArn"),
        ] {
            assert!(settings(text).unwrap_err().to_string().contains(name), "{text}");
        }
    }
}
