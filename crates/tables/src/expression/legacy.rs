//! The forms that came before expressions: `Expected`, `QueryFilter`, `ScanFilter`, `KeyConditions`, `AttributeUpdates`,
//! made into the trees of expressions.

use super::evaluate::{Comparator, order};
use super::key_condition::{KeyCondition, KeyConditions, RangeTest};
use super::update::{Action, SetValue};
use super::{Condition, Operand, Path, Update};
use crate::invalid::Invalid;
use crate::value::{AttributeValue, Type};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum ComparisonOperator {
    Eq,
    Ne,
    In,
    Le,
    Lt,
    Ge,
    Gt,
    Between,
    NotNull,
    Null,
    Contains,
    NotContains,
    BeginsWith,
}

impl ComparisonOperator {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "EQ",
            Self::Ne => "NE",
            Self::In => "IN",
            Self::Le => "LE",
            Self::Lt => "LT",
            Self::Ge => "GE",
            Self::Gt => "GT",
            Self::Between => "BETWEEN",
            Self::NotNull => "NOT_NULL",
            Self::Null => "NULL",
            Self::Contains => "CONTAINS",
            Self::NotContains => "NOT_CONTAINS",
            Self::BeginsWith => "BEGINS_WITH",
        }
    }

    fn takes(self, values: usize) -> bool {
        match self {
            Self::Null | Self::NotNull => values == 0,
            Self::Between => values == 2,
            Self::In => values > 0,
            _ => values == 1,
        }
    }

    /// Whether values of this type can be compared so.
    fn compares(self, kind: Type) -> bool {
        match self {
            Self::Eq | Self::Ne | Self::Null | Self::NotNull => true,
            Self::BeginsWith => matches!(kind, Type::S | Type::B),
            _ => matches!(kind, Type::S | Type::N | Type::B),
        }
    }
}

/// Whether all conditions must hold, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConditionalOperator {
    /// All.
    And,
    /// One.
    Or,
}

/// What a legacy write expects of an attribute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct Expected {
    pub value: Option<AttributeValue>,
    pub exists: Option<bool>,
    pub comparison_operator: Option<ComparisonOperator>,
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// A legacy condition of a filter or on a key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct LegacyCondition {
    pub comparison_operator: ComparisonOperator,
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// What a legacy update does to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LegacyAction {
    /// Adds to a number, a set or a list.
    Add,
    /// Sets it.
    Put,
    /// Removes it, or elements of it.
    Delete,
}

/// A legacy update of an attribute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct AttributeUpdate {
    pub value: Option<AttributeValue>,
    pub action: Option<LegacyAction>,
}

