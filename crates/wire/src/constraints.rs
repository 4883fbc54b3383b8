//! The constraint check: lengths, ranges, patterns, sets and presence, or a ValidationException that lists what fails.
//!
//! The texts are those of AWS (api.md §2.7). Items come in the order of the model, which AWS does not promise; clients
//! and tests take them as a set.

use std::fmt::Write as _;

use crate::error::{ErrorBody, ErrorCode};
use crate::shape::{Kind, Shape};
use crate::text::{java_length, prefix};
use crate::value::{Number, Value};

/// How many failures an error lists.
pub const MAX_ITEMS: usize = 10;

/// How much of an offending value an item repeats, in bytes. A list of 501 records prints in full.
const MAX_PRINTED: usize = 64 * 1024;

/// No pattern of the model matches a text longer than this, so none is tried: the longest bound is that of ARNs.
const MAX_MATCHED: usize = 8 * 1024;

/// Checks a value, of the right types already, against the constraints of its shape.
pub fn check(shape: &'static Shape, value: &Value) -> Result<(), ErrorBody> {
    let mut failures = Failures { items: Vec::new(), path: String::new() };
    failures.walk(shape, value);
    let plural = match failures.items.len() {
        0 => return Ok(()),
        1 => "error",
        _ => "errors",
    };
    let message = format!("{} validation {plural} detected: {}", failures.items.len(), failures.items.join("; "));
    Err(ErrorBody::new(ErrorCode::Validation, message))
}

struct Failures {
    items: Vec<String>,
    /// Where the walk is: `records.1.member.partitionKey`.
    path: String,
}

impl Failures {
    /// Checks what is inside a value. A value's own constraints are checked where it is named.
    fn walk(&mut self, shape: &'static Shape, value: &Value) {
        match (shape.kind, value) {
            (Kind::Structure(members), Value::Map(values)) => {
                for member in members {
                    let value = values.iter().find(|(name, _)| name == member.name).map(|(_, value)| value);
                    self.within(&lower_first(member.name), |failures| match value {
                        Some(value) => failures.named(member.shape, value),
                        None if member.required => failures.fail(None, "Member must not be null"),
                        None => {}
                    });
                }
            }
            (Kind::List(element), Value::List(values)) => {
                for (at, value) in values.iter().enumerate() {
                    self.element(&format!("{}.member", at + 1), element, value);
                }
            }
            (Kind::Map(_, element), Value::Map(values)) => {
                for (key, value) in values {
                    self.element(&format!("{key}.member"), element, value);
                }
            }
            _ => {}
        }
    }

    /// An element of a list or map. Scalar elements are judged together, by the collection.
    fn element(&mut self, name: &str, shape: &'static Shape, value: &Value) {
        if self.items.len() < MAX_ITEMS && (*value == Value::Null || !is_scalar(shape)) {
            self.within(name, |failures| failures.named(shape, value));
        }
    }

    /// A value that has a name: its own constraints, then what is inside.
    fn named(&mut self, shape: &'static Shape, value: &Value) {
        if *value == Value::Null {
            return self.fail(None, "Member must not be null");
        }
        for rule in broken_rules(shape, value) {
            self.fail(Some((shape, value)), &rule);
        }
        for (whose, element) in elements(shape) {
            if collected(whose, value).any(|value| breaks(element, value)) {
                let rule = format!("{} must satisfy constraint: [{}]", whose.words(), all_rules(element).join(", "));
                self.fail(Some((shape, value)), &rule);
            }
        }
        self.walk(shape, value);
    }

    fn within(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        check(self);
        self.path.truncate(before);
    }

    fn fail(&mut self, value: Option<(&Shape, &Value)>, rule: &str) {
        if self.items.len() >= MAX_ITEMS {
            return;
        }
        let value = value.map_or_else(|| "null".to_owned(), |(shape, value)| format!("'{}'", print(shape, value)));
        self.items.push(format!("Value {value} at '{}' failed to satisfy constraint: {rule}", self.path));
    }
}

/// Which values of a collection a constraint speaks of.
#[derive(Clone, Copy)]
enum Whose {
    Elements,
    Keys,
    Values,
}

impl Whose {
    fn words(self) -> &'static str {
        match self {
            Self::Elements => "Member",
            Self::Keys => "Map keys",
            Self::Values => "Map value",
        }
    }
}

/// The scalars that a collection is made of.
fn elements(shape: &'static Shape) -> impl Iterator<Item = (Whose, &'static Shape)> {
    let (first, second) = match shape.kind {
        Kind::List(element) => (Some((Whose::Elements, element)), None),
        Kind::Map(key, value) => (Some((Whose::Keys, key)), Some((Whose::Values, value))),
        _ => (None, None),
    };
    first.into_iter().chain(second).filter(|(_, shape)| is_scalar(shape))
}

fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape.kind, Kind::List(_) | Kind::Map(..) | Kind::Structure(_))
}

/// The values of a collection that are there; those that are null fail by themselves.
fn collected(whose: Whose, collection: &Value) -> impl Iterator<Item = Scalar<'_>> {
    let (list, map): (&[Value], &[(String, Value)]) = match collection {
        Value::List(list) => (list, &[]),
        Value::Map(map) => (&[], map),
        _ => (&[], &[]),
    };
    let entries = map.iter().map(move |(key, value)| match whose {
        Whose::Keys => Scalar::Text(key),
        Whose::Elements | Whose::Values => Scalar::of(value),
    });
    list.iter().map(Scalar::of).chain(entries)
}

