//! `rheos demo` and its applications: arguments only.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Connect;
use crate::units::{self, Speed};

const DEMO_HELP: &str = "\
Examples:
  rheos demo                   January 2013 in about two minutes
  rheos demo --speed max       as fast as the service takes it
  rheos demo --keep            leaves the server and the files

Starts a server on a free port, creates a stream with 4 shards and replays the 27,004 departures from New York's airports in \
January 2013, keyed by tail number. Three applications, each a process with reads of its own, consume it at the same time: a dashboard, \
an aggregator and an archiver. At the end their files are compared with the source. Fails if a record is missing, doubled or out of order.";

/// How to run the demo.
#[derive(Args, Debug)]
#[command(after_long_help = DEMO_HELP)]
pub(crate) struct Demo {
    /// How much faster than in 2013, such as 20000x, or max.
    #[arg(long, default_value = "20000x", value_parser = units::speed)]
    pub(crate) speed: Speed,
    /// Leave the server running and keep its data and the applications' files.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Run against the service at this address, with your own credentials, in place of starting one.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The stream to create; with --endpoint-url it must be one that does not exist yet.
    #[arg(long, default_value = "departures")]
    pub(crate) stream: String,
}

/// One application.
#[derive(Args, Debug)]
pub(crate) struct Application {
    /// Which one.
    #[arg(value_enum)]
    pub(crate) kind: ApplicationKind,
    /// The stream.
    #[arg(long, default_value = "departures")]
    pub(crate) stream: String,
    /// Where it writes its files; without it the dashboard writes none.
    #[arg(long, value_name = "DIR", required_if_eq_any = [("kind", "aggregate"), ("kind", "archive")])]
    pub(crate) directory: Option<PathBuf>,
    /// Report progress as JSON lines on standard output, and finish when standard input closes and everything is read.
    #[arg(long)]
    pub(crate) supervised: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// The three applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApplicationKind {
    /// Departures and delays by airport, live.
    Dashboard,
    /// Totals of each hour as JSON lines.
    Aggregate,
    /// Raw records in rotated gzip files.
    Archive,
}
