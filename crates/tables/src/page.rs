//! What Query and Scan have in common: a source of items in an order, where to begin, and pages.

use crate::capacity::{Capacity, projected};
use crate::catalog::{IndexProjection, IndexRecord};
use crate::expression::{Condition, Projection};
use crate::facts::ItemError;
use crate::input::{place_by, place_of_key};
use crate::invalid::Invalid;
use crate::items::Consumed;
use crate::key::{IndexPlace, KeySchema, Place};
use crate::limits::PAGE_BYTES;
use crate::value::{Item, size_bytes};
use crate::view::{IndexView, Stored, TableView};
use serde::Deserialize;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Bytes of items as they are kept that one page looks at: an answer is never much larger, whatever its numbers print as.
const STORED_PAGE_BYTES: usize = 4 * PAGE_BYTES;

/// Which attributes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "they are the API's names")]
pub enum Select {
    AllAttributes,
    AllProjectedAttributes,
    SpecificAttributes,
    Count,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The items, unless only their number was asked for.
    pub items: Option<Vec<Item>>,
    /// How many passed the filter.
    pub count: usize,
    /// How many were looked at.
    pub scanned: usize,
    /// The key of the last item that was looked at, if there may be more.
    pub last: Option<Item>,
    /// What that took.
    pub consumed: Consumed,
}

/// A table or one of its indexes.
pub(crate) struct Source<'a> {
    pub(crate) view: &'a TableView,
    pub(crate) index: Option<(&'a str, &'a IndexRecord, &'a IndexView)>,
}

/// How a page is made of what is found.
pub(crate) struct PageRequest<'a> {
    pub(crate) filter: Option<&'a Condition>,
    pub(crate) projection: Option<&'a Projection>,
    pub(crate) select: Option<Select>,
    pub(crate) limit: Option<usize>,
    pub(crate) consistent: bool,
}

/// A place to begin or to end at: by the key of the source, and for an index the table's key if it is a place inside.
#[derive(Debug, Clone)]
pub(crate) enum Edge {
    /// Before all of this key.
    Before(Place),
    /// Behind all of this key.
    Behind(Place),
    /// Right before an item.
    BeforeItem(IndexPlace),
    /// Right behind an item.
    BehindItem(IndexPlace),
}

impl<'a> Source<'a> {
    /// The table, or the index of this name.
    pub(crate) fn new(view: &'a TableView, index: Option<&'a str>, consistent: bool) -> Result<Self, Invalid> {
        let Some(name) = index else { return Ok(Self { view, index: None }) };
        let (record, index) = view.index(name).ok_or_else(|| Invalid::NoIndex(name.to_owned()))?;
        if consistent && !record.local {
            return Err(Invalid::ConsistentIndexRead);
        }
        if record.status == crate::catalog::IndexStatus::Creating {
            return Err(Invalid::Text(format!("Cannot read from backfilling global secondary index: {name}")));
        }
        Ok(Self { view, index: Some((name, record, index)) })
    }

