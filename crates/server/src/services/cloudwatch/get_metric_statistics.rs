//! GetMetricStatistics.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rheos_account::metrics::{Point, Statistic};
use rheos_wire::generated::cloudwatch::{
    Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput, StandardUnit, Statistic as Named,
};

use super::{CloudWatch, MetricError, metric_id, points_of, range, timestamp};
use crate::auth::Caller;

/// Points of an answer.
const POINTS: u64 = 1440;

pub(super) fn run(
    cloudwatch: &CloudWatch,
    caller: &Caller,
    input: GetMetricStatisticsInput,
) -> Result<Option<GetMetricStatisticsOutput>, MetricError> {
    let range = range(input.start_time, input.end_time, input.period, "")?;
    let asked = points_of(range);
    if asked > POINTS {
        return Err(MetricError::TooManyPoints { asked, limit: POINTS });
    }
    let (named, extended) = match (input.statistics, input.extended_statistics) {
        (None, None) => {
            return Err(MetricError::Missing { members: "Statistics or ExtendedStatistics", of: String::new() });
        }
        (Some(_), Some(_)) => {
            return Err(MetricError::Both { members: ["Statistics", "ExtendedStatistics"].map(str::to_owned) });
        }
        (named, extended) => (named.unwrap_or_default(), extended.unwrap_or_default()),
    };
    let extended = extended.into_iter().map(|name| match Statistic::parse(&name) {
        Some(statistic @ Statistic::Percentile(_)) => Ok((name, statistic)),
        _ => Err(MetricError::Invalid {
            member: "ExtendedStatistics".to_owned(),
            value: name,
            expected: "a percentile such as p99 or p99.9".to_owned(),
        }),
    });
    let extended: Vec<(String, Statistic)> = extended.collect::<Result<_, _>>()?;
    let id = metric_id(&input.namespace, &input.metric_name, input.dimensions.unwrap_or_default(), "")?;
    let unit = input.unit.map(StandardUnit::as_str);

    let mut datapoints = Vec::new();
    cloudwatch.metrics.read(&caller.namespace, &id, range, !extended.is_empty(), |point| {
        if unit.is_none_or(|unit| unit == point.unit) {
            datapoints.extend(datapoint(point, &named, &extended));
        }
        ControlFlow::Continue(())
    });
    Ok(Some(GetMetricStatisticsOutput { label: Some(input.metric_name), datapoints: Some(datapoints) }))
}

/// What is told of a point; nothing if none of what is asked for can be known of it.
fn datapoint(point: &Point, named: &[Named], extended: &[(String, Statistic)]) -> Option<Datapoint> {
    let of = |name: Named, statistic: Statistic| {
        named.contains(&name).then(|| statistic.of(&point.set, point.values.as_ref())).flatten()
    };
    let percentiles = extended.iter().filter_map(|(name, statistic)| {
        statistic.of(&point.set, point.values.as_ref()).map(|value| (name.clone(), value))
    });
    let percentiles: BTreeMap<String, f64> = percentiles.collect();
    if named.is_empty() && percentiles.is_empty() {
        return None;
    }
    Some(Datapoint {
        timestamp: Some(timestamp(point.at_ms)),
        sample_count: of(Named::SampleCount, Statistic::SampleCount),
        average: of(Named::Average, Statistic::Average),
        sum: of(Named::Sum, Statistic::Sum),
        minimum: of(Named::Minimum, Statistic::Minimum),
        maximum: of(Named::Maximum, Statistic::Maximum),
        unit: StandardUnit::ALL.iter().copied().find(|unit| unit.as_str() == point.unit),
        extended_statistics: (!percentiles.is_empty()).then_some(percentiles),
    })
}
