//! GetMetricData: queries for metrics. Expressions are not computed yet, and say so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rheos_account::metrics::Statistic;
use rheos_wire::Timestamp;
use rheos_wire::generated::cloudwatch::{
    GetMetricDataInput, GetMetricDataOutput, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StandardUnit,
    StatusCode,
};

use super::{CloudWatch, MetricError, metric_id, place, range, timestamp, token};
use crate::auth::Caller;

/// Queries of a request.
const QUERIES: usize = 500;
/// Points of an answer.
const POINTS: usize = 100_800;

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum QueryError {
    /// Its id is not a name, or another's.
    Id,
    /// It has neither a metric nor an expression, or both.
    Kind,
    /// It has an expression.
    Expression,
    /// Its metric lacks a part.
    Metric,
    /// There is no such statistic.
    Statistic(String),
}

/// What a query asks for.
struct Asked {
    id: String,
    label: String,
    stat: MetricStat,
    statistic: Statistic,
}

pub(super) fn run(
    cloudwatch: &CloudWatch,
    caller: &Caller,
    input: GetMetricDataInput,
) -> Result<Option<GetMetricDataOutput>, MetricError> {
    let queries = input.metric_data_queries;
    if queries.len() > QUERIES {
        let member = "MetricDataQueries".to_owned();
        return Err(MetricError::TooMany { member, count: queries.len(), limit: QUERIES });
    }
    if queries.is_empty() {
        return Err(MetricError::Missing { members: "a query", of: "MetricDataQueries.".to_owned() });
    }
    let mut ids = BTreeSet::new();
    let mut asked = Vec::new();
    for query in queries {
        let id = query.id.clone();
        let refuse = |error| MetricError::Query { id: id.clone(), error };
        if !is_id(&query.id) || !ids.insert(query.id.clone()) {
            return Err(refuse(QueryError::Id));
        }
        let is_returned = query.return_data.unwrap_or(true);
        let query = check(query).map_err(refuse)?;
        if is_returned {
            asked.push(query);
        }
    }
    let most = match input.max_datapoints {
        None => POINTS,
        Some(most) => usize::try_from(most).ok().filter(|most| (1..=POINTS).contains(most)).ok_or_else(|| {
            let expected = format!("a number from 1 to {POINTS}");
            MetricError::Invalid { member: "MaxDatapoints".to_owned(), value: most.to_string(), expected }
        })?,
    };
    // How many queries are done, and how many points of the one after.
    let (done, seen): (usize, usize) = input.next_token.as_deref().map(place).transpose()?.unwrap_or_default();
    let mut results = Vec::new();
    let mut left = most;
    let mut next = None;
    for (at, query) in asked.into_iter().enumerate().skip(done) {
        let skipped = if at == done { seen } else { 0 };
        let path = "MetricDataQueries.member.MetricStat.";
        let range = range(input.start_time, input.end_time, query.stat.period, path)?;
        let (namespace, name) = (query.stat.metric.namespace, query.stat.metric.metric_name);
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let id = metric_id(&namespace, &name, query.stat.metric.dimensions.unwrap_or_default(), path)?;
        let unit = query.stat.unit.map(StandardUnit::as_str);
        let with_values = matches!(query.statistic, Statistic::Percentile(_));
        // Newest first has to know the oldest, so all are read.
        let mut points: Vec<(u64, f64)> = Vec::new();
        cloudwatch.metrics.read(&caller.namespace, &id, range, with_values, |point| {
            if unit.is_none_or(|unit| unit == point.unit)
                && let Some(value) = query.statistic.of(&point.set, point.values.as_ref())
            {
                points.push((point.at_ms, value));
            }
            ControlFlow::Continue(())
        });
        if input.scan_by != Some(ScanBy::TimestampAscending) {
            points.reverse();
        }
        let rest = points.get(skipped..).unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(left));
        left -= now.len();
        let is_whole = later.is_empty();
        results.push(MetricDataResult {
            id: Some(query.id),
            label: Some(query.label),
            timestamps: Some(now.iter().map(|(at_ms, _)| timestamp(*at_ms)).collect::<Vec<Timestamp>>()),
            values: Some(now.iter().map(|(_, value)| *value).collect()),
            status_code: Some(if is_whole { StatusCode::Complete } else { StatusCode::PartialData }),
            messages: None,
        });
        if !is_whole {
            next = token(&(at, skipped + now.len()));
            break;
        }
    }
    Ok(Some(GetMetricDataOutput { metric_data_results: Some(results), next_token: next, messages: Some(Vec::new()) }))
}

/// An id begins with a small letter, and has letters, digits and underscores.
fn is_id(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn check(query: MetricDataQuery) -> Result<Asked, QueryError> {
    let stat = match (query.metric_stat, query.expression) {
        (Some(stat), None) => stat,
        (None, Some(_)) => return Err(QueryError::Expression),
        _ => return Err(QueryError::Kind),
    };
    let (Some(_), Some(name)) = (&stat.metric.namespace, &stat.metric.metric_name) else {
        return Err(QueryError::Metric);
    };
    let label = query.label.filter(|label| !label.is_empty()).unwrap_or_else(|| name.clone());
    let statistic = Statistic::parse(&stat.stat).ok_or_else(|| QueryError::Statistic(stat.stat.clone()))?;
    Ok(Asked { id: query.id, label, stat, statistic })
}
