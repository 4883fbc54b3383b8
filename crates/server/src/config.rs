//! The configuration: every setting, its default and its meaning, in this one place.
//!
//! A setting comes from its flag, else from its environment variable (`RHEOS_` and the flag's name in capitals), else
//! from the key of the same name in the TOML file, else from [`Config::default`]. [`resolve`] is a pure function of
//! these; whoever starts the server reads the environment and the file.

mod bounds;
mod limits;
mod tls;
mod units;

#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use limits::Choice;
pub use tls::{Certificate, Tls};
pub use units::{InvalidSize, parse_size};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The profile of limits, by the name of its flag.
pub use rheos_types::limits::Profile as Limits;
use rheos_types::limits::{GET_RECORDS_BYTES, GET_RECORDS_COUNT, Override, Profile};
use rheos_types::{AccountId, Region, StreamName};
use rheos_wire::sigv4::SecretKey;
use serde::Deserialize;

use crate::admission;
use crate::chaos::Chaos;
use crate::credentials::AccessKey;
use limits::LimitKey;

/// What the server is told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the log and the root key are kept: `data_dir`.
    pub data_dir: PathBuf,
    /// The address to listen on; port 0 takes a free one: `listen`.
    pub listen: SocketAddr,
    /// The limits of streams that do not choose their own by a tag: `limits`, `aws` or `open`.
    pub limits: Profile,
    /// Limits of the profile that have another value: `limit`, `NAME=VALUE`. A later one wins.
    pub overrides: Vec<Override>,
    /// Faults to inject: `chaos`, or `limits` of that name.
    pub chaos: Option<Chaos>,
    /// Accept any credentials, and calls that are not signed: `dev`.
    pub dev: bool,
    /// Whether and how connections are encrypted: `tls_cert`, `tls_key`, `dev_tls`, `tls_name`, `require_tls`.
    pub tls: Tls,
    /// The account that all callers belong to: `account_id`.
    pub account_id: AccountId,
    /// The region of calls that name none, which only `dev` lets in: `region`.
    pub region: Region,
    /// How long GetRecords waits for a record, of streams whose limits are open, when a reader comes back to the tip, in
    /// milliseconds; 0: not at all: `long_poll_ms`.
    pub long_poll_ms: u64,
    /// How long a stream stays in CREATING, UPDATING and DELETING, in milliseconds: `transition_ms`.
    pub transition_ms: u64,
    /// Show the ids of streams in DescribeStreamSummary: `stream_ids`. They name streams in any case; but a client that is
    /// given one may pass it on, and the SDKs then ignore the endpoint that they are configured with.
    pub stream_ids: bool,
    /// Streams to create at start where they are absent: `stream`.
    pub streams: Vec<StreamSpec>,
    /// Bytes for the newest records, for what waits to be written and for requests in flight: `memory`.
    pub memory: u64,
    /// The form of the server's own log: `log_format`.
    pub log_format: LogFormat,
    /// Which of its own events the server logs, in the notation of `tracing` (`info`, `rheos_log=debug`): `log`.
    pub log_filter: String,
    /// The key that stands in for the stored root key: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, environment only.
    pub root_key: Option<AccessKey>,
    /// What one client, or all of them together, may take. Not for users to set: no value of theirs would be better.
    pub bounds: Bounds,
}

impl Default for Config {
    #[expect(clippy::expect_used, reason = "these are constants, and a test reads them")]
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("rheos-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            limits: Profile::Aws,
            overrides: Vec::new(),
            chaos: None,
            dev: false,
            tls: Tls::default(),
            account_id: AccountId::new("000000000000").expect("twelve digits"),
            region: Region::new("us-east-1").expect("a region"),
            long_poll_ms: 50,
            transition_ms: 100,
            stream_ids: false,
            streams: Vec::new(),
            memory: 256 << 20,
            log_format: LogFormat::Text,
            log_filter: "info".to_owned(),
            root_key: None,
            bounds: Bounds::default(),
        }
    }
}

