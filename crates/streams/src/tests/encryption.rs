//! Records that are sealed, among others that are not.

use super::*;
use rheos_log::{RecordFlags, Run, RunBuilder};
use rheos_types::HashKey;
use rheos_types::seal::{SEALED_OVERHEAD_BYTES, UnwrapError};

const KEY: &str = "alias/aws/kinesis";
const OTHER: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

impl Bench {
    async fn start(&self, stream: &StreamName, key_id: &str) -> Result<(), EncryptionError> {
        self.streams.start_stream_encryption(&self.ns, stream, key_id).await
    }

    async fn stop(&self, stream: &StreamName, key_id: &str) -> Result<(), EncryptionError> {
        self.streams.stop_stream_encryption(&self.ns, stream, key_id).await
    }

    /// A stream whose records are sealed.
    async fn create_sealed(&self, name: &str, shards: u32) -> StreamName {
        let stream = self.create(name, shards).await;
        self.start(&stream, KEY).await.unwrap();
        self.settle().await;
        stream
    }

    /// A shard's records with whether they are kept sealed.
    async fn sealed(&self, stream: &StreamName, shard: &str) -> Vec<(String, bool)> {
        let iterator = self.iterator(stream, shard, IteratorKind::TrimHorizon).await.unwrap();
        let records = self.read(&iterator, None).await.unwrap();
        let texts = texts(&records);
        assert_eq!(
            records.bytes(),
            records.iter().map(|r| r.data.len() + r.partition_key.map_or(0, str::len)).sum::<usize>()
        );
        texts.into_iter().zip(records.iter().map(|record| record.sealed)).collect()
    }

    /// A shard's records as the log has them: key, data, flags.
    async fn raw(&self, stream: &StreamName, shard: u32) -> Vec<(String, Vec<u8>, RecordFlags)> {
        let view = self.streams.stream(&self.ns, stream).unwrap();
        let key = view.shard(ShardId(shard)).unwrap().record.key;
        let blocks = self.log.read(key, 0, 1000, 1 << 20).await.unwrap();
        let records = blocks.iter().flat_map(|block| block.records());
        records.map(|(_, r)| (r.partition_key.unwrap().to_owned(), r.data.to_vec(), r.flags)).collect()
    }

    /// A record as it would have to be to be sealed.
    fn run_of(&self, stream: &StreamName, shard: u32, key: &str, data: &[u8]) -> Run {
        let view = self.streams.stream(&self.ns, stream).unwrap();
        let mut run = RunBuilder::new(view.shard(ShardId(shard)).unwrap().record.key);
        run.push(Some(key), data, RecordFlags::SEALED);
        run.finish()
    }

    /// Why the first record of a shard is not served.
    async fn refused(&self, stream: &StreamName, shard: &str) -> WhySealed {
        let iterator = self.iterator(stream, shard, IteratorKind::TrimHorizon).await.unwrap();
        match self.read(&iterator, None).await {
            Err(ReadError::Sealed(sealed)) => sealed.why,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn each_record_says_for_itself_whether_it_is_sealed() {
    let mut bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    assert!(!bench.put(&a, "k", "plain one").await.sealed);
    bench.start(&a, KEY).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Updating));
    assert!(bench.put(&a, "k", "sealed one").await.sealed, "at once");
    bench.settle().await;
    bench.start(&a, OTHER).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.describe(&a).stream.key_id.as_deref(), Some(OTHER));
    bench.put(&a, "k", "sealed two").await;
    bench.stop(&a, OTHER).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.describe(&a).stream.key_id, None);
    bench.put(&a, "k", "plain two").await;
    bench.start(&a, KEY).await.unwrap();
    bench.settle().await;
    let entries: Vec<_> = ["sealed three", ""]
        .map(|d| Entry { data: d.as_bytes(), partition_key: Some(""), explicit_hash_key: None })
        .into();
    let outcomes = bench.streams.put_records(&bench.ns, &a, &entries).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(stored) if stored.sealed)));

    let expected = [
        ("plain one", false),
        ("sealed one", true),
        ("sealed two", true),
        ("plain two", false),
        ("sealed three", true),
        ("", true),
    ];
    let expected = expected.map(|(text, sealed)| (text.to_owned(), sealed));
    assert_eq!(bench.sealed(&a, "0").await, expected);
    let raw = bench.raw(&a, 0).await;
    for ((_, data, flags), (text, sealed)) in raw.iter().zip(&expected) {
        assert_eq!(flags.contains(RecordFlags::SEALED), *sealed);
        let overhead = if *sealed { SEALED_OVERHEAD_BYTES } else { 0 };
        assert_eq!(data.len(), text.len() + overhead);
        assert_eq!(data == text.as_bytes(), !sealed, "{text}");
    }
    let numbers = [&raw[1], &raw[2], &raw[4]].map(|(_, data, _)| data[0]);
    assert_eq!(numbers, [0, 1, 0], "a key that is chosen again has its data key");

    bench.restart().await;
    assert_eq!(bench.sealed(&a, "0").await, expected);
    bench.put(&a, "k", "sealed four").await;
    assert_eq!(bench.sealed(&a, "0").await[6], ("sealed four".to_owned(), true));
    let raw = bench.raw(&a, 0).await;
    assert_ne!(raw[4].1[4..16], raw[6].1[4..16], "each opening has a salt of its own");
}

