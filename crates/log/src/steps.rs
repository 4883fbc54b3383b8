//! The log without threads: a driver, such as the simulation, decides what runs next.
//!
//! Each step is what a thread of [`crate::Opened::start`] does between two waits, and is due exactly when that thread
//! would go on.

use crate::engine::Shared;
use crate::engine::housekeeper::Housekeeper;
use crate::engine::writer::{Fatal, Writer};
use crate::log::{HOUSEKEEPING, IDLE, ReadJob};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// The steps of a log: the writer's, the housekeeper's and the readers'.
pub struct Steps {
    shared: Arc<Shared>,
    writer: Writer,
    housekeeper: Housekeeper,
    receiver: Receiver<ReadJob>,
    reads: VecDeque<ReadJob>,
    is_over: bool,
}

impl Steps {
    /// After so long without work the writer's thread does what [`Self::idle`] does.
    pub const IDLE: Duration = IDLE;
    /// The housekeeper's thread looks by itself as often.
    pub const HOUSEKEEPING: Duration = HOUSEKEEPING;

    pub(crate) fn new(
        shared: Arc<Shared>,
        writer: Writer,
        housekeeper: Housekeeper,
        receiver: Receiver<ReadJob>,
    ) -> Self {
        Self { shared, writer, housekeeper, receiver, reads: VecDeque::new(), is_over: false }
    }

    /// Whether the writer has something to do: a batch to make, or the log to close.
    #[must_use]
    pub fn is_writer_due(&self) -> bool {
        let (is_waiting, is_closed) = self.shared.queue.state();
        !self.is_over && (is_waiting || is_closed) && !self.shared.backlog.would_wait()
    }

    /// The writer's step: a batch of what is queued, or the end of a log that is being closed.
    ///
    /// # Errors
    /// [`Fatal`]: the log is over. What was taken or queued is not answered; its outcome is unknown.
    pub fn write(&mut self) -> Result<(), Fatal> {
        let written = self.writer.turn().and_then(|has_written| match (has_written, self.shared.queue.state()) {
            (false, (false, true)) => {
                self.is_over = true;
                self.writer.close_batch()
            }
            _ => Ok(()),
        });
        self.ended_if(written)
    }

    /// The writer's step when nothing has come for [`Self::IDLE`].
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn idle(&mut self) -> Result<(), Fatal> {
        let written = if self.is_over { Ok(()) } else { self.writer.close_batch() };
        self.ended_if(written)
    }

    fn ended_if(&mut self, written: Result<(), Fatal>) -> Result<(), Fatal> {
        if written.is_err() {
            self.is_over = true;
            self.shared.queue.fail();
        }
        if self.is_over {
            self.shared.housekeeping.stop();
            self.shared.ended.send_replace(true);
        }
        written
    }

    /// Whether the writer has ended, after the log was closed or has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether somebody has asked for the housekeeper. It should also look by itself every
    /// [`Self::HOUSEKEEPING`].
    #[must_use]
    pub fn is_housekeeper_due(&self) -> bool {
        !self.is_over && self.shared.housekeeping.is_woken()
    }

    /// The housekeeper's step.
    ///
    /// # Errors
    /// The medium's: nothing is lost and the next step tries again.
    pub fn keep_house(&mut self) -> io::Result<()> {
        if self.shared.housekeeping.wait(Duration::ZERO) { self.housekeeper.step() } else { Ok(()) }
    }

    /// How many reads from files wait for a reader.
    pub fn reads_waiting(&mut self) -> usize {
        self.reads.extend(self.receiver.try_iter());
        self.reads.len()
    }

    /// A reader's step: the read that has waited longest.
    pub fn read(&mut self) {
        if self.reads_waiting() > 0
            && let Some(job) = self.reads.pop_front()
        {
            job();
        }
    }
}
