//! Whether a condition holds of an item.

use super::Operand;
use super::condition::Condition;
use super::problem::Problem;
use crate::number::Number;
use crate::value::{AttributeValue, Item};
use std::borrow::Cow;
use std::cmp::Ordering;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(crate) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it is about an order, and not about being the same.
    pub(crate) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// The comparator for exchanged operands.
    pub(crate) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Condition {
    /// Whether it holds of an item. An absent item is one without attributes.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
            Self::Not(part) => !part.holds(item),
            Self::Compare { comparator, left, right } => {
                compare(*comparator, left.of(item).as_deref(), right.of(item).as_deref())
            }
            Self::Between { operand, lower, upper } => {
                let operand = operand.of(item);
                compare(Comparator::GreaterOrEqual, operand.as_deref(), lower.of(item).as_deref())
                    && compare(Comparator::LessOrEqual, operand.as_deref(), upper.of(item).as_deref())
            }
            Self::In { operand, list } => {
                let operand = operand.of(item);
                let is_it = |other: &Operand| compare(Comparator::Equal, operand.as_deref(), other.of(item).as_deref());
                list.iter().any(is_it)
            }
            Self::Exists(path) => path.get(item).is_some(),
            Self::NotExists(path) => path.get(item).is_none(),
            Self::HasType { path, kind } => path.get(item).is_some_and(|value| value.kind() == *kind),
            Self::BeginsWith { operand, prefix } => match (operand.of(item).as_deref(), prefix.of(item).as_deref()) {
                (Some(AttributeValue::S(text)), Some(AttributeValue::S(prefix))) => text.starts_with(prefix.as_str()),
                (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(prefix))) => bytes.starts_with(prefix),
                _ => false,
            },
            Self::Contains { operand, part } => match (operand.of(item).as_deref(), part.of(item).as_deref()) {
                (Some(whole), Some(part)) => contains(whole, part),
                _ => false,
            },
        }
    }
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(operand) => {
                let count = match operand.of(item)?.as_ref() {
                    // Characters as Java counts them.
                    AttributeValue::S(text) => text.encode_utf16().count(),
                    AttributeValue::B(bytes) => bytes.len(),
                    AttributeValue::M(map) => map.len(),
                    AttributeValue::L(list) => list.len(),
                    AttributeValue::Ss(set) => set.len(),
                    AttributeValue::Ns(set) => set.len(),
                    AttributeValue::Bs(set) => set.len(),
                    AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
                };
                Some(Cow::Owned(AttributeValue::N(Number::from(count as u64))))
            }
        }
    }
}

/// Compares two values. Of what is absent, or of another type, nothing holds but that it is not equal.
fn compare(comparator: Comparator, left: Option<&AttributeValue>, right: Option<&AttributeValue>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return comparator == Comparator::NotEqual };
    match order(left, right) {
        Some(order) => comparator.holds(order),
        None if comparator == Comparator::Equal => left == right,
        None if comparator == Comparator::NotEqual => left != right,
        None => false,
    }
}

/// The order of two texts, numbers or bytes.
pub(super) fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// What is wrong with bounds of BETWEEN that are both given.
pub(super) fn compare_bounds(lower: &AttributeValue, upper: &AttributeValue) -> Option<Problem> {
    let shown = |value: &AttributeValue| {
        let (kind, json) = (value.kind(), serde_json::to_value(value).unwrap_or_default());
        let text = json[kind.as_str()].as_str().map_or_else(|| json[kind.as_str()].to_string(), str::to_owned);
        format!("{{{kind}:{text}}}")
    };
    let (lower_text, upper_text) = (shown(lower), shown(upper));
    if lower.kind() != upper.kind() {
        return Some(Problem::BoundTypes { lower: lower_text, upper: upper_text });
    }
    let reversed = order(lower, upper).is_some_and(Ordering::is_gt);
    reversed.then_some(Problem::BoundOrder { lower: lower_text, upper: upper_text })
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(whole), AttributeValue::S(part)) => whole.contains(part.as_str()),
        (AttributeValue::B(whole), AttributeValue::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(part)) => set.contains(part),
        (AttributeValue::Ns(set), AttributeValue::N(part)) => set.contains(part),
        (AttributeValue::Bs(set), AttributeValue::B(part)) => set.contains(part),
        (AttributeValue::L(list), part) => list.contains(part),
        _ => false,
    }
}
