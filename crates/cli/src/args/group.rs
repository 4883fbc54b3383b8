//! `rheos group …`: arguments only.

use clap::{Args, Subcommand};

use super::Connect;
use super::stream::ListingFormat;
use crate::commands::group::reset::Destination;

/// What to do with consumer applications, seen through their lease tables.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the applications that have a lease table.
    Ls(ListGroups),
    /// Show who holds which shard, and how far it has come.
    Describe(DescribeGroup),
    /// Show how far behind each shard is.
    Lag(Lag),
    /// Explain why a shard is not being read.
    Why(Why),
    /// Make an application read from another place.
    Reset(Reset),
    /// List the records that no processor could process, and put them back.
    #[command(subcommand)]
    DeadLetters(DeadLetterCommand),
}

/// Which applications to list.
#[derive(Args, Debug)]
pub(crate) struct ListGroups {
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// An application to show.
#[derive(Args, Debug)]
pub(crate) struct DescribeGroup {
    /// The application: the name of its lease table.
    pub(crate) application: String,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// An application whose lag is wanted.
#[derive(Args, Debug)]
#[command(
    after_long_help = "The lag is in milliseconds of arrival: how much older the place that an application has reached is than the newest \
record of the shard. Kinesis does not say how many records that is; --records reads all that waits and counts it, which takes from \
the shard's two megabytes in a second.

Examples:
  rheos group lag billing orders
  rheos group lag billing orders --records"
)]
pub(crate) struct Lag {
    /// The application: the name of its lease table.
    pub(crate) application: String,
    /// The stream that it reads.
    pub(crate) stream: String,
    /// Count the records that wait, by reading them.
    #[arg(long)]
    pub(crate) records: bool,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// An application to move.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Shows where each shard goes, then looks for ten seconds whether workers are active, and refuses if any is; with --force \
they lose their leases. Then it asks.

Places:
  TRIM_HORIZON           the oldest record there is, of finished shards too
  LATEST                 what is written after workers have begun again; finished shards stay so
  10m                    what arrived in the last ten minutes
  2026-11-29T08:30:00Z   what arrived at that time or later
  a sequence number      what is behind that record (with --shard)

Examples:
  rheos group reset billing orders --to 1h --dry-run
  rheos group reset billing orders --to TRIM_HORIZON
  rheos group reset billing orders --to LATEST --shard shardId-000000000002 --yes"
)]
pub(crate) struct Reset {
    /// The application: the name of its lease table.
    pub(crate) application: String,
    /// The stream that it reads.
    pub(crate) stream: String,
    /// Where to read from.
    #[arg(long, value_name = "PLACE", value_parser = Destination::parse)]
    pub(crate) to: Destination,
    /// Only this shard.
    #[arg(long, value_name = "ID")]
    pub(crate) shard: Option<String>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Even if workers are active.
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// What to do with the records that no processor could process.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List the letters of a dead-letter stream: which record of which stream, and what its processor said.
    Ls(ListDeadLetters),
    /// Write the records of letters into their streams again.
    Replay(ReplayDeadLetters),
}

/// Which letters.
#[derive(Args, Debug)]
pub(crate) struct WhichLetters {
    /// The dead-letter stream.
    pub(crate) stream: String,
    /// Only those of this application.
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<String>,
    /// Only this one, by its sequence number in the dead-letter stream; may be given more than once.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) letter: Vec<String>,
}

/// Letters to list.
#[derive(Args, Debug)]
pub(crate) struct ListDeadLetters {
    #[command(flatten)]
    pub(crate) which: WhichLetters,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Letters to put back.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Each record gets a new place at the end of its stream, with its old partition key and data: every application that reads \
the stream reads it again. A note in the dead-letter stream says that it was put back, so that a second replay leaves it alone.

Examples:
  rheos group dead-letters replay orders-dead --dry-run
  rheos group dead-letters replay orders-dead --application billing --yes"
)]
pub(crate) struct ReplayDeadLetters {
    #[command(flatten)]
    pub(crate) which: WhichLetters,
    /// Those that were put back before, too.
    #[arg(long)]
    pub(crate) again: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A shard to explain.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Looks at the lease twice, ten seconds apart, to see whether its owner gives signs of life.

Example:
  rheos group why billing orders shardId-000000000002"
)]
pub(crate) struct Why {
    /// The application: the name of its lease table.
    pub(crate) application: String,
    /// The stream that it reads.
    pub(crate) stream: String,
    /// The shard.
    pub(crate) shard: String,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