#[tokio::test]
async fn what_can_be_started_and_stopped() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    for bad in ["", "nothing", "alias/", "arn:aws:kms:us-east-1:000000000000:stream/a"] {
        assert!(matches!(bench.start(&a, bad).await, Err(EncryptionError::KeyId(_))), "{bad}");
        assert!(matches!(bench.stop(&a, bad).await, Err(EncryptionError::KeyId(_))), "{bad}");
    }
    let elsewhere = "arn:aws:kms:eu-west-1:000000000000:alias/x";
    assert!(matches!(bench.start(&a, elsewhere).await, Err(EncryptionError::OtherRegion { .. })));
    let nobody = name_of("nobody");
    assert!(matches!(bench.start(&nobody, KEY).await, Err(EncryptionError::NotFound(_))));
    assert!(matches!(bench.stop(&nobody, KEY).await, Err(EncryptionError::NotFound(_))));

    bench.stop(&a, KEY).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Active), "there was nothing to stop");
    bench.start(&a, OTHER).await.unwrap();
    bench.start(&a, OTHER).await.unwrap();
    let arn = format!("arn:aws:kms:us-east-1:000000000000:key/{OTHER}");
    bench.start(&a, &arn).await.unwrap();
    assert_eq!(bench.describe(&a).stream.key_id.as_deref(), Some(OTHER), "as it was named first");
    assert!(matches!(bench.start(&a, KEY).await, Err(EncryptionError::NotActive(_))));
    assert!(matches!(bench.stop(&a, OTHER).await, Err(EncryptionError::NotActive(_))));
    bench.settle().await;
    bench.start(&a, OTHER).await.unwrap();
    assert_eq!(bench.status(&a), Some(Status::Active), "nothing to do");
    bench.stop(&a, KEY).await.unwrap();
    assert_eq!(bench.describe(&a).stream.key_id, None);
}

#[tokio::test]
async fn twenty_five_starts_and_stops_a_day() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    for _ in 0..25 {
        bench.start(&a, KEY).await.unwrap();
        bench.settle().await;
        bench.start(&a, KEY).await.unwrap();
        bench.stop(&a, KEY).await.unwrap();
        bench.settle().await;
    }
    assert!(matches!(bench.start(&a, KEY).await, Err(EncryptionError::TooOften(TooOften { limit: 25, .. }))));
    bench.stop(&a, KEY).await.unwrap();
    bench.clock.advance(24 * HOUR_MS);
    bench.start(&a, KEY).await.unwrap();
    bench.settle().await;
    bench.stop(&a, KEY).await.unwrap();
}

#[tokio::test]
async fn a_stream_has_no_more_data_keys_than_its_record_holds() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    // The longest there are, made at once: one after the other takes long.
    let key_id = |number: u32| format!("arn:aws:kms:us-east-1:000000000000:alias/{number:0>250}");
    let view = bench.streams.stream(&bench.ns, &a).unwrap();
    let mut record = view.record.clone();
    for number in 0..rheos_types::limits::DATA_KEYS as u32 - 1 {
        let name = (bench.ns.clone(), a.clone());
        let context = crate::keys::context(&name, record.uid, number, &key_id(number));
        let (_, wrapped) = bench.root.make_data_key(&context, &*bench.random);
        record.encryption.keys.push(crate::catalog::StoredKey { number, key_id: key_id(number), wrapped });
    }
    let changes = vec![crate::open::put_stream(&view, &record)];
    bench.log.commit(vec![rheos_log::Transaction { changes, ..Default::default() }]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    bench.start(&a, &key_id(499)).await.unwrap();
    bench.settle().await;
    assert!(matches!(bench.start(&a, KEY).await, Err(EncryptionError::TooManyKeys { limit: 500, .. })));
    bench.start(&a, &format!("alias/{:0>250}", 7)).await.unwrap();
    bench.put(&a, "k", "x").await;
    assert_eq!(bench.raw(&a, 0).await[0].1[0], 7);
    assert_eq!(bench.sealed(&a, "0").await, [("x".to_owned(), true)]);
}

