//! Several shards as one sequence: what has been fetched from each, and what may be handed out next. Pure: no clock, no network.

use std::collections::VecDeque;

use super::Record;

/// A shard as far as merging is concerned.
#[derive(Debug, Default)]
struct Lane {
    fetched: VecDeque<Record>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// More may come that is older than what the other shards hold.
    #[default]
    Behind,
    /// The last answer was empty and said that nothing is left for now.
    AtTip,
    /// Closed and read to its end.
    Ended,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// The oldest record that was not handed out.
    Record(Record),
    /// A shard is behind and has nothing fetched: its records may be older than those of others.
    Wait,
    /// Everything fetched is handed out, and every open shard is at its tip.
    CaughtUp,
}

/// The shards that are read. A record is handed out when no shard that is behind could still have an older one.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    lanes: Vec<Lane>,
}

impl Merge {
    /// Adds a shard and returns its number.
    pub(crate) fn open(&mut self) -> usize {
        self.lanes.push(Lane::default());
        self.lanes.len() - 1
    }

    /// An answer with records.
    pub(crate) fn fetched(&mut self, lane: usize, records: impl IntoIterator<Item = Record>) {
        self.lanes[lane].fetched.extend(records);
        self.lanes[lane].state = State::Behind;
    }

    /// An empty answer that says that nothing is left for now.
    pub(crate) fn at_tip(&mut self, lane: usize) {
        self.lanes[lane].state = State::AtTip;
    }

    /// The last answer of a closed shard.
    pub(crate) fn ended(&mut self, lane: usize) {
        self.lanes[lane].state = State::Ended;
    }

    /// Forgets that shards were at their tips: only new answers count.
    pub(crate) fn doubt_tips(&mut self) {
        for lane in &mut self.lanes {
            if lane.state == State::AtTip {
                lane.state = State::Behind;
            }
        }
    }

    /// How many records of a shard wait to be handed out.
    pub(crate) fn waiting(&self, lane: usize) -> usize {
        self.lanes[lane].fetched.len()
    }

    /// Whether the shard was read to its end.
    pub(crate) fn has_ended(&self, lane: usize) -> bool {
        self.lanes[lane].state == State::Ended
    }

    /// The next record by time of arrival; ties go to the shard that was opened first.
    pub(crate) fn next(&mut self) -> Next {
        if self.lanes.iter().any(|lane| lane.state == State::Behind && lane.fetched.is_empty()) {
            return Next::Wait;
        }
        let heads = self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.fetched.front()?.arrived_ms, at)));
        match heads.min() {
            Some((_, at)) => self.lanes[at].fetched.pop_front().map_or(Next::Wait, Next::Record),
            None => Next::CaughtUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record(arrived_ms: i64) -> Record {
        Record {
            shard: Arc::from("s"),
            sequence: String::new(),
            sub_sequence: None,
            key: String::new(),
            data: Vec::new(),
            arrived_ms,
        }
    }

    fn taken(merge: &mut Merge) -> Vec<i64> {
        let next = std::iter::from_fn(|| match merge.next() {
            Next::Record(record) => Some(record.arrived_ms),
            Next::Wait | Next::CaughtUp => None,
        });
        next.collect()
    }

    #[test]
    fn records_come_by_arrival_and_wait_for_shards_that_are_behind() {
        let mut merge = Merge::default();
        let (a, b) = (merge.open(), merge.open());
        merge.fetched(a, [record(1), record(4)]);
        assert_eq!(merge.next(), Next::Wait);
        merge.fetched(b, [record(2), record(3)]);
        assert_eq!(taken(&mut merge), [1, 2, 3], "4 waits: b may have an older record");
        merge.at_tip(b);
        assert_eq!(taken(&mut merge), [4]);
        assert_eq!(merge.next(), Next::Wait, "a may have more");
        merge.at_tip(a);
        assert_eq!(merge.next(), Next::CaughtUp);
    }

    #[test]
    fn a_shard_that_ended_holds_nobody_up() {
        let mut merge = Merge::default();
        let (a, b) = (merge.open(), merge.open());
        merge.fetched(a, [record(5)]);
        merge.ended(a);
        merge.at_tip(b);
        assert_eq!(taken(&mut merge), [5]);
        assert_eq!(merge.next(), Next::CaughtUp);
        assert!(merge.has_ended(a));
    }

    #[test]
    fn doubted_tips_need_new_answers() {
        let mut merge = Merge::default();
        let a = merge.open();
        merge.at_tip(a);
        merge.doubt_tips();
        assert_eq!(merge.next(), Next::Wait);
        merge.fetched(a, [record(1)]);
        assert_eq!(taken(&mut merge), [1]);
    }
}
