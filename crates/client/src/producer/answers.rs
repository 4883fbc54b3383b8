//! What answers mean for the records of a call.

use std::sync::Arc;

use super::batch::Batch;
use super::outcome::{Attempt, Reason, Written};
use super::record::Item;
use super::stream::{Sent, Stream, Turn, resolve};
use super::transport::{Answer, CallError, CallErrorKind, EntryError, Placed, is_throttle};

impl Stream {
    /// A call with records has ended.
    pub(super) fn answered(&mut self, sent: Sent, result: Result<Vec<Answer>, CallError>, turn: &mut Turn<'_>) {
        let user_records: usize = sent.batches.iter().map(|batch| batch.items.len()).sum();
        self.metrics.request_time_ms.add(turn.now_ms - sent.sent_ms);
        self.metrics.kinesis_records_per_put_records_request.add(sent.batches.len() as u64);
        self.metrics.user_records_per_put_records_request.add(user_records as u64);
        self.in_flight -= sent.batches.len();
        for batch in &sent.batches {
            self.metrics.user_records_per_kinesis_record.add(batch.items.len() as u64);
            if let Some(routes) = &mut self.routes
                && routes.version == batch.version
                && let Some((lane, _)) = routes.at(batch.lane)
            {
                lane.in_flight -= 1;
            }
        }
        match result {
            Ok(answers) if answers.len() == sent.batches.len() => {
                (self.failures, self.not_before_ms) = (0, 0);
                for (batch, answer) in sent.batches.into_iter().zip(answers) {
                    match answer {
                        Ok(placed) => self.placed(batch, placed, sent.sent_ms, turn),
                        Err(error) => self.entry_failed(batch, &error, sent.sent_ms, turn),
                    }
                }
            }
            Ok(answers) => {
                let message = format!("{} answers for {} records", answers.len(), sent.batches.len());
                let error = CallError {
                    code: "Record Count Mismatch".into(),
                    message: message.into(),
                    kind: CallErrorKind::Unknown,
                };
                self.call_failed(sent, &error, turn);
            }
            Err(error) => self.call_failed(sent, &error, turn),
        }
    }

    fn entry_failed(&mut self, mut batch: Batch, error: &EntryError, sent_ms: u64, turn: &mut Turn<'_>) {
        self.metrics.error(&error.code, 1);
        let is_throttled = is_throttle(&error.code);
        // An internal failure says nothing about how far it came.
        fail(&mut batch, &error.code, &error.message, !is_throttled, sent_ms, turn);
        if is_throttled {
            self.throttled(batch, turn);
        } else {
            batch.not_before_ms = turn.now_ms + turn.backoff_ms(failures(&batch));
            self.again(batch, turn);
        }
    }

    /// The whole shard pauses.
    fn throttled(&mut self, batch: Batch, turn: &mut Turn<'_>) {
        if let Some(routes) = &mut self.routes
            && routes.version == batch.version
            && let Some((_, part)) = routes.at(batch.lane)
        {
            // Several entries of one call that are throttled are one sign.
            if part.not_before_ms <= turn.now_ms {
                part.failures = part.failures.saturating_add(1);
                part.not_before_ms = turn.now_ms + turn.backoff_ms(part.failures);
            }
        }
        if turn.settings.fail_if_throttled {
            for item in batch.items {
                self.give_up(item, Reason::Throttled, turn);
            }
        } else {
            self.again(batch, turn);
        }
    }

    fn call_failed(&mut self, sent: Sent, error: &CallError, turn: &mut Turn<'_>) {
        self.metrics.error(&error.code, 1);
        let count = sent.batches.len();
        let may_have_been_written = error.kind == CallErrorKind::Unknown;
        match error.kind {
            CallErrorKind::NotNow | CallErrorKind::Unknown | CallErrorKind::Throttled => {
                if self.not_before_ms <= turn.now_ms {
                    self.failures = self.failures.saturating_add(1);
                    self.not_before_ms = turn.now_ms + turn.backoff_ms(self.failures);
                }
            }
            CallErrorKind::Refused | CallErrorKind::RefusedContent => {}
        }
        for mut batch in sent.batches {
            fail(&mut batch, &error.code, &error.message, may_have_been_written, sent.sent_ms, turn);
            match error.kind {
                CallErrorKind::NotNow | CallErrorKind::Unknown => self.again(batch, turn),
                CallErrorKind::Throttled if turn.settings.fail_if_throttled => {
                    for item in batch.items {
                        self.give_up(item, Reason::Throttled, turn);
                    }
                }
                CallErrorKind::Throttled => self.again(batch, turn),
                // The one at fault is found by halves; its neighbours are not to suffer.
                CallErrorKind::RefusedContent if count > 1 => {
                    batch.share = batch.share.min(count / 2);
                    self.again(batch, turn);
                }
                CallErrorKind::RefusedContent if batch.is_aggregated() => self.unpack(batch, turn),
                CallErrorKind::Refused | CallErrorKind::RefusedContent => {
                    for item in batch.items {
                        let reason =
                            Reason::Refused { code: Arc::clone(&error.code), message: Arc::clone(&error.message) };
                        self.give_up(item, reason, turn);
                    }
                }
            }
        }
    }

