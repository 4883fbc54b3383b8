//! What an account has beside its streams: so far the metrics that its applications report.
//!
//! No I/O, no HTTP and no texts of errors. Time is a parameter.

pub mod metrics;
