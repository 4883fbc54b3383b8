//! The checker: decides from calls and answers alone whether the server kept its promises.
//!
//! Nothing here knows what the simulation did; times are those at which a call was sent and its outcome known. One call
//! came before another only if it had ended before the other was sent.

mod lineage;
mod model;
mod puts;
mod reads;
mod tags;
mod throttle;

#[cfg(test)]
mod tests;

use crate::history::History;
use model::Model;

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that is broken.
    pub rule: &'static str,
    /// How.
    pub what: String,
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: &'static str, what: String) {
        self.0.push(Violation { rule, what });
    }
}

/// Everything that is wrong with a history.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut findings = Findings::default();
    let model = Model::of(history, &mut findings);
    puts::check(&model, &mut findings);
    reads::check(&model, &mut findings);
    lineage::check(&model, &mut findings);
    tags::check(&model, &mut findings);
    throttle::check(&model, &mut findings);
    findings.0
}

/// How many records were acknowledged.
#[must_use]
pub fn acknowledged(history: &History) -> u64 {
    model::puts_of(history).iter().filter(|put| put.acked.is_some()).count() as u64
}

/// How many records were read, by everybody.
#[must_use]
pub fn records_read(history: &History) -> u64 {
    let answers = history.calls.iter().filter(|call| call.operation == "GetRecords");
    answers
        .filter_map(|call| call.outcome.done())
        .map(|answer| crate::history::list(answer, "Records").len() as u64)
        .sum()
}
