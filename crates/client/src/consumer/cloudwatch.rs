//! CloudWatch by its official client, as the place where a worker's metrics go: that of Amazon, or a Rheos.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::DisplayErrorContext;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use futures_util::future::BoxFuture;

use super::metrics::{Datum, MetricsPublisher, Unit};

/// So many figures in a call, as the KCL sends them: their texts stay far below what CloudWatch takes.
const CALL_FIGURES: usize = 200;

/// Metrics as CloudWatch keeps them, under the name of the application.
pub struct CloudWatchMetrics {
    client: Client,
    namespace: String,
}

impl CloudWatchMetrics {
    /// Under this namespace, which in the KCL is the name of the application.
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self { client, namespace: namespace.into() }
    }
}

impl MetricsPublisher for CloudWatchMetrics {
    fn publish<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for part in data.chunks(CALL_FIGURES) {
                let call = self.client.put_metric_data().namespace(&self.namespace);
                let call = call.set_metric_data(Some(part.iter().map(metric_datum).collect()));
                call.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
            }
            Ok(())
        })
    }
}

fn metric_datum(datum: &Datum) -> MetricDatum {
    let figures = &datum.figures;
    let set = StatisticSet::builder()
        .sample_count(figures.count as f64)
        .sum(figures.sum as f64)
        .minimum(figures.min as f64)
        .maximum(figures.max as f64);
    let dimensions = datum.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    MetricDatum::builder()
        .metric_name(datum.name)
        .set_dimensions(Some(dimensions.collect()))
        .unit(match datum.unit {
            Unit::Count => StandardUnit::Count,
            Unit::Bytes => StandardUnit::Bytes,
            Unit::Milliseconds => StandardUnit::Milliseconds,
        })
        .statistic_values(set.build())
        .build()
}