    /// The key that orders it.
    pub(crate) fn schema(&self) -> &'a KeySchema {
        self.index.map_or(&self.view.record.key, |(_, record, _)| &record.key)
    }

    /// The attributes of a place in it: the keys of index and table.
    pub(crate) fn key_names(&self) -> Vec<&'a String> {
        let mut names: Vec<&String> = self.view.record.key.names().collect();
        for name in self.schema().names() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The place that a caller gives back to go on from.
    pub(crate) fn start(&self, key: &Item) -> Result<IndexPlace, Invalid> {
        let record = &self.view.record;
        let names = self.key_names();
        let wrong = |why: Option<Invalid>| Invalid::StartKey(why.map(Box::new));
        if self.index.is_some() && (key.len() != names.len() || !names.iter().all(|name| key.contains_key(*name))) {
            return Err(wrong(None));
        }
        let own_part = |schema: &KeySchema| -> Item {
            let names = schema.names();
            names.filter_map(|name| Some((name.clone(), key.get(name)?.clone()))).collect()
        };
        if self.index.is_none() {
            let table = place_of_key(record, key).map_err(|why| wrong(Some(why)))?;
            return Ok(IndexPlace { own: table.clone(), table });
        }
        let own = place_by(record, self.schema(), &own_part(self.schema())).map_err(|_| wrong(None))?;
        let table = place_by(record, &record.key, &own_part(&record.key)).map_err(|why| wrong(Some(why)))?;
        Ok(IndexPlace { own, table })
    }

    /// The items between two edges, in order or against it.
    pub(crate) fn between(
        &self,
        from: &Edge,
        to: &Edge,
        forward: bool,
    ) -> Box<dyn Iterator<Item = &'a Arc<Stored>> + 'a> {
        match self.index {
            None => {
                let low = match from {
                    Edge::Before(place) => Bound::Included(place.clone()),
                    Edge::BeforeItem(place) => Bound::Included(place.table.clone()),
                    Edge::Behind(place) => Bound::Excluded(place.clone()),
                    Edge::BehindItem(place) => Bound::Excluded(place.table.clone()),
                };
                let high = match to {
                    Edge::Before(place) => Bound::Excluded(place.clone()),
                    Edge::BeforeItem(place) => Bound::Excluded(place.table.clone()),
                    Edge::Behind(place) => Bound::Included(place.clone()),
                    Edge::BehindItem(place) => Bound::Included(place.table.clone()),
                };
                if is_empty(&(low.clone(), high.clone())) {
                    return Box::new(std::iter::empty());
                }
                directed(self.view.items.range((low, high)).map(|(_, stored)| stored), forward)
            }
            Some((_, _, index)) => {
                let inside = |own: &Place, table: Place| IndexPlace { own: own.clone(), table };
                let low = match from {
                    Edge::Before(own) => Bound::Included(inside(own, Place::FIRST)),
                    Edge::Behind(own) => Bound::Excluded(inside(own, Place::LAST)),
                    Edge::BeforeItem(place) => Bound::Included(place.clone()),
                    Edge::BehindItem(place) => Bound::Excluded(place.clone()),
                };
                let high = match to {
                    Edge::Before(own) => Bound::Excluded(inside(own, Place::FIRST)),
                    Edge::Behind(own) => Bound::Included(inside(own, Place::LAST)),
                    Edge::BeforeItem(place) => Bound::Excluded(place.clone()),
                    Edge::BehindItem(place) => Bound::Included(place.clone()),
                };
                if is_empty(&(low.clone(), high.clone())) {
                    return Box::new(std::iter::empty());
                }
                directed(index.items.range((low, high)).map(|(_, stored)| stored), forward)
            }
        }
    }

    /// The first page of what comes.
    pub(crate) fn page(
        &self,
        items: impl Iterator<Item = &'a Arc<Stored>>,
        request: &PageRequest<'_>,
    ) -> Result<Page, ItemError> {
        let record = self.view.record.as_ref();
        let whole = match self.index {
            None => true,
            Some((_, index, _)) => {
                index.projection == IndexProjection::All
                    || (index.local && request.select == Some(Select::AllAttributes))
            }
        };
        let mut found = Vec::new();
        let (mut scanned, mut count, mut bytes, mut stored_bytes) = (0, 0, 0, 0);
        let mut last = None;
        let mut more = false;
        for stored in items {
            let part = match self.index {
                Some((_, index, _)) if !whole => {
                    Some(projected(&stored.item, record, &index.projection, index.key.names()))
                }
                _ => None,
            };
            let item = part.as_ref().unwrap_or(&stored.item);
            scanned += 1;
            bytes += part.as_ref().map_or(stored.size_bytes, size_bytes);
            stored_bytes += stored.stored_bytes;
            last = Some(stored);
            if request.filter.is_none_or(|filter| filter.holds(item)) {
                count += 1;
                if request.select != Some(Select::Count) {
                    found.push(match (request.projection, part) {
                        (Some(projection), part) => projection.of(part.as_ref().unwrap_or(&stored.item)),
                        (None, Some(part)) => part,
                        (None, None) => stored.item.clone(),
                    });
                }
            }
            if request.limit == Some(scanned) || bytes >= PAGE_BYTES || stored_bytes >= STORED_PAGE_BYTES {
                more = true;
                break;
            }
        }
        let key_of = |stored: &Arc<Stored>| -> Item {
            let names = self.key_names().into_iter();
            names.filter_map(|name| Some((name.clone(), stored.item.get(name)?.clone()))).collect()
        };
        let units = Capacity::of_read(bytes, request.consistent);
        let capacity = match self.index {
            None => Capacity { table: units, ..Capacity::default() },
            Some((name, _, _)) => Capacity { table: 0.0, indexes: [(name.to_owned(), units)].into() },
        };
        Ok(Page {
            items: (request.select != Some(Select::Count)).then_some(found),
            count,
            scanned,
            last: last.filter(|_| more).map(key_of),
            consumed: Consumed::of(&self.view.name, record, capacity),
        })
    }

    /// Whether what is asked for is what the source can give.
    pub(crate) fn check_select(
        &self,
        select: Option<Select>,
        projection: Option<&Projection>,
        by_expression: bool,
    ) -> Result<(), Invalid> {
        let parameter = if by_expression { "ProjectionExpression" } else { "AttributesToGet" };
        let refused = |what: String| Err(Invalid::Text(what));
        match (select, self.index) {
            (Some(Select::AllAttributes), _) if projection.is_some() => {
                refused(format!("Cannot specify the {parameter} when choosing to get ALL_ATTRIBUTES"))
            }
            (Some(Select::AllProjectedAttributes), _) if projection.is_some() => {
                refused(format!("Cannot specify the {parameter} when choosing to get ALL_PROJECTED_ATTRIBUTES"))
            }
            (Some(Select::Count), _) if projection.is_some() => {
                refused(format!("Cannot specify the {parameter} when choosing to get only the Count"))
            }
            (Some(Select::AllProjectedAttributes), None) => {
                refused("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName".to_owned())
            }
            (Some(Select::SpecificAttributes), _) if projection.is_none() => refused(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
                    .to_owned(),
            ),
            (Some(Select::AllAttributes), Some((name, index, _)))
                if !index.local && index.projection != IndexProjection::All =>
            {
                Err(Invalid::Parameters(format!(
                    "Select type ALL_ATTRIBUTES is not supported for global secondary index {name} because its projection \
                     type is not ALL"
                )))
            }
            _ => Ok(()),
        }
    }
}

fn directed<'a, I>(items: I, forward: bool) -> Box<dyn Iterator<Item = &'a Arc<Stored>> + 'a>
where
    I: DoubleEndedIterator<Item = &'a Arc<Stored>> + 'a,
{
    if forward { Box::new(items) } else { Box::new(items.rev()) }
}

/// Whether nothing lies in a range. The maps panic at one that begins behind its end.
fn is_empty<T: Ord>(range: &impl RangeBounds<T>) -> bool {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Excluded(low), Bound::Excluded(high) | Bound::Included(high))
        | (Bound::Included(low), Bound::Excluded(high)) => low >= high,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
