//! What a producer counts, by the KPL's names.

use std::collections::BTreeMap;

use crate::figures::Figures;

/// Figures of all streams since the producer began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// By stream, as records named it.
    pub streams: BTreeMap<String, StreamMetrics>,
    /// `UserRecordsPending`: accepted, and without an outcome.
    pub user_records_pending: u64,
    /// Bytes that count against `max_outstanding_bytes`.
    pub outstanding_bytes: u64,
}

/// Figures of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamMetrics {
    /// `UserRecordsReceived`: accepted.
    pub user_records_received: u64,
    /// `UserRecordsPut`: written.
    pub user_records_put: u64,
    /// `UserRecordsDataPut`: their bytes of data.
    pub user_records_data_put: u64,
    /// User records given up for whatever reason.
    pub user_records_failed: u64,
    /// `UserRecordExpired`: given up because their time had run out.
    pub user_record_expired: u64,
    /// `KinesisRecordsPut`: records that Kinesis counts.
    pub kinesis_records_put: u64,
    /// `KinesisRecordsDataPut`: their bytes of data.
    pub kinesis_records_data_put: u64,
    /// `ErrorsByCode`: of records and of calls. Rare codes beyond the first 64 are counted as `Other`.
    pub errors_by_code: BTreeMap<String, u64>,
    /// `AllErrors`.
    pub all_errors: u64,
    /// `RetriesPerRecord`.
    pub retries_per_record: Figures,
    /// `BufferingTime`, in milliseconds: from acceptance to the call that wrote the record.
    pub buffering_time_ms: Figures,
    /// `RequestTime`, in milliseconds.
    pub request_time_ms: Figures,
    /// `UserRecordsPerKinesisRecord`.
    pub user_records_per_kinesis_record: Figures,
    /// `UserRecordsPerPutRecordsRequest`.
    pub user_records_per_put_records_request: Figures,
    /// `KinesisRecordsPerPutRecordsRequest`.
    pub kinesis_records_per_put_records_request: Figures,
}

/// Codes are the service's, and a service may be anybody's.
const CODES: usize = 64;

impl StreamMetrics {
    pub(super) fn error(&mut self, code: &str, count: u64) {
        self.all_errors += count;
        match self.errors_by_code.get_mut(code) {
            Some(counted) => *counted += count,
            None => {
                let code = if self.errors_by_code.len() < CODES { code } else { "Other" };
                *self.errors_by_code.entry(code.to_owned()).or_default() += count;
            }
        }
    }
}
