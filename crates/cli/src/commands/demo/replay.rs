//! The producer: departures in their order, as fast as asked for, through PutRecords.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::extract::Departure;
use crate::client::Service;
use crate::commands::put::batch::{Batcher, Entry};
use crate::commands::put::lane;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::units::Speed;

/// How often departures that are due are sent.
const TICK: Duration = Duration::from_millis(50);
const RETRIES: u32 = 20;

/// Writes every departure when its time comes; one call at a time, so that the order of each key is kept. Counts in `replayed`.
pub(super) async fn run(
    service: &Service,
    stream: &str,
    departures: &[Departure],
    speed: Speed,
    replayed: &AtomicUsize,
) -> Outcome {
    let begun = edge::now();
    let first = departures.first().map_or(0, |departure| departure.minute);
    let mut rest = departures;
    while !rest.is_empty() {
        let due = match speed {
            Speed::Max => rest.len(),
            Speed::Times(times) => {
                let minutes = begun.elapsed().as_secs_f64() * times / 60.0;
                rest.partition_point(|departure| f64::from(departure.minute - first) <= minutes)
            }
        };
        let (now, later) = rest.split_at(due);
        rest = later;
        let mut batcher = Batcher::new(false);
        for departure in now {
            let data =
                serde_json::to_vec(departure).map_err(|error| Failure::new(format!("cannot encode: {error}")))?;
            if let Some(batch) = batcher.push(Entry { key: departure.key(), data }) {
                write(service, stream, batch, replayed).await?;
            }
        }
        if let Some(batch) = batcher.take() {
            write(service, stream, batch, replayed).await?;
        }
        if !rest.is_empty() {
            tokio::time::sleep(TICK).await;
        }
    }
    Ok(())
}

async fn write(service: &Service, stream: &str, batch: Vec<Entry>, replayed: &AtomicUsize) -> Outcome {
    let records = batch.len();
    let report = lane::write(service, stream, batch, RETRIES).await?;
    if let Some((reason, lost)) = report.lost.iter().next() {
        return Err(Failure::new(format!("{lost} departures could not be written: {reason}")));
    }
    replayed.fetch_add(records, Ordering::Relaxed);
    Ok(())
}
