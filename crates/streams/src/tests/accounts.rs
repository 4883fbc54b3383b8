//! The commitment of an account, which outlasts a restart and its own revocation.

use super::*;
use rheos_types::ConsumerName;

const DAY_MS: u64 = 24 * HOUR_MS;

#[tokio::test]
async fn a_commitment_holds_for_a_day_at_least() {
    let mut bench = Bench::new().await;
    let described = |bench: &Bench| bench.streams.describe_account(&bench.ns);
    assert_eq!(described(&bench), BillingCommitment::Never);
    assert_eq!(bench.streams.update_account(&bench.ns, false).await.unwrap(), BillingCommitment::Never);
    assert!(!bench.streams.billing_commitment(&bench.ns));

    let enabled = BillingCommitment::Enabled { started_ms: START_MS, earliest_end_ms: START_MS + DAY_MS };
    assert_eq!(bench.streams.update_account(&bench.ns, true).await.unwrap(), enabled);
    bench.clock.advance(HOUR_MS);
    assert_eq!(bench.streams.update_account(&bench.ns, true).await.unwrap(), enabled, "since when it was");
    let elsewhere = Namespace { region: Region::new("eu-west-3").unwrap(), ..bench.ns.clone() };
    assert_eq!(bench.streams.describe_account(&elsewhere), BillingCommitment::Never);

    let ending = BillingCommitment::Ending { started_ms: START_MS, end_ms: START_MS + DAY_MS };
    assert_eq!(bench.streams.update_account(&bench.ns, false).await.unwrap(), ending);
    assert_eq!(bench.streams.update_account(&bench.ns, true).await.unwrap(), enabled, "the end is called off");
    bench.streams.update_account(&bench.ns, false).await.unwrap();
    bench.restart().await;
    assert_eq!(described(&bench), ending);
    assert!(bench.streams.billing_commitment(&bench.ns));
    bench.clock.set_wall(START_MS + DAY_MS);
    let ended = BillingCommitment::Ended { started_ms: START_MS, ended_ms: START_MS + DAY_MS };
    assert_eq!(described(&bench), ended);
    assert_eq!(bench.streams.update_account(&bench.ns, false).await.unwrap(), ended);
    assert!(!bench.streams.billing_commitment(&bench.ns));

    bench.streams.update_account(&bench.ns, true).await.unwrap();
    bench.clock.advance(2 * DAY_MS);
    let now_ms = bench.clock.wall_ms();
    let ended = BillingCommitment::Ended { started_ms: START_MS + DAY_MS, ended_ms: now_ms };
    assert_eq!(bench.streams.update_account(&bench.ns, false).await.unwrap(), ended, "after its term, at once");
}

#[tokio::test]
async fn on_demand_streams_of_a_committed_account_have_more_consumers() {
    let bench = Bench::new().await;
    let name = name_of("a");
    let request = CreateStream { mode: Mode::OnDemand, ..CreateStream::of(&name) };
    bench.streams.create_stream(&bench.ns, request).await.unwrap();
    bench.settle().await;
    let provisioned = bench.create("b", 1).await;
    bench.streams.update_account(&bench.ns, true).await.unwrap();
    for (stream, limit) in [(&name, 50), (&provisioned, 20)] {
        for n in 0..limit {
            let consumer = ConsumerName::new(&format!("c{n}")).unwrap();
            bench.streams.register_consumer(&bench.ns, stream, &consumer, &BTreeMap::new()).await.unwrap();
            bench.settle().await;
        }
        let more = ConsumerName::new("more").unwrap();
        let refused = bench.streams.register_consumer(&bench.ns, stream, &more, &BTreeMap::new()).await;
        assert!(matches!(refused, Err(RegisterConsumerError::TooMany { limit: told, .. }) if told == limit));
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_keeps_the_streams_closed() {
    let bench = Bench::new().await;
    let key = crate::catalog::account_key(&bench.ns);
    let damage = rheos_log::Change::Put { key: key.clone(), value: bytes::Bytes::from_static(b"?") };
    let transaction = rheos_log::Transaction { changes: vec![damage], ..Default::default() };
    let log = memory_log(bench.clock.clone());
    log.commit(vec![transaction]).await.unwrap()[0].as_ref().unwrap();
    let (clock, random, root) = (bench.clock.clone(), bench.random.clone(), bench.root.clone());
    let opened = Streams::open(log, clock, random, root, Config::default()).await;
    assert!(matches!(opened, Err(OpenError::Damaged { key: named }) if named == key.as_str()));
}