impl Config {
    /// The limits in force.
    #[must_use]
    pub fn effective_limits(&self) -> rheos_types::limits::Limits {
        self.overrides.iter().fold(self.limits.limits(), |limits, one| limits.with(*one))
    }

    /// The part of the memory for the newest records: three sixteenths.
    pub(crate) fn tail_bytes(&self) -> usize {
        bytes(self.memory / 16 * 3)
    }

    /// The part for requests, from before their bodies are read until they are answered, with all that is made of them on the
    /// way: three eighths, but never less than one at its largest.
    pub(crate) fn request_bytes(&self) -> usize {
        bytes(self.memory / 8 * 3).max(admission::of_body(self.bounds.body_bytes))
    }

    /// The part for answers with records, from before they are read until they have been sent: an eighth, but never less
    /// than one at its largest.
    pub(crate) fn answer_bytes(&self) -> usize {
        bytes(self.memory / 8).max(admission::of_answer(GET_RECORDS_BYTES, GET_RECORDS_COUNT))
    }

    /// The part for events on their way to subscribers: an eighth.
    pub(crate) fn event_bytes(&self) -> usize {
        bytes(self.memory / 8)
    }

    /// What may wait to be written: an eighth. All of it belongs to requests, and is counted with them; but clients may
    /// have hung up since.
    pub(crate) fn queue_bytes(&self) -> usize {
        bytes(self.memory / 8)
    }

    /// The part that the metrics of applications may take: a sixteenth.
    pub(crate) fn metric_bytes(&self) -> usize {
        bytes(self.memory / 16)
    }

    /// The part that the items of the lease tables may take: a sixteenth.
    pub(crate) fn table_bytes(&self) -> usize {
        bytes(self.memory / 16)
    }

