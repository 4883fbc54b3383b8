//! The command line as it is typed: types and help only. What the values mean is decided by the commands.

mod bench;
mod consumer;
mod demo;
mod group;
mod records;
mod serve;
mod stream;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use bench::{Bench, BenchCommand, BenchFormat, BenchOptions};
pub(crate) use consumer::{ConsumerCommand, DescribeConsumer, ListConsumers, RegisterConsumer, RemoveConsumer};
pub(crate) use demo::{Application, ApplicationKind, Demo};
pub(crate) use group::{
    DeadLetterCommand, DescribeGroup, GroupCommand, Lag, ListDeadLetters, ListGroups, ReplayDeadLetters, Reset,
    WhichLetters, Why,
};
pub(crate) use records::{Put, Tail};
pub(crate) use serve::{Backup, Limits, LogCheck, LogCommand, LogFormat, LogRepair, Restore, Serve};
pub(crate) use stream::{Create, Describe, List, Listing, Remove, Scale, StreamCommand};

const AFTER_HELP: &str = "\
First steps:
  rheos demo                                  see it work on real data, two minutes
  rheos serve --dev                           a server on 127.0.0.1:4566, any credentials
  rheos stream create orders --shards 4 --wait   in another terminal
  seq 1000 | rheos put orders
  rheos tail orders -f

Which service the client commands talk to:
  --endpoint-url, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL or a profile's endpoint_url, in this order;
  with --aws Amazon Kinesis itself; otherwise http://127.0.0.1:4566 with the key of ./rheos-data.

Exit codes:
  0 done   1 failed (refused, not everything written, a check failed)   2 wrong usage
  3 no service or no credentials   130 stopped by Ctrl-C

Data goes to standard output, everything else to standard error; tables become JSON lines in a pipe.";

/// The version, with the commit if it was known when the program was built.
fn version() -> &'static str {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    match option_env!("RHEOS_COMMIT") {
        Some(commit) => Box::leak(format!("{VERSION} (commit {commit})").into_boxed_str()),
        None => VERSION,
    }
}

/// Rheos: Amazon Kinesis Data Streams that anybody can run, as a server and as the tools for it and for Kinesis itself.
#[derive(Debug, Parser)]
#[command(name = "rheos", version = version(), after_help = AFTER_HELP, max_term_width = 120)]
pub(crate) struct Cli {
    /// When to use colours (the environment variable NO_COLOR means never).
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Even in a pipe.
    Always,
    /// Not at all.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service.
    Serve(Serve),
    /// See it work: real departures, three applications that read the same stream, and a check that nothing was lost.
    Demo(Demo),
    /// Create, list, describe and remove streams.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Register, list, describe and deregister the consumers of a stream.
    #[command(subcommand)]
    Consumer(ConsumerCommand),
    /// Write lines of a file or of standard input as records.
    Put(Put),
    /// Read records of all shards, merged by arrival.
    Tail(Tail),
    /// Look at consumer applications through their lease tables.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Run the processors of another language, as the KCL's daemon does, without a Java machine.
    Kcl(Kcl),
    /// Measure a service.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Check and repair a data directory.
    #[command(subcommand)]
    Log(LogCommand),
    /// Copy a data directory while its server runs.
    Backup(Backup),
    /// Make a data directory of a backup.
    Restore(Restore),
    /// One of the demo's three applications, on its own.
    #[command(hide = true)]
    DemoApp(Application),
}

/// The daemon of the KCL for other languages: a process of `executableName` for each shard, told of records by lines of JSON.
///
/// Takes the place of the Java daemon with the same properties file, lease table and protocol: kclpy, Node and Ruby start it where
/// `java` is asked for (`amazon_kclpy_helper.py --print_command --java 'rheos kcl' --properties app.properties`), and so does a link named `java` to
/// this program. What is typed is read as the command line of `java` is.
#[derive(Args, Debug)]
pub(crate) struct Kcl {
    /// `--properties-file FILE`, or the command line of `java` that starts the Java daemon.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS", required = true)]
    pub(crate) arguments: Vec<String>,
}

/// Which service to talk to, and as whom.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// The service's address, such as http://127.0.0.1:4566.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Talk to Amazon Kinesis itself when nothing else names an endpoint.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) aws: bool,
    /// The region [default: AWS_REGION, the profile's, us-east-1].
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// A profile of the AWS configuration files [default: AWS_PROFILE].
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// Trust the authorities in this PEM file, and no others [default: AWS_CA_BUNDLE or the system's, and a local server's].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Use the key that a local server keeps in its data directory [default: ./rheos-data, for the default endpoint].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_exit_code() {
        let help = Cli::command().render_help().to_string();
        for code in ["0 done", "1 failed", "2 wrong usage", "3 no service", "130 stopped"] {
            assert!(help.contains(code), "{code}");
        }
    }
}
