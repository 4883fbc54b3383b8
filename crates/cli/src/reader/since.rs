//! Where reading begins, as it is typed: `10m`, an RFC 3339 time, `trim-horizon`, `latest`.

use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};

use super::Start;
use crate::units;

/// What `--since` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So many milliseconds before now.
    Ago(i64),
    /// A time, in milliseconds since 1970.
    At(i64),
    /// The oldest record there is.
    TrimHorizon,
    /// Only what arrives from now on.
    Latest,
}

impl Since {
    /// Reads the argument of `--since`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "trim-horizon" | "beginning" => return Ok(Self::TrimHorizon),
            "latest" | "now" => return Ok(Self::Latest),
            _ => {}
        }
        if let Ok(duration) = units::duration(text) {
            return i64::try_from(duration.as_millis()).map(Self::Ago).map_err(|_| format!("`{text}` is too long ago"));
        }
        let time =
            DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).ok().and_then(|time| time.to_millis().ok());
        time.map(Self::At).ok_or_else(|| {
            format!("`{text}` is no time: write 10m (ago), 2013-01-14T08:30:00Z, trim-horizon or latest")
        })
    }

    /// The place in the stream that this means now.
    pub(crate) fn start(&self, now_ms: i64) -> Start {
        match self {
            Self::Ago(milliseconds) => Start::At(now_ms.saturating_sub(*milliseconds).max(0)),
            Self::At(time) => Start::At(*time),
            Self::TrimHorizon => Start::TrimHorizon,
            Self::Latest => Start::Latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        assert_eq!(Since::parse("10m"), Ok(Since::Ago(600_000)));
        assert_eq!(Since::parse("trim-horizon"), Ok(Since::TrimHorizon));
        assert_eq!(Since::parse("latest"), Ok(Since::Latest));
        assert_eq!(Since::parse("2013-01-14T08:30:00Z"), Ok(Since::At(1_358_152_200_000)));
        assert_eq!(Since::parse("2013-01-14T08:30:00.25Z"), Ok(Since::At(1_358_152_200_250)));
        assert_eq!(Since::parse("2013-01-14T09:30:00+01:00"), Ok(Since::At(1_358_152_200_000)));
        for wrong in ["", "10", "yesterday", "2013-01-14"] {
            assert!(Since::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ago_counts_from_now() {
        assert_eq!(Since::Ago(1_000).start(5_000), Start::At(4_000));
        assert_eq!(Since::Ago(9_000).start(5_000), Start::At(0));
    }
}
