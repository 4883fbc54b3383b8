//! Query and Scan.

use crate::capacity::ReturnConsumedCapacity;
use crate::expression::legacy::{self, ConditionalOperator, LegacyCondition};
use crate::expression::{
    Comparator, Condition, KeyCondition, KeyConditions, KeyProblem, Names, RangeTest, Scope, Values, Which,
};
use crate::facts::ItemError;
use crate::input::{check_forms, check_limit, check_operator, check_paths, projection};
use crate::invalid::Invalid;
use crate::key::{IndexPlace, KeyType, KeyValue, Place};
use crate::limits::SEGMENTS;
use crate::open::{Tables, table_name};
use crate::page::{Edge, Page, PageRequest, Select, Source};
use crate::value::{AttributeValue, Item};
use crate::view::TableView;
use rheos_types::Namespace;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A query.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct Query {
    pub table_name: String,
    pub index_name: Option<String>,
    pub select: Option<Select>,
    pub attributes_to_get: Option<Vec<String>>,
    pub limit: Option<u32>,
    pub consistent_read: Option<bool>,
    pub key_conditions: Option<BTreeMap<String, LegacyCondition>>,
    pub query_filter: Option<BTreeMap<String, LegacyCondition>>,
    pub conditional_operator: Option<ConditionalOperator>,
    pub scan_index_forward: Option<bool>,
    pub exclusive_start_key: Option<Item>,
    pub projection_expression: Option<String>,
    pub filter_expression: Option<String>,
    pub key_condition_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
}

/// A scan.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are the API's names")]
pub struct Scan {
    pub table_name: String,
    pub index_name: Option<String>,
    pub select: Option<Select>,
    pub attributes_to_get: Option<Vec<String>>,
    pub limit: Option<u32>,
    pub consistent_read: Option<bool>,
    pub scan_filter: Option<BTreeMap<String, LegacyCondition>>,
    pub conditional_operator: Option<ConditionalOperator>,
    pub exclusive_start_key: Option<Item>,
    pub projection_expression: Option<String>,
    pub filter_expression: Option<String>,
    pub expression_attribute_names: Option<Names>,
    pub expression_attribute_values: Option<Values>,
    pub return_consumed_capacity: Option<ReturnConsumedCapacity>,
    pub segment: Option<u32>,
    pub total_segments: Option<u32>,
}

/// The filter of a read, in whichever form.
fn filter<'a>(
    expression: Option<&'a str>,
    legacy: Option<&BTreeMap<String, LegacyCondition>>,
    operator: Option<ConditionalOperator>,
    scope: &mut Scope<'a>,
) -> Result<Option<Condition>, Invalid> {
    check_operator(operator, legacy.is_some_and(|filter| !filter.is_empty()))?;
    match (expression, legacy) {
        (Some(text), _) => Condition::parse(Which::Filter, text, scope).map(Some),
        (None, Some(legacy)) => legacy::filter(legacy, operator),
        (None, None) => Ok(None),
    }
}

