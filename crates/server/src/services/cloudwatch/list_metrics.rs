//! ListMetrics.

use rheos_account::metrics::{Filter, MetricId};
use rheos_wire::generated::cloudwatch::{Dimension, ListMetricsInput, ListMetricsOutput, Metric};

use super::{CloudWatch, MetricError, place, token};
use crate::auth::Caller;

/// Metrics of a page.
const PAGE: usize = 500;

pub(super) fn run(
    cloudwatch: &CloudWatch,
    caller: &Caller,
    input: ListMetricsInput,
) -> Result<Option<ListMetricsOutput>, MetricError> {
    let account = caller.namespace.account.as_str();
    let is_others = input.owning_account.is_some_and(|owner| owner != account);
    let dimensions = input.dimensions.unwrap_or_default().into_iter().map(|filter| (filter.name, filter.value));
    let filter = Filter {
        namespace: input.namespace,
        name: input.metric_name,
        dimensions: dimensions.collect(),
        recently_active: input.recently_active.is_some(),
    };
    let after = input.next_token.as_deref().map(place::<Vec<String>>).transpose()?.map(read).transpose()?;
    let now_ms = cloudwatch.clock.wall_ms();
    let (ids, more) = match is_others {
        true => (Vec::new(), false),
        false => cloudwatch.metrics.list(&caller.namespace, &filter, after.as_ref(), PAGE, now_ms),
    };
    let next_token = ids.last().filter(|_| more).and_then(|last| token(&written(last)));
    let owning_accounts = input.include_linked_accounts.unwrap_or(false).then(|| vec![account.to_owned(); ids.len()]);
    let metrics = ids.into_iter().map(metric).collect();
    Ok(Some(ListMetricsOutput { metrics: Some(metrics), next_token, owning_accounts }))
}

fn metric(MetricId { namespace, name, dimensions }: MetricId) -> Metric {
    let dimensions = dimensions.into_iter().map(|(name, value)| Dimension { name, value }).collect();
    Metric { namespace: Some(namespace), metric_name: Some(name), dimensions: Some(dimensions) }
}

/// A series as the texts of a token: namespace, name, then names and values of dimensions.
fn written(id: &MetricId) -> Vec<&str> {
    let dimensions = id.dimensions.iter().flat_map(|(name, value)| [name.as_str(), value]);
    [id.namespace.as_str(), &id.name].into_iter().chain(dimensions).collect()
}

fn read(texts: Vec<String>) -> Result<MetricId, MetricError> {
    let [namespace, name, dimensions @ ..] = texts.as_slice() else { return Err(MetricError::Token) };
    let pairs = dimensions.chunks(2).map(|pair| match pair {
        [name, value] => Ok((name.clone(), value.clone())),
        _ => Err(MetricError::Token),
    });
    MetricId::new(namespace, name, pairs.collect::<Result<_, _>>()?).ok_or(MetricError::Token)
}
