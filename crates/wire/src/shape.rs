//! The vocabulary of the service model: what kind of value each member takes and what it has to satisfy.
//!
//! The tables themselves are generated ([`crate::generated`]); one generic reader ([`crate::value`]), type check
//! ([`crate::check`]) and constraint check ([`crate::constraints`]) walk them. A shape never contains itself, so the
//! depth of every walk is bounded by the model.

use std::sync::OnceLock;

use regex_lite::Regex;

/// A value as the model describes it.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the model, such as `StreamName`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Lower bound: of the value for numbers, of the length for everything else.
    pub min: Option<i64>,
    /// Upper bound, likewise.
    pub max: Option<i64>,
    /// Regular expression that a text matches as a whole.
    pub pattern: Option<&'static Pattern>,
    /// The texts allowed, in the order of the model; empty when any is.
    pub values: &'static [&'static str],
}

/// What values a shape takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    String,
    /// 32-bit number.
    Integer,
    /// 64-bit number.
    Long,
    /// Number with a fraction.
    Double,
    /// Truth value.
    Boolean,
    /// Point in time, kept in milliseconds.
    Timestamp,
    /// Bytes; base64 in JSON.
    Blob,
    /// A list of one shape.
    List(&'static Shape),
    /// Texts of the first shape to values of the second.
    Map(&'static Shape, &'static Shape),
    /// Named members.
    Structure(&'static [Member]),
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it may not be absent.
    pub required: bool,
    /// Its value.
    pub shape: &'static Shape,
}

impl Shape {
    /// A shape without constraints.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, min: None, max: None, pattern: None, values: &[] }
    }

    pub(crate) const fn min(mut self, min: i64) -> Self {
        self.min = Some(min);
        self
    }

    pub(crate) const fn max(mut self, max: i64) -> Self {
        self.max = Some(max);
        self
    }

    pub(crate) const fn pattern(mut self, pattern: &'static Pattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    pub(crate) const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// The member of a structure that goes by this name.
    pub(crate) fn member(&self, name: &str) -> Option<&'static Member> {
        match self.kind {
            Kind::Structure(members) => members.iter().find(|member| member.name == name),
            _ => None,
        }
    }
}

/// A member that may not be absent.
pub(crate) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: true, shape }
}

/// A member that may be absent.
pub(crate) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: false, shape }
}

/// A regular expression of the model, compiled when first needed.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// The expression as the model spells it, which is how errors quote it.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Whether the whole of `text` matches, as Java's `matches()` has it.
    ///
    /// `\d`, `\w`, `\s` mean ASCII in Java and in `regex_lite` alike. An expression that does not compile would match
    /// nothing; a test compiles them all.
    pub fn matches(&self, text: &str) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    pub(crate) fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&format!("^(?:{})$", self.source)).ok()).as_ref()
    }
}

/// A [`Pattern`] in a place of its own, so that shapes can share it by reference.
macro_rules! pattern {
    ($source:literal) => {{
        static PATTERN: $crate::shape::Pattern = $crate::shape::Pattern::new($source);
        &PATTERN
    }};
}
pub(crate) use pattern;

/// A value that satisfies its shape, with every member there, or with those alone that have to be.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn sample(shape: &Shape, only_required: bool) -> serde_json::Value {
    let sample = |shape| sample(shape, only_required);
    let account = "arn:aws:kinesis:us-east-1:000000000000";
    match shape.kind {
        Kind::Structure(members) => {
            let members = members.iter().filter(|member| member.required || !only_required);
            members.map(|member| (member.name.to_owned(), sample(member.shape))).collect()
        }
        Kind::List(element) => vec![sample(element)].into(),
        Kind::Map(key, value) => {
            let key = sample(key).as_str().unwrap_or_default().to_owned();
            [(key, sample(value))].into_iter().collect()
        }
        Kind::Integer | Kind::Long => shape.min.unwrap_or(1).into(),
        Kind::Double => 1.5.into(),
        Kind::Boolean => true.into(),
        Kind::Timestamp => 1_400_000_000.5.into(),
        Kind::Blob => "aGk=".into(),
        Kind::String => match (shape.name, shape.values) {
            (_, [first, ..]) => (*first).into(),
            ("ConsumerARN", _) => format!("{account}:stream/a/consumer/b:1").into(),
            ("StreamARN" | "ResourceARN", _) => format!("{account}:stream/a").into(),
            ("StreamId", _) => "aaaaaaaaaaaaaaaaaaaa-aaa".into(),
            ("HashKey" | "SequenceNumber", _) => "0".into(),
            _ => "a".into(),
        },
    }
}
