//! Streams on demand: records without keys, growth under load, modes, warm throughput.

use super::shard_counts::{assert_lineage, assert_uniform};
use super::*;

const DAY_MS: u64 = 24 * HOUR_MS;
const WINDOW_MS: u64 = 10_000;

impl Bench {
    async fn on_demand(&self, name: &str, distribution: Distribution) -> StreamName {
        let name = name_of(name);
        let request = CreateStream { mode: Mode::OnDemand, distribution, ..CreateStream::of(&name) };
        self.streams.create_stream(&self.ns, request).await.unwrap();
        self.settle().await;
        name
    }

    /// Puts records of these sizes, without keys, in one call: the shard of each that was stored.
    async fn spread(&self, stream: &StreamName, sizes: &[usize]) -> Vec<Option<u32>> {
        let data = vec![b'x'; 1 << 20];
        let entry = |size: &usize| Entry { data: &data[..*size], partition_key: None, explicit_hash_key: None };
        let entries: Vec<_> = sizes.iter().map(entry).collect();
        let outcomes = self.streams.put_records(&self.ns, stream, &entries).await.unwrap();
        let shard = |outcome: &Outcome| match outcome {
            Outcome::Stored(stored) => Some(stored.shard.0),
            Outcome::Throttled { .. } => None,
            Outcome::Failed(failure) => panic!("{failure}"),
        };
        outcomes.iter().map(shard).collect()
    }

    /// Puts `kib` KiB at each of these hash keys.
    async fn load(&self, stream: &StreamName, keys: &[u128], kib: usize) {
        let data = vec![b'x'; 1 << 10];
        for key in keys {
            let hash = key.to_string();
            let entry = Entry { data: &data, partition_key: Some("k"), explicit_hash_key: Some(&hash) };
            for _ in 0..kib.div_ceil(500) {
                let outcomes = self.streams.put_records(&self.ns, stream, &vec![entry; kib.min(500)]).await.unwrap();
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
            }
        }
    }

    /// Lets the service look at the loads, and do what follows.
    async fn look(&self) {
        self.clock.advance(WINDOW_MS);
        self.settle().await;
    }

    fn summary(&self, stream: &StreamName) -> StreamInfo {
        self.streams.describe_stream_summary(&self.ns, stream).unwrap()
    }

    async fn switch(&self, stream: &StreamName, mode: Mode, warm: Option<u32>) -> Result<(), ModeError> {
        self.streams.update_mode(&self.ns, stream, mode, warm).await
    }

    async fn distribute(&self, stream: &StreamName, distribution: Distribution) -> Result<(), DistributionError> {
        self.streams.update_distribution(&self.ns, stream, distribution).await
    }
}

fn by_shard(shards: &[Option<u32>]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    shards.iter().flatten().for_each(|shard| *counts.entry(*shard).or_default() += 1);
    counts
}

#[tokio::test]
async fn records_are_spread_evenly_and_need_no_key() {
    let bench = Bench::open().await;
    let a = bench.on_demand("a", Distribution::Auto).await;
    // Calls one after the other, of one record each: each shard in turn. Keys decide nothing.
    let hash = "5";
    let keyed = Entry { data: b"x", partition_key: Some("k"), explicit_hash_key: Some(hash) };
    let mut shards = Vec::new();
    for _ in 0..40 {
        shards.push(Some(bench.streams.put_record(&bench.ns, &a, keyed, None).await.unwrap().shard.0));
    }
    assert_eq!(by_shard(&shards), BTreeMap::from([(0, 10), (1, 10), (2, 10), (3, 10)]));
    assert!(bench.spread(&a, &[1; 500]).await.windows(2).all(|pair| pair[0] == pair[1]), "a call goes to one shard");
    // Calls of very different sizes in a rhythm that would always put the large ones into the same shards.
    let mut bytes = BTreeMap::<u32, usize>::new();
    for call in 0..400 {
        let size = if call % 2 == 0 { 60_000 } else { 10 };
        *bytes.entry(bench.spread(&a, &[size]).await[0].unwrap()).or_default() += size;
    }
    let (least, most) = (bytes.values().min().unwrap(), bytes.values().max().unwrap());
    assert!(bytes.len() == 4 && *most <= least + least / 5, "{bytes:?}");

    let first = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
    let keys: Vec<_> =
        bench.read(&first, None).await.unwrap().iter().map(|record| record.partition_key.is_some()).collect();
    assert!(keys[..10].iter().all(|is_there| *is_there) && !keys[10], "a key that was given is kept, none is none");
}

