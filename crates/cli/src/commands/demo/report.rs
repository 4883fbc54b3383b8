//! The end of the demo: what the three applications wrote, compared with the source.

use std::path::Path;

use super::apps::{aggregate, archive, dashboard};
use super::crew::NAMES;
use super::extract::Departure;
use super::ledger;
use super::verify::{Finding, hourly_totals};
use crate::commands::demo::apps::dashboard::Board;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style, Table};
use crate::units::grouped;

/// Compares, prints a table, and fails if anything differs.
pub(super) fn check(directory: &Path, source: &[Departure], out: &Output) -> Outcome {
    let findings = [
        Finding::compare(source, &ledger::read(&directory.join(NAMES[0]))?),
        Finding::compare(source, &ledger::read(&directory.join(NAMES[1]))?),
        Finding::compare(source, &archive::read(&directory.join(NAMES[2]))?),
    ];
    let mut expected_board = Board::default();
    source.iter().for_each(|departure| expected_board.add(departure));
    let same_board = same_totals(&dashboard::read(&directory.join(NAMES[0]))?, &expected_board);
    let same_totals = aggregate::read(&directory.join(NAMES[1]))? == hourly_totals(source);
    let results = [
        ("airports", same_board),
        ("hours", same_totals),
        // The archive holds nothing but the records.
        ("", true),
    ];
    let mut table = Table::new(&[
        "application",
        ">records",
        ">missing",
        ">doubled",
        ">unknown",
        ">out of order",
        ">shards",
        "result",
    ]);
    let mut good = true;
    for ((name, finding), (what, same)) in NAMES.iter().zip(&findings).zip(results) {
        let number = |count: usize| grouped(count as u64);
        let verdict = match (finding.is_good(), same, what) {
            (true, true, "") => String::from("complete"),
            (true, true, what) => format!("complete, {what} add up"),
            (true, false, what) => format!("WRONG: {what} differ"),
            (false, ..) => String::from("WRONG"),
        };
        good &= finding.is_good() && same;
        table.row([
            (*name).to_owned(),
            number(finding.records),
            number(finding.missing),
            number(finding.doubled),
            number(finding.unknown),
            number(finding.out_of_order),
            number(finding.shards),
            verdict,
        ]);
    }
    let source_size = grouped(source.len() as u64);
    out.line(&format!("What the applications wrote, compared with the {source_size} departures of the source:"))?;
    out.line("")?;
    table.lines(out).iter().try_for_each(|line| out.line(line))?;
    out.line("")?;
    if !good {
        return Err(Failure::new("the applications did not see every departure once and in order"));
    }
    out.line(
        &out.paint(Style::Green, "Three readers, one stream: nothing missing, nothing doubled, each shard in order."),
    )
}

/// The figures only: which hour was last on the little chart depends on the order of the shards.
fn same_totals(board: &Board, expected: &Board) -> bool {
    let totals = |board: &Board| -> Vec<_> {
        board.airports.iter().map(|(code, airport)| (code.clone(), airport.totals.clone())).collect()
    };
    totals(board) == totals(expected)
}
