//! One suite for every store of leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use rheos_types::{HashKey, HashRange};

use super::coordinator::{FleetVersion, LeaderLock, WorkerMetrics};
use super::store::{Attribute, Change, Expect, Row, Table, Updated};
use super::{Changed, Checkpoint, Lease, LeaseStore, LeaseTable, MemoryLeaseStore, Pending, Progress};

#[tokio::test]
async fn memory_does_what_a_store_does() {
    every_promise(Arc::new(MemoryLeaseStore::new())).await;
}

/// Holds a store without rows to everything that the consumer relies on.
pub(super) async fn every_promise(store: Arc<dyn LeaseStore>) {
    store.prepare().await.unwrap();
    store.prepare().await.expect("tables that are there are left as they are");
    rows_are_changed_on_conditions(&*store).await;
    let table = LeaseTable::new(store);
    leases_come_back_as_they_were(&table).await;
    a_lease_has_one_owner(&table).await;
    a_handover_keeps_the_old_owner_going(&table).await;
    the_counter_fences_checkpoints(&table).await;
    facts_about_a_shard_need_no_owner(&table).await;
    rows_of_others_are_no_leases(&table).await;
    one_worker_leads(&table).await;
    workers_say_how_busy_they_are(&table).await;
}

fn made(changed: Changed) -> Lease {
    match changed {
        Changed::Made(lease) => lease,
        Changed::Refused(lease) => panic!("refused; there is {lease:?}"),
    }
}

fn refused(changed: Changed) -> Option<Lease> {
    match changed {
        Changed::Made(lease) => panic!("made: {lease:?}"),
        Changed::Refused(lease) => lease,
    }
}

fn at(sequence_number: &str, sub: u64) -> Checkpoint {
    Checkpoint::parse(sequence_number, sub).unwrap()
}

async fn fresh(table: &LeaseTable, key: &str) -> Lease {
    let lease = Lease::new(key, Checkpoint::TrimHorizon);
    assert!(table.create(&lease).await.unwrap());
    lease
}

async fn rows_are_changed_on_conditions(store: &dyn LeaseStore) {
    let row = Row::from([
        ("leaseKey".to_owned(), Attribute::text("row")),
        ("entityType".to_owned(), Attribute::text("TEST")),
        ("leaseCounter".to_owned(), Attribute::number(7)),
    ]);
    assert!(store.create(Table::Leases, row.clone()).await.unwrap());
    assert!(!store.create(Table::Leases, row.clone()).await.unwrap(), "it is there");
    assert_eq!(store.get(Table::Leases, "row").await.unwrap(), Some(row.clone()));
    assert_eq!(store.get(Table::Leases, "none").await.unwrap(), None);
    let wrong = [
        Expect::Equals("leaseCounter", Attribute::number(8)),
        Expect::Equals("leaseOwner", Attribute::text("a")),
        Expect::Present("leaseOwner"),
        Expect::Absent("leaseCounter"),
    ];
    for expect in wrong {
        let changes = vec![Change::Put("leaseOwner", Attribute::text("a"))];
        let expected = vec![Expect::Present("leaseKey"), expect];
        let updated = store.update(Table::Leases, "row", expected.clone(), changes).await.unwrap();
        assert_eq!(updated, Updated::Refused(Some(row.clone())), "{expected:?}");
        assert!(!store.delete(Table::Leases, "row", expected).await.unwrap());
    }
    let updated =
        store.update(Table::Leases, "none", vec![Expect::Present("leaseKey")], vec![Change::Add("leaseCounter", 1)]);
    assert_eq!(updated.await.unwrap(), Updated::Refused(None), "a condition makes no row");
    let changes = vec![
        Change::Add("leaseCounter", 3),
        Change::Add("ownerSwitchesSinceCheckpoint", 1),
        Change::Put("leaseOwner", Attribute::text("a")),
        Change::Delete("entityType"),
        Change::Delete("checkpointOwner"),
    ];
    let expected = vec![Expect::Equals("leaseCounter", Attribute::number(7)), Expect::Absent("leaseOwner")];
    let Updated::Made(row) = store.update(Table::Leases, "row", expected, changes).await.unwrap() else {
        panic!("all was as expected")
    };
    let after = Row::from([
        ("leaseKey".to_owned(), Attribute::text("row")),
        ("leaseCounter".to_owned(), Attribute::number(10)),
        ("ownerSwitchesSinceCheckpoint".to_owned(), Attribute::number(1)),
        ("leaseOwner".to_owned(), Attribute::text("a")),
    ]);
    assert_eq!(row, after);
    assert!(store.delete(Table::Leases, "row", Vec::new()).await.unwrap());
    assert_eq!(store.scan(Table::Leases).await.unwrap(), Vec::<Row>::new());
}

