//! Every image that a power cut could have left of a history, recovered and held to what was acknowledged by then.

use super::super::rig::{DIRECTORY, ManualClock, Seeded};
use super::history::{Author, History, SHARDS, poll, queue, reopen};
use super::model::{Model, Request, View, difference, observe};
use crate::files::Files;
use crate::files::sim::{CrashPoint, SimFiles, Unsynced};
use crate::{Change, Key, OpenError, Opened, Transaction, check};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Images drawn at random where there are too many for all.
    pub(super) samples: usize,
    /// One in so many sync points.
    pub(super) one_in: u64,
    /// Only this sync point.
    pub(super) point: Option<usize>,
    /// Only this image of it.
    pub(super) image: Option<usize>,
}

impl Scope {
    /// What issue 4 asks for.
    pub(super) const ALL: Self = Self { samples: 200, one_in: 1, point: None, image: None };
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) histories: u64,
    pub(super) points: u64,
    /// Sync points of which every image was made.
    pub(super) exhaustive: u64,
    pub(super) images: u64,
    pub(super) distinct: u64,
    /// Openings, some of which lost power in the middle.
    pub(super) recoveries: u64,
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { histories, points, exhaustive, images, distinct, recoveries } = self;
        write!(
            f,
            "{histories} histories, {points} sync points ({exhaustive} with all their images), {images} images ({distinct} distinct), {recoveries} recoveries"
        )
    }
}

/// An image that was not recovered as it should be.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) seed: u64,
    /// Sync point and image, and what arrived in it. `None`: the history itself went wrong.
    pub(super) image: Option<(usize, usize, String)>,
    pub(super) what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, image, what } = self;
        match image {
            None => write!(f, "{what}\nin the history itself\n  cargo xtask crash-images --seed {seed} --histories 1"),
            Some((point, image, arrived)) => write!(
                f,
                "{what}\nof what was not synced\n{arrived}  cargo xtask crash-images --seed {seed} --point {point} --image {image}"
            ),
        }
    }
}

/// Lives the history of a seed on a disk as `prepare` makes it and looks at every image.
pub(super) fn explore(
    seed: u64,
    scope: Scope,
    prepare: impl FnOnce(&SimFiles),
    totals: &mut Totals,
) -> Result<(), Failure> {
    let files = SimFiles::new();
    prepare(&files);
    totals.histories += 1;
    let history = guarded(|| Author::write(seed, &files)).map_err(|what| Failure { seed, image: None, what })?;
    let dice = Seeded::new(seed ^ 0x2545_f491_4f6c_dd1d);
    let mut known = HashMap::new();
    let mut replay = history.record.replay();
    let mut number = 0;
    while let Some(operations) = replay.next_sync() {
        let is_chosen = scope.point.map_or_else(|| dice.below(scope.one_in) == 0, |point| point == number);
        if is_chosen {
            let point = replay.crash_point(scope.samples, seed ^ number as u64);
            totals.points += 1;
            totals.exhaustive += u64::from(point.is_exhaustive());
            explore_point(&history, operations, &point, scope.image, &mut known, totals)
                .map_err(|(image, what)| Failure { seed, image: Some((number, image, point.describe(image))), what })?;
        }
        number += 1;
    }
    Ok(())
}

fn explore_point(
    history: &History,
    operations: usize,
    point: &CrashPoint,
    only: Option<usize>,
    known: &mut HashMap<u64, usize>,
    totals: &mut Totals,
) -> Result<(), (usize, String)> {
    let numbers = only.map_or(0..point.images(), |image| image..image + 1);
    for number in numbers {
        let image = point.image(number);
        totals.images += 1;
        let state = match known.get(&image.fingerprint) {
            // The same disk, left by another cut: it is recovered to the same state.
            Some(state) => *state,
            None => {
                totals.distinct += 1;
                let state = guarded(|| recover(history, operations, &image.files, image.fingerprint, totals))
                    .map_err(|what| (number, what))?;
                known.insert(image.fingerprint, state);
                state
            }
        };
        if !history.allows(operations, state) {
            let what = format!("recovered state {state} of the history, which is not what was acknowledged by then");
            return Err((number, what));
        }
    }
    Ok(())
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without words")))
    })
}

fn opening(files: &SimFiles, totals: &mut Totals) -> Result<(Opened, View), String> {
    totals.recoveries += 1;
    let opened = reopen(files, &Arc::<ManualClock>::default(), 0).map_err(|error| error.to_string())?;
    let view = observe(&opened.log, SHARDS)?;
    Ok((opened, view))
}