/// The condition of an `Expected`.
///
/// # Errors
/// [`Invalid`], as DynamoDB says it.
pub(crate) fn expected(
    expected: &BTreeMap<String, Expected>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, Invalid> {
    let mut parts = Vec::new();
    for (name, expected) in expected {
        let refused = |what: String| Err(Invalid::Parameters(format!("{what} for Attribute: {name}")));
        parts.push(match expected {
            Expected { value: Some(_), attribute_value_list: Some(_), .. } => {
                return refused("Value and AttributeValueList cannot be used together".to_owned());
            }
            Expected { exists: Some(_), comparison_operator: Some(_), .. } => {
                return refused("Exists and ComparisonOperator cannot be used together".to_owned());
            }
            Expected { value, attribute_value_list, comparison_operator: Some(operator), .. } => {
                let has_values = value.is_some() || attribute_value_list.is_some();
                if !has_values && !matches!(operator, ComparisonOperator::Null | ComparisonOperator::NotNull) {
                    let operator = operator.as_str();
                    return refused(format!(
                        "Value or AttributeValueList must be used with ComparisonOperator: {operator}"
                    ));
                }
                let single = value.as_slice();
                condition(name, *operator, attribute_value_list.as_deref().unwrap_or(single))?
            }
            Expected { attribute_value_list: Some(_), .. } => {
                return refused("AttributeValueList can only be used with a ComparisonOperator".to_owned());
            }
            Expected { exists: Some(false), value: Some(_), .. } => {
                return refused("Value cannot be used when Exists is false".to_owned());
            }
            Expected { exists: Some(false), value: None, .. } => Condition::NotExists(Path::of(name)),
            Expected { value: Some(value), .. } => {
                condition(name, ComparisonOperator::Eq, std::slice::from_ref(value))?
            }
            Expected { exists, value: None, .. } => {
                let exists = if exists.is_some() { "true" } else { "null" };
                return refused(format!("Value must be provided when Exists is {exists}"));
            }
        });
    }
    Ok(joined(parts, operator))
}

/// The condition of a `QueryFilter` or `ScanFilter`.
///
/// # Errors
/// [`Invalid`], as DynamoDB says it.
pub(crate) fn filter(
    filter: &BTreeMap<String, LegacyCondition>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, Invalid> {
    let parts = filter.iter().map(|(name, it)| {
        condition(name, it.comparison_operator, it.attribute_value_list.as_deref().unwrap_or_default())
    });
    Ok(joined(parts.collect::<Result<_, _>>()?, operator))
}

fn joined(mut parts: Vec<Condition>, operator: Option<ConditionalOperator>) -> Option<Condition> {
    match (parts.len(), operator) {
        (0, _) => None,
        (1, _) => parts.pop(),
        (_, Some(ConditionalOperator::Or)) => Some(Condition::Any(parts)),
        (_, Some(ConditionalOperator::And) | None) => Some(Condition::All(parts)),
    }
}

/// Whether the values fit the operator.
fn check(operator: ComparisonOperator, values: &[AttributeValue]) -> Result<(), Invalid> {
    let refused = |what: String| Err(Invalid::Parameters(what));
    if !operator.takes(values.len()) {
        return refused(format!("Invalid number of argument(s) for the {} ComparisonOperator", operator.as_str()));
    }
    if values.windows(2).any(|pair| pair[0].kind() != pair[1].kind()) {
        return refused("AttributeValues inside AttributeValueList must be of same type".to_owned());
    }
    if let Some(value) = values.iter().find(|value| !operator.compares(value.kind())) {
        let (operator, kind) = (operator.as_str(), value.kind());
        return refused(format!("ComparisonOperator {operator} is not valid for {kind} AttributeValue type"));
    }
    if let (ComparisonOperator::Between, [lower, upper]) = (operator, values)
        && order(lower, upper).is_some_and(std::cmp::Ordering::is_gt)
    {
        return Err(Invalid::ReversedBounds);
    }
    Ok(())
}

fn condition(name: &str, operator: ComparisonOperator, values: &[AttributeValue]) -> Result<Condition, Invalid> {
    use ComparisonOperator as O;
    check(operator, values)?;
    let path = Path::of(name);
    let operand = Operand::Path(path.clone());
    let mut values = values.iter().cloned().map(Operand::Value);
    let compare = |comparator, operand, right: Option<Operand>| {
        // `check` has counted them.
        let right = right.ok_or(Invalid::Parameters("a value is missing".to_owned()))?;
        Ok(Condition::Compare { comparator, left: operand, right })
    };
    let missing = || Invalid::Parameters("a value is missing".to_owned());
    match operator {
        O::Eq => compare(Comparator::Equal, operand, values.next()),
        O::Ne => compare(Comparator::NotEqual, operand, values.next()),
        O::Le => compare(Comparator::LessOrEqual, operand, values.next()),
        O::Lt => compare(Comparator::Less, operand, values.next()),
        O::Ge => compare(Comparator::GreaterOrEqual, operand, values.next()),
        O::Gt => compare(Comparator::Greater, operand, values.next()),
        O::In => Ok(Condition::In { operand, list: values.collect() }),
        O::Between => {
            let (lower, upper) = values.next().zip(values.next()).ok_or_else(missing)?;
            Ok(Condition::Between { operand, lower, upper })
        }
        O::NotNull => Ok(Condition::Exists(path)),
        O::Null => Ok(Condition::NotExists(path)),
        O::Contains => Ok(Condition::Contains { operand, part: values.next().ok_or_else(missing)? }),
        O::NotContains => {
            let contains = Condition::Contains { operand, part: values.next().ok_or_else(missing)? };
            Ok(Condition::Not(Box::new(contains)))
        }
        O::BeginsWith => Ok(Condition::BeginsWith { operand, prefix: values.next().ok_or_else(missing)? }),
    }
}

/// The conditions of `KeyConditions`.
///
/// # Errors
/// [`Invalid`], as DynamoDB says it.
pub(crate) fn key_conditions(conditions: &BTreeMap<String, LegacyCondition>) -> Result<KeyConditions, Invalid> {
    use ComparisonOperator as O;
    let mut made = KeyConditions::default();
    for (name, it) in conditions {
        let values = it.attribute_value_list.as_deref().unwrap_or_default();
        check(it.comparison_operator, values)?;
        let mut values = values.iter().cloned();
        let (first, second) = (values.next(), values.next());
        let range = |comparator, value| KeyCondition::Range(RangeTest::Compare(comparator, value));
        let condition = match (it.comparison_operator, first, second) {
            (O::Eq, Some(value), None) => KeyCondition::Equal(value),
            (O::Le, Some(value), None) => range(Comparator::LessOrEqual, value),
            (O::Lt, Some(value), None) => range(Comparator::Less, value),
            (O::Ge, Some(value), None) => range(Comparator::GreaterOrEqual, value),
            (O::Gt, Some(value), None) => range(Comparator::Greater, value),
            (O::Between, Some(lower), Some(upper)) => KeyCondition::Range(RangeTest::Between(lower, upper)),
            (O::BeginsWith, Some(value), None) => KeyCondition::Range(RangeTest::BeginsWith(value)),
            _ => KeyCondition::Other,
        };
        made.0.insert(name.clone(), condition);
    }
    made.checked()
}

/// The update of `AttributeUpdates`.
///
/// # Errors
/// [`Invalid`], as DynamoDB says it.
pub(crate) fn update(updates: &BTreeMap<String, AttributeUpdate>) -> Result<Update, Invalid> {
    let mut actions = Vec::with_capacity(updates.len());
    for (name, update) in updates {
        let refused = |what: String| Err(Invalid::Parameters(what));
        let action = match (update.action.unwrap_or(LegacyAction::Put), &update.value) {
            (LegacyAction::Delete, None) => Action::Remove,
            (LegacyAction::Put | LegacyAction::Add, None) => {
                return refused("Only DELETE action is allowed when no attribute value is specified".to_owned());
            }
            (LegacyAction::Put, Some(value)) => Action::Set(SetValue::Value(value.clone())),
            (LegacyAction::Delete, Some(value)) if value.kind().is_set() => Action::Delete(value.clone()),
            (LegacyAction::Delete, Some(value)) => {
                return refused(format!("DELETE action with value is not supported for the type {}", value.kind()));
            }
            (LegacyAction::Add, Some(value)) => match value.kind() {
                Type::N | Type::L | Type::Ss | Type::Ns | Type::Bs => Action::Add(value.clone()),
                kind => return refused(format!("ADD action is not supported for the type {kind}")),
            },
        };
        actions.push((Path::of(name), action));
    }
    Ok(Update { actions, legacy: true })
}
