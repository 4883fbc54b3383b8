//! Waiting for records: nothing polls, and nobody is left waiting.

use super::rig::{DIRECTORY, Model, Rig, SMALL, Seeded, options};
use crate::files::sim::SimFiles;
use crate::log::{READS_RUNNING, READS_WAITING};
use crate::medium::disk::Disk;
use crate::{Change, Log, ReadError, open};
use rheos_types::ShardKey;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// One who waits, and how often it was woken.
struct Waiting<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<'a> Waiting<'a> {
    fn new(log: &'a Log, shard: ShardKey, from: u64) -> Self {
        Self { future: Box::pin(async move { log.wait(shard, from).await }), wakes: Arc::default() }
    }

    fn is_over(&mut self) -> bool {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

#[test]
fn whoever_waits_is_woken_by_records_of_the_shard_and_by_nothing_else() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(2);
    rig.append(&mut model, &shards, 3, 10).expect("appends");
    let watched = rig.log.clone();
    let mut there_already = Waiting::new(&watched, shards[0], 2);
    let mut waits = Waiting::new(&watched, shards[0], 3);
    assert!(there_already.is_over());
    assert!(!waits.is_over());
    rig.append(&mut model, &shards[1..], 1, 10).expect("appends");
    assert_eq!(waits.wakes(), 0, "another shard's records are none of its business");
    let (_, unwritten) = rig.queue(&shards[..1], 1, 10);
    assert_eq!(waits.wakes(), 0, "what is not durable is not there");
    rig.writer.turn().expect("writes");
    drop(unwritten);
    assert_eq!(waits.wakes(), 1);
    assert!(waits.is_over());
}

#[test]
fn the_end_of_a_shard_wakes_too() {
    let mut rig = Rig::new(&SimFiles::new());
    let shards = rig.open_shards(2);
    let watched = rig.log.clone();
    let mut closed = Waiting::new(&watched, shards[0], 0);
    let mut dropped = Waiting::new(&watched, shards[1], 0);
    assert!(!closed.is_over() && !dropped.is_over());
    rig.commit(vec![Change::CloseShard { shard: shards[0] }, Change::DropShard { shard: shards[1] }]).expect("commits");
    assert!(closed.is_over() && dropped.is_over());
    assert!(Waiting::new(&watched, shards[0], 9).is_over(), "nothing comes any more");
    assert!(Waiting::new(&watched, shards[1], 0).is_over(), "nothing comes any more");
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn reads_from_files_that_nobody_has_taken_yet_are_few_however_many_wait() {
    let (mut rig, mut model) = (Rig::new(&SimFiles::new()), Model::new());
    let shards = rig.open_shards(1);
    for _ in 0..20 {
        rig.append(&mut model, &shards, 4, 4 << 10).expect("appends");
    }
    let (files, clock) = (rig.files.clone(), rig.clock.clone());
    drop(rig);
    let disk = Disk::open(Arc::new(files), Path::new(DIRECTORY), SMALL, &Seeded::new(7)).expect("the disk opens");
    let (log, mut steps) = open(Arc::new(disk), clock, options()).expect("the log opens").into_steps();
    let read = || Box::pin(log.read(shards[0], 0, 1, 1));
    let mut reads: Vec<_> = (0..READS_RUNNING + READS_WAITING).map(|_| read()).collect();
    assert!(reads.iter_mut().all(|read| poll(read).is_pending()));
    let Poll::Ready(refused) = poll(&mut read()) else { panic!("one more is refused at once") };
    assert!(matches!(refused, Err(ReadError::Overloaded)));
    while !reads.is_empty() {
        // All of them are done and none is taken: the others have not begun.
        assert_eq!(steps.reads_waiting(), READS_RUNNING.min(reads.len()));
        while steps.reads_waiting() > 0 {
            steps.read();
        }
        reads.retain_mut(|read| match poll(read) {
            Poll::Ready(blocks) => {
                assert_eq!(blocks.expect("reads")[0].first(), 0);
                false
            }
            Poll::Pending => true,
        });
        for read in &mut reads {
            assert!(poll(read).is_pending());
        }
    }
}
