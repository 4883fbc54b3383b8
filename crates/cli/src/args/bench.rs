//! `rheos bench …`: arguments only.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Connect;
use crate::units;

const BENCH_HELP: &str = "\
Examples:
  rheos bench put --batch 500 --connections 4      PutRecords
  rheos bench put --batch 1 --connections 16       PutRecord
  rheos bench get --batch 500 --connections 4      GetRecords, over and over from the trim horizon
  rheos bench e2e --rate 100/s                     from put to get, one reader for each shard
  rheos bench e2e --rate 10000/s --consumers 1     from put to a subscriber of each shard
  rheos bench put --consumers 10 --shards 20       what 200 subscriptions take from producers

The load generator prepares its requests beforehand and looks into answers no further than it must. \
The stream is created if absent, and stays.";

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// How fast records are written.
    #[command(after_long_help = BENCH_HELP)]
    Put(BenchOptions),
    /// How fast records are read.
    #[command(after_long_help = BENCH_HELP)]
    Get(BenchOptions),
    /// How long a record takes from put to get.
    #[command(after_long_help = BENCH_HELP)]
    E2e(BenchOptions),
}

/// Which measurement it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    /// Writing.
    Put,
    /// Reading.
    Get,
    /// From put to get.
    EndToEnd,
}

/// The load.
#[derive(Args, Debug)]
pub(crate) struct BenchOptions {
    /// The stream.
    #[arg(long, default_value = "rheos-bench")]
    pub(crate) stream: String,
    /// Shards of the stream, if it has to be created.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) shards: u32,
    /// Connections, each with one request under way.
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) connections: u32,
    /// Records in a request: 1 writes by PutRecord; `get` asks for so many.
    #[arg(short, long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) batch: u32,
    /// Bytes of data in a record.
    #[arg(long, default_value = "1KiB", value_parser = units::size)]
    pub(crate) record_size: u64,
    /// How long to measure.
    #[arg(short, long, default_value = "10s", value_parser = units::duration)]
    pub(crate) duration: Duration,
    /// How long to run before measuring.
    #[arg(short, long, default_value = "2s", value_parser = units::duration)]
    pub(crate) warm_up: Duration,
    /// `get`: write so many records before reading; 0 uses what is there.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) fill: u64,
    /// Records offered a second, by `put` and `e2e` [default: as fast as it goes; e2e: 100/s].
    #[arg(long, value_parser = units::rate)]
    pub(crate) rate: Option<f64>,
    /// `put`, `e2e`: consumers that are subscribed to every shard meanwhile; `e2e` then measures to them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) consumers: u32,
    /// `e2e`: how long a reader waits after an empty answer.
    #[arg(long, default_value = "20ms", value_parser = units::duration)]
    pub(crate) poll: Duration,
    /// [default: text].
    #[arg(short = 'o', long, value_enum, default_value_t = BenchFormat::Text, hide_default_value = true)]
    pub(crate) output: BenchFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// A few lines for people.
    Text,
    /// One line of JSON.
    Json,
}
