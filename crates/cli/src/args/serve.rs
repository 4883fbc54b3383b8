//! `rheos serve` and `rheos log`: arguments only. Each setting of the service is also an environment variable and a key of the
//! TOML file; the server's configuration decides (flag, then environment, then file, then default), so nothing has a default here.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::units;

const SERVE_HELP: &str = "\
Examples:
  rheos serve                                       durable in ./rheos-data, key made at the first start
  rheos serve --dev --listen 127.0.0.1:0            any credentials, any free port
  rheos serve --limits open --stream orders:4       no artificial limits, a stream ready at start
  rheos serve --dev-tls                             TLS too; clients trust ./rheos-data/dev-ca.pem
  RHEOS_MEMORY=1GiB rheos serve --config rheos.toml

HTTP/1.1 and HTTP/2, in clear text and (with a certificate) over TLS, all on the one port.

Each flag is also an environment variable (--data-dir: RHEOS_DATA_DIR) and a key of the TOML file (data_dir). \
A flag wins over the environment, the environment over the file.";

/// The settings of the service, as far as the command line gives them.
#[derive(Args, Debug)]
#[command(after_long_help = SERVE_HELP)]
pub(crate) struct Serve {
    /// Where records and keys are kept [env: RHEOS_DATA_DIR] [default: ./rheos-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one [env: RHEOS_LISTEN] [default: 127.0.0.1:4566].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Limits as Kinesis has them, none, or those of Kinesis with faults [env: RHEOS_LIMITS] [default: aws].
    #[arg(long, value_enum)]
    pub(crate) limits: Option<Limits>,
    /// Another value for one limit: a number, or none; may be repeated. docs/extensions.md has the names [env: RHEOS_LIMIT,
    /// comma-separated].
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    /// Faults to inject, such as seed=1,throttle=0.05,error=0.01,unknown=0.01,drop=0.01,latency_ms=20..200; what is not
    /// named is off [env: RHEOS_CHAOS].
    #[arg(long, value_name = "SPEC")]
    pub(crate) chaos: Option<String>,
    /// Accept any credentials, and calls that are not signed [env: RHEOS_DEV] [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    pub(crate) dev: Option<bool>,
    /// Speak TLS with the certificates in this PEM file, read again when it changes [env: RHEOS_TLS_CERT].
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM [env: RHEOS_TLS_KEY].
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak TLS with a certificate of an authority of its own, for clients that trust dev-ca.pem in the data directory
    /// [env: RHEOS_DEV_TLS] [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    pub(crate) dev_tls: Option<bool>,
    /// A further name or address in the certificate of --dev-tls, such as *.rheos.example; may be repeated
    /// [env: RHEOS_TLS_NAME, comma-separated].
    #[arg(long = "tls-name", value_name = "NAME")]
    pub(crate) tls_names: Vec<String>,
    /// Refuse calls in clear text [env: RHEOS_REQUIRE_TLS] [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    pub(crate) require_tls: Option<bool>,
    /// The account in ARNs and messages [env: RHEOS_ACCOUNT_ID] [default: 000000000000].
    #[arg(long, value_name = "DIGITS")]
    pub(crate) account_id: Option<String>,
    /// The region of this server; calls scoped to another one see that region's streams [env: RHEOS_REGION] [default: us-east-1].
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// How long GetRecords waits for a record, of streams with open limits, when a reader comes back to the tip; 0: not at all
    /// [env: RHEOS_LONG_POLL_MS] [default: 50].
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) long_poll_ms: Option<u64>,
    /// How long a stream stays in CREATING, UPDATING and DELETING [env: RHEOS_TRANSITION_MS] [default: 100].
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) transition_ms: Option<u64>,
    /// Show the ids of streams; SDKs that are passed one ignore the endpoint they have [env: RHEOS_STREAM_IDS] [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    pub(crate) stream_ids: Option<bool>,
    /// Create this stream at start if it is absent; may be repeated [env: RHEOS_STREAM, comma-separated].
    #[arg(long = "stream", value_name = "NAME:SHARDS")]
    pub(crate) streams: Vec<String>,
    /// Memory for the newest records and for requests in flight [env: RHEOS_MEMORY] [default: 256MiB].
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) memory: Option<u64>,
    /// A TOML file with settings [env: RHEOS_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The form of the log on standard error [env: RHEOS_LOG_FORMAT] [default: text].
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// Which limits the service enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Limits {
    /// What Kinesis documents, with its own errors.
    Aws,
    /// None of the artificial ones.
    Open,
    /// What Kinesis documents, and faults besides: throttled, failed and late calls, the same for the same seed.
    Chaos,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What to do with a data directory.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Read a whole data directory, verify every checksum and report; changes nothing.
    Check(LogCheck),
    /// Make a damaged data directory one that opens and serves everything that can be read; says first what is lost.
    Repair(LogRepair),
}

