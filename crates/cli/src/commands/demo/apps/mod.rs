//! The demo's three applications. Each runs in a process of its own and reads the stream for itself, as any consumer would.
//!
//! Supervised, an application reports its progress as JSON lines on standard output; when its standard input closes it reads what is
//! left, finishes its files and ends.

pub(crate) mod aggregate;
pub(crate) mod archive;
pub(crate) mod dashboard;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use super::extract::Departure;
use crate::args::{Application, ApplicationKind};
use crate::client::Service;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Screen};
use crate::reader::{Event, Record, Start, StreamReader};
use crate::units::grouped;
use aggregate::Aggregate;
use archive::Archive;
use dashboard::{Board, Dashboard};

/// How often an application reports.
const REPORT: Duration = Duration::from_millis(100);
/// How often it writes a line when neither a person nor the demo watches.
const PLAIN_REPORT: Duration = Duration::from_secs(2);
/// The time over which the rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// What an application does with the records.
trait Consumer {
    /// Takes the next record.
    fn take(&mut self, record: &Record, departure: &Departure) -> Outcome;
    /// Ends all files.
    fn finish(&mut self) -> Outcome;
    /// What is to be shown, if it is an application that shows something.
    fn board(&self) -> Option<&Board> {
        None
    }
}

/// What an application reports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) records: u64,
    pub(crate) rate: f64,
    /// How far behind the newest record, as the service says.
    pub(crate) behind_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) board: Option<Board>,
}

/// Runs one application until it is told to stop.
pub(crate) async fn run(args: Application, out: Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let directory = args.directory.as_deref();
    if let Some(directory) = directory {
        std::fs::create_dir_all(directory).map_err(|error| Failure::io(directory.display(), &error))?;
    }
    let needed = || directory.ok_or_else(|| Failure::usage("this application needs a --directory"));
    let mut consumer: Box<dyn Consumer> = match args.kind {
        ApplicationKind::Dashboard => Box::new(Dashboard::new(directory)?),
        ApplicationKind::Aggregate => Box::new(Aggregate::new(needed()?)?),
        ApplicationKind::Archive => Box::new(Archive::new(needed()?)?),
    };
    let reader = StreamReader::open(&service, &args.stream, Start::TrimHorizon, None).await?;
    let mut reporter = Reporter::new(args.supervised, directory, out);
    let outcome = consume(reader, consumer.as_mut(), &mut reporter, args.supervised).await;
    consumer.finish()?;
    outcome
}

/// Reads until standard input closes and nothing is left (supervised), or until Ctrl-C.
async fn consume(
    mut reader: StreamReader,
    consumer: &mut dyn Consumer,
    reporter: &mut Reporter,
    supervised: bool,
) -> Outcome {
    let mut turns = tokio::time::interval(REPORT);
    let mut closed = std::pin::pin!(standard_input_closes(supervised));
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            stopped = tokio::signal::ctrl_c() => {
                stopped.map_err(|error| Failure::io("cannot listen for Ctrl-C", &error))?;
                return Err(Failure::interrupted());
            }
            _ = turns.tick() => reporter.report(&reader, consumer)?,
            () = &mut closed, if !draining => {
                draining = true;
                reader.doubt_tips();
            }
            event = reader.next() => match event? {
                Event::Record(record) => {
                    let departure: Departure = serde_json::from_slice(&record.data).map_err(|error| {
                        Failure::new(format!("record {} of {} is no departure: {error}", record.sequence, record.shard))
                    })?;
                    consumer.take(&record, &departure)?;
                    reporter.records += 1;
                }
                Event::CaughtUp if draining => return reporter.report(&reader, consumer),
                Event::CaughtUp => {}
            }
        }
    }
}

async fn standard_input_closes(supervised: bool) {
    if !supervised {
        return std::future::pending().await;
    }
    let mut ignored = Vec::new();
    // An error means that nobody is there any more, too.
    drop(tokio::io::stdin().read_to_end(&mut ignored).await);
}

/// Tells how far an application is.
struct Reporter {
    supervised: bool,
    name: String,
    out: Output,
    screen: Screen,
    records: u64,
    recent: VecDeque<(Instant, u64)>,
    last_plain: Option<Instant>,
}

impl Reporter {
    fn new(supervised: bool, directory: Option<&Path>, out: Output) -> Self {
        let name = directory.map(|directory| format!("files in {}", directory.display())).unwrap_or_default();
        Self { supervised, name, out, screen: Screen::default(), records: 0, recent: VecDeque::new(), last_plain: None }
    }

    fn report(&mut self, reader: &StreamReader, consumer: &dyn Consumer) -> Outcome {
        let status = Status {
            records: self.records,
            rate: self.rate(),
            behind_ms: reader.behind_ms(),
            board: consumer.board().cloned(),
        };
        if self.supervised {
            let line =
                serde_json::to_string(&status).map_err(|error| Failure::new(format!("cannot report: {error}")))?;
            self.out.line(&line)?;
            return self.out.flush();
        }
        let mut line =
            format!("{} records, {:.0}/s, behind {}", grouped(status.records), status.rate, behind(status.behind_ms));
        match reader.throttled() {
            0 => {}
            throttled => line.push_str(&format!(", {throttled} reads throttled")),
        }
        if self.out.progress_is_watched() {
            let mut lines = consumer.board().map(|board| board.lines(&self.out)).unwrap_or_default();
            lines.push(line);
            lines.push(self.name.clone());
            self.screen.draw(&self.out, &lines);
        } else if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_REPORT) {
            self.last_plain = Some(edge::now());
            self.out.note(&line);
        }
        Ok(())
    }

    /// Records a second, over the last two seconds.
    fn rate(&mut self) -> f64 {
        let now = edge::now();
        self.recent.push_back((now, self.records));
        while self.recent.len() > 2 && self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW)
        {
            self.recent.pop_front();
        }
        match self.recent.front() {
            Some((at, records)) if now > *at => (self.records - records) as f64 / now.duration_since(*at).as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// How far behind, for people.
pub(crate) fn behind(milliseconds: i64) -> String {
    format!("{:.1} s", milliseconds as f64 / 1e3)
}
