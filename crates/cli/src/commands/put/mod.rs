//! `rheos put`: lines of a file or of standard input as records.
//!
//! Keys are divided among a few lanes. A lane sends one request at a time and, before anything else, again what the last one could
//! not write; so the lines of a key keep their order as far as PutRecords has one.

mod aggregate;
pub(crate) mod batch;
pub(crate) mod keys;
pub(crate) mod lane;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc;

use crate::args::Put;
use crate::client::Service;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Screen, Style};
use crate::units::{bytes, elapsed, grouped};
use batch::{Batcher, Entry, RECORD_MAX};
use keys::KeySource;
use lane::Report;

/// How long a line waits for others to share its request.
const LINGER: Duration = Duration::from_millis(100);
/// Problems with single lines that are shown before the rest is only counted.
const PROBLEMS_SHOWN: u64 = 5;
const REDRAW: Duration = Duration::from_millis(200);

/// Reads, batches and writes; fails if any line was not written.
pub(crate) async fn run(args: Put, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let (input, size) = open(&args.input).await?;
    let keys = match (args.key, args.key_delimiter, args.key_json) {
        (Some(key), _, _) => KeySource::Fixed(key),
        (_, Some(delimiter), _) => KeySource::Before(delimiter),
        (_, _, Some(path)) => KeySource::Json(path),
        _ => KeySource::Spread { seed: edge::wall_ms().unsigned_abs() << 20 },
    };
    let totals = Mutex::new(Totals::default());
    let begun = edge::now();
    let mut screen = Screen::default();
    let (connections, strict) = (usize::from(args.connections), args.strict_order);
    let lines = Lines { keys, rate: args.rate, begun, out, totals: &totals };
    let work = async {
        if args.aggregate {
            aggregate::write(&service, &args.stream, &lines, input, (connections, strict)).await
        } else {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..connections).map(|_| mpsc::channel(1)).unzip();
            let lanes =
                receivers.into_iter().map(|batches| drain(&service, &args.stream, batches, args.retries, &totals));
            tokio::try_join!(lines.read(input, Lanes::new(senders, strict)), try_join_all(lanes)).map(drop)
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = show_progress(out, &mut screen, &totals, begun, size) => Ok(()),
    };
    screen.clear(out);
    let totals = totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    out.note(&totals.summary(&args.stream, begun));
    outcome?;
    match totals.refused + totals.report.lost.values().sum::<u64>() {
        0 => Ok(()),
        lost => {
            let reasons: Vec<String> =
                totals.report.lost.iter().map(|(why, n)| format!("{} {why}", grouped(*n))).collect();
            let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
            Err(Failure::new(format!("{} records were not written{reasons}", grouped(lost))))
        }
    }
}

/// The input, and its size if that is known.
async fn open(path: &Path) -> Outcome<(Box<dyn AsyncRead + Unpin>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(tokio::io::stdin()), None));
    }
    let file = edge::open(path).map_err(|error| Failure::io(path.display(), &error))?;
    let size = file.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(tokio::fs::File::from_std(file)), size))
}

/// Sends one lane's batches, one after the other.
async fn drain(
    service: &Service,
    stream: &str,
    mut batches: mpsc::Receiver<Vec<Entry>>,
    retries: u32,
    totals: &Mutex<Totals>,
) -> Outcome {
    while let Some(batch) = batches.recv().await {
        let report = lane::write(service, stream, batch, retries).await?;
        with(totals, |totals| totals.add(report));
    }
    Ok(())
}

/// Where lines go as records.
trait Sink {
    /// Takes a record, when there is room for it.
    async fn push(&mut self, entry: Entry) -> Outcome;

    /// Sends what waits for others.
    async fn flush(&mut self);
}

/// The batches that grow, one for each lane.
struct Lanes(Vec<(Batcher, mpsc::Sender<Vec<Entry>>)>);

impl Lanes {
    fn new(senders: Vec<mpsc::Sender<Vec<Entry>>>, strict: bool) -> Self {
        Self(senders.into_iter().map(|sender| (Batcher::new(strict), sender)).collect())
    }
}

impl Sink for Lanes {
    async fn push(&mut self, entry: Entry) -> Outcome {
        let at = lane_of(&entry.key, self.0.len());
        let (batcher, lane) = &mut self.0[at];
        if let Some(batch) = batcher.push(entry) {
            send(lane, batch).await;
        }
        Ok(())
    }

    async fn flush(&mut self) {
        for (batcher, lane) in &mut self.0 {
            if let Some(batch) = batcher.take() {
                send(lane, batch).await;
            }
        }
    }
}

/// The reading half.
struct Lines<'run> {
    keys: KeySource,
    rate: Option<f64>,
    begun: Instant,
    out: &'run Output,
    totals: &'run Mutex<Totals>,
}

