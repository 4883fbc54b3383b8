//! One sender: a batch at a time, and what a call could not write again before anything else.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::batch::Entry;
use crate::client::Service;
use crate::failure::Failure;
use crate::reader::is_throttle;

const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) written: u64,
    pub(crate) bytes: u64,
    /// Records that were sent again.
    pub(crate) retried: u64,
    /// Records given up, by reason.
    pub(crate) lost: HashMap<String, u64>,
}

/// What a call did with its entries.
enum Sent {
    /// The entries that were not written, in their order, and the reason of the last one.
    Partly(Vec<Entry>, String),
    /// The service refuses the whole call and will refuse it again.
    Refused(Failure),
    /// Nobody knows; all of it is sent again.
    Unknown(Vec<Entry>, String),
}

/// Writes a batch, trying again what was not written, up to `retries` times.
/// A refusal of the whole call (no such stream, no permission) ends the command.
pub(crate) async fn write(service: &Service, stream: &str, batch: Vec<Entry>, retries: u32) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut backoff = BACKOFF;
    let mut rest = batch;
    for attempt in 0.. {
        let before = tally(&rest);
        let reason;
        (rest, reason) = match put(service, stream, rest).await {
            Sent::Partly(rest, reason) | Sent::Unknown(rest, reason) => (rest, reason),
            Sent::Refused(failure) => return Err(failure),
        };
        let after = tally(&rest);
        report.written += before.0 - after.0;
        report.bytes += before.1 - after.1;
        if rest.is_empty() {
            break;
        }
        if attempt == retries {
            *report.lost.entry(reason).or_default() += after.0;
            break;
        }
        report.retried += after.0;
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
    Ok(report)
}

async fn put(service: &Service, stream: &str, entries: Vec<Entry>) -> Sent {
    let mut request = service.client.put_records().stream_name(stream);
    for entry in &entries {
        let built =
            PutRecordsRequestEntry::builder().partition_key(&entry.key).data(Blob::new(entry.data.as_slice())).build();
        match built {
            Ok(built) => request = request.records(built),
            Err(error) => return Sent::Refused(Failure::new(format!("cannot build a request: {error}"))),
        }
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let code = error.code().map(str::to_owned);
            let temporary = match error.raw_response() {
                Some(response) => response.status().is_server_error() || is_throttle(code.as_deref()),
                None => true,
            };
            let failure = Failure::service(format!("write to {stream}"), &service.endpoint, &error);
            return if temporary {
                Sent::Unknown(entries, code.unwrap_or(failure.message))
            } else {
                Sent::Refused(failure)
            };
        }
    };
    let mut reason = String::new();
    let mut results = answer.records.into_iter();
    let failed = entries.into_iter().filter(|_| match results.next() {
        Some(result) => match result.error_code {
            Some(code) => {
                reason = code;
                true
            }
            None => false,
        },
        None => {
            reason = String::from("no answer for the record");
            true
        }
    });
    let failed = failed.collect();
    Sent::Partly(failed, reason)
}

fn tally(entries: &[Entry]) -> (u64, u64) {
    (entries.len() as u64, entries.iter().map(|entry| entry.size() as u64).sum())
}
