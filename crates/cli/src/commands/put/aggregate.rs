//! `--aggregate`: lines through the producer of the client library, which packs them.

use std::sync::{Arc, Mutex};

use rheos_client::producer::{KinesisTransport, Pending, Producer, Reason, Record, Settings};
use rheos_types::{SystemClock, SystemRandom};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::batch::Entry;
use super::{Lines, Sink, Totals, with};
use crate::client::Service;
use crate::failure::{Failure, Outcome};

/// Lines that were handed over and whose outcome is not counted yet.
const PENDING: usize = 1 << 16;
/// A line that a shard has not taken in so many milliseconds counts as not written.
const GIVE_UP_MS: u64 = 600_000;
/// What a few shards take in a few seconds.
const OUTSTANDING_BYTES: usize = 32 << 20;

/// Reads and writes all lines.
pub(super) async fn write(
    service: &Service,
    stream: &str,
    lines: &Lines<'_>,
    input: impl AsyncRead + Unpin,
    (connections, strict_order): (usize, bool),
) -> Outcome {
    let settings = Settings {
        max_connections: connections,
        max_outstanding_bytes: OUTSTANDING_BYTES,
        // As fast as the service takes them: a shard that throttles is asked less often.
        rate_limit_percent: None,
        record_ttl_ms: GIVE_UP_MS,
        strict_order,
        ..Settings::default()
    };
    let transport = KinesisTransport::new(service.client.clone());
    let (producer, driver) = Producer::new(transport, settings, SystemClock::new(), SystemRandom)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let (sender, receiver) = mpsc::channel(PENDING);
    let packing = Packing { producer, stream: Arc::from(stream), sender };
    let drive = async {
        driver.run().await;
        Ok::<(), Failure>(())
    };
    tokio::try_join!(lines.read(input, packing), drive, count(receiver, stream, service, lines.totals)).map(drop)
}

/// Hands lines to the producer. With the last line it is gone, and the producer ends when everything is written.
struct Packing {
    producer: Producer,
    stream: Arc<str>,
    sender: mpsc::Sender<(Pending, u64)>,
}

impl Sink for Packing {
    async fn push(&mut self, entry: Entry) -> Outcome {
        let size = entry.size() as u64;
        let pending = self.producer.put(Record::new(Arc::clone(&self.stream), entry.key, entry.data)).await;
        let pending = pending.map_err(|refused| Failure::new(refused.to_string()))?;
        // Whoever counts has gone only if the command ends.
        drop(self.sender.send((pending, size)).await);
        Ok(())
    }

    /// The producer itself sees to it that no line waits long.
    async fn flush(&mut self) {}
}

/// Counts outcomes. What the service refuses ends the command, as it will refuse the rest.
async fn count(
    mut outcomes: mpsc::Receiver<(Pending, u64)>,
    stream: &str,
    service: &Service,
    totals: &Mutex<Totals>,
) -> Outcome {
    while let Some((pending, size)) = outcomes.recv().await {
        let outcome = pending.await;
        if let Err(unwritten) = &outcome
            && let Reason::Refused { .. } = unwritten.reason
        {
            let message = format!("could not write to {stream} at {}: {unwritten}", service.endpoint);
            return Err(Failure::new(message));
        }
        with(totals, |totals| match outcome {
            Ok(written) => {
                totals.report.written += 1;
                totals.report.bytes += size;
                totals.report.retried += written.failed_attempts.len() as u64;
            }
            Err(unwritten) => *totals.report.lost.entry(unwritten.to_string()).or_default() += 1,
        });
    }
    Ok(())
}