async fn leases_come_back_as_they_were(table: &LeaseTable) {
    let lease = Lease {
        owner: Some("worker".to_owned()),
        counter: 12,
        owner_switches_since_checkpoint: 3,
        pending: Some(Pending { checkpoint: at("45", 2), state: Some(Bytes::from_static(b"\0state")) }),
        parents: BTreeSet::from(["shardId-000000000000".to_owned(), "shardId-000000000001".to_owned()]),
        children: BTreeSet::from(["shardId-000000000003".to_owned()]),
        hash_range: Some(HashRange { start: HashKey(5), end: HashKey::MAX }),
        throughput_kbps: Some(1.25),
        checkpoint_owner: Some("before".to_owned()),
        stream: Some("1:s:2".to_owned()),
        shard: Some("shardId-000000000002".to_owned()),
        ..Lease::new("1:s:2:shardId-000000000002", at("44", 1))
    };
    assert!(table.create(&lease).await.unwrap());
    assert_eq!(table.get(&lease.key).await.unwrap(), Some(lease.clone()));
    let bare = Lease { checkpoint: None, ..Lease::new("bare", Checkpoint::Latest) };
    assert!(table.create(&bare).await.unwrap());
    assert_eq!(table.list().await.unwrap(), [lease.clone(), bare.clone()]);
    for lease in [lease, bare] {
        table.delete(&lease.key).await.unwrap();
        table.delete(&lease.key).await.expect("it is gone already");
        assert_eq!(table.get(&lease.key).await.unwrap(), None);
    }
}

async fn a_lease_has_one_owner(table: &LeaseTable) {
    let lease = fresh(table, "one-owner").await;
    assert!(!table.create(&Lease::new("one-owner", Checkpoint::Latest)).await.unwrap());
    let taken = made(table.take(&lease, "a").await.unwrap());
    assert_eq!((taken.owner.as_deref(), taken.counter, taken.owner_switches_since_checkpoint), (Some("a"), 1, 1));
    assert_eq!(refused(table.take(&lease, "b").await.unwrap()), Some(taken.clone()), "b was too late");
    assert_eq!(table.keys_of("a").await.unwrap(), ["one-owner"]);
    assert!(table.keys_of("b").await.unwrap().is_empty());
    let again = made(table.take(&taken, "a").await.unwrap());
    assert_eq!((again.counter, again.owner_switches_since_checkpoint), (2, 1), "it was a's before");
    let assigned = made(table.assign(&again, "b").await.unwrap());
    assert_eq!((assigned.owner.as_deref(), assigned.counter), (Some("b"), 3));
    assert_eq!(refused(table.renew(&again, false).await.unwrap()), Some(assigned.clone()));
    assert_eq!(refused(table.assign(&again, "c").await.unwrap()), Some(assigned.clone()), "a is not its owner");
    let renewed = made(table.renew(&Lease { throughput_kbps: Some(2.5), ..assigned.clone() }, false).await.unwrap());
    assert_eq!((renewed.counter, renewed.throughput_kbps), (4, Some(2.5)));
    assert_eq!(refused(table.evict(&again).await.unwrap()), Some(renewed.clone()));
    let free = made(table.evict(&assigned).await.unwrap());
    assert_eq!((free.owner.clone(), free.counter), (None, 5), "by its owner, whatever the counter");
    assert_eq!(refused(table.renew(&renewed, false).await.unwrap()), Some(free.clone()));
    assert_eq!(
        refused(table.start_handoff(&free, "a").await.unwrap()),
        Some(free.clone()),
        "nobody could hand it over"
    );
    let assigned = made(table.assign(&free, "c").await.unwrap());
    assert_eq!((assigned.owner.as_deref(), assigned.counter), (Some("c"), 6));
    table.delete("one-owner").await.unwrap();
    assert_eq!(refused(table.assign(&assigned, "d").await.unwrap()), None, "an assignment makes no lease");
    assert_eq!(refused(table.renew(&assigned, false).await.unwrap()), None);
}

