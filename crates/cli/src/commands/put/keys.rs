//! Where the partition key of a line comes from.

use serde_json::Value;

/// Keys have at most so many characters.
const KEY_LENGTH_MAX: usize = 256;

/// The rule for one run.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// The same key for every line.
    Fixed(String),
    /// What stands before the first delimiter; the data is what stands after it.
    Before(String),
    /// A member of the line's JSON.
    Json(JsonPath),
    /// A key of its own for each line, different in each run, so that lines spread over the shards.
    Spread { seed: u64 },
}

impl KeySource {
    /// The key and the data of line number `number`.
    pub(crate) fn split<'line>(&self, number: u64, line: &'line [u8]) -> Result<(String, &'line [u8]), String> {
        let (key, data) = match self {
            Self::Fixed(key) => (key.clone(), line),
            Self::Spread { seed } => (format!("{:016x}", mix(seed.wrapping_add(number))), line),
            Self::Json(path) => (path.find(line)?, line),
            Self::Before(delimiter) => {
                let at = memchr::memmem::find(line, delimiter.as_bytes());
                let at = at.ok_or_else(|| format!("has no `{delimiter}` after a key"))?;
                let key = std::str::from_utf8(&line[..at]).map_err(|_| String::from("has a key that is no UTF-8"))?;
                (key.to_owned(), &line[at + delimiter.len()..])
            }
        };
        match key.chars().count() {
            0 => Err(String::from("has an empty key")),
            length if length > KEY_LENGTH_MAX => Err(format!("has a key of {length} characters; 256 are allowed")),
            _ => Ok((key, data)),
        }
    }
}

/// A member of a JSON object, such as `.tailnum`, `.user.id` or `.items.0.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<String>);

impl JsonPath {
    /// Reads the argument of `--key-json`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.strip_prefix('.').unwrap_or(text).split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(format!("`{text}` is no path: write it like .tailnum or .user.id"));
        }
        Ok(Self(names))
    }

    fn find(&self, line: &[u8]) -> Result<String, String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("is no JSON: {error}"))?;
        let mut found = &value;
        for name in &self.0 {
            let next = match found {
                Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                other => other.get(name),
            };
            found = next.ok_or_else(|| format!("has no .{}", self.0.join(".")))?;
        }
        match found {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(found.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(format!("has no text or number in .{}", self.0.join(".")))
            }
        }
    }
}

/// A well-spread number for a number (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(path: &str, line: &str) -> Result<String, String> {
        KeySource::Json(JsonPath::parse(path)?).split(1, line.as_bytes()).map(|(key, _)| key)
    }

    #[test]
    fn keys_from_json() {
        assert_eq!(json(".tailnum", r#"{"tailnum":"N14228"}"#).unwrap(), "N14228");
        assert_eq!(json("tailnum", r#"{"tailnum":7}"#).unwrap(), "7");
        assert_eq!(json(".user.id", r#"{"user":{"id":true}}"#).unwrap(), "true");
        assert_eq!(json(".items.1", r#"{"items":["a","b"]}"#).unwrap(), "b");
        for (path, line) in [
            (".tailnum", "{}"),
            (".tailnum", r#"{"tailnum":null}"#),
            (".tailnum", r#"{"tailnum":""}"#),
            (".tailnum", r#"{"tailnum":{}}"#),
            (".tailnum", "not json"),
            (".", "{}"),
            (".a..b", "{}"),
        ] {
            assert!(json(path, line).is_err(), "{path} in {line}");
        }
    }

    #[test]
    fn keys_before_a_delimiter() {
        let source = KeySource::Before(String::from("::"));
        assert_eq!(source.split(1, b"k::v::w"), Ok((String::from("k"), &b"v::w"[..])));
        assert_eq!(source.split(1, b"k::"), Ok((String::from("k"), &b""[..])));
        assert!(source.split(1, b"::v").is_err(), "an empty key");
        assert!(source.split(1, b"k:v").is_err());
        assert!(source.split(1, b"\xff::v").is_err());
    }

    #[test]
    fn keys_are_not_too_long() {
        assert!(KeySource::Fixed("ä".repeat(256)).split(1, b"").is_ok());
        assert!(KeySource::Fixed("ä".repeat(257)).split(1, b"").is_err());
    }

    #[test]
    fn spread_keys_differ() {
        let source = KeySource::Spread { seed: 1 };
        let keys: std::collections::HashSet<String> =
            (0..1000).filter_map(|n| Some(source.split(n, b"").ok()?.0)).collect();
        assert_eq!(keys.len(), 1000);
    }
}