#[tokio::test]
async fn no_record_is_refused_while_a_shard_has_room_for_it() {
    let bench = Bench::new().await;
    let a = bench.on_demand("a", Distribution::Auto).await;
    let large = bench.spread(&a, &[400 << 10; 10]).await;
    assert_eq!(by_shard(&large), BTreeMap::from([(0, 2), (1, 2), (2, 2), (3, 2)]));
    assert_eq!(large[8..], [None, None]);
    // 224 KiB are left in each, whatever was refused before.
    let mixed = bench.spread(&a, &[400 << 10, 200 << 10, 300 << 10, 200 << 10, 200 << 10, 200 << 10, 200 << 10]).await;
    let stored: Vec<_> = mixed.iter().map(Option::is_some).collect();
    assert_eq!(stored, [false, true, false, true, true, true, false]);
    assert_eq!(by_shard(&mixed), BTreeMap::from([(0, 1), (1, 1), (2, 1), (3, 1)]));
    bench.clock.advance(1000);
    // Records a second: four times a thousand.
    let mut stored = 0;
    for _ in 0..10 {
        stored += bench.spread(&a, &[1; 500]).await.iter().flatten().count();
    }
    assert_eq!(stored, 4000);
}

#[tokio::test]
async fn what_decides_the_shard_can_be_changed() {
    let bench = Bench::open().await;
    let a = bench.on_demand("a", Distribution::UserPartitionKey).await;
    let keyless = Entry { data: b"x", partition_key: None, explicit_hash_key: None };
    let put = async || bench.streams.put_record(&bench.ns, &a, keyless, None).await;
    assert!(matches!(put().await, Err(PutError::NoPartitionKey)));
    bench.distribute(&a, Distribution::UserPartitionKey).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Active), "that is no change");
    bench.distribute(&a, Distribution::Auto).await.unwrap();
    assert_eq!((bench.status(&a), bench.summary(&a).distribution), (Some(Status::Updating), Distribution::Auto));
    let busy = bench.distribute(&a, Distribution::UserPartitionKey).await;
    assert!(matches!(busy, Err(DistributionError::NotActive(_))));
    put().await.unwrap();
    bench.settle().await;
    bench.distribute(&a, Distribution::UserPartitionKey).await.unwrap();
    assert!(matches!(put().await, Err(PutError::NoPartitionKey)));
    bench.settle().await;

    let provisioned = bench.create("p", 1).await;
    let refused = bench.distribute(&provisioned, Distribution::Auto).await;
    assert!(matches!(refused, Err(DistributionError::Provisioned(_))));
    bench.distribute(&provisioned, Distribution::UserPartitionKey).await.unwrap();
    assert!(matches!(bench.distribute(&name_of("n"), Distribution::Auto).await, Err(DistributionError::NotFound(_))));
    let name = name_of("q");
    let request = CreateStream { distribution: Distribution::Auto, ..CreateStream::of(&name) };
    let refused = bench.streams.create_stream(&bench.ns, request).await;
    assert!(matches!(refused, Err(CreateError::Provisioned(_))));
}

/// Records whose shard has closed since they were spread are spread again, without being counted again.
#[tokio::test]
async fn what_was_spread_to_a_closed_shard_is_spread_again() {
    let bench = Bench::new().await;
    let a = bench.on_demand("a", Distribution::Auto).await;
    let before = bench.streams.stream(&bench.ns, &a).unwrap();
    bench.load_auto(&a).await;
    bench.settle().await;
    assert!(bench.list(&a, ShardFilter::AtLatest).iter().all(|shard| *shard > 3), "all four were hot");
    let entry = Entry { data: b"late", partition_key: None, explicit_hash_key: None };
    let mut outcomes = vec![Outcome::Failed(Failure::NoOpenShard); 3];
    bench.streams.append(before, &[entry; 3], crate::append::Routes::Spread, &mut outcomes).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(stored) if stored.shard.0 > 3)));
}