/// What constraints are about.
enum Scalar<'v> {
    Text(&'v str),
    Number(i64),
    /// Anything that has a length and nothing else to judge.
    Length(usize),
    Free,
}

impl<'v> Scalar<'v> {
    fn of(value: &'v Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Number(Number::Int(number)) => Self::Number(*number),
            Value::Bytes(bytes) => Self::Length(bytes.len()),
            Value::List(list) => Self::Length(list.len()),
            Value::Map(map) => Self::Length(map.len()),
            Value::Null | Value::Bool(_) | Value::Timestamp(_) | Value::Number(Number::Float(_)) => Self::Free,
        }
    }

    fn size(&self) -> Option<i64> {
        match self {
            Self::Text(text) => i64::try_from(java_length(text)).ok(),
            Self::Number(number) => Some(*number),
            Self::Length(length) => i64::try_from(*length).ok(),
            Self::Free => None,
        }
    }

    fn is_too_small(&self, shape: &Shape) -> bool {
        shape.min.zip(self.size()).is_some_and(|(min, size)| size < min)
    }

    fn is_too_large(&self, shape: &Shape) -> bool {
        shape.max.zip(self.size()).is_some_and(|(max, size)| size > max)
    }

    fn misses_pattern(&self, shape: &Shape) -> bool {
        match (self, shape.pattern) {
            (Self::Text(text), Some(pattern)) => text.len() > MAX_MATCHED || !pattern.matches(text),
            _ => false,
        }
    }

    fn misses_set(&self, shape: &Shape) -> bool {
        matches!(self, Self::Text(text) if !shape.values.is_empty() && !shape.values.contains(text))
    }
}

fn breaks(shape: &Shape, value: Scalar<'_>) -> bool {
    value.is_too_small(shape) || value.is_too_large(shape) || value.misses_pattern(shape) || value.misses_set(shape)
}

/// The rules of its shape that a value breaks; one text may break several.
fn broken_rules(shape: &Shape, value: &Value) -> Vec<String> {
    let value = Scalar::of(value);
    let mut rules = Vec::new();
    rules.extend(value.misses_pattern(shape).then(|| pattern_rule(shape)).flatten());
    rules.extend(value.is_too_small(shape).then(|| min_rule(shape)).flatten());
    rules.extend(value.is_too_large(shape).then(|| max_rule(shape)).flatten());
    rules.extend(value.misses_set(shape).then(|| set_rule(shape)).flatten());
    rules
}

/// Every rule of a shape, in the order in which AWS lists those of elements.
fn all_rules(shape: &Shape) -> Vec<String> {
    [max_rule(shape), min_rule(shape), pattern_rule(shape), set_rule(shape)].into_iter().flatten().collect()
}

fn min_rule(shape: &Shape) -> Option<String> {
    shape.min.map(|min| format!("Member must have {} greater than or equal to {min}", measure(shape)))
}

fn max_rule(shape: &Shape) -> Option<String> {
    shape.max.map(|max| format!("Member must have {} less than or equal to {max}", measure(shape)))
}

fn measure(shape: &Shape) -> &'static str {
    if matches!(shape.kind, Kind::Integer | Kind::Long) { "value" } else { "length" }
}

fn pattern_rule(shape: &Shape) -> Option<String> {
    shape.pattern.map(|pattern| format!("Member must satisfy regular expression pattern: {}", pattern.source()))
}

fn set_rule(shape: &Shape) -> Option<String> {
    // AWS prints sets in the order of a hash table. The one order that has been observed (api.md §2.7) is kept.
    let values = match shape.name {
        "ShardIteratorType" => {
            "AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON".to_owned()
        }
        _ => shape.values.join(", "),
    };
    (!shape.values.is_empty()).then(|| format!("Member must satisfy enum value set: [{values}]"))
}

/// A value as Java prints it.
fn print(shape: &Shape, value: &Value) -> String {
    let mut out = String::new();
    print_into(&mut out, shape, value, 0);
    if out.len() > MAX_PRINTED {
        out.truncate(prefix(&out, MAX_PRINTED).len());
        out.push_str("...");
    }
    out
}

/// Appends a value; `at` is its place in the list it is part of.
fn print_into(out: &mut String, shape: &Shape, value: &Value, at: usize) {
    if out.len() > MAX_PRINTED {
        return;
    }
    let written = match (shape.kind, value) {
        // An object that does not say how to be printed: its class and where it lies in memory. We have its place.
        (Kind::Structure(_), _) => write!(out, "com.amazonaws.kinesis.v20131202.{}@{:x}", shape.name, at + 1),
        (Kind::List(element), Value::List(list)) => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                print_into(out, element, value, at);
            }
            write!(out, "]")
        }
        (Kind::Map(_, element), Value::Map(map)) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(key);
                out.push('=');
                print_into(out, element, value, at);
            }
            write!(out, "}}")
        }
        (_, Value::Bool(truth)) => write!(out, "{truth}"),
        (_, Value::Number(Number::Int(number)) | Value::Timestamp(number)) => write!(out, "{number}"),
        (_, Value::Number(Number::Float(number))) => write!(out, "{number}"),
        (_, Value::String(text)) => write!(out, "{text}"),
        (_, Value::Bytes(bytes)) => write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len()),
        (_, Value::Null | Value::List(_) | Value::Map(_)) => write!(out, "null"),
    };
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

/// `PartitionKey` is `partitionKey` in a path; and `StreamARN` is `streamARN`.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