impl Lines<'_> {
    async fn read(&self, input: impl AsyncRead + Unpin, mut sink: impl Sink) -> Outcome {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            // Dropped or not, `read_until` leaves what it has read in `line`.
            let read = tokio::time::timeout(LINGER, input.read_until(b'\n', &mut line)).await;
            let Ok(read) = read else {
                sink.flush().await;
                continue;
            };
            read.map_err(|error| Failure::io("cannot read the input", &error))?;
            if line.is_empty() {
                break;
            }
            number += 1;
            let entry = self.entry(number, &line);
            with(self.totals, |totals| totals.read += line.len() as u64);
            line.clear();
            let Some(entry) = entry else { continue };
            self.pace(number, &mut sink).await;
            sink.push(entry).await?;
        }
        sink.flush().await;
        Ok(())
    }

    /// The record for a line, or nothing if the line cannot be one.
    fn entry(&self, number: u64, line: &[u8]) -> Option<Entry> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let entry = self.keys.split(number, line).map(|(key, data)| Entry { key, data: data.to_vec() });
        let entry = entry.and_then(|entry| match entry.size() {
            size if size > RECORD_MAX => Err(format!("has {}; a record has at most 10 MiB", bytes(size as u64))),
            _ => Ok(entry),
        });
        match entry {
            Ok(entry) => Some(entry),
            Err(problem) => {
                let refused = with(self.totals, |totals| {
                    totals.refused += 1;
                    totals.refused
                });
                if refused <= PROBLEMS_SHOWN {
                    self.out.note(&format!("{} line {number} {problem}", self.out.paint(Style::Red, "not written:")));
                }
                None
            }
        }
    }

    /// Waits until line `number` is due. What was gathered so far leaves first if the wait is long.
    async fn pace(&self, number: u64, sink: &mut impl Sink) {
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64((number - 1) as f64 / rate);
        let early = due.saturating_sub(self.begun.elapsed());
        if early > Duration::from_millis(2) {
            sink.flush().await;
            tokio::time::sleep(early).await;
        }
    }
}

/// A lane that has gone took the whole command with it, so nothing is left to tell here.
async fn send(lane: &mpsc::Sender<Vec<Entry>>, batch: Vec<Entry>) {
    drop(lane.send(batch).await);
}

/// The lane of a key.
fn lane_of(key: &str, lanes: usize) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    usize::try_from(hash % lanes as u64).unwrap_or(0)
}

/// What the run has done so far.
#[derive(Debug, Default)]
struct Totals {
    /// Bytes of input.
    read: u64,
    /// Lines that cannot be records.
    refused: u64,
    report: Report,
}

impl Totals {
    fn add(&mut self, report: Report) {
        self.report.written += report.written;
        self.report.bytes += report.bytes;
        self.report.retried += report.retried;
        merge(&mut self.report.lost, report.lost);
    }

    fn summary(&self, stream: &str, begun: Instant) -> String {
        let time = begun.elapsed();
        let rate = self.report.written as f64 / time.as_secs_f64().max(0.001);
        let retried = match self.report.retried {
            0 => String::new(),
            retried => format!(", {} retried", grouped(retried)),
        };
        let (written, size) = (grouped(self.report.written), bytes(self.report.bytes));
        format!("{written} records ({size}) written to {stream} in {}, {rate:.0}/s{retried}", elapsed(time))
    }
}

fn merge(into: &mut HashMap<String, u64>, from: HashMap<String, u64>) {
    for (reason, count) in from {
        *into.entry(reason).or_default() += count;
    }
}

/// Every user of the totals holds them for one statement.
fn with<T>(totals: &Mutex<Totals>, use_them: impl FnOnce(&mut Totals) -> T) -> T {
    use_them(&mut totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Draws one line again and again; never returns.
async fn show_progress(out: &Output, screen: &mut Screen, totals: &Mutex<Totals>, begun: Instant, size: Option<u64>) {
    if !out.progress_is_watched() {
        return std::future::pending().await;
    }
    let mut turns = tokio::time::interval(REDRAW);
    loop {
        turns.tick().await;
        let line = with(totals, |totals| {
            let done = size
                .filter(|size| *size > 0)
                .map(|size| format!("{:3.0}%  ", 100.0 * totals.read as f64 / size as f64));
            let rate = totals.report.written as f64 / begun.elapsed().as_secs_f64().max(0.001);
            let (done, written) = (done.unwrap_or_default(), grouped(totals.report.written));
            format!("{done}{written} records, {}, {rate:.0}/s", bytes(totals.report.bytes))
        });
        screen.draw(out, &[line]);
    }
}