impl Bench {
    /// Ten seconds of 600 KiB/s into each of four shards.
    async fn load_auto(&self, stream: &StreamName) {
        for _ in 0..10 {
            for _ in 0..24 {
                assert!(self.spread(stream, &[100 << 10]).await[0].is_some());
            }
            self.clock.advance(1000);
        }
    }
}

#[tokio::test]
async fn a_stream_grows_to_twice_what_it_takes_and_stays_active() {
    for bench in [Bench::new().await, Bench::open().await] {
        let a = bench.on_demand("a", Distribution::Auto).await;
        let cold = bench.on_demand("cold", Distribution::Auto).await;
        bench.load_auto(&a).await;
        assert_eq!(bench.summary(&a).open_shards, 4);
        let tick = bench.streams.tick().await;
        assert!(tick.problems.is_empty());
        assert_eq!(bench.status(&a), Some(Status::Active));
        bench.settle().await;
        assert_eq!((bench.summary(&a).open_shards, bench.status(&a)), (8, Some(Status::Active)));
        assert_uniform(&bench.ranges(&a), 8);
        // The same load again leaves each with less than half.
        bench.load_auto(&a).await;
        bench.look().await;
        bench.look().await;
        assert_eq!((bench.summary(&a).open_shards, bench.summary(&cold).open_shards), (8, 4));
        assert_lineage(&bench, &a).await;
    }
}

#[tokio::test]
async fn only_the_hot_shard_is_split_and_between_its_keys() {
    let bench = Bench::open().await;
    let a = bench.on_demand("a", Distribution::UserPartitionKey).await;
    // Of the second shard, two keys in its first sixteenth.
    let quarter = 1 << 126;
    bench.load(&a, &[quarter + 1000, quarter + 3000], 3000).await;
    bench.load(&a, &[0, 3 << 126], 2000).await;
    bench.look().await;
    assert_eq!(bench.list(&a, ShardFilter::AtLatest), [0, 2, 3, 4, 5]);
    assert_eq!(bench.ranges(&a)[2].start.0, quarter + 2001);
    // One key alone: no split would help it.
    bench.load(&a, &[quarter + 1000], 12_000).await;
    bench.look().await;
    assert_eq!(bench.summary(&a).open_shards, 5);
    // Many small records count too: more than half of a thousand a second.
    let entry = |hash| Entry { data: b"", partition_key: Some("k"), explicit_hash_key: Some(hash) };
    for _ in 0..11 {
        bench.streams.put_records(&bench.ns, &a, &[entry("7"); 250]).await.unwrap();
        bench.streams.put_records(&bench.ns, &a, &[entry("70"); 250]).await.unwrap();
    }
    bench.look().await;
    assert_eq!(bench.summary(&a).open_shards, 6);
    assert_lineage(&bench, &a).await;
}

#[tokio::test]
async fn provisioned_streams_do_not_grow_and_what_they_took_is_not_held_against_them() {
    let bench = Bench::open().await;
    let a = bench.create("a", 2).await;
    bench.on_demand("other", Distribution::Auto).await;
    bench.load(&a, &[0, 1 << 127], 20_000).await;
    bench.look().await;
    assert_eq!(bench.summary(&a).open_shards, 2);
    bench.clock.advance(60_000);
    bench.settle().await;
    bench.switch(&a, Mode::OnDemand, None).await.unwrap();
    bench.settle().await;
    bench.look().await;
    assert_eq!(bench.summary(&a).open_shards, 2, "it was long ago");
}

#[tokio::test]
async fn growth_ends_at_what_the_service_has() {
    let bench = Bench::open().await;
    let a = bench.on_demand("a", Distribution::Auto).await;
    for expected in [8, 16, 32, 64, 128, 200, 200] {
        // As if each had taken 6 MiB.
        for shard in bench.streams.stream(&bench.ns, &a).unwrap().open.iter() {
            shard.memory.buckets.write(|bucket| bucket.load.add(6 << 20, bench.clock.monotonic_ms()));
        }
        bench.look().await;
        assert_eq!(bench.summary(&a).open_shards, expected);
    }
}