    /// Sends the items of a batch one by one.
    fn unpack(&mut self, batch: Batch, turn: &mut Turn<'_>) {
        let (lane, version) = (batch.lane, batch.version);
        for mut item in batch.items {
            item.record.alone = true;
            if let Some(alone) = Batch::repacked(vec![item], turn.now_ms, turn.settings) {
                self.again(Batch { lane, version, share: 1, ..alone }, turn);
            }
        }
    }

    fn placed(&mut self, batch: Batch, placed: Placed, sent_ms: u64, turn: &mut Turn<'_>) {
        self.metrics.kinesis_records_put += 1;
        self.metrics.kinesis_records_data_put += batch.entry.data.len() as u64;
        for item in &batch.items {
            self.metrics.buffering_time_ms.add(sent_ms.saturating_sub(item.accepted_ms));
        }
        let Some(routes) = &mut self.routes else { return self.written(batch, &placed, turn) };
        if batch.shard.as_ref().is_none_or(|predicted| *predicted == placed.shard_id) {
            if routes.version == batch.version
                && let Some((_, part)) = routes.at(batch.lane)
            {
                part.failures = 0;
            }
            return self.written(batch, &placed, turn);
        }
        // The shards are others than was thought. A record that travelled alone is right wherever it is.
        let is_known = routes.range_of(&placed.shard_id).is_some();
        // Where order is strict, what is written again goes before what waits: only a change of routes sorts them.
        let is_decided = is_known && !turn.settings.strict_order;
        if !is_decided {
            self.list_soon(turn.now_ms);
        }
        if !batch.is_aggregated() {
            self.written(batch, &placed, turn);
        } else if is_decided {
            let items = self.decide(batch, placed, turn);
            self.route(items, turn);
        } else {
            self.undecided.push((batch, placed));
        }
    }

    /// What to do with records that are in another shard than they were packed for. The consumers that follow the KCL drop an
    /// aggregated record whole if one of its records does not belong to its shard: then all of it is written again. Gives the
    /// items that are.
    pub(super) fn decide(&mut self, mut batch: Batch, placed: Placed, turn: &mut Turn<'_>) -> Vec<Item> {
        let range = self.routes.as_ref().and_then(|routes| routes.range_of(&placed.shard_id));
        if range.is_some_and(|range| batch.items.iter().all(|item| range.contains(item.hash))) {
            self.written(batch, &placed, turn);
            return Vec::new();
        }
        self.metrics.error("Wrong Shard", 1);
        let message = format!("it was written to {} instead of its shard", placed.shard_id);
        fail(&mut batch, &"Wrong Shard".into(), &message.into(), true, turn.now_ms, turn);
        batch.items
    }

    fn written(&mut self, batch: Batch, placed: &Placed, turn: &mut Turn<'_>) {
        let is_aggregated = batch.is_aggregated();
        self.metrics.user_records_put += batch.items.len() as u64;
        for (at, mut item) in batch.items.into_iter().enumerate() {
            self.metrics.user_records_data_put += item.record.data.len() as u64;
            self.metrics.retries_per_record.add(item.attempts.len() as u64);
            let written = Written {
                shard_id: Arc::clone(&placed.shard_id),
                sequence_number: Arc::clone(&placed.sequence_number),
                sub_sequence_number: is_aggregated.then_some(at as u64),
                failed_attempts: std::mem::take(&mut item.attempts),
                may_be_there_twice: item.may_have_been_written,
            };
            resolve(item, Ok(written), turn.effects);
        }
    }
}

/// Failures of the batch's oldest item.
fn failures(batch: &Batch) -> u32 {
    batch.items.first().map_or(1, |item| u32::try_from(item.attempts.len()).unwrap_or(u32::MAX))
}

/// Notes a failed attempt with every item.
fn fail(
    batch: &mut Batch,
    code: &Arc<str>,
    message: &Arc<str>,
    may_have_been_written: bool,
    sent_ms: u64,
    turn: &Turn<'_>,
) {
    for item in &mut batch.items {
        let attempt = Attempt {
            delay_ms: sent_ms.saturating_sub(item.accepted_ms),
            duration_ms: turn.now_ms.saturating_sub(sent_ms),
            code: Arc::clone(code),
            message: Arc::clone(message),
        };
        item.failed(attempt, may_have_been_written);
    }
}