    /// The part that the places of records in log files may take: a sixteenth.
    pub(crate) fn index_bytes(&self) -> usize {
        bytes(self.memory / 16)
    }
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A stream to create at start: `NAME:SHARDS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: StreamName,
    /// With how many shards.
    pub shards: u32,
}

impl FromStr for StreamSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not NAME:SHARDS, such as orders:4");
        let (name, shards) = text.rsplit_once(':').ok_or_else(expected)?;
        let shards = shards.parse().ok().filter(|shards| (1..=10_000).contains(shards)).ok_or_else(expected)?;
        let name = StreamName::new(name).map_err(|error| error.to_string())?;
        Ok(Self { name, shards })
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is neither text nor json")),
        }
    }
}

/// What the command line says. `None` and empty: nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--limits`
    pub limits: Option<Choice>,
    /// `--limit`
    pub overrides: Vec<String>,
    /// `--chaos`
    pub chaos: Option<String>,
    /// `--dev`
    pub dev: Option<bool>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--dev-tls`
    pub dev_tls: Option<bool>,
    /// `--tls-name`
    pub tls_names: Vec<String>,
    /// `--require-tls`
    pub require_tls: Option<bool>,
    /// `--account-id`
    pub account_id: Option<String>,
    /// `--region`
    pub region: Option<String>,
    /// `--long-poll-ms`
    pub long_poll_ms: Option<u64>,
    /// `--transition-ms`
    pub transition_ms: Option<u64>,
    /// `--stream-ids`
    pub stream_ids: Option<bool>,
    /// `--stream`
    pub streams: Vec<String>,
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
}

/// A TOML file, by its name for messages.
#[derive(Clone, Copy, Debug)]
pub struct FileText<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its contents.
    pub text: &'a str,
}

/// A setting that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    /// The flag, variable or key.
    pub setting: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl ConfigError {
    fn new(setting: impl Into<String>, problem: impl ToString) -> Self {
        Self { setting: setting.into(), problem: problem.to_string() }
    }
}

/// The file to read, if there is one: the flag's, else the environment's.
pub fn config_file(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    flags.config.clone().or_else(|| env("RHEOS_CONFIG").map(PathBuf::from))
}

/// Resolves every setting: flag, then environment, then file, then default.
///
/// # Errors
/// [`ConfigError`] names the first setting that is not acceptable.
pub fn resolve(
    flags: Flags,
    env: impl Fn(&str) -> Option<String>,
    file: Option<FileText<'_>>,
) -> Result<Config, ConfigError> {
    let default = Config::default();
    let keys = file.map_or_else(|| Ok(Keys::default()), Keys::read)?;
    let file_name = file.map_or("", |file| file.name);
    // The one place where the order is written down. What the file says comes as text, like the environment, so that
    // both are read, and refused, alike.
    let sources = Sources { env: &env, file_name };
    let choice = sources.pick("limits", Given(flags.limits), keys.limits, Choice::from_str)?.unwrap_or_default();
    Ok(Config {
        data_dir: sources.pick("data-dir", Given(flags.data_dir), keys.data_dir, path)?.unwrap_or(default.data_dir),
        listen: sources.pick("listen", Text(flags.listen), keys.listen, listen)?.unwrap_or(default.listen),
        limits: choice.profile(),
        overrides: sources
            .pick("limit", Text(joined(flags.overrides)), keys.limit.and_then(LimitKey::text), limits::overrides)?
            .unwrap_or(default.overrides),
        chaos: sources.pick("chaos", Text(flags.chaos), keys.chaos, Chaos::from_str)?.or_else(|| choice.chaos()),
        dev: sources.pick("dev", Given(flags.dev), keys.dev.map(text), truth)?.unwrap_or(default.dev),
        tls: tls::Said {
            chain: sources.pick("tls-cert", Given(flags.tls_cert), keys.tls_cert, pem_file)?,
            key: sources.pick("tls-key", Given(flags.tls_key), keys.tls_key, pem_file)?,
            dev: sources.pick("dev-tls", Given(flags.dev_tls), keys.dev_tls.map(text), truth)?,
            names: sources.pick(
                "tls-name",
                Text(joined(flags.tls_names)),
                keys.tls_name.and_then(joined),
                tls::names,
            )?,
            required: sources.pick("require-tls", Given(flags.require_tls), keys.require_tls.map(text), truth)?,
        }
        .decide()?,
        account_id: sources
            .pick("account-id", Text(flags.account_id), keys.account_id, account_id)?
            .unwrap_or(default.account_id),
        region: sources.pick("region", Text(flags.region), keys.region, region)?.unwrap_or(default.region),
        long_poll_ms: sources
            .pick("long-poll-ms", Given(flags.long_poll_ms), keys.long_poll_ms.map(text), milliseconds)?
            .unwrap_or(default.long_poll_ms)
            .min(LONGEST_POLL_MS),
        transition_ms: sources
            .pick("transition-ms", Given(flags.transition_ms), keys.transition_ms.map(text), milliseconds)?
            .unwrap_or(default.transition_ms),
        stream_ids: sources
            .pick("stream-ids", Given(flags.stream_ids), keys.stream_ids.map(text), truth)?
            .unwrap_or(default.stream_ids),
        streams: sources
            .pick("stream", Text(joined(flags.streams)), keys.stream.and_then(joined), streams)?
            .unwrap_or(default.streams),
        memory: sources
            .pick("memory", Given(flags.memory), keys.memory.map(SizeKey::text), size)
            .and_then(|memory| enough(memory.unwrap_or(default.memory)))?,
        log_format: sources
            .pick("log-format", Given(flags.log_format), keys.log_format, LogFormat::from_str)?
            .unwrap_or(default.log_format),
        log_filter: sources.pick("log", Given(None), keys.log, filter)?.unwrap_or(default.log_filter),
        root_key: root_key(&env)?,
        bounds: default.bounds,
    })
}

use Flag::{Given, Text};

/// A flag: already of its type, or still text.
enum Flag<T> {
    Given(Option<T>),
    Text(Option<String>),
}

struct Sources<'a, E> {
    env: &'a E,
    file_name: &'a str,
}

impl<E: Fn(&str) -> Option<String>> Sources<'_, E> {
    fn pick<T>(
        &self,
        name: &str,
        flag: Flag<T>,
        key: Option<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let parse = |setting: String, text: &str| match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(problem) => Err(ConfigError { setting, problem }),
        };
        match flag {
            Given(Some(value)) => return Ok(Some(value)),
            Text(Some(text)) => return parse(format!("--{name}"), &text),
            Given(None) | Text(None) => {}
        }
        let key_name = name.replace('-', "_");
        let variable = format!("RHEOS_{}", key_name.to_ascii_uppercase());
        if let Some(text) = (self.env)(&variable) {
            return parse(variable, &text);
        }
        key.map_or(Ok(None), |text| parse(format!("{key_name} in {}", self.file_name), &text))
    }
}

/// The TOML file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    data_dir: Option<String>,
    listen: Option<String>,
    limits: Option<String>,
    limit: Option<LimitKey>,
    chaos: Option<String>,
    dev: Option<bool>,
    tls_cert: Option<String>,
    tls_key: Option<String>,
    dev_tls: Option<bool>,
    tls_name: Option<Vec<String>>,
    require_tls: Option<bool>,
    account_id: Option<String>,
    region: Option<String>,
    long_poll_ms: Option<u64>,
    transition_ms: Option<u64>,
    stream_ids: Option<bool>,
    stream: Option<Vec<String>>,
    memory: Option<SizeKey>,
    log_format: Option<String>,
    log: Option<String>,
}

impl Keys {
    fn read(file: FileText<'_>) -> Result<Self, ConfigError> {
        // The message has the line, the key and, for an unknown one, those there are.
        toml::from_str(file.text).map_err(|error| ConfigError::new(file.name, error.to_string().trim_end()))
    }
}

/// A size: `"256MiB"`, or a number of bytes.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a size such as \"256MiB\", or a number of bytes")]
enum SizeKey {
    Bytes(u64),
    Text(String),
}

impl SizeKey {
    fn text(self) -> String {
        match self {
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn text(value: impl ToString) -> String {
    value.to_string()
}

fn joined(list: Vec<String>) -> Option<String> {
    (!list.is_empty()).then(|| list.join(","))
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("expected a directory".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn pem_file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("expected a file".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    // The one host name that needs no look-up.
    let address = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    address.parse().map_err(|_| format!("{text:?} is not ADDRESS:PORT, such as 127.0.0.1:4566 or 0.0.0.0:4566"))
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}

fn account_id(text: &str) -> Result<AccountId, String> {
    AccountId::new(text).map_err(|error| error.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    Region::new(text).map_err(|error| error.to_string())
}

/// No client waits longer than this for an answer without beginning to doubt.
const LONGEST_POLL_MS: u64 = 20_000;

fn milliseconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number of milliseconds"))
}

fn streams(text: &str) -> Result<Vec<StreamSpec>, String> {
    text.split(',').map(str::trim).filter(|spec| !spec.is_empty()).map(StreamSpec::from_str).collect()
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

fn filter(text: &str) -> Result<String, String> {
    let checked = tracing_subscriber::EnvFilter::try_new(text);
    checked.map(|_| text.to_owned()).map_err(|error| format!("{error}; expected such as info, or rheos_log=debug"))
}

fn enough(memory: u64) -> Result<u64, ConfigError> {
    const LEAST: u64 = 128 << 20;
    if memory >= LEAST {
        return Ok(memory);
    }
    Err(ConfigError::new("memory", format!("{memory} bytes are too few: expected at least 128MiB")))
}

/// The key in AWS's own variables. A session's token comes along, since clients send it if they have the same ones.
fn root_key(env: impl Fn(&str) -> Option<String>) -> Result<Option<AccessKey>, ConfigError> {
    let env = |name| env(name).filter(|value| !value.is_empty());
    let missing = |name: &str, other: &str| Err(ConfigError::new(name, format!("expected, as {other} is set")));
    match (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
        (None, None) => Ok(None),
        (Some(_), None) => missing("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        (None, Some(_)) => missing("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (Some(id), Some(secret)) => {
            Ok(Some(AccessKey { id, secret: SecretKey::new(secret), session_token: env("AWS_SESSION_TOKEN") }))
        }
    }
}