impl Tables {
    /// Reads items of one collection in the order of the range key.
    ///
    /// # Errors
    /// [`ItemError`].
    pub fn query(&self, namespace: &Namespace, input: &Query) -> Result<Page, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        let names = input.expression_attribute_names.as_ref();
        let values = input.expression_attribute_values.as_ref();
        check_forms(
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
                ("KeyConditionExpression", input.key_condition_expression.is_some()),
            ],
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("QueryFilter", input.query_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
                // Conditions on keys in the legacy form go with a projection and a filter in the new one.
                ("KeyConditions", input.key_conditions.is_some() && input.key_condition_expression.is_some()),
            ],
            names,
            values,
            &["FilterExpression", "KeyConditionExpression"],
        )?;
        let limit = check_limit(input.limit, None)?;
        let mut scope = Scope::new(names, values)?;
        let keys = match (&input.key_condition_expression, &input.key_conditions) {
            (Some(text), _) => KeyConditions::parse(text, &mut scope)?,
            (None, Some(conditions)) => legacy::key_conditions(conditions)?,
            (None, None) => return Err(Invalid::NoKeyConditions.into()),
        };
        let expression = input.filter_expression.as_deref();
        let filter = filter(expression, input.query_filter.as_ref(), input.conditional_operator, &mut scope)?;
        let attributes = input.attributes_to_get.as_deref();
        let projection = projection(input.projection_expression.as_deref(), attributes, &mut scope)?;
        scope.finish()?;

        let view = self.serving(namespace, &table)?;
        let consistent = input.consistent_read.unwrap_or(false);
        let source = Source::new(&view, input.index_name.as_deref(), consistent)?;
        source.check_select(input.select, projection.as_ref(), input.projection_expression.is_some())?;
        let start = input.exclusive_start_key.as_ref().map(|key| source.start(key)).transpose()?;
        let collection = Collection::of(&source, keys)?;
        if let Some(start) = &start {
            collection.check_start(&source, start, input.exclusive_start_key.as_ref().unwrap_or(&Item::new()))?;
        }
        let parameter = if input.query_filter.is_some() { "QueryFilter" } else { "Filter Expression" };
        if let Some(filter) = &filter {
            check_paths(&view.record, filter.paths())?;
            let is_key = |name: &str| source.schema().names().any(|key| key == name);
            if let Some(path) = filter.paths().into_iter().find(|path| is_key(&path.attribute)) {
                return Err(Invalid::FiltersKey { parameter, name: path.attribute.clone() }.into());
            }
        }
        if let Some(projection) = &projection {
            check_paths(&view.record, &projection.0)?;
        }
        let request = PageRequest {
            filter: filter.as_ref(),
            projection: projection.as_ref(),
            select: input.select,
            limit,
            consistent,
        };
        let forward = input.scan_index_forward.unwrap_or(true);
        let (mut from, mut to) = (collection.from.clone(), collection.to.clone());
        match start {
            Some(start) if forward => from = Edge::BehindItem(start),
            Some(start) => to = Edge::BeforeItem(start),
            None => {}
        }
        let items = source.between(&from, &to, forward);
        // Where an order has no last key that begins so, what lies outside is passed over.
        match (&collection.prefix, &source.schema().range) {
            (Some(test), Some(name)) => {
                let inside = |item: &Item| item.get(name).is_some_and(|value| test.holds(value));
                let items = items.skip_while(|stored| !forward && !inside(&stored.item));
                source.page(items.take_while(|stored| inside(&stored.item)), &request)
            }
            _ => source.page(items, &request),
        }
    }

    /// Reads all items, or a segment of them, in no order that means anything.
    ///
    /// # Errors
    /// [`ItemError`].
    pub fn scan(&self, namespace: &Namespace, input: &Scan) -> Result<Page, ItemError> {
        let table = table_name(namespace, &input.table_name)?;
        let names = input.expression_attribute_names.as_ref();
        let values = input.expression_attribute_values.as_ref();
        check_forms(
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
            ],
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("ScanFilter", input.scan_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            names,
            values,
            &["FilterExpression"],
        )?;
        let limit = check_limit(input.limit, None)?;
        let segment = segment(input)?;
        let mut scope = Scope::new(names, values)?;
        let expression = input.filter_expression.as_deref();
        let filter = filter(expression, input.scan_filter.as_ref(), input.conditional_operator, &mut scope)?;
        let attributes = input.attributes_to_get.as_deref();
        let projection = projection(input.projection_expression.as_deref(), attributes, &mut scope)?;
        scope.finish()?;

        let view = self.serving(namespace, &table)?;
        let consistent = input.consistent_read.unwrap_or(false);
        let source = Source::new(&view, input.index_name.as_deref(), consistent)?;
        source.check_select(input.select, projection.as_ref(), input.projection_expression.is_some())?;
        let start = input.exclusive_start_key.as_ref().map(|key| source.start(key)).transpose()?;
        if let Some(filter) = &filter {
            check_paths(&view.record, filter.paths())?;
        }
        if let Some(projection) = &projection {
            check_paths(&view.record, &projection.0)?;
        }
        let (mut from, mut to) = (Edge::Before(Place::FIRST), Edge::Behind(Place::LAST));
        if let Some((segment, total)) = segment {
            let (first, last) = part(segment, total);
            if start.as_ref().is_some_and(|start| !(first..=last).contains(&start.own.spread)) {
                return Err(Invalid::StartKeySegment { segment, total }.into());
            }
            from = Edge::Before(Place { spread: first, ..Place::FIRST });
            to = Edge::Behind(Place { spread: last, ..Place::LAST });
        }
        if let Some(start) = start {
            from = Edge::BehindItem(start);
        }
        let request = PageRequest {
            filter: filter.as_ref(),
            projection: projection.as_ref(),
            select: input.select,
            limit,
            consistent,
        };
        source.page(source.between(&from, &to, true), &request)
    }
}

/// The segment of a parallel scan, and of how many.
fn segment(input: &Scan) -> Result<Option<(u32, u32)>, Invalid> {
    let refused = |what: String| Err(Invalid::Text(what));
    match (input.segment, input.total_segments) {
        (None, None) => Ok(None),
        (Some(_), None) => refused(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
                .to_owned(),
        ),
        (None, Some(_)) => refused(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
                .to_owned(),
        ),
        (Some(_), Some(total)) if !(1..=SEGMENTS).contains(&total) => refused(format!(
            "1 validation error detected: Value '{total}' at 'totalSegments' failed to satisfy constraint: Member must \
             have value between 1 and {SEGMENTS}"
        )),
        (Some(segment), Some(total)) if segment >= total => refused(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        )),
        (Some(segment), Some(total)) => Ok(Some((segment, total))),
    }
}

