//! What the person sees while the demo runs: the dashboard's picture, the three readers, and a progress bar.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::apps::{Status, behind};
use super::crew::{NAMES, Statuses};
use crate::edge;
use crate::output::{Output, Screen, Style, Table};
use crate::units::{elapsed, grouped};

const REDRAW: Duration = Duration::from_millis(100);
const PLAIN_LINE: Duration = Duration::from_secs(5);
const BAR_WIDTH: usize = 40;

/// The picture and where its figures come from.
pub(super) struct View<'demo> {
    pub(super) out: Output,
    pub(super) title: String,
    pub(super) total: usize,
    pub(super) replayed: &'demo AtomicUsize,
    pub(super) statuses: &'demo Statuses,
    pub(super) begun: Instant,
}

impl View<'_> {
    /// Shows the picture for ever: drawn in place on a terminal, a line now and then elsewhere.
    pub(super) async fn show(&self, screen: &mut Screen) {
        let watched = self.out.progress_is_watched();
        if !watched {
            self.out.note(&self.title);
        }
        let mut turns = tokio::time::interval(if watched { REDRAW } else { PLAIN_LINE });
        loop {
            turns.tick().await;
            if watched {
                screen.draw(&self.out, &self.lines());
            } else {
                self.out.note(&self.plain());
            }
        }
    }

    /// The picture as it is now.
    pub(super) fn lines(&self) -> Vec<String> {
        let statuses = self.statuses();
        let mut lines = vec![self.out.paint(Style::Bold, &self.title), String::new()];
        if let Some(board) = &statuses[0].board {
            lines.extend(board.lines(&self.out));
            lines.push(String::new());
        }
        let mut readers = Table::new(&["reader", ">records", ">records/s", ">behind"]);
        for (name, status) in NAMES.iter().zip(&statuses) {
            let rate = grouped(status.rate as u64);
            readers.row([(*name).to_owned(), grouped(status.records), rate, behind(status.behind_ms)]);
        }
        lines.extend(readers.lines(&self.out));
        lines.push(String::new());
        lines.push(self.bar());
        lines
    }

    /// The same in one line.
    fn plain(&self) -> String {
        let replayed = self.replayed.load(Ordering::Relaxed);
        let statuses = self.statuses();
        let readers: Vec<String> =
            NAMES.iter().zip(&statuses).map(|(name, status)| format!("{name} {}", grouped(status.records))).collect();
        let furthest = statuses.iter().map(|status| status.behind_ms).max().unwrap_or(0);
        let of = format!("{} of {} replayed", grouped(replayed as u64), grouped(self.total as u64));
        format!("{:>6}  {of}; read: {}; behind {}", elapsed(self.begun.elapsed()), readers.join(", "), behind(furthest))
    }

    fn bar(&self) -> String {
        let replayed = self.replayed.load(Ordering::Relaxed);
        let share = replayed as f64 / self.total.max(1) as f64;
        let filled = (share * BAR_WIDTH as f64) as usize;
        let bar = "█".repeat(filled);
        let rest = "░".repeat(BAR_WIDTH - filled);
        let (bar, rest) = (self.out.paint(Style::Green, &bar), self.out.paint(Style::Dim, &rest));
        let time = edge::now().duration_since(self.begun);
        let left = if share > 0.02 && share < 1.0 {
            format!(", {} left", elapsed(time.mul_f64((1.0 - share) / share)))
        } else if self.statuses().iter().all(|status| status.records >= self.total as u64) {
            String::from(", all of it read")
        } else if share >= 1.0 {
            String::from(", reading the rest")
        } else {
            String::new()
        };
        format!(
            "{bar}{rest}  {:3.0}%  {} of {} replayed{left}",
            100.0 * share,
            grouped(replayed as u64),
            grouped(self.total as u64)
        )
    }

    fn statuses(&self) -> [Status; 3] {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