/// Recovers an image and writes on: the number of the state that it holds. Of most images a copy meets with more than that.
fn recover(
    history: &History,
    operations: usize,
    image: &SimFiles,
    fingerprint: u64,
    totals: &mut Totals,
) -> Result<usize, String> {
    let copy = (fingerprint % 8 < 5).then(|| image.crash(Unsynced::Lost));
    let (opened, found) = opening(image, totals)?;
    let state = history.allowed(operations).find(|(_, view)| **view == found).map(|(state, _)| state);
    let state = state.ok_or_else(|| {
        let differences: Vec<_> = history.allowed(operations).map(|(_, view)| difference(&found, view)).collect();
        differences.join("\nor\n")
    })?;

    if let Some(copy) = copy {
        let dice = Seeded::new(fingerprint);
        match fingerprint % 8 {
            0 => cut_again(&copy, &found, &dice, totals, |_| Ok(None))?,
            1 => cut_again(&copy, &found, &dice, totals, |opened| write_on(opened, found.clone()).map(Some))?,
            2 | 3 => cut_again(&copy, &found, &dice, totals, close)?,
            _ => check_clean(&copy)?,
        }
    }

    let expected = write_on(opened, found)?;
    let (_, found) = opening(&image.crash(Unsynced::Lost), totals).map_err(|error| format!("written on: {error}"))?;
    if found != expected {
        return Err(format!("after writing on and another power cut: {}", difference(&found, &expected)));
    }
    Ok(state)
}

/// Loses power once more, at any moment of a recovery or of what `then` does. It comes to what was found before, or to all that
/// `then` says it has written.
fn cut_again(
    image: &SimFiles,
    found: &View,
    dice: &Seeded,
    totals: &mut Totals,
    then: impl FnOnce(Opened) -> Result<Option<View>, String>,
) -> Result<(), String> {
    image.record();
    let written = then(opening(image, totals)?.0)?;
    let record = image.take_record().ok_or("no record")?;
    let mut replay = record.replay();
    // Half of the times at the end, where something is always unsynced.
    let last = record.len() as u64;
    let cut = if dice.below(2) == 0 { dice.below(last + 1) } else { last - dice.below(last.min(2) + 1) };
    replay.advance_to(cut as usize);
    let point = replay.crash_point(0, 0);
    let left = match dice.below(2) {
        0 => point.sample_image(dice.next()),
        _ => point.image(dice.below(point.images() as u64) as usize),
    };
    let (_, again) = opening(&left.files, totals).map_err(|error| format!("after a second cut: {error}"))?;
    if again == *found || Some(&again) == written.as_ref() {
        return Ok(());
    }
    Err(format!("after a second cut: {}", difference(&again, found)))
}

/// Writes the smallest batch, which is nearly all zeros.
fn close(mut opened: Opened) -> Result<Option<View>, String> {
    opened.writer.close_batch().map_err(|fatal| format!("cannot close: {fatal}"))?;
    Ok(None)
}

/// What a power cut leaves is no damage. Before the first manifest there is nothing to check.
fn check_clean(image: &SimFiles) -> Result<(), String> {
    let files: Arc<dyn Files> = Arc::new(image.clone());
    match check(&files, Path::new(DIRECTORY)) {
        Ok(report) if report.findings.is_empty() => Ok(()),
        Ok(report) => Err(format!("the check finds {:?}", report.findings)),
        Err(OpenError::NoLog { .. }) if image.contents(&Path::new(DIRECTORY).join("MANIFEST")).is_none() => Ok(()),
        Err(error) => Err(format!("cannot be checked: {error}")),
    }
}

/// Writing works after a recovery: to every shard, and to the catalog.
fn write_on(mut opened: Opened, found: View) -> Result<View, String> {
    const NUMBER: u64 = 1 << 40;
    let shards: Vec<_> = found.shards.keys().map(|shard| (*shard, vec![NUMBER + shard])).collect();
    let version = found.catalog.values().map(|(version, _)| *version).max();
    let put = Change::Put { key: Key::new("written on"), value: version.unwrap_or(0).to_string().into() };
    let commit = Request::Commit(vec![Transaction { changes: vec![put], ..Transaction::default() }]);
    let append = Request::Append { runs: shards, length: 50 };
    let mut model = Model::from(found);
    let mut pending: Vec<_> = Vec::new();
    if !model.view.shards.is_empty() {
        pending.push(queue(&opened, &append));
        drop(model.apply(&append));
    }
    pending.push(queue(&opened, &commit));
    opened.writer.turn().map_err(|fatal| format!("cannot write on: {fatal}"))?;
    for pending in &mut pending {
        let answer = poll(pending).ok_or("no answer")?;
        answer.map_err(|error| format!("cannot write on: {error}"))?;
    }
    opened.housekeeper.step().map_err(|error| format!("housekeeping fails after recovery: {error}"))?;
    let written = opened.log.get(&Key::new("written on")).ok_or("what was put is not there")?;
    model.view.catalog.insert("written on".to_owned(), (written.version, written.value.to_vec()));
    Ok(model.view)
}
