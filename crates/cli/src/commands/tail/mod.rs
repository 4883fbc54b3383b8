//! `rheos tail`: the records of all shards of a stream, merged by arrival.

pub(crate) mod format;

use std::collections::VecDeque;

use crate::args::Tail;
use crate::client::Service;
use crate::edge;
use crate::failure::Outcome;
use crate::output::{self, Output};
use crate::reader::{Event, Record, Start, StreamReader};
use format::Format;

/// Without `--since` and `-n`.
const LAST_RECORDS: usize = 10;
/// How far back the last records are looked for, in milliseconds: a minute, an hour, a day, then everything.
const LOOK_BACK_MS: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// Reads and prints.
pub(crate) async fn run(args: Tail, out: &Output) -> Outcome {
    let service = Service::connect(&args.connect).await?;
    let mut printer = Printer::new(args.output.clone(), *out);
    let (mut reader, mut room) = match &args.since {
        Some(since) => {
            let start = since.start(edge::wall_ms());
            (open(&service, &args, start).await?, args.number)
        }
        None => {
            let number = args.number.unwrap_or(LAST_RECORDS);
            let (reader, last) = last_records(&service, &args, number).await?;
            for record in &last {
                printer.print(record)?;
            }
            printer.flush()?;
            if !args.follow {
                return Ok(());
            }
            (reader, None)
        }
    };
    // Without -f, what arrives after the command began does not prolong it.
    let begun_ms = edge::wall_ms();
    while room != Some(0) {
        match reader.next().await? {
            Event::Record(record) if !args.follow && record.arrived_ms > begun_ms => break,
            Event::Record(record) => {
                printer.print(&record)?;
                room = room.map(|room| room - 1);
            }
            Event::CaughtUp if !args.follow => break,
            Event::CaughtUp => printer.flush()?,
        }
    }
    printer.flush()
}

async fn open(service: &Service, args: &Tail, start: Start) -> Outcome<StreamReader> {
    let reader = StreamReader::open(service, &args.stream, start, args.shard.as_deref()).await?;
    Ok(if args.as_stored { reader.without_unpacking() } else { reader })
}

/// The last records of the stream, and the reader that goes on after them. The API cannot read backwards, so this looks back further
/// and further until there are enough.
async fn last_records(service: &Service, args: &Tail, number: usize) -> Outcome<(StreamReader, VecDeque<Record>)> {
    let begun_ms = edge::wall_ms();
    if number == 0 {
        let reader = open(service, args, Start::Latest).await?;
        return Ok((reader, VecDeque::new()));
    }
    let starts = LOOK_BACK_MS.iter().map(|back| Start::At(begun_ms - back)).chain([Start::TrimHorizon]);
    for start in starts {
        let mut reader = open(service, args, start).await?;
        let mut last = VecDeque::new();
        loop {
            let event = reader.next().await?;
            let caught_up = match event {
                Event::Record(record) => {
                    let is_new = record.arrived_ms > begun_ms;
                    if last.len() == number {
                        last.pop_front();
                    }
                    last.push_back(record);
                    is_new
                }
                Event::CaughtUp => true,
            };
            if caught_up && (last.len() == number || start == Start::TrimHorizon) {
                return Ok((reader, last));
            }
            if caught_up {
                break;
            }
        }
    }
    let reader = open(service, args, Start::Latest).await?;
    Ok((reader, VecDeque::new()))
}

/// Writes records in one format.
struct Printer {
    format: Format,
    out: Output,
    width: usize,
    head_is_due: bool,
}

impl Printer {
    fn new(format: Option<Format>, out: Output) -> Self {
        let for_people = out.data_is_for_people();
        let format = format.unwrap_or(if for_people { Format::Table } else { Format::Json });
        let width = if for_people { output::width(std::io::stdout()) } else { usize::MAX };
        Self { format, out, width, head_is_due: true }
    }

    fn print(&mut self, record: &Record) -> Outcome {
        if std::mem::take(&mut self.head_is_due)
            && let Some(head) = self.format.head()
        {
            self.out.line(&self.out.paint(output::Style::Bold, &head))?;
        }
        self.out.bytes(&self.format.write(record, self.width))
    }

    fn flush(&self) -> Outcome {
        self.out.flush()
    }
}
