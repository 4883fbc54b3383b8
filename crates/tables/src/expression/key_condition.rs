//! Conditions on keys: what a query asks of the hash key and of the range key.

use super::Operand;
use super::condition::Condition;
use super::evaluate::{Comparator, order};
use super::parser::Scope;
use super::problem::{KeyProblem, Which};
use crate::invalid::Invalid;
use crate::value::AttributeValue;
use std::collections::BTreeMap;

/// A condition on one attribute of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeyCondition {
    /// It is this value.
    Equal(AttributeValue),
    /// Of a range key alone.
    Range(RangeTest),
    /// Something that no order of keys answers.
    Other,
}

/// What a range key has to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RangeTest {
    /// Less, or greater, or equal to a value.
    Compare(Comparator, AttributeValue),
    /// Between two values, both included.
    Between(AttributeValue, AttributeValue),
    /// A text or bytes that begin so.
    BeginsWith(AttributeValue),
}

impl RangeTest {
    /// The values in it.
    pub(crate) fn values(&self) -> Vec<&AttributeValue> {
        match self {
            Self::Compare(_, value) | Self::BeginsWith(value) => vec![value],
            Self::Between(lower, upper) => vec![lower, upper],
        }
    }

    /// Whether a range key, of the same type as the values, is so.
    pub(crate) fn holds(&self, key: &AttributeValue) -> bool {
        let is = |value: &AttributeValue, test: fn(std::cmp::Ordering) -> bool| order(key, value).is_some_and(test);
        match self {
            Self::Compare(Comparator::Equal, value) => is(value, std::cmp::Ordering::is_eq),
            Self::Compare(Comparator::NotEqual, value) => is(value, std::cmp::Ordering::is_ne),
            Self::Compare(Comparator::Less, value) => is(value, std::cmp::Ordering::is_lt),
            Self::Compare(Comparator::LessOrEqual, value) => is(value, std::cmp::Ordering::is_le),
            Self::Compare(Comparator::Greater, value) => is(value, std::cmp::Ordering::is_gt),
            Self::Compare(Comparator::GreaterOrEqual, value) => is(value, std::cmp::Ordering::is_ge),
            Self::Between(lower, upper) => is(lower, std::cmp::Ordering::is_ge) && is(upper, std::cmp::Ordering::is_le),
            Self::BeginsWith(prefix) => match (key, prefix) {
                (AttributeValue::S(key), AttributeValue::S(prefix)) => key.starts_with(prefix.as_str()),
                (AttributeValue::B(key), AttributeValue::B(prefix)) => key.starts_with(prefix),
                _ => false,
            },
        }
    }
}

/// Conditions by the attribute that they are about: one or two.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct KeyConditions(pub(crate) BTreeMap<String, KeyCondition>);

impl KeyConditions {
    /// Reads a key condition expression.
    ///
    /// # Errors
    /// [`Invalid`], as DynamoDB says it.
    pub(crate) fn parse<'a>(text: &'a str, scope: &mut Scope<'a>) -> Result<Self, Invalid> {
        let condition = Condition::parse(Which::KeyCondition, text, scope)?;
        let mut conditions = Self::default();
        conditions.take(condition)?;
        conditions.checked()
    }

    /// The conditions, if they are one or two.
    pub(crate) fn checked(self) -> Result<Self, Invalid> {
        if (1..=2).contains(&self.0.len()) { Ok(self) } else { Err(KeyProblem::Count.into()) }
    }

    fn take(&mut self, condition: Condition) -> Result<(), Invalid> {
        match condition {
            Condition::All(parts) => parts.into_iter().try_for_each(|part| self.take(part)),
            Condition::Any(_) => Err(KeyProblem::Operator("OR").into()),
            Condition::Not(_) => Err(KeyProblem::Operator("NOT").into()),
            Condition::In { .. } => Err(KeyProblem::Operator("IN").into()),
            Condition::Exists(_) => Err(KeyProblem::Operator("attribute_exists").into()),
            Condition::NotExists(_) => Err(KeyProblem::Operator("attribute_not_exists").into()),
            Condition::HasType { .. } => Err(KeyProblem::Operator("attribute_type").into()),
            Condition::Contains { .. } => Err(KeyProblem::Operator("contains").into()),
            Condition::Compare { comparator: Comparator::NotEqual, .. } => Err(KeyProblem::Operator("<>").into()),
            Condition::Compare { comparator, left: Operand::Value(value), right: right @ Operand::Path(_) } => {
                self.compare(comparator.turned(), right, Operand::Value(value))
            }
            Condition::Compare { comparator, left, right } => self.compare(comparator, left, right),
            Condition::Between { operand, lower, upper } => {
                let (name, [lower, upper]) = operands("BETWEEN", operand, [lower, upper])?;
                self.insert(name, KeyCondition::Range(RangeTest::Between(lower, upper)))
            }
            Condition::BeginsWith { operand, prefix } => {
                let (name, [prefix]) = operands("begins_with", operand, [prefix])?;
                self.insert(name, KeyCondition::Range(RangeTest::BeginsWith(prefix)))
            }
        }
    }

    fn compare(&mut self, comparator: Comparator, left: Operand, right: Operand) -> Result<(), Invalid> {
        let (name, [value]) = operands(comparator.as_str(), left, [right])?;
        let condition = match comparator {
            Comparator::Equal => KeyCondition::Equal(value),
            _ => KeyCondition::Range(RangeTest::Compare(comparator, value)),
        };
        self.insert(name, condition)
    }

    fn insert(&mut self, name: String, condition: KeyCondition) -> Result<(), Invalid> {
        match self.0.insert(name, condition) {
            None => Ok(()),
            Some(_) => Err(KeyProblem::Twice.into()),
        }
    }
}

/// The attribute and the values of a condition that has no others.
fn operands<const N: usize>(
    operator: &'static str,
    first: Operand,
    rest: [Operand; N],
) -> Result<(String, [AttributeValue; N]), KeyProblem> {
    let all = || rest.iter().chain([&first]);
    if all().any(|operand| matches!(operand, Operand::Size(_))) {
        return Err(KeyProblem::NestedOperations);
    }
    let paths = || all().filter_map(|operand| if let Operand::Path(path) = operand { Some(path) } else { None });
    if paths().any(super::Path::is_nested) {
        return Err(KeyProblem::NestedAttribute);
    }
    match paths().count() {
        0 => return Err(KeyProblem::NoAttribute),
        1 => {}
        _ => return Err(KeyProblem::SeveralAttributes),
    }
    let Operand::Path(path) = first else { return Err(KeyProblem::AttributeNotFirst(operator)) };
    // All others are values.
    let values = rest.map(|operand| match operand {
        Operand::Value(value) => value,
        Operand::Path(_) | Operand::Size(_) => AttributeValue::Null,
    });
    Ok((path.attribute, values))
}