/// A crash after the intent, and one between closing and opening.
#[tokio::test]
async fn growth_is_finished_after_a_restart_and_nothing_else_begins_meanwhile() {
    let mut bench = Bench::open().await;
    let a = bench.on_demand("a", Distribution::Auto).await;
    bench.load_auto(&a).await;
    let mut problems = Vec::new();
    bench.streams.grow(bench.clock.wall_ms(), &mut problems).await;
    assert!(problems.is_empty());
    assert_eq!((bench.status(&a), bench.summary(&a).open_shards), (Some(Status::Active), 4));
    let busy = bench.streams.increase_retention(&bench.ns, &a, 48).await;
    assert!(matches!(busy, Err(RetentionError::NotActive(NotActive { status: Status::Updating, .. }))));
    let view = bench.streams.stream(&bench.ns, &a).unwrap();
    let mut steps = bench.streams.reshape(&view, &view.record.pending.as_ref().unwrap().intent);
    steps.truncate(1);
    bench.log.commit(steps).await.unwrap()[0].as_ref().unwrap();
    bench.restart().await;
    assert_eq!(bench.status(&a), Some(Status::Active));
    bench.settle().await;
    assert_eq!(bench.summary(&a).open_shards, 8);
    bench.streams.increase_retention(&bench.ns, &a, 48).await.unwrap();
    assert_lineage(&bench, &a).await;
}

#[tokio::test]
async fn the_mode_is_switched_twice_a_day_and_the_shards_stay() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 3).await;
    bench.switch(&a, Mode::Provisioned, None).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Active), "that is no change");
    assert!(matches!(bench.switch(&name_of("b"), Mode::OnDemand, None).await, Err(ModeError::NotFound(_))));
    bench.switch(&a, Mode::OnDemand, None).await.unwrap();
    let stream = bench.summary(&a);
    assert_eq!((stream.status, stream.mode, stream.open_shards), (Status::Updating, Mode::OnDemand, 3));
    assert!(matches!(bench.switch(&a, Mode::Provisioned, None).await, Err(ModeError::NotActive(_))));
    bench.settle().await;
    let refused = bench.streams.update_shard_count(&bench.ns, &a, 2).await;
    assert!(matches!(refused, Err(ShardCountError::OnDemand(_))));
    let refused = bench.streams.split_shard(&bench.ns, &a, "0", "7").await;
    assert!(matches!(refused, Err(SplitError::OnDemand(_))));
    bench.distribute(&a, Distribution::Auto).await.unwrap();
    bench.settle().await;
    bench.clock.advance(HOUR_MS);
    bench.switch(&a, Mode::Provisioned, None).await.unwrap();
    bench.settle().await;
    let stream = bench.summary(&a);
    assert_eq!(
        (stream.mode, stream.open_shards, stream.distribution),
        (Mode::Provisioned, 3, Distribution::UserPartitionKey)
    );
    bench.restart().await;
    let refused = bench.switch(&a, Mode::OnDemand, None).await;
    assert!(matches!(refused, Err(ModeError::TooOften(TooOften { limit: 2, .. }))), "{refused:?}");
    bench.switch(&a, Mode::Provisioned, None).await.unwrap();
    bench.clock.advance(DAY_MS - HOUR_MS);
    bench.switch(&a, Mode::OnDemand, None).await.unwrap();
}

#[tokio::test]
async fn an_account_has_only_so_many_streams_on_demand() {
    let bench = Bench::new().await;
    for n in 0..50 {
        bench.on_demand(&format!("d{n}"), Distribution::UserPartitionKey).await;
    }
    let a = bench.create("a", 1).await;
    let refused = bench.switch(&a, Mode::OnDemand, None).await;
    assert!(matches!(refused, Err(ModeError::OverOnDemandLimit(OverOnDemandLimit { limit: 50, .. }))));
    let name = name_of("d50");
    let request = CreateStream { mode: Mode::OnDemand, ..CreateStream::of(&name) };
    let refused = bench.streams.create_stream(&bench.ns, request).await;
    assert!(matches!(refused, Err(CreateError::OverOnDemandLimit(_))));
}

