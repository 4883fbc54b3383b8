//! What the properties of the Java daemon mean here.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use rheos_client::consumer::{Config, InitialPosition, Poison, Retrieval};

use crate::failure::{Failure, Outcome};

/// Everything that a properties file says, as far as it concerns this daemon.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    /// The program of a shard, and its arguments.
    pub(super) command: Vec<String>,
    pub(super) table: String,
    pub(super) consumer: String,
    pub(super) region: Option<String>,
    pub(super) kinesis_endpoint: Option<String>,
    pub(super) dynamodb_endpoint: Option<String>,
    pub(super) dead_letter_stream: Option<String>,
    /// The second half of the way from three lease tables to one.
    pub(super) migrates: bool,
    /// A program that does not answer for so long is ended.
    pub(super) timeout: Option<Duration>,
}

/// Polling is meant where one of these is said and nothing about the way of retrieval.
const POLLING_KEYS: [&str; 5] = [
    "maxRecords",
    "idleTimeBetweenReadsInMillis",
    "retryGetRecordsInSeconds",
    "maxGetRecordsThreadPool",
    "millisBehindLatestThresholdForReducedTps",
];

impl Settings {
    /// What these properties say. Keys that this daemon has no use for are ignored, as Java ignores those that it does not know.
    pub(super) fn new(properties: &BTreeMap<String, String>, random_worker: impl FnOnce() -> String) -> Outcome<Self> {
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
        if let Some(failover_ms) = keys.number("failoverTimeMillis")? {
            config.failover_ms = failover_ms;
            config.leader_lock_ms = 3 * failover_ms;
            config.assignment_interval_ms = 2 * failover_ms;
        }
        // The default of Java.
        config.idle_ms = 1_500;
        let set = |place: &mut u64, key| -> Outcome {
            *place = keys.number(key)?.unwrap_or(*place);
            Ok(())
        };
        set(&mut config.idle_ms, "idleTimeBetweenReadsInMillis")?;
        set(&mut config.assignment_interval_ms, "leaseAssignmentIntervalMillis")?;
        set(&mut config.shard_sync_interval_ms, "shardSyncIntervalMillis")?;
        set(&mut config.parent_poll_ms, "parentShardPollIntervalMillis")?;
        set(&mut config.handoff_ms, "gracefulLeaseHandoffTimeoutMillis")?;
        set(&mut config.metrics_interval_ms, "workerMetricsReporterFreqInMillis")?;
        set(&mut config.retry.backoff_ms, "taskBackoffTimeMillis")?;
        // Java's default is no grace at all, and every stop of a worker costs duplicates.
        if let Some(grace_ms) = keys.number("shutdownGraceMillis")?.filter(|grace_ms| *grace_ms > 0) {
            config.shutdown_grace_ms = grace_ms;
        }
        config.max_records = keys.number("maxRecords")?.unwrap_or(config.max_records);
        config.max_leases = keys.number("maxLeasesForWorker")?.unwrap_or(config.max_leases);
        config.max_leases_to_steal = keys.number("maxLeasesToStealAtOneTime")?.unwrap_or(config.max_leases_to_steal);
        config.call_for_empty_batches = keys.number("callProcessRecordsEvenForEmptyRecordList")?.unwrap_or(false);
        config.retry.attempts = keys.number("rheos.attempts")?.unwrap_or(config.retry.attempts);
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
        let seconds: Option<u64> = keys.number("timeoutInSeconds")?;
        Ok(Self {
            config,
            command,
            table: keys.get("tableName").unwrap_or(&application).to_owned(),
            consumer: keys.get("fanoutConfig.consumerName").unwrap_or(&application).to_owned(),
            region: keys.get("regionName").map(str::to_owned).or(arn_region),
            kinesis_endpoint: keys.either("kinesisEndpoint", "kinesisClient.endpointOverride"),
            dynamodb_endpoint: keys.either("dynamoDBEndpoint", "dynamoDbClient.endpointOverride"),
            dead_letter_stream,
            migrates: keys.number("migrateAllEntitiesToLeaseTable")?.unwrap_or(false),
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

    fn required(&self, key: &str) -> Outcome<&'a str> {
        self.get(key).ok_or_else(|| Failure::new(format!("the properties file says no {key}")))
    }

    fn number<T: FromStr>(&self, key: &str) -> Outcome<Option<T>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(key, format!("`{text}` is not what belongs there")))
    }

    fn start(&self) -> Outcome<InitialPosition> {
        if let Some(seconds) = self.number::<u64>("initialPositionInStreamExtended")? {
            return Ok(InitialPosition::AtTimestamp(seconds.saturating_mul(1000)));
        }
        match self.get("initialPositionInStream").unwrap_or("LATEST") {
            text if text.eq_ignore_ascii_case("LATEST") => Ok(InitialPosition::Latest),
            text if text.eq_ignore_ascii_case("TRIM_HORIZON") => Ok(InitialPosition::TrimHorizon),
            other => Err(wrong("initialPositionInStream", format!("`{other}` is not LATEST or TRIM_HORIZON"))),
        }
    }

    fn retrieval(&self) -> Outcome<Retrieval> {
        let polls = POLLING_KEYS.iter().any(|key| self.get(key).is_some());
        match self.get("retrievalMode").unwrap_or("DEFAULT").to_ascii_uppercase().as_str() {
            "POLLING" => Ok(Retrieval::Polling),
            "DEFAULT" if polls => Ok(Retrieval::Polling),
            "FANOUT" | "DEFAULT" => Ok(Retrieval::FanOut),
            other => Err(wrong("retrievalMode", format!("`{other}` is not DEFAULT, FANOUT or POLLING"))),
        }
    }
}

fn wrong(key: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{key} in the properties file: {why}"))
}

/// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`
fn stream_of_arn(arn: &str) -> Outcome<(String, Option<String>)> {
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

    fn settings(text: &str) -> Outcome<Settings> {
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
    fn what_makes_no_sense_is_named() {
        let whole = "executableName=a\napplicationName=b\nstreamName=c\n";
        for (text, name) in [
            ("applicationName=b\nstreamName=c", "executableName"),
            ("executableName=a\nstreamName=c", "applicationName"),
            ("executableName=a\napplicationName=b", "streamName"),
            (&format!("{whole}maxRecords=many"), "maxRecords"),
            (&format!("{whole}initialPositionInStream=NOW"), "NOW"),
            (&format!("{whole}retrievalMode=PUSH"), "PUSH"),
            (&format!("{whole}rheos.poison=dead-letter"), "rheos.deadLetterStream"),
            (&format!("{whole}streamArn=x"), "streamArn"),
        ] {
            assert!(settings(text).unwrap_err().message.contains(name), "{text}");
        }
    }
}
