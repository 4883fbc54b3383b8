//! The settings of limits: `limits` chooses a profile, `limit` sets single ones over it.

use std::collections::BTreeMap;
use std::str::FromStr;

use rheos_types::limits::{Override, Profile};
use serde::Deserialize;

use crate::chaos::Chaos;

/// What `limits` can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// What Amazon Kinesis publishes.
    #[default]
    Aws,
    /// None of its artificial limits.
    Open,
    /// What Amazon Kinesis publishes, and faults besides.
    Chaos,
}

impl Choice {
    pub(super) fn profile(self) -> Profile {
        match self {
            Self::Aws | Self::Chaos => Profile::Aws,
            Self::Open => Profile::Open,
        }
    }
}

impl Choice {
    /// The faults that come with it.
    pub(super) fn chaos(self) -> Option<Chaos> {
        match self {
            Self::Aws | Self::Open => None,
            Self::Chaos => Some(Chaos::default()),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "aws" => Ok(Self::Aws),
            "open" => Ok(Self::Open),
            "chaos" => Ok(Self::Chaos),
            other => Err(format!("{other:?} is none of aws, open and chaos")),
        }
    }
}

/// Several `NAME=VALUE`, with commas between them.
pub(super) fn overrides(text: &str) -> Result<Vec<Override>, String> {
    let ones = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    ones.map(|one| one.parse().map_err(|error: rheos_types::limits::LimitError| error.to_string())).collect()
}

/// `limit` in a file: a list as on the command line, or a table.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a list such as [\"write_bytes_per_s=2097152\"], or a table of names and values")]
pub(super) enum LimitKey {
    List(Vec<String>),
    Table(BTreeMap<String, Value>),
}

/// A limit in a table: a number or `"none"`; `calls_per_s.DescribeStream` is a table in the table.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a number, or \"none\"")]
pub(super) enum Value {
    Number(i64),
    Text(String),
    Table(BTreeMap<String, Value>),
}

impl LimitKey {
    /// The same, as on the command line.
    pub(super) fn text(self) -> Option<String> {
        let mut list = Vec::new();
        match self {
            Self::List(given) => list = given,
            Self::Table(table) => flatten("", table, &mut list),
        }
        (!list.is_empty()).then(|| list.join(","))
    }
}

fn flatten(prefix: &str, table: BTreeMap<String, Value>, list: &mut Vec<String>) {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        match value {
            Value::Number(number) => list.push(format!("{name}={number}")),
            Value::Text(text) => list.push(format!("{name}={text}")),
            Value::Table(table) => flatten(&format!("{name}."), table, list),
        }
    }
}