#[tokio::test]
async fn a_reshard_seals_anew_what_it_routes_again() {
    let bench = Bench::open().await;
    let a = bench.create_sealed("a", 1).await;
    bench.put_at(&a, "5", "before").await;
    let before = bench.streams.stream(&bench.ns, &a).unwrap();
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.settle().await;
    // The caller looked at the stream before the split was done, and comes too late.
    let data = ["low", "high"];
    let entries = data.map(|d| Entry { data: d.as_bytes(), partition_key: Some("k"), explicit_hash_key: None });
    let mut outcomes = [Outcome::Failed(Failure::NoOpenShard), Outcome::Failed(Failure::NoOpenShard)];
    bench
        .streams
        .append(before, &entries, crate::append::Routes::Keys(&[HashKey(5), HashKey(5000)]), &mut outcomes)
        .await
        .unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(stored) if stored.sealed)));
    for (shard, text) in [("0", "before"), ("1", "low"), ("2", "high")] {
        assert_eq!(bench.sealed(&a, shard).await, [(text.to_owned(), true)]);
    }
    bench.streams.merge_shards(&bench.ns, &a, "1", "2").await.unwrap();
    bench.settle().await;
    bench.put_at(&a, "5", "after").await;
    assert_eq!(bench.sealed(&a, "3").await, [("after".to_owned(), true)]);
}

#[tokio::test]
async fn a_record_is_good_for_its_place_only() {
    let bench = Bench::open().await;
    let (a, b) = (bench.create_sealed("a", 2).await, bench.create_sealed("b", 2).await);
    bench.put_at(&a, "0", "secret").await;
    let (_, sealed, _) = bench.raw(&a, 0).await.remove(0);
    let put = async |run| drop(bench.log.append(vec![run]).await.unwrap());
    put(bench.run_of(&a, 1, "k", &sealed)).await;
    assert_eq!(bench.refused(&a, "1").await, WhySealed::Changed(rheos_types::seal::Unopenable), "another shard");
    put(bench.run_of(&b, 0, "k", &sealed)).await;
    assert_eq!(bench.refused(&b, "0").await, WhySealed::Changed(rheos_types::seal::Unopenable), "another stream");
    let mut unknown = sealed.clone();
    unknown[0] = 9;
    put(bench.run_of(&b, 1, "k", &unknown)).await;
    assert_eq!(bench.refused(&b, "1").await, WhySealed::NoKey { number: 9 });

    // What is readable before it is served, and what comes after it can be reached.
    put(bench.run_of(&a, 0, "another key", &sealed)).await;
    let bad = {
        let iterator = bench.iterator(&a, "0", IteratorKind::TrimHorizon).await.unwrap();
        let records = bench.read(&iterator, None).await.unwrap();
        assert_eq!(texts(&records), ["secret"]);
        match bench.read(&next(records), None).await {
            Err(ReadError::Sealed(sealed)) => sealed.sequence_number,
            other => panic!("{other:?}"),
        }
    };
    put(bench.run_of(&a, 0, "k", &sealed[..20])).await;
    bench.put_at(&a, "0", "later").await;
    let after = bench.iterator_from(&a, "0", IteratorKind::AfterSequenceNumber, bad).await;
    match bench.read(&after, None).await {
        Err(ReadError::Sealed(short)) => assert_eq!(short.why, WhySealed::TooShort),
        other => panic!("{other:?}"),
    }
    let newest = SequenceNumber { index: bad.index + 1, ..bad };
    let after = bench.iterator_from(&a, "0", IteratorKind::AfterSequenceNumber, newest).await;
    assert_eq!(bench.texts(&after).await, ["later"]);
}

