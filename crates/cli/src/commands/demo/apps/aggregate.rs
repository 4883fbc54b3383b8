//! Totals of each hour and airport, as JSON lines in one file for each day.
//!
//! An hour is written when the stream is a day past it. A departure that comes later still is not lost: its hour gets another line, and
//! the lines of an hour add up.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Consumer;
use crate::commands::demo::extract::{Departure, local_time};
use crate::commands::demo::ledger::Ledger;
use crate::commands::demo::verify::{HourlyTotals, Totals};
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::reader::Record;

/// How far the stream must be past an hour before the hour is written.
const GRACE_HOURS: i32 = 24;

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(with = "local_time", rename = "hour")]
    minute: i32,
    airport: String,
    #[serde(flatten)]
    totals: Totals,
    mean_delay: Option<f64>,
}

/// The application.
pub(super) struct Aggregate {
    directory: PathBuf,
    ledger: Ledger,
    open: HourlyTotals,
    latest_hour: i32,
    files: HashMap<String, BufWriter<File>>,
}

impl Aggregate {
    /// Nothing counted yet; files go to the directory.
    pub(super) fn new(directory: &Path) -> Outcome<Self> {
        let (ledger, directory) = (Ledger::create(directory)?, directory.to_owned());
        Ok(Self { directory, ledger, open: HourlyTotals::new(), latest_hour: i32::MIN, files: HashMap::new() })
    }

    /// Writes the hours before `hour`.
    fn write_before(&mut self, hour: i32) -> Outcome {
        let later = self.open.split_off(&(hour, String::new()));
        for ((hour, airport), totals) in std::mem::replace(&mut self.open, later) {
            let line = Line { minute: hour * 60, airport, mean_delay: totals.mean_delay(), totals };
            let text =
                serde_json::to_string(&line).map_err(|error| Failure::new(format!("cannot write totals: {error}")))?;
            let day = local_time::text(line.minute)[..10].to_owned();
            let path = self.directory.join(format!("totals-{day}.jsonl"));
            let failed = |error: std::io::Error| Failure::io(path.display(), &error);
            let file = match self.files.entry(day) {
                std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(BufWriter::new(edge::create(&path).map_err(failed)?))
                }
            };
            writeln!(file, "{text}").map_err(failed)?;
        }
        Ok(())
    }
}

impl Consumer for Aggregate {
    fn take(&mut self, record: &Record, departure: &Departure) -> Outcome {
        self.ledger.note(record, departure.id)?;
        let hour = departure.hour();
        self.open.entry((hour, departure.origin.clone())).or_default().add(departure);
        if hour > self.latest_hour {
            self.latest_hour = hour;
            self.write_before(hour - GRACE_HOURS)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Outcome {
        self.write_before(i32::MAX)?;
        for file in self.files.values_mut() {
            file.flush().map_err(|error| Failure::io("totals", &error))?;
        }
        self.ledger.flush()
    }
}

/// The totals that an aggregator wrote, all its files added up.
pub(crate) fn read(directory: &Path) -> Outcome<HourlyTotals> {
    let mut sum = HourlyTotals::new();
    let entries = std::fs::read_dir(directory).map_err(|error| Failure::io(directory.display(), &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::io(directory.display(), &error))?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let file = edge::open(&path).map_err(|error| Failure::io(path.display(), &error))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| Failure::io(path.display(), &error))?;
            let line: Line = serde_json::from_str(&line)
                .map_err(|error| Failure::new(format!("{}: `{line}` is no total: {error}", path.display())))?;
            let totals = sum.entry((line.minute.div_euclid(60), line.airport)).or_default();
            totals.departures += line.totals.departures;
            totals.cancelled += line.totals.cancelled;
            totals.delay_minutes += line.totals.delay_minutes;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::commands::demo::extract::departures;
    use crate::commands::demo::verify::hourly_totals;

    #[test]
    fn files_add_up_to_the_source_even_out_of_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut all = departures().unwrap();
        let expected = hourly_totals(&all);
        // The first departures come last of all, long after their hours were written.
        all.rotate_left(500);
        let mut aggregate = Aggregate::new(directory.path()).unwrap();
        let record = Record {
            shard: Arc::from("s"),
            sequence: String::from("1"),
            sub_sequence: None,
            key: String::new(),
            data: Vec::new(),
            arrived_ms: 0,
        };
        all.iter().for_each(|departure| aggregate.take(&record, departure).unwrap());
        aggregate.finish().unwrap();
        assert_eq!(read(directory.path()).unwrap(), expected);
    }
}
