//! Waiting for records: nothing polls, and nobody is left waiting.

use super::rig::{Model, Rig};
use crate::files::sim::SimFiles;
use crate::{Change, Log};
use rheos_types::ShardKey;
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
