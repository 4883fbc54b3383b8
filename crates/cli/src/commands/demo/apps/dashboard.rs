//! The live picture: departures, cancellations and mean delay by airport.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Consumer;
use crate::commands::demo::extract::{Departure, local_time};
use crate::commands::demo::ledger::Ledger;
use crate::commands::demo::verify::Totals;
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style, Table};
use crate::reader::Record;
use crate::units::grouped;

/// Hours in the little chart.
const CHART_HOURS: usize = 24;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What the dashboard shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Board {
    /// The latest departure's minute of the month.
    pub(crate) minute: i32,
    pub(crate) airports: BTreeMap<String, Airport>,
}

/// One airport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Airport {
    pub(crate) totals: Totals,
    /// The hour of the last entry of `recent`.
    hour: i32,
    /// Departures in the latest hours.
    recent: VecDeque<u32>,
}

impl Board {
    /// Counts a departure.
    pub(crate) fn add(&mut self, departure: &Departure) {
        self.minute = self.minute.max(departure.minute);
        let airport = self.airports.entry(departure.origin.clone()).or_default();
        airport.totals.add(departure);
        if departure.delay.is_some() {
            airport.chart(departure.hour());
        }
    }

    /// The picture, as lines for a terminal.
    pub(crate) fn lines(&self, out: &Output) -> Vec<String> {
        let mut table =
            Table::new(&["airport", ">departures", ">cancelled", ">mean delay", "departures an hour, one day"]);
        let hour = self.minute.div_euclid(60);
        for (code, airport) in &self.airports {
            let delay = airport.totals.mean_delay().map_or_else(String::new, |delay| format!("{delay:+.1} min"));
            table.row([
                format!("{code}  {}", full_name(code)),
                grouped(airport.totals.departures.into()),
                grouped(airport.totals.cancelled.into()),
                delay,
                airport.bars(hour),
            ]);
        }
        let clock = local_time::text(self.minute).replace('T', "  ");
        let mut lines = vec![format!("{}  local time", out.paint(Style::Cyan, &clock)), String::new()];
        lines.extend(table.lines(out));
        lines
    }
}

impl Airport {
    fn chart(&mut self, hour: i32) {
        if self.recent.is_empty() {
            self.hour = hour;
        }
        while self.hour < hour {
            self.hour += 1;
            self.recent.push_back(0);
        }
        if self.recent.is_empty() {
            self.recent.push_back(0);
        }
        while self.recent.len() > CHART_HOURS {
            self.recent.pop_front();
        }
        // A departure of an hour that is no longer shown is in the totals only.
        let back = usize::try_from(self.hour - hour).unwrap_or(usize::MAX);
        let at = self.recent.len().checked_sub(back.saturating_add(1));
        if let Some(count) = at.and_then(|at| self.recent.get_mut(at)) {
            *count += 1;
        }
    }

    /// One bar for each hour up to `hour`.
    fn bars(&self, hour: i32) -> String {
        let highest = self.recent.iter().copied().max().unwrap_or(0).max(1);
        let idle = usize::try_from(hour - self.hour).unwrap_or(0).min(CHART_HOURS);
        let counts = self.recent.iter().copied().chain(std::iter::repeat_n(0, idle));
        let bars: Vec<char> =
            counts.map(|count| BARS[(count as usize * (BARS.len() - 1)).div_ceil(highest as usize)]).collect();
        bars[bars.len().saturating_sub(CHART_HOURS)..].iter().collect()
    }
}

fn full_name(code: &str) -> &str {
    match code {
        "EWR" => "Newark",
        "JFK" => "Kennedy",
        "LGA" => "LaGuardia",
        other => other,
    }
}

/// The application.
pub(super) struct Dashboard {
    board: Board,
    files: Option<(PathBuf, Ledger)>,
}

impl Dashboard {
    /// An empty board; with a directory, what was seen and the last picture are written there.
    pub(super) fn new(directory: Option<&Path>) -> Outcome<Self> {
        let files = match directory {
            Some(directory) => Some((board_file(directory), Ledger::create(directory)?)),
            None => None,
        };
        Ok(Self { board: Board::default(), files })
    }
}

impl Consumer for Dashboard {
    fn take(&mut self, record: &Record, departure: &Departure) -> Outcome {
        self.board.add(departure);
        match &mut self.files {
            Some((_, ledger)) => ledger.note(record, departure.id),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Outcome {
        let Some((path, ledger)) = &mut self.files else { return Ok(()) };
        ledger.flush()?;
        let text = serde_json::to_vec(&self.board)
            .map_err(|error| Failure::new(format!("cannot write the board: {error}")))?;
        let written = edge::create(path).and_then(|mut file| file.write_all(&text));
        written.map_err(|error| Failure::io(path.display(), &error))
    }

    fn board(&self) -> Option<&Board> {
        Some(&self.board)
    }
}

fn board_file(directory: &Path) -> PathBuf {
    directory.join("board.json")
}

/// The last picture that a dashboard wrote.
pub(crate) fn read(directory: &Path) -> Outcome<Board> {
    let path = board_file(directory);
    let text = edge::read(&path).map_err(|error| Failure::io(path.display(), &error))?;
    serde_json::from_slice(&text).map_err(|error| Failure::new(format!("{} is no board: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::extract::departures;

    #[test]
    fn the_chart_shows_a_day() {
        let mut airport = Airport::default();
        for hour in [10, 10, 12, 11, 40] {
            airport.chart(hour);
        }
        assert_eq!(airport.recent.len(), CHART_HOURS);
        assert_eq!(airport.bars(40).chars().count(), CHART_HOURS);
        assert!(airport.bars(40).ends_with('█'));
        assert!(airport.bars(41).ends_with('▁'));
        airport.chart(3);
        assert_eq!(airport.recent.iter().sum::<u32>(), 1, "an hour long past changes nothing");
    }

    #[test]
    fn the_board_counts_everything() {
        let mut board = Board::default();
        let all = departures().unwrap();
        all.iter().for_each(|departure| board.add(departure));
        let sum: u32 =
            board.airports.values().map(|airport| airport.totals.departures + airport.totals.cancelled).sum();
        assert_eq!((sum as usize, board.airports.len()), (all.len(), 3));
    }
}
