//! The departures, as they are in the extract, and the records that are made of them.
//!
//! A record is the JSON of one departure; its partition key is the aircraft's tail number, or `unknown-` and the carrier for the flights
//! that never got an aircraft. Records are in the order in which the flights left; a cancelled flight has its scheduled time.

use std::io::Read;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

/// `demo/README.md` says where it comes from.
const EXTRACT: &[u8] = include_bytes!("../../../../../demo/departures-2013-01.csv.gz");
const MINUTES_OF_DAY: i32 = 24 * 60;

/// One departure, planned or real. Its JSON is the data of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departure {
    /// The row in the extract, from 1: the identity of the record.
    pub(crate) id: u32,
    /// When it left, or should have left; minutes of local time since the month began.
    #[serde(with = "local_time", rename = "time")]
    pub(crate) minute: i32,
    /// Minutes late, negative if early; none if the flight was cancelled.
    pub(crate) delay: Option<i32>,
    pub(crate) carrier: String,
    pub(crate) flight: String,
    pub(crate) tailnum: Option<String>,
    pub(crate) origin: String,
    pub(crate) dest: String,
}

impl Departure {
    /// The partition key of its record.
    pub(crate) fn key(&self) -> String {
        match &self.tailnum {
            Some(tailnum) => tailnum.clone(),
            None => format!("unknown-{}", self.carrier),
        }
    }

    /// The hour of the month in which it left.
    pub(crate) fn hour(&self) -> i32 {
        self.minute.div_euclid(60)
    }
}

/// Every departure, in the order in which they left.
pub(crate) fn departures() -> Result<Vec<Departure>, String> {
    let mut text = String::new();
    GzDecoder::new(EXTRACT)
        .read_to_string(&mut text)
        .map_err(|error| format!("the extract cannot be unpacked: {error}"))?;
    let rows = text.lines().skip(1).enumerate();
    let mut all: Vec<Departure> = rows
        .map(|(at, row)| {
            parse(at + 1, row).ok_or_else(|| format!("row {} of the extract makes no sense: {row}", at + 1))
        })
        .collect::<Result<_, _>>()?;
    all.sort_by_key(|departure| (departure.minute, departure.id));
    Ok(all)
}

fn parse(number: usize, row: &str) -> Option<Departure> {
    let mut fields = row.split(',');
    let mut field = || fields.next();
    let day: i32 = field()?.parse().ok()?;
    let (hour, minute) = field()?.split_at_checked(2)?;
    let scheduled = (day - 1) * MINUTES_OF_DAY + hour.parse::<i32>().ok()? * 60 + minute.parse::<i32>().ok()?;
    let delay = match field()? {
        "" => None,
        minutes => Some(minutes.parse::<i32>().ok()?),
    };
    Some(Departure {
        id: u32::try_from(number).ok()?,
        minute: scheduled + delay.unwrap_or(0),
        delay,
        carrier: field()?.to_owned(),
        flight: field()?.to_owned(),
        tailnum: Some(field()?.to_owned()).filter(|tailnum| !tailnum.is_empty()),
        origin: field()?.to_owned(),
        dest: field()?.to_owned(),
    })
}

/// Minutes since the month began as `2013-01-14T08:30`. The last flights of the month leave on the first day of the next.
pub(crate) mod local_time {
    use serde::{Deserialize, Deserializer, Serializer};

    const DAYS_OF_JANUARY: i32 = 31;

    /// The time as text.
    pub(crate) fn text(minute: i32) -> String {
        let day = minute.div_euclid(super::MINUTES_OF_DAY);
        let (month, day) = match day {
            ..0 => return format!("2012-12-{:02}T{}", DAYS_OF_JANUARY + day + 1, clock(minute)),
            0..DAYS_OF_JANUARY => (1, day),
            _ => (2, day - DAYS_OF_JANUARY),
        };
        format!("2013-{month:02}-{:02}T{}", day + 1, clock(minute))
    }

    fn clock(minute: i32) -> String {
        let minute = minute.rem_euclid(super::MINUTES_OF_DAY);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }

    fn parse(text: &str) -> Option<i32> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i32>().ok();
        let first_day = match text.get(..7)? {
            "2012-12" => -DAYS_OF_JANUARY,
            "2013-01" => 0,
            "2013-02" => DAYS_OF_JANUARY,
            _ => return None,
        };
        Some((first_day + number(8, 10)? - 1) * super::MINUTES_OF_DAY + number(11, 13)? * 60 + number(14, 16)?)
    }

    pub(crate) fn serialize<S: Serializer>(minute: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*minute))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no time of the demo")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extract_is_whole() {
        let all = departures().unwrap();
        assert_eq!(all.len(), 27_004);
        assert_eq!(all.iter().filter(|departure| departure.delay.is_none()).count(), 521);
        assert_eq!(all.iter().filter(|departure| departure.tailnum.is_none()).count(), 155);
        assert!(all.is_sorted_by_key(|departure| departure.minute));
        let ids: std::collections::HashSet<u32> = all.iter().map(|departure| departure.id).collect();
        assert_eq!(ids.len(), 27_004);
    }

    #[test]
    fn records_survive_json() {
        for departure in departures().unwrap() {
            let json = serde_json::to_string(&departure).unwrap();
            assert_eq!(serde_json::from_str::<Departure>(&json).unwrap(), departure);
        }
    }

    #[test]
    fn times_and_keys() {
        assert_eq!(local_time::text(0), "2013-01-01T00:00");
        assert_eq!(local_time::text(-1), "2012-12-31T23:59");
        assert_eq!(local_time::text(31 * MINUTES_OF_DAY + 61), "2013-02-01T01:01");
        let late = parse(1, "1,2359,2,UA,1545,N14228,EWR,IAH").unwrap();
        assert_eq!((late.minute, late.key().as_str()), (MINUTES_OF_DAY + 1, "N14228"));
        let cancelled = parse(2, "2,1545,,AA,133,,JFK,LAX").unwrap();
        assert_eq!((cancelled.delay, cancelled.key().as_str()), (None, "unknown-AA"));
        assert_eq!(cancelled.hour(), 24 + 15);
        assert_eq!(parse(3, "2,15,,AA"), None);
    }
}
