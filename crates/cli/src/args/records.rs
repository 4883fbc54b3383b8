//! `rheos put` and `rheos tail`: arguments only.

use std::path::PathBuf;

use clap::Args;

use super::Connect;
use crate::commands::put::keys::JsonPath;
use crate::commands::tail::format::Format;
use crate::reader::since::Since;
use crate::units;

const PUT_HELP: &str = "\
Examples:
  seq 1000 | rheos put numbers                           a key of its own for each line
  rheos put clicks -i clicks.jsonl --key-json .user.id   the key from a member of the line's JSON
  rheos put pairs -K ':' < pairs.txt                     `key:value` lines
  rheos put orders -k customer-7 -i orders.txt           one key, so one shard and one order
  rheos put flights -i flights.ndjson --rate 500/s
  rheos put clicks -i clicks.jsonl --aggregate           many lines in one record

Order: lines with the same key are sent in the order of the input, one request after the other. What a request could not write \
is sent again, alone, before anything that follows it. Inside one request Kinesis promises no order: if it refuses a line and takes \
a later one of the same key, the two change places. --strict-order rules that out, with one line of a key in a request. \
A request without an answer is sent again, so its lines may be written twice.

Aggregation: with --aggregate, lines of one shard share records, in the format of the Kinesis Producer Library, so that short lines cost a \
fraction. KCL, `rheos tail` and the libraries for it show the lines again; a plain GetRecords shows packed bytes. Several records of a shard \
are under way at a time then, so that lines of a key may change places; --strict-order rules that out, with one at a time.";

/// What to write, where, and under which keys.
#[derive(Args, Debug)]
#[command(after_long_help = PUT_HELP)]
pub(crate) struct Put {
    /// The stream.
    pub(crate) stream: String,
    /// The partition key of every line.
    #[arg(short = 'k', long, value_name = "KEY", group = "key_source")]
    pub(crate) key: Option<String>,
    /// Each line is a key, this delimiter, and the data.
    #[arg(short = 'K', long, value_name = "DELIMITER", group = "key_source")]
    pub(crate) key_delimiter: Option<String>,
    /// Each line is JSON and this member is the key, such as `.tailnum` or `.user.id`.
    #[arg(long, value_name = "PATH", group = "key_source", value_parser = JsonPath::parse)]
    pub(crate) key_json: Option<JsonPath>,
    /// The file to read; `-` is standard input.
    #[arg(short = 'i', long, value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Write no faster than this, such as 500/s.
    #[arg(long, value_parser = units::rate)]
    pub(crate) rate: Option<f64>,
    /// Requests under way at a time; each key belongs to one of them.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) connections: u16,
    /// At most one line of a key in a request, so that not even a refused line changes places.
    #[arg(long)]
    pub(crate) strict_order: bool,
    /// How often a line is tried again before it counts as not written.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) retries: u32,
    /// Pack lines into aggregated records, as the Kinesis Producer Library does.
    #[arg(long, conflicts_with = "retries")]
    pub(crate) aggregate: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

const TAIL_HELP: &str = "\
Examples:
  rheos tail orders                        the last 10 records
  rheos tail orders -f                     the same, and then what arrives
  rheos tail orders --since 10m -o json    ten minutes, for jq
  rheos tail orders --since trim-horizon -n 5
  rheos tail orders -f -o '%d %p %k %v'

Formats:
  table   columns, cut at the width of the terminal        (default on a terminal)
  json    one object per line; data that is no UTF-8 is `data_base64`   (default in a pipe)
  raw     the data of each record and a line break
  text with %k key, %v data, %o sequence number, %p shard, %d time of arrival, %s bytes of data, %% %, \\n and \\t

Without --since, -n takes the last N records; with it, the first N. Records of all shards are merged by their time of arrival; \
with -f, records that have just arrived are shown as they are read. Shards that come from splits and merges are followed.";

/// What to read, from when, and how to show it.
#[derive(Args, Debug)]
#[command(after_long_help = TAIL_HELP)]
pub(crate) struct Tail {
    /// The stream.
    pub(crate) stream: String,
    /// Go on with what arrives.
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Where to begin: `10m` (ago), an RFC 3339 time, `trim-horizon` or `latest`.
    #[arg(long, value_name = "WHEN", value_parser = Since::parse)]
    pub(crate) since: Option<Since>,
    /// How many records [default: the last 10 without --since, all with it].
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) number: Option<usize>,
    /// Only this shard.
    #[arg(long, value_name = "ID")]
    pub(crate) shard: Option<String>,
    /// Show aggregated records as they are stored, not the user records in them.
    #[arg(long)]
    pub(crate) as_stored: bool,
    /// `table`, `json`, `raw` or a format [default: table on a terminal, json in a pipe].
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) output: Option<Format>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
