//! Limits that a user sets: one by one over a profile, or all that a stream's tag says.

use super::{Call, CallRates, HIGHEST, Limits, Named, Profile};

/// What sets the rates of calls: with an operation's name behind a point, or all of them without.
const CALLS: &str = "calls_per_s";

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A limit of [`Limits::NAMED`].
    Named(&'static Named),
    /// The rate of one operation's calls.
    Call(Call),
    /// The rates of all operations' calls.
    AllCalls,
}

/// A limit and its value; `None` is no limit. As users write it: `NAME=VALUE`, where VALUE is a number or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// Which limit.
    pub setting: Setting,
    /// Its value.
    pub value: Option<u64>,
}

/// Why a text sets no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is no assignment.
    #[error("{text:?} is not NAME=VALUE, such as write_bytes_per_s=2097152 or calls_per_s.DescribeStream=none")]
    NotAnAssignment {
        /// The text.
        text: String,
    },
    /// There is no such limit.
    #[error("there is no limit {name:?}: expected one of {}", names(false))]
    NoSuchLimit {
        /// The name.
        name: String,
    },
    /// There is no such limit that one stream has for itself.
    #[error("there is no limit {name:?} of one stream: expected one of {}", names(true))]
    NotOfAStream {
        /// The name.
        name: String,
    },
    /// The value is none.
    #[error("{value:?} is no value of {name}: expected a number from 1 to {highest}, or none")]
    NoValue {
        /// The limit.
        name: String,
        /// What was given.
        value: String,
        /// The highest number that it can be.
        highest: u64,
    },
}

/// The names there are, for a person who has to choose one.
fn names(of_a_stream: bool) -> String {
    let named = Limits::NAMED.iter().filter(|named| !of_a_stream || named.scope.is_of_a_stream());
    let mut names: Vec<String> = named.map(|named| named.name.to_owned()).collect();
    names.push(CALLS.to_owned());
    names.push(format!("{CALLS}.OPERATION"));
    names.join(", ")
}

impl Setting {
    fn from_name(name: &str) -> Option<Self> {
        if let Some(named) = Limits::NAMED.iter().find(|named| named.name == name) {
            return Some(Self::Named(named));
        }
        match name.strip_prefix(CALLS)? {
            "" => Some(Self::AllCalls),
            operation => Call::from_name(operation.strip_prefix('.')?).map(Self::Call),
        }
    }

    fn highest(self) -> u64 {
        match self {
            Self::Named(named) => named.highest,
            Self::Call(_) | Self::AllCalls => HIGHEST,
        }
    }

    /// Whether a stream can choose it for itself. The rates of all calls it can: of those that are counted for it.
    fn is_of_a_stream(self) -> bool {
        match self {
            Self::Named(named) => named.scope.is_of_a_stream(),
            Self::Call(call) => call.scope().is_of_a_stream(),
            Self::AllCalls => true,
        }
    }
}

impl std::fmt::Display for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.setting {
            Setting::Named(named) => write!(f, "{}=", named.name)?,
            Setting::Call(call) => write!(f, "{CALLS}.{}=", call.name())?,
            Setting::AllCalls => write!(f, "{CALLS}=")?,
        }
        match self.value {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("none"),
        }
    }
}

impl std::str::FromStr for Override {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let shown = |text: &str| text.chars().take(100).collect::<String>();
        let assignment = text.split_once('=').ok_or_else(|| LimitError::NotAnAssignment { text: shown(text) })?;
        let (name, value) = (assignment.0.trim(), assignment.1.trim());
        let setting = Setting::from_name(name).ok_or_else(|| LimitError::NoSuchLimit { name: shown(name) })?;
        let value = match value {
            "none" => None,
            number => {
                let highest = setting.highest();
                let parsed = number.parse().ok().filter(|number| (1..=highest).contains(number));
                Some(parsed.ok_or_else(|| LimitError::NoValue { name: shown(name), value: shown(number), highest })?)
            }
        };
        Ok(Self { setting, value })
    }
}

