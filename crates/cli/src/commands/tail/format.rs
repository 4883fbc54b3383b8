//! `-o` of `rheos tail`: how a record is written.

use serde_json::json;

use crate::reader::Record;
use crate::reader::time::rfc3339;

/// How records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One JSON object per line.
    Json,
    /// The data and a line break.
    Raw,
    /// As the user says.
    Custom(Vec<Piece>),
}

/// A piece of a format that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Key,
    Data,
    Size,
    Sequence,
    Shard,
    Arrived,
}

impl Format {
    /// Reads the argument of `-o`: a name, or a text with `%` letters.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "raw" => Ok(Self::Raw),
            custom if custom.contains('%') => pieces(custom).map(Self::Custom),
            other => {
                Err(format!("`{other}` is no format: use table, json, raw, or a text with letters such as '%k %v'"))
            }
        }
    }

    /// The record as bytes, the line break included. A table's columns fit into `width`.
    pub(crate) fn write(&self, record: &Record, width: usize) -> Vec<u8> {
        let mut bytes = match self {
            Self::Table => table_row(record, width).into_bytes(),
            Self::Json => json(record).to_string().into_bytes(),
            Self::Raw => record.data.clone(),
            Self::Custom(pieces) => custom(pieces, record),
        };
        bytes.push(b'\n');
        bytes
    }

    /// The line above the first record.
    pub(crate) fn head(&self) -> Option<String> {
        (*self == Self::Table).then(|| format!("{:<12}  {:<6}  {:<20}  {}", "arrived", "shard", "key", "data"))
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let piece = match (letter, if matches!(letter, '%' | '\\') { letters.next() } else { None }) {
            ('%', Some('k')) => Piece::Key,
            ('%', Some('v')) => Piece::Data,
            ('%', Some('s')) => Piece::Size,
            ('%', Some('o')) => Piece::Sequence,
            ('%', Some('p')) => Piece::Shard,
            ('%', Some('d')) => Piece::Arrived,
            ('%', Some('%')) => {
                plain.push('%');
                continue;
            }
            ('%', Some(other)) => {
                return Err(format!("`%{other}` is no letter of a format: use %k %v %o %p %d %s or %%"));
            }
            ('%', None) => return Err(String::from("a format cannot end with a single %")),
            ('\\', Some('n')) => {
                plain.push('\n');
                continue;
            }
            ('\\', Some('t')) => {
                plain.push('\t');
                continue;
            }
            ('\\', Some(other)) => {
                plain.extend(['\\', other]);
                continue;
            }
            (letter, _) => {
                plain.push(letter);
                continue;
            }
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn custom(pieces: &[Piece], record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Key => bytes.extend_from_slice(record.key.as_bytes()),
            Piece::Data => bytes.extend_from_slice(&record.data),
            Piece::Size => bytes.extend_from_slice(record.data.len().to_string().as_bytes()),
            Piece::Sequence => bytes.extend_from_slice(record.sequence.as_bytes()),
            Piece::Shard => bytes.extend_from_slice(record.shard.as_bytes()),
            Piece::Arrived => bytes.extend_from_slice(rfc3339(record.arrived_ms).as_bytes()),
        }
    }
    bytes
}

fn json(record: &Record) -> serde_json::Value {
    let mut value = json!({
        "shard": &*record.shard,
        "sequence": record.sequence,
        "key": record.key,
        "arrived": rfc3339(record.arrived_ms),
    });
    if let Some(sub_sequence) = record.sub_sequence {
        value["sub_sequence"] = sub_sequence.into();
    }
    match std::str::from_utf8(&record.data) {
        Ok(text) => value["data"] = text.into(),
        Err(_) => value["data_base64"] = base64_simd::STANDARD.encode_to_string(&record.data).into(),
    }
    value
}

fn table_row(record: &Record, width: usize) -> String {
    let arrived = rfc3339(record.arrived_ms);
    let clock = arrived.get(11..23).unwrap_or(&arrived);
    let shard = record.shard.trim_start_matches("shardId-").trim_start_matches('0');
    let shard = if shard.is_empty() { "0" } else { shard };
    let row = format!("{clock:<12}  {shard:<6}  {:<20}  {}", shown(record.key.as_bytes()), shown(&record.data));
    row.chars().take(width).collect()
}

/// Text that stays on its line and cannot send anything to the terminal.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record(data: &[u8]) -> Record {
        Record {
            shard: Arc::from("shardId-000000000003"),
            sequence: String::from("49"),
            sub_sequence: None,
            key: String::from("N14228"),
            data: data.to_vec(),
            arrived_ms: 1_358_152_200_025,
        }
    }

    fn written(format: &str, data: &[u8]) -> String {
        String::from_utf8(Format::parse(format).unwrap().write(&record(data), 80)).unwrap()
    }

    #[test]
    fn letters() {
        assert_eq!(written("%k %v", b"hello"), "N14228 hello\n");
        assert_eq!(written("%o@%p", b""), "49@shardId-000000000003\n");
        assert_eq!(written("%d %s%%\\t|", b"hello"), "2013-01-14T08:30:00.025Z 5%\t|\n");
        for wrong in ["%", "%x", "100%", "yaml"] {
            assert!(Format::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(written("raw", b"hello"), "hello\n");
        assert!(written("table", b"a\x1b[31mb").ends_with("a [31mb\n"), "no escape reaches the terminal");
        let line: serde_json::Value = serde_json::from_str(&written("json", b"hello")).unwrap();
        assert_eq!(line["data"], "hello");
        let line: serde_json::Value = serde_json::from_str(&written("json", &[0xff])).unwrap();
        assert_eq!(line["data_base64"], "/w==");
        assert!(line.get("data").is_none() && line.get("sub_sequence").is_none());
        let unpacked = Record { sub_sequence: Some(7), ..record(b"hello") };
        let line: serde_json::Value = serde_json::from_slice(&Format::Json.write(&unpacked, 80)).unwrap();
        assert_eq!(line["sub_sequence"], 7);
    }

    #[test]
    fn a_row_of_the_table_fits() {
        let row = Format::Table.write(&record("ä".repeat(500).as_bytes()), 60);
        assert_eq!(String::from_utf8(row).unwrap().trim_end().chars().count(), 60);
    }
}