/// The first and the last hash of a segment: all have one size, but for the last.
fn part(segment: u32, total: u32) -> (u128, u128) {
    let width = u128::MAX / u128::from(total);
    let first = width * u128::from(segment);
    let last = if segment + 1 == total { u128::MAX } else { first + width - 1 };
    (first, last)
}

/// What a query asks for: items of one hash key, between two edges.
struct Collection {
    hash: KeyValue,
    from: Edge,
    to: Edge,
    /// The range key has to begin so.
    prefix: Option<RangeTest>,
    test: Option<RangeTest>,
}

impl Collection {
    fn of(source: &Source<'_>, keys: KeyConditions) -> Result<Self, Invalid> {
        let mut keys = keys.0;
        let schema = source.schema();
        let view: &TableView = source.view;
        let matches =
            |name: &str, value: &AttributeValue| view.record.type_of(name).map(KeyType::kind) == Some(value.kind());
        if schema.range.is_none() && keys.len() > 1 {
            return Err(KeyProblem::Unsupported.into());
        }
        let hash = match keys.remove(&schema.hash) {
            None => return Err(KeyProblem::Missed(schema.hash.clone()).into()),
            Some(KeyCondition::Other) => return Err(KeyProblem::NotIndexable.into()),
            Some(KeyCondition::Range(test)) => {
                let fits = test.values().into_iter().all(|value| matches(&schema.hash, value));
                return Err(if fits { KeyProblem::Unsupported } else { KeyProblem::Type }.into());
            }
            Some(KeyCondition::Equal(value)) if !matches(&schema.hash, &value) => return Err(KeyProblem::Type.into()),
            Some(KeyCondition::Equal(value)) => value,
        };
        if let AttributeValue::S(text) = &hash
            && text.is_empty()
        {
            return Err(Invalid::EmptyKey { name: schema.hash.clone(), binary: false });
        }
        let hash = KeyValue::of(&hash).ok_or(KeyProblem::Type)?;
        let test = match (&schema.range, keys.len()) {
            (_, 0) => None,
            (Some(name), _) => match keys.remove(name) {
                None => return Err(KeyProblem::Missed(name.clone()).into()),
                Some(KeyCondition::Other) => return Err(KeyProblem::NotIndexable.into()),
                Some(KeyCondition::Equal(value)) => Some(RangeTest::Compare(Comparator::Equal, value)),
                Some(KeyCondition::Range(test)) => Some(test),
            },
            (None, _) => return Err(KeyProblem::Unsupported.into()),
        };
        if let (Some(test), Some(name)) = (&test, &schema.range)
            && test.values().into_iter().any(|value| !matches(name, value))
        {
            return Err(KeyProblem::Type.into());
        }
        let at = |value: &AttributeValue| KeyValue::of(value).map(|value| Place::new(hash.clone(), Some(value)));
        let first = Place::new(hash.clone(), None);
        let last = Place { range: Some(KeyValue::Last), ..first.clone() };
        let (mut from, mut to) = (Edge::Before(first), Edge::Behind(last));
        let mut prefix = None;
        match &test {
            None => {}
            Some(RangeTest::Compare(comparator, value)) => {
                let place = at(value).ok_or(KeyProblem::Type)?;
                match comparator {
                    Comparator::Equal => (from, to) = (Edge::Before(place.clone()), Edge::Behind(place)),
                    Comparator::Less => to = Edge::Before(place),
                    Comparator::LessOrEqual => to = Edge::Behind(place),
                    Comparator::Greater => from = Edge::Behind(place),
                    Comparator::GreaterOrEqual => from = Edge::Before(place),
                    Comparator::NotEqual => return Err(KeyProblem::NotIndexable.into()),
                }
            }
            Some(RangeTest::Between(lower, upper)) => {
                from = Edge::Before(at(lower).ok_or(KeyProblem::Type)?);
                to = Edge::Behind(at(upper).ok_or(KeyProblem::Type)?);
            }
            Some(test @ RangeTest::BeginsWith(value)) => {
                from = Edge::Before(at(value).ok_or(KeyProblem::Type)?);
                prefix = Some(test.clone());
            }
        }
        Ok(Self { hash, from, to, prefix, test })
    }

    /// Whether a place to go on from is one of the query's.
    fn check_start(&self, source: &Source<'_>, start: &IndexPlace, key: &Item) -> Result<(), Invalid> {
        if let (Some(test), Some(name)) = (&self.test, &source.schema().range)
            && !key.get(name).is_some_and(|value| test.holds(value))
        {
            return Err(Invalid::StartKeyRange);
        }
        if start.own.hash == self.hash { Ok(()) } else { Err(Invalid::StartKeyOutside) }
    }
}