impl Limits {
    /// These limits with another value for one of them.
    #[must_use]
    pub fn with(mut self, one: Override) -> Self {
        match one.setting {
            Setting::Named(named) => self.set(named, one.value),
            Setting::Call(call) => self.calls_per_s.0[call as usize] = one.value,
            Setting::AllCalls => self.calls_per_s = CallRates([one.value; Call::ALL.len()]),
        }
        self
    }

    /// What the tag of a stream says: words, of which the first may be a profile (else the server's limits are what is
    /// changed), and the others set one limit each: `open write_bytes_per_s=2097152`.
    ///
    /// # Errors
    /// [`LimitError`] of the first word that says nothing.
    pub fn of_tag(text: &str, server: &Self) -> Result<Self, LimitError> {
        let mut words = text.split_whitespace().peekable();
        let profile = words.peek().and_then(|word| Profile::from_name(word));
        let mut limits = profile.map_or(*server, Profile::limits);
        if profile.is_some() {
            words.next();
        }
        for word in words {
            let one: Override = word.parse()?;
            if !one.setting.is_of_a_stream() {
                let name = word.split('=').next().unwrap_or_default().to_owned();
                return Err(LimitError::NotOfAStream { name });
            }
            limits = limits.with(one);
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Limits {
        Profile::Aws.limits().with(text.parse().unwrap())
    }

    #[test]
    fn limits_are_set_by_name_and_written_as_they_are_read() {
        assert_eq!(set("write_bytes_per_s=7").write_bytes_per_s, Some(7));
        assert_eq!(set(" shards_per_account = none ").shards_per_account, None);
        let one = set("calls_per_s.DescribeStream=3").calls_per_s;
        assert_eq!((one.of(Call::DescribeStream), one.of(Call::ListStreams)), (Some(3), Some(5)));
        let none = set("calls_per_s=none").calls_per_s;
        assert!(Call::ALL.iter().all(|call| none.of(*call).is_none()));
        let named = Limits::NAMED.iter().map(|named| format!("{}=12", named.name));
        let calls = Call::ALL.iter().map(|call| format!("calls_per_s.{}=none", call.name()));
        for text in named.chain(calls).chain(["calls_per_s=1".to_owned()]) {
            let one: Override = text.parse().unwrap();
            assert_eq!(one.to_string(), text);
            assert_ne!(Profile::Aws.limits().with(one), Profile::Aws.limits(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problem = |text: &str| text.parse::<Override>().unwrap_err().to_string();
        assert!(problem("write_bytes_per_s").contains("NAME=VALUE"));
        assert!(problem("writes=1").contains("write_bytes_per_s, write_records_per_s"), "{}", problem("writes=1"));
        assert!(problem("calls_per_s.PutRecords=1").contains("\"calls_per_s.PutRecords\""));
        for value in ["", "0", "-1", "1.5", "many", "1000000000001", "99999999999999999999"] {
            let text = format!("reads_per_s={value}");
            assert!(problem(&text).contains("expected a number from 1 to 1000000000000"), "{value}");
        }
        assert!(problem("shard_count_updates_per_day=65").contains("from 1 to 64"));
    }

    #[test]
    fn a_tag_chooses_a_profile_and_single_limits() {
        let server = set("reads_per_s=9");
        let of = |text| Limits::of_tag(text, &server);
        assert_eq!(of("aws").unwrap(), Profile::Aws.limits());
        assert_eq!(of("open").unwrap(), Profile::Open.limits());
        assert_eq!(of("").unwrap(), server);
        let limits = of("open write_bytes_per_s=2097152").unwrap();
        assert_eq!(
            (limits.profile, limits.write_bytes_per_s, limits.reads_per_s),
            (Profile::Open, Some(2 << 20), None)
        );
        let limits = of("write_records_per_s=none calls_per_s.SplitShard=1").unwrap();
        assert_eq!((limits.write_records_per_s, limits.reads_per_s), (None, Some(9)));
        assert_eq!(limits.calls_per_s.of(Call::SplitShard), Some(1));
        for wrong in ["opn", "Open", "write_bytes_per_s=2MiB", "write_bytes_per_s=1 open"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        for shared in ["shards_per_account=1", "open calls_per_s.DescribeStream=1"] {
            assert!(matches!(of(shared), Err(LimitError::NotOfAStream { .. })), "{shared}");
        }
    }
}
