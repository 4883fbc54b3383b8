//! PutMetricData: everything of a request is taken, or nothing.

use rheos_account::metrics::{Content, MetricId, Sample, StatisticSet};
use rheos_wire::generated::cloudwatch::{MetricDatum, PutMetricDataInput, StandardUnit};

use super::{CloudWatch, MetricError, metric_id};
use crate::auth::Caller;

/// Metrics of a request.
const DATUMS: usize = 1000;
/// Different values of a metric.
const VALUES: usize = 150;
/// What no number may exceed: 2^360.
const LARGEST: f64 = 2.348_542_582_773_833_3e108;
const HOUR_MS: u64 = 60 * 60 * 1000;
/// How old a sample may be.
const OLDEST_MS: u64 = 14 * 24 * HOUR_MS;
/// How far in the future it may be.
const LATEST_MS: u64 = 2 * HOUR_MS;

pub(super) fn run(
    cloudwatch: &CloudWatch,
    caller: &Caller,
    input: PutMetricDataInput,
) -> Result<Option<()>, MetricError> {
    let PutMetricDataInput { namespace, metric_data, entity_metric_data, strict_entity_validation: _ } = input;
    if namespace.starts_with("AWS/") {
        return Err(MetricError::Invalid {
            member: "Namespace".to_owned(),
            value: namespace,
            expected: "a namespace that does not begin with AWS/".to_owned(),
        });
    }
    let now_ms = cloudwatch.clock.wall_ms();
    let mut samples = Vec::new();
    let mut add = |path: &str, data: Vec<MetricDatum>| {
        for (at, datum) in data.into_iter().enumerate() {
            samples.push(sample(&namespace, datum, &format!("{path}MetricData.member.{}.", at + 1), now_ms)?);
        }
        Ok(())
    };
    if metric_data.is_none() && entity_metric_data.is_none() {
        return Err(MetricError::Missing { members: "MetricData or EntityMetricData", of: String::new() });
    }
    add("", metric_data.unwrap_or_default())?;
    // What an entity is has no meaning here; its metrics are as good as others.
    for (at, entity) in entity_metric_data.unwrap_or_default().into_iter().enumerate() {
        add(&format!("EntityMetricData.member.{}.", at + 1), entity.metric_data.unwrap_or_default())?;
    }
    if samples.len() > DATUMS {
        return Err(MetricError::TooMany { member: "MetricData".to_owned(), count: samples.len(), limit: DATUMS });
    }
    let dropped = cloudwatch.metrics.put(&caller.namespace, samples, now_ms);
    if dropped.series > 0 {
        tracing::warn!(series = dropped.series, "metrics were dropped: there are more than there is room for");
    }
    if dropped.is_shortened {
        tracing::warn!("metrics are kept in detail for half as long from now on: there is no room for more");
    }
    Ok(None)
}

fn sample(namespace: &str, datum: MetricDatum, path: &str, now_ms: u64) -> Result<(MetricId, Sample), MetricError> {
    let invalid = |member: &str, value: String, expected: &str| MetricError::Invalid {
        member: format!("{path}{member}"),
        value,
        expected: expected.to_owned(),
    };
    let number = |member: &str, number: f64| {
        let is_fine = number.is_finite() && number.abs() <= LARGEST;
        let expected = "a number between -2^360 and 2^360";
        if is_fine { Ok(number) } else { Err(invalid(member, number.to_string(), expected)) }
    };
    let count = |member: &str, count: f64| match number(member, count)? {
        count if count > 0.0 => Ok(count),
        count => Err(invalid(member, count.to_string(), "a number above 0")),
    };
    let both =
        |one: &str, other: &str| Err(MetricError::Both { members: [format!("{path}{one}"), format!("{path}{other}")] });
    let content = match (datum.value, datum.statistic_values, datum.values) {
        (Some(_), Some(_), _) => return both("Value", "StatisticValues"),
        (Some(_), _, Some(_)) => return both("Value", "Values"),
        (_, Some(_), Some(_)) => return both("StatisticValues", "Values"),
        (None, None, None) => {
            return Err(MetricError::Missing { members: "Value, Values or StatisticValues", of: path.to_owned() });
        }
        (Some(value), None, None) => Content::Values(vec![(number("Value", value)?, 1.0)]),
        (None, Some(set), None) => {
            let set = StatisticSet {
                count: count("StatisticValues.SampleCount", set.sample_count)?,
                sum: number("StatisticValues.Sum", set.sum)?,
                minimum: number("StatisticValues.Minimum", set.minimum)?,
                maximum: number("StatisticValues.Maximum", set.maximum)?,
            };
            if set.minimum > set.maximum {
                let expected = "a number not above the Maximum";
                return Err(invalid("StatisticValues.Minimum", set.minimum.to_string(), expected));
            }
            Content::Set(set)
        }
        (None, None, Some(values)) => {
            if values.is_empty() {
                return Err(MetricError::Missing { members: "a value", of: format!("{path}Values.") });
            }
            if values.len() > VALUES {
                let member = format!("{path}Values");
                return Err(MetricError::TooMany { member, count: values.len(), limit: VALUES });
            }
            let counts = datum.counts.unwrap_or_else(|| vec![1.0; values.len()]);
            if counts.len() != values.len() {
                let expected = format!("as many as there are Values: {}", values.len());
                return Err(invalid("Counts", format!("{} elements", counts.len()), &expected));
            }
            let pairs = values.into_iter().zip(counts);
            let pairs = pairs.map(|(value, times)| Ok((number("Values", value)?, count("Counts", times)?)));
            Content::Values(pairs.collect::<Result<_, MetricError>>()?)
        }
    };
    let at_ms = match datum.timestamp {
        None => now_ms,
        Some(at) => {
            let at_ms = u64::try_from(at.0).unwrap_or(0);
            let in_time = now_ms.saturating_sub(OLDEST_MS)..=now_ms.saturating_add(LATEST_MS);
            if !in_time.contains(&at_ms) {
                let expected = "a time within the past two weeks and no more than two hours in the future";
                return Err(invalid("Timestamp", format!("{at_ms} ms since 1970"), expected));
            }
            at_ms
        }
    };
    let by_second = match datum.storage_resolution {
        None | Some(60) => false,
        Some(1) => true,
        Some(other) => return Err(invalid("StorageResolution", other.to_string(), "1 or 60")),
    };
    let id = metric_id(namespace, &datum.metric_name, datum.dimensions.unwrap_or_default(), path)?;
    let unit = datum.unit.unwrap_or(StandardUnit::None).as_str();
    Ok((id, Sample { at_ms, unit, by_second, content }))
}