async fn a_handover_keeps_the_old_owner_going(table: &LeaseTable) {
    let lease = fresh(table, "handover").await;
    let held = made(table.take(&lease, "old").await.unwrap());
    let asked = made(table.start_handoff(&held, "new").await.unwrap());
    assert_eq!((asked.owner.as_deref(), asked.checkpoint_owner.as_deref()), (Some("new"), Some("old")));
    assert_eq!((asked.counter, asked.actual_owner()), (held.counter, Some("old")));
    assert!(refused(table.start_handoff(&asked, "other").await.unwrap()).is_some(), "one at a time");
    assert_eq!(refused(table.renew(&held, false).await.unwrap()), Some(asked.clone()), "so the old owner learns of it");
    let renewed = made(table.renew(&asked, true).await.unwrap());
    let written = made(table.checkpoint(&renewed, &Progress::Checkpoint(at("5", 0))).await.unwrap());
    assert_eq!((written.checkpoint.clone(), written.counter), (Some(at("5", 0)), 3));
    let handed = made(table.assign(&written, "new").await.unwrap());
    assert_eq!((handed.owner.as_deref(), handed.checkpoint_owner.clone(), handed.counter), (Some("new"), None, 4));
    assert_eq!(handed.owner_switches_since_checkpoint, 1);
    assert!(refused(table.renew(&written, true).await.unwrap()).is_some(), "the old owner is out");
    let asked = made(table.start_handoff(&handed, "third").await.unwrap());
    let forced = made(table.evict(&asked).await.unwrap());
    assert_eq!(
        (forced.owner.as_deref(), forced.checkpoint_owner),
        (Some("third"), None),
        "the new owner has it at once"
    );
    table.delete("handover").await.unwrap();
}

async fn the_counter_fences_checkpoints(table: &LeaseTable) {
    let lease = fresh(table, "fence").await;
    let old = made(table.take(&lease, "old").await.unwrap());
    let pending = Pending { checkpoint: at("9", 1), state: Some(Bytes::from_static(b"s")) };
    let prepared = made(table.checkpoint(&old, &Progress::Prepare(pending.clone())).await.unwrap());
    assert_eq!((prepared.pending.clone(), prepared.checkpoint.clone()), (Some(pending), Some(Checkpoint::TrimHorizon)));
    let new = made(table.take(&prepared, "new").await.unwrap());
    assert_eq!(new.owner_switches_since_checkpoint, 2);
    let written = made(table.checkpoint(&new, &Progress::Checkpoint(at("10", 4))).await.unwrap());
    assert_eq!((written.checkpoint.clone(), written.pending.clone()), (Some(at("10", 4)), None));
    assert_eq!(written.owner_switches_since_checkpoint, 0);
    let late = table.checkpoint(&prepared, &Progress::Checkpoint(at("9", 1))).await.unwrap();
    assert_eq!(refused(late), Some(written.clone()), "the old owner writes over nothing");
    let stateless = Pending { checkpoint: at("11", 0), state: None };
    let prepared = made(table.checkpoint(&written, &Progress::Prepare(stateless.clone())).await.unwrap());
    assert_eq!(prepared.pending, Some(stateless));
    let reset = made(table.reset(&prepared, &Checkpoint::Latest).await.unwrap());
    assert_eq!(
        (reset.owner.clone(), reset.checkpoint.clone(), reset.pending.clone()),
        (None, Some(Checkpoint::Latest), None)
    );
    assert!(refused(table.renew(&prepared, false).await.unwrap()).is_some(), "whoever held it has lost it");
    table.delete("fence").await.unwrap();
}

async fn facts_about_a_shard_need_no_owner(table: &LeaseTable) {
    let lease = fresh(table, "facts").await;
    let held = made(table.take(&lease, "a").await.unwrap());
    let children = BTreeSet::from(["c1".to_owned(), "c2".to_owned()]);
    let range = HashRange { start: HashKey(1), end: HashKey(2) };
    assert!(table.set_children("facts", &children).await.unwrap());
    assert!(table.set_hash_range("facts", range).await.unwrap());
    let there = table.get("facts").await.unwrap().unwrap();
    assert_eq!(there, Lease { children: children.clone(), hash_range: Some(range), ..held });
    table.delete("facts").await.unwrap();
    assert!(!table.set_children("facts", &children).await.unwrap());
    assert_eq!(table.get("facts").await.unwrap(), None, "a fact makes no lease");
}

