//! Whether an application saw every departure once, and each shard in order. It must be able to say no: the tests drop, double and
//! reorder records.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::extract::Departure;
use super::ledger::Seen;

/// What a comparison with the source found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) records: usize,
    pub(crate) shards: usize,
    /// Departures that were not seen.
    pub(crate) missing: usize,
    /// Records beyond the first of a departure.
    pub(crate) doubled: usize,
    /// Records that are no departure of the source.
    pub(crate) unknown: usize,
    /// Records whose sequence number is not above the one seen before in their shard.
    pub(crate) out_of_order: usize,
}

impl Finding {
    /// Compares what was seen, in the order in which it was seen, with the source.
    pub(crate) fn compare(source: &[Departure], seen: &[Seen]) -> Self {
        let expected: HashSet<u32> = source.iter().map(|departure| departure.id).collect();
        let mut found = HashSet::new();
        let mut last = HashMap::<&str, &str>::new();
        let mut finding = Self { records: seen.len(), ..Self::default() };
        for record in seen {
            if !expected.contains(&record.id) {
                finding.unknown += 1;
            } else if !found.insert(record.id) {
                finding.doubled += 1;
            }
            let before = last.insert(&record.shard, &record.sequence);
            if before.is_some_and(|before| !is_above(&record.sequence, before)) {
                finding.out_of_order += 1;
            }
        }
        finding.missing = expected.len() - found.len();
        finding.shards = last.len();
        finding
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.missing + self.doubled + self.unknown + self.out_of_order == 0
    }
}

/// Whether one decimal number is greater than another; sequence numbers have 56 digits.
fn is_above(number: &str, other: &str) -> bool {
    (number.len(), number) > (other.len(), other)
}

/// What left an airport in an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) departures: u32,
    pub(crate) cancelled: u32,
    /// The sum of all delays, so that means of longer times can be computed.
    pub(crate) delay_minutes: i64,
}

impl Totals {
    /// Counts a departure.
    pub(crate) fn add(&mut self, departure: &Departure) {
        match departure.delay {
            Some(delay) => {
                self.departures += 1;
                self.delay_minutes += i64::from(delay);
            }
            None => self.cancelled += 1,
        }
    }

    /// The mean delay of those that left.
    pub(crate) fn mean_delay(&self) -> Option<f64> {
        (self.departures > 0).then(|| self.delay_minutes as f64 / f64::from(self.departures))
    }
}

/// Totals by hour of the month and airport.
pub(crate) type HourlyTotals = BTreeMap<(i32, String), Totals>;

/// The totals of the source.
pub(crate) fn hourly_totals(departures: &[Departure]) -> HourlyTotals {
    let mut totals = HourlyTotals::new();
    for departure in departures {
        totals.entry((departure.hour(), departure.origin.clone())).or_default().add(departure);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::super::extract::departures;
    use super::*;

    fn source() -> Vec<Departure> {
        departures().unwrap().into_iter().take(100).collect()
    }

    /// The source as an application sees it when nothing goes wrong.
    fn seen(source: &[Departure]) -> Vec<Seen> {
        let entries = source.iter().enumerate().map(|(at, departure)| Seen {
            shard: format!("shardId-{:012}", at % 4),
            sequence: format!("{}", 90 + at),
            id: departure.id,
        });
        entries.collect()
    }

    #[test]
    fn a_good_run_is_good() {
        let source = source();
        let finding = Finding::compare(&source, &seen(&source));
        assert!(finding.is_good(), "{finding:?}");
        assert_eq!((finding.records, finding.shards), (100, 4));
    }

    #[test]
    fn a_dropped_record_is_missed() {
        let source = source();
        let mut seen = seen(&source);
        seen.remove(50);
        let finding = Finding::compare(&source, &seen);
        assert_eq!((finding.missing, finding.is_good()), (1, false));
    }

    #[test]
    fn a_doubled_record_is_noticed() {
        let source = source();
        let mut seen = seen(&source);
        let mut again = seen[50].clone();
        again.sequence = String::from("900");
        seen.push(again);
        let finding = Finding::compare(&source, &seen);
        assert_eq!((finding.doubled, finding.out_of_order, finding.is_good()), (1, 0, false));
    }

    #[test]
    fn the_same_record_read_twice_is_noticed() {
        let source = source();
        let mut seen = seen(&source);
        seen.insert(51, seen[50].clone());
        let finding = Finding::compare(&source, &seen);
        assert_eq!((finding.doubled, finding.out_of_order), (1, 1));
    }

    #[test]
    fn reordered_records_are_noticed() {
        let source = source();
        let mut seen = seen(&source);
        seen.swap(50, 54);
        let finding = Finding::compare(&source, &seen);
        assert_eq!((finding.missing, finding.doubled), (0, 0));
        assert!(finding.out_of_order > 0 && !finding.is_good());
    }

    #[test]
    fn a_foreign_record_is_noticed() {
        let source = source();
        let mut seen = seen(&source);
        seen[50].id = 999_999;
        let finding = Finding::compare(&source, &seen);
        assert_eq!((finding.missing, finding.unknown, finding.is_good()), (1, 1, false));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(is_above("100", "99"));
        assert!(!is_above("99", "100"));
        assert!(!is_above("100", "100"));
    }

    #[test]
    fn totals_notice_a_lost_departure() {
        let source = departures().unwrap();
        let whole = hourly_totals(&source);
        assert_eq!(whole.values().map(|totals| totals.departures + totals.cancelled).sum::<u32>(), 27_004);
        assert_ne!(hourly_totals(&source[1..]), whole);
        assert_eq!(Totals::default().mean_delay(), None);
    }
}
