//! `rheos stream …`: arguments only.

use clap::{Args, Subcommand, ValueEnum};

use super::Connect;

/// What to do with streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Create a stream.
    Create(Create),
    /// List the streams.
    Ls(List),
    /// Show one stream and its shards.
    Describe(Describe),
    /// Give a stream another number of shards.
    Scale(Scale),
    /// Remove a stream with everything in it.
    Rm(Remove),
}

/// A stream to create.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  rheos stream create orders --shards 4 --wait")]
pub(crate) struct Create {
    /// Letters, digits, `_`, `.` and `-`; at most 128.
    pub(crate) name: String,
    /// How many shards it has at first.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..), conflicts_with = "on_demand")]
    pub(crate) shards: i32,
    /// Let the service decide how many shards it has: four at first, more as it is written to.
    #[arg(long)]
    pub(crate) on_demand: bool,
    /// Return when the stream can be used, not before.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A stream to scale.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Splits and merges until the shards are that many, all of one size, and waits for it. With the \
limits of AWS, a stream grows to at most double and shrinks to no less than half at a time.

Example:
  rheos stream scale orders 8"
)]
pub(crate) struct Scale {
    /// The stream.
    pub(crate) name: String,
    /// How many shards it is to have.
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) shards: i32,
    /// Return at once; the service goes on.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// How to list streams.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A stream to describe.
#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// The stream.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A stream to remove.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Names the service, the stream and what is in it, then asks. Without a terminal it needs --yes."
)]
pub(crate) struct Remove {
    /// The stream.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Remove it even if consumers (enhanced fan-out) are registered with it.
    #[arg(long)]
    pub(crate) with_consumers: bool,
    /// Return when the stream is gone, not before.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// `-o` of the listing commands.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ListingFormat {
    /// [default: table on a terminal, json in a pipe].
    #[arg(short = 'o', long = "output", value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Listing>,
}

/// How a listing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// Columns for people.
    Table,
    /// One JSON object per line.
    Json,
}
