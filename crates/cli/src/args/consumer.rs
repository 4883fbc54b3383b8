//! `rheos consumer …`: arguments only.

use clap::{Args, Subcommand};

use super::Connect;
use super::stream::ListingFormat;

/// What to do with the consumers of a stream.
#[derive(Debug, Subcommand)]
pub(crate) enum ConsumerCommand {
    /// List a stream's consumers.
    Ls(ListConsumers),
    /// Register a consumer with a stream.
    Register(RegisterConsumer),
    /// Show one consumer.
    Describe(DescribeConsumer),
    /// Deregister a consumer: it reads nothing any more.
    Rm(RemoveConsumer),
}

/// Whose consumers to list.
#[derive(Args, Debug)]
pub(crate) struct ListConsumers {
    /// The stream.
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A consumer to register.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  rheos consumer register orders billing --wait")]
pub(crate) struct RegisterConsumer {
    /// The stream.
    pub(crate) stream: String,
    /// Letters, digits, `_`, `.` and `-`; at most 128.
    pub(crate) name: String,
    /// Return when the consumer can subscribe, not before.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A consumer to describe.
#[derive(Args, Debug)]
pub(crate) struct DescribeConsumer {
    /// The stream.
    pub(crate) stream: String,
    /// The consumer.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) format: ListingFormat,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// A consumer to deregister.
#[derive(Args, Debug)]
pub(crate) struct RemoveConsumer {
    /// The stream.
    pub(crate) stream: String,
    /// The consumer.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