#[tokio::test]
async fn a_throughput_is_kept_ready() {
    let bench = Bench::open().await;
    let name = name_of("a");
    let request = CreateStream { mode: Mode::OnDemand, warm_mibps: Some(10), ..CreateStream::of(&name) };
    bench.streams.create_stream(&bench.ns, request).await.unwrap();
    bench.settle().await;
    let warm = |target_mibps, current_mibps| WarmThroughput { target_mibps, current_mibps };
    assert_eq!((bench.summary(&name).open_shards, bench.summary(&name).warm), (10, Some(warm(10, 10))));
    let update = async |mibps| bench.streams.update_warm_throughput(&bench.ns, &name, mibps).await;
    assert_eq!(update(10).await.unwrap(), warm(10, 10));
    assert_eq!(bench.status(&name), Some(Status::Active), "that is no change");
    assert_eq!(update(25).await.unwrap(), warm(25, 10));
    assert_eq!((bench.status(&name), bench.summary(&name).warm), (Some(Status::Updating), Some(warm(25, 10))));
    bench.settle().await;
    assert_eq!(bench.summary(&name).warm, Some(warm(25, 25)));
    assert_uniform(&bench.ranges(&name), 25);
    update(5).await.unwrap();
    bench.settle().await;
    assert_eq!((bench.summary(&name).open_shards, bench.summary(&name).warm), (25, Some(warm(5, 5))));
    update(0).await.unwrap();
    bench.settle().await;
    assert_eq!((bench.summary(&name).open_shards, bench.summary(&name).warm), (25, None));
    let much = update(10_241).await;
    assert!(matches!(much, Err(WarmError::Refused(WarmRefusal::TooMuch { limit: 10_240, .. }))));

    let p = bench.create("p", 1).await;
    let refused = bench.streams.update_warm_throughput(&bench.ns, &p, 5).await;
    assert!(matches!(refused, Err(WarmError::Provisioned(_))));
    assert!(matches!(bench.switch(&p, Mode::Provisioned, Some(5)).await, Err(ModeError::Provisioned(_))));
    bench.switch(&p, Mode::OnDemand, Some(5)).await.unwrap();
    bench.settle().await;
    assert_eq!((bench.summary(&p).open_shards, bench.summary(&p).warm), (5, Some(warm(5, 5))));
    bench.switch(&p, Mode::Provisioned, None).await.unwrap();
    bench.settle().await;
    assert_eq!((bench.summary(&p).open_shards, bench.summary(&p).warm), (5, None));
}

#[tokio::test]
async fn a_throughput_is_not_kept_ready_for_an_account_without_commitment() {
    let bench = Bench::new().await;
    let a = bench.on_demand("a", Distribution::UserPartitionKey).await;
    let refused = bench.streams.update_warm_throughput(&bench.ns, &a, 5).await;
    assert!(matches!(refused, Err(WarmError::Refused(WarmRefusal::NoCommitment { .. }))));
    let p = bench.create("p", 1).await;
    let refused = bench.switch(&p, Mode::OnDemand, Some(5)).await;
    assert!(matches!(refused, Err(ModeError::Warm(WarmRefusal::NoCommitment { .. }))));
    let name = name_of("n");
    let request = CreateStream { mode: Mode::OnDemand, warm_mibps: Some(5), ..CreateStream::of(&name) };
    let refused = bench.streams.create_stream(&bench.ns, request).await;
    assert!(matches!(refused, Err(CreateError::Warm(WarmRefusal::NoCommitment { .. }))));
    bench.streams.update_warm_throughput(&bench.ns, &a, 0).await.unwrap();
    bench.streams.update_account(&bench.ns, true).await.unwrap();
    bench.streams.update_warm_throughput(&bench.ns, &a, 5).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.summary(&a).open_shards, 5);
}