const REPAIR_HELP: &str = "\
Examples:
  rheos log check  --data-dir rheos-data             what is wrong
  rheos log repair --data-dir rheos-data             says what would be lost, and asks
  rheos log repair --data-dir rheos-data --dry-run   says it, and changes nothing
  rheos log repair --data-dir rheos-data --yes       for scripts

The server must not be running. The old bytes of every file that counts no more are kept in \
DIR/repaired-<time>; what could not be saved is written down in DIR/LOST. A repair that was \
interrupted is finished by running it again. A healthy directory is left alone.

Exit codes: 0 repaired, or nothing to do   1 not repaired   2 nobody could be asked";

/// Which data directory to repair.
#[derive(Args, Debug)]
#[command(after_long_help = REPAIR_HELP)]
pub(crate) struct LogRepair {
    /// The data directory of a server that is not running.
    #[arg(long, value_name = "DIR", default_value = "rheos-data")]
    pub(crate) data_dir: PathBuf,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Say what a repair would do, and change nothing.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

const BACKUP_HELP: &str = "\
Examples:
  rheos backup rheos-data /backup/rheos     the server may be running, and writing
  rheos backup rheos-data /backup/rheos     again: copies only what is new
  rheos restore /backup/rheos new-data      then: rheos serve --data-dir new-data

Every record that was acknowledged before the backup began is in it, once and in order. \
The backup has the keys of the directory (encryption-key.json, root-credentials.json) in it: \
keep it as safe as the directory itself. There is no backup until the file BACKUP is there.

Exit codes: 0 done   1 failed, or what was copied is damaged";

/// What to copy, and to where.
#[derive(Args, Debug)]
#[command(after_long_help = BACKUP_HELP)]
pub(crate) struct Backup {
    /// The data directory.
    #[arg(value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The directory of the backup: new, or that of an earlier backup of the same data directory.
    #[arg(value_name = "DEST")]
    pub(crate) target: PathBuf,
}

const RESTORE_HELP: &str = "\
Examples:
  rheos restore /backup/rheos new-data      then: rheos serve --data-dir new-data

Verifies every byte before it says yes. The target must not be there, or be empty. Interrupted, \
it says so in the file UNFINISHED, is not opened by a server, and begins anew when it is run again. \
The restored log has an id of its own: its files and those of the original never mix.

Exit codes: 0 done   1 failed, or the backup is damaged";

/// Which backup, and to where.
#[derive(Args, Debug)]
#[command(after_long_help = RESTORE_HELP)]
pub(crate) struct Restore {
    /// The directory of the backup.
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The new data directory.
    #[arg(value_name = "DIR")]
    pub(crate) target: PathBuf,
}

/// Which data directory.
#[derive(Args, Debug)]
pub(crate) struct LogCheck {
    /// The data directory of a server that is not running.
    #[arg(long, value_name = "DIR", default_value = "rheos-data")]
    pub(crate) data_dir: PathBuf,
}
