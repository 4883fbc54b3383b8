//! What was measured, and how it is told.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::bodies::Result;
use crate::failure::{Failure, Outcome};
use crate::units::{bytes, grouped};

/// Latencies up to a minute, in microseconds, to three digits.
const LATENCY_MAX_US: u64 = 60_000_000;

/// What one worker, or all of them together, measured.
#[derive(Debug)]
pub(crate) struct Tally {
    latency_us: Histogram<u64>,
    calls: u64,
    records: u64,
    throttled: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Outcome<Self> {
        let latency_us = Histogram::new_with_max(LATENCY_MAX_US, 3);
        let latency_us = latency_us.map_err(|error| Failure::new(format!("cannot make a histogram: {error}")))?;
        Ok(Self { latency_us, calls: 0, records: 0, throttled: 0, errors: 0, first_error: None })
    }

    /// Counts a call that took so long.
    pub(crate) fn count(&mut self, result: Result, latency: Duration) {
        self.calls += 1;
        match result {
            Result::Done { records, throttled, failed } => {
                self.records += records;
                self.throttled += throttled;
                self.errors += failed;
                self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MAX_US));
            }
            Result::Throttled => self.throttled += 1,
            Result::Failed(error) => self.error(error),
        }
    }

    /// Counts something that went wrong.
    pub(crate) fn error(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    /// Adds what another worker measured.
    pub(crate) fn merge(&mut self, other: Self) {
        let added = self.latency_us.add(&other.latency_us);
        debug_assert_eq!(added, Ok(()), "all histograms have the same bounds");
        self.calls += other.calls;
        self.records += other.records;
        self.throttled += other.throttled;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The first thing that went wrong.
    pub(crate) fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// Whether anything went right.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The figures.
    pub(crate) fn figures(&self, duration: Duration, record_size: u64) -> Figures {
        let ms = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1e3;
        let seconds = duration.as_secs_f64();
        Figures {
            seconds,
            calls: self.calls,
            records: self.records,
            bytes: self.records * record_size,
            records_per_second: self.records as f64 / seconds,
            latency_ms: [
                ("mean", self.latency_us.mean() / 1e3),
                ("p50", ms(0.5)),
                ("p90", ms(0.9)),
                ("p99", ms(0.99)),
                ("p99.9", ms(0.999)),
                ("max", self.latency_us.max() as f64 / 1e3),
            ],
            throttled: self.throttled,
            errors: self.errors,
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Figures {
    seconds: f64,
    calls: u64,
    records: u64,
    bytes: u64,
    records_per_second: f64,
    latency_ms: [(&'static str, f64); 6],
    throttled: u64,
    errors: u64,
}

impl Figures {
    /// The figures as members of a JSON object.
    pub(crate) fn json(&self) -> Value {
        let round = |number: f64| (number * 1e3).round() / 1e3;
        let latency: serde_json::Map<String, Value> =
            self.latency_ms.iter().map(|(name, ms)| ((*name).to_owned(), round(*ms).into())).collect();
        json!({
            "seconds": round(self.seconds),
            "calls": self.calls,
            "records": self.records,
            "bytes": self.bytes,
            "records_per_second": round(self.records_per_second),
            "bytes_per_second": round(self.bytes as f64 / self.seconds),
            "latency_ms": latency,
            "throttled": self.throttled,
            "errors": self.errors,
        })
    }

    /// The figures for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let latency: Vec<String> = self.latency_ms.iter().map(|(name, ms)| format!("{name} {ms:.2}")).collect();
        let per_second = |number: u64| (number as f64 / self.seconds) as u64;
        vec![
            format!("records     {}/s, {}/s", grouped(self.records_per_second as u64), bytes(per_second(self.bytes))),
            format!(
                "calls       {}/s, {} in {:.1} s",
                grouped(per_second(self.calls)),
                grouped(self.calls),
                self.seconds
            ),
            format!("latency ms  {}", latency.join("  ")),
            format!("throttled   {}", grouped(self.throttled)),
            format!("errors      {}", grouped(self.errors)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up() {
        let mut all = Tally::new().unwrap();
        for _ in 0..2 {
            let mut one = Tally::new().unwrap();
            one.count(Result::Done { records: 500, throttled: 1, failed: 2 }, Duration::from_millis(2));
            one.count(Result::Throttled, Duration::ZERO);
            one.count(Result::Failed(String::from("boom")), Duration::ZERO);
            all.merge(one);
        }
        let figures = all.figures(Duration::from_secs(2), 1024).json();
        assert_eq!(figures["records"], 1000);
        assert_eq!(figures["records_per_second"], 500.0);
        assert_eq!(figures["calls"], 6);
        assert_eq!(figures["throttled"], 4);
        assert_eq!(figures["errors"], 6);
        assert!((figures["latency_ms"]["p50"].as_f64().unwrap() - 2.0).abs() < 0.01);
        assert_eq!(all.first_error(), Some("boom"));
    }
}