async fn rows_of_others_are_no_leases(table: &LeaseTable) {
    let row = |key: &str, extra: &[(&str, Attribute)]| {
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Row::from_iter([("leaseKey".to_owned(), Attribute::text(key))].into_iter().chain(extra))
    };
    let rows = [
        row("stream", &[("entityType", Attribute::text("STREAM")), ("streamId", Attribute::text("x"))]),
        row("v2", &[("leaseCounter", Attribute::number(4)), ("checkpoint", Attribute::text("LATEST"))]),
        row("broken", &[("checkpoint", Attribute::text("no checkpoint"))]),
        row(
            "quirk",
            &[
                ("checkpoint", Attribute::text("3")),
                ("pendingCheckpoint", Attribute::text("4")),
                ("pendingCheckpointState", Attribute::number(0)),
                (
                    "somebodyElses",
                    Attribute::L(vec![Attribute::M(BTreeMap::from([("a".to_owned(), Attribute::Bool(true))]))]),
                ),
            ],
        ),
    ];
    for row in &rows {
        assert!(table.store().create(Table::Leases, row.clone()).await.unwrap());
    }
    let leases = table.list().await.unwrap();
    let quirk =
        Lease { pending: Some(Pending { checkpoint: at("4", 0), state: None }), ..Lease::new("quirk", at("3", 0)) };
    let v2 = Lease { counter: 4, ..Lease::new("v2", Checkpoint::Latest) };
    assert_eq!(leases, [quirk, v2.clone()], "a broken row stops no other");
    assert!(table.get("broken").await.is_err());
    let quirk = &table.store().get(Table::Leases, "quirk").await.unwrap().unwrap();
    assert_eq!(quirk["somebodyElses"], rows[3]["somebodyElses"]);
    assert!(made(table.take(&v2, "a").await.unwrap()).owner.is_some());
    let taken = Lease { counter: 0, ..leases[0].clone() };
    // A lease that Java made has a counter; one without is nobody's to take.
    assert!(refused(table.take(&taken, "a").await.unwrap()).is_some());
    for row in rows {
        table.delete(row["leaseKey"].as_text().unwrap()).await.unwrap();
    }
}

async fn one_worker_leads(table: &LeaseTable) {
    let lock = |owner: &str, version: &str| LeaderLock {
        owner: owner.to_owned(),
        version: version.to_owned(),
        duration_ms: 120_000,
    };
    assert_eq!(table.leader().await.unwrap(), None);
    let (a, b) = (lock("a", "1"), lock("b", "2"));
    assert!(table.take_leadership(&a, None).await.unwrap());
    assert!(!table.take_leadership(&b, None).await.unwrap());
    assert_eq!(table.leader().await.unwrap(), Some(a.clone()));
    assert!(table.keep_leadership(&a, "3").await.unwrap());
    assert!(!table.take_leadership(&b, Some(&a)).await.unwrap(), "a has given a sign of life");
    let a = lock("a", "3");
    assert!(table.take_leadership(&b, Some(&a)).await.unwrap());
    assert!(!table.keep_leadership(&a, "4").await.unwrap());
    table.give_up_leadership(&a).await.unwrap();
    assert_eq!(table.leader().await.unwrap(), Some(b.clone()), "it is not a's to give up");
    table.give_up_leadership(&b).await.unwrap();
    assert_eq!(table.leader().await.unwrap(), None);
    assert_eq!(table.fleet_version().await.unwrap(), FleetVersion::Unknown);
}

async fn workers_say_how_busy_they_are(table: &LeaseTable) {
    let busy = WorkerMetrics {
        worker: "a".to_owned(),
        updated_s: 5,
        samples: BTreeMap::from([("C".to_owned(), vec![12.5, -1.0])]),
        limits: BTreeMap::from([("C".to_owned(), 80)]),
    };
    let idle =
        WorkerMetrics { worker: "b".to_owned(), samples: BTreeMap::new(), limits: BTreeMap::new(), ..busy.clone() };
    table.put_worker_metrics(&busy).await.unwrap();
    table.put_worker_metrics(&idle).await.unwrap();
    assert_eq!(table.list_worker_metrics().await.unwrap(), [busy.clone(), idle.clone()]);
    assert!(busy.is_failing() && !idle.is_failing());
    let later = WorkerMetrics { updated_s: 6, ..idle.clone() };
    table.put_worker_metrics(&later).await.unwrap();
    assert!(!table.delete_worker_metrics(&idle).await.unwrap(), "it has said something since");
    assert!(table.delete_worker_metrics(&later).await.unwrap());
    assert_eq!(table.list_worker_metrics().await.unwrap(), std::slice::from_ref(&busy));
    assert!(table.delete_worker_metrics(&busy).await.unwrap());
    assert!(table.list().await.unwrap().is_empty(), "they are no leases");
}