#[tokio::test]
async fn a_flipped_bit_is_noticed() {
    let bench = Bench::open().await;
    let a = bench.create_sealed("a", 1).await;
    bench.put(&a, "k", "secret").await;
    let (_, sealed, _) = bench.raw(&a, 0).await.remove(0);
    for (number, at) in [4, 16, 24, sealed.len() - 1].into_iter().enumerate() {
        let b = bench.create_sealed(&format!("a{number}"), 1).await;
        bench.put(&b, "k", "secret").await;
        // The log's own checksum is right for what it is given.
        let (_, mut changed, _) = bench.raw(&b, 0).await.remove(0);
        changed[at] ^= 1;
        bench.log.append(vec![bench.run_of(&b, 0, "k", &changed)]).await.unwrap();
        let iterator = bench.iterator(&b, "0", IteratorKind::TrimHorizon).await.unwrap();
        let records = bench.read(&iterator, None).await.unwrap();
        assert_eq!(texts(&records), ["secret"]);
        assert!(matches!(bench.read(&next(records), None).await, Err(ReadError::Sealed(_))), "byte {at}");
    }
}

#[tokio::test]
async fn a_reader_whose_view_is_older_than_a_key_reads_what_it_sealed() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    let before = bench.streams.stream(&bench.ns, &a).unwrap();
    bench.start(&a, KEY).await.unwrap();
    bench.put(&a, "k", "sealed").await;
    let blocks = bench.log.read(before.shards[0].record.key, 0, 10, 1000).await.unwrap();
    let opened = bench.streams.unsealed(&before, &before.shards[0], blocks).unwrap();
    assert_eq!(opened[0].records().next().unwrap().1.data, b"sealed");
}

#[tokio::test]
async fn another_root_key_or_a_damaged_data_key_keeps_the_streams_closed() {
    let mut bench = Bench::open().await;
    let plain = bench.create("plain", 1).await;
    let own = bench.root.clone();
    bench.root = Arc::new(RootKey::new(&[8; 32]));
    bench.restart().await;
    bench.put(&plain, "k", "no key is needed").await;

    bench.root = own;
    bench.restart().await;
    let a = bench.create_sealed("a", 1).await;
    bench.put(&a, "k", "sealed").await;
    bench.stop(&a, KEY).await.unwrap();
    bench.settle().await;
    let own = std::mem::replace(&mut bench.root, Arc::new(RootKey::new(&[8; 32])));
    match bench.reopen().await {
        Err(OpenError::Key(KeyUnavailable {
            stream,
            number: 0,
            source: UnwrapError::OtherRoot { needed, present },
            ..
        })) => {
            assert_eq!((stream, &*needed, &*present), (a.clone(), own.id(), bench.root.id()));
        }
        other => panic!("{:?}", other.err()),
    }
    bench.root = own;
    bench.restart().await;
    assert_eq!(bench.sealed(&a, "0").await, [("sealed".to_owned(), true)]);

    // A data key of another stream.
    let b = bench.create_sealed("b", 1).await;
    let (from, to) = (bench.streams.stream(&bench.ns, &a).unwrap(), bench.streams.stream(&bench.ns, &b).unwrap());
    let mut record = to.record.clone();
    record.encryption.keys = from.record.encryption.keys.clone();
    let changes = vec![crate::open::put_stream(&to, &record)];
    bench.log.commit(vec![rheos_log::Transaction { changes, ..Default::default() }]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let Err(OpenError::Key(unavailable)) = bench.reopen().await else { panic!("a key of another stream") };
    assert_eq!((unavailable.stream, unavailable.source), (b.clone(), UnwrapError::Damaged));

    // Streams that are gone need no key.
    for stream in [&a, &b] {
        bench.streams.delete_stream(&bench.ns, stream, false).await.unwrap();
    }
    bench.settle().await;
    bench.root = Arc::new(RootKey::new(&[9; 32]));
    bench.restart().await;
}

#[tokio::test]
async fn without_its_key_nothing_is_written() {
    let bench = Bench::open().await;
    let a = bench.create_sealed("a", 1).await;
    let view = bench.streams.stream(&bench.ns, &a).unwrap();
    let mut record = view.record.clone();
    record.encryption.keys[0].number = 1;
    record.encryption.keys[0].wrapped = "AAAA".to_owned();
    record.encryption.active = Some(1);
    let changes = vec![crate::open::put_stream(&view, &record)];
    bench.log.commit(vec![rheos_log::Transaction { changes, ..Default::default() }]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let entry = Entry { data: b"secret", partition_key: Some("k"), explicit_hash_key: None };
    assert!(matches!(bench.streams.put_record(&bench.ns, &a, entry, None).await, Err(PutError::Key(_))));
    let many = bench.streams.put_records(&bench.ns, &a, &[entry, entry]).await;
    assert!(matches!(many, Err(PutRecordsError::Key(KeyUnavailable { number: 1, .. }))));
    assert_eq!(bench.raw(&a, 0).await, []);
}
