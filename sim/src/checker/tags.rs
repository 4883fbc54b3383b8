//! Tags: what was written last is what is listed. Each client writes tags of its own, one after the other.

use super::Findings;
use super::model::Model;
use crate::history::{Outcome, list, text};

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    let calls = &model.history.calls;
    let mut writes = Vec::new();
    for call in calls.iter().filter(|call| call.operation == "AddTagsToStream") {
        for (key, value) in call.input["Tags"].as_object().into_iter().flatten() {
            writes.push((text(&call.input, "StreamName"), key.as_str(), value.as_str().unwrap_or_default(), call));
        }
    }
    for listing in calls.iter().filter(|call| call.operation == "ListTagsForStream") {
        let Some(answer) = listing.outcome.done() else { continue };
        let stream = text(&listing.input, "StreamName");
        let mut keys: Vec<&str> = writes.iter().filter(|(of, ..)| *of == stream).map(|(_, key, ..)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let found = list(answer, "Tags").iter().find(|tag| text(tag, "Key") == key).map(|tag| text(tag, "Value"));
            let mine = writes.iter().filter(|(of, name, ..)| *of == stream && *name == key);
            // The last that is sure, and whatever may have been done since; one whose outcome is unknown may be done late.
            let done = mine.clone().filter(|(.., call)| call.outcome.done().is_some() && call.ended < listing.begun);
            let last = done.max_by_key(|(.., call)| call.ended);
            let is_possible = mine.clone().any(|(_, _, value, call)| {
                let is_last = last.is_some_and(|(.., last)| last.begun == call.begun);
                let is_later = call.begun < listing.ended && call.ended >= listing.begun;
                let is_open = call.outcome == Outcome::Unknown && call.begun < listing.ended;
                found == Some(*value) && (is_last || is_later || is_open)
            });
            let is_absent = found.is_none() && last.is_none();
            if !is_possible && !is_absent {
                let expected = last.map(|(_, _, value, _)| *value);
                findings.add("tags", format!("{stream}: {key} is {found:?}, and was set to {expected:?}"));
            }
        }
    }
}
