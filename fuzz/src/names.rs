//! What clients and files name things by: numbers, ids, ARNs, tokens, limits of a tag, sealed data.

use rheos_types::limits::{Limits, Override, Profile};
use rheos_types::seal::{Binding, RootKey, SEALED_OVERHEAD_BYTES, key_number};
use rheos_types::token::Sealer;
use rheos_types::{
    AccountId, ConsumerArn, ConsumerName, HashKey, KeyId, Namespace, Random, Region, ResourceArn, SequenceNumber,
    ShardId, ShardKey, StreamArn, StreamId, StreamName, token::ShardIterator,
};

struct Fixed;

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0x5e);
    }
}

fn namespace() -> Namespace {
    let (account, region) = (AccountId::new("000000000000"), Region::new("us-east-1"));
    match (account, region) {
        (Ok(account), Ok(region)) => Namespace { account, region },
        _ => panic!("these are names"),
    }
}

/// Every kind of name, of one text.
pub(crate) fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(number) = SequenceNumber::parse(text) {
        assert_eq!(number.to_string(), text, "a number is written in one way");
        let _position = number.position();
    }
    if let Ok(key) = HashKey::parse(text) {
        assert_eq!(key.to_string(), text, "a key is written in one way");
    }
    if let Some(id) = StreamId::parse(text) {
        assert_eq!(id.to_string(), text, "an id is written in one way");
    }
    if let Some(shard) = ShardId::parse(text) {
        assert_eq!(ShardId::parse(&shard.to_string()), Some(shard), "a shard's id reads back");
    }
    let stream = StreamArn::parse(text);
    let consumer = ConsumerArn::parse(text);
    if let Ok(arn) = &stream {
        assert_eq!(StreamArn::parse(&arn.to_string()).as_ref(), Ok(arn), "the ARN of a stream reads back");
    }
    if let Ok(arn) = &consumer {
        assert_eq!(ConsumerArn::parse(&arn.to_string()).as_ref(), Ok(arn), "the ARN of a consumer reads back");
    }
    assert!(stream.is_err() || consumer.is_err(), "no ARN is of both");
    assert_eq!(ResourceArn::parse(text).is_ok(), stream.is_ok() || consumer.is_ok(), "a resource is either");
    if let Ok(key) = KeyId::parse(text) {
        assert_eq!(key.as_str(), text);
        assert!(key.is_same(&key, &namespace()));
    }
    let _names = (StreamName::new(text).is_ok(), ConsumerName::new(text).is_ok());
    if let Err(error) = StreamArn::parse(text) {
        assert!(error.to_string().len() < 2048, "an error is told in few words");
    }
}

pub(crate) fn names_seeds() -> Vec<Vec<u8>> {
    let number = SequenceNumber::of_record(ShardId(3), 1_700_000_000, 77, 1_700_000_123).to_string();
    let texts = [
        &number,
        "49590338271490256608559692538361571095921575989136588898",
        "340282366920938463463374607431768211455",
        "rb7f16q855gqvj3vpmsv-3su",
        "shardId-000000000003",
        "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
        "arn:aws-cn:kinesis:cn-north-1:000000000000:stream/orders/consumer/reader:1700000000",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "alias/aws/kinesis",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:eu-west-1:123456789012:alias/a_b-C",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Shard iterators and next tokens: as a client sends them, and with a body of the input's that is sealed as ours are.
pub(crate) fn tokens(input: &[u8]) {
    let sealer = Sealer::new(&[7; 32]);
    if let Ok(text) = std::str::from_utf8(input) {
        open(&sealer, text);
        if let Ok((issued_ms, state)) = sealer.open_next(text) {
            let again = sealer.seal_next(issued_ms, &state, &Fixed);
            assert_eq!(sealer.open_next(&again), Ok((issued_ms, state)), "a next token reads back");
        }
    }
    for is_iterator in [true, false] {
        let text = sealer.seal_any(is_iterator, input, &Fixed);
        open(&sealer, &text);
        assert!(!is_iterator || sealer.open_next(&text).is_err(), "no kind passes for the other");
        assert!(is_iterator || sealer.open_iterator(&text).is_err(), "no kind passes for the other");
        assert!(Sealer::new(&[8; 32]).open_next(&text).is_err(), "another key opens nothing");
    }
}

fn open(sealer: &Sealer, text: &str) {
    let Ok(iterator) = sealer.open_iterator(text) else { return };
    let again = sealer.seal_iterator(&iterator, &Fixed);
    assert!(again.len() <= 512, "an iterator is as long as the API lets it be");
    assert_eq!(sealer.open_iterator(&again), Ok(iterator), "an iterator reads back");
}

pub(crate) fn tokens_seeds() -> Vec<Vec<u8>> {
    let sealer = Sealer::new(&[7; 32]);
    let Ok(stream) = StreamName::new("orders") else { panic!("this is a name") };
    let iterator = ShardIterator {
        issued_ms: 1_700_000_000_000,
        namespace: namespace(),
        stream,
        shard: ShardId(3),
        shard_key: ShardKey(7),
        position: 5,
        at_tip: true,
    };
    let text = sealer.seal_iterator(&iterator, &Fixed);
    // The body, as it is sealed: times, keys, position, shard, account, region and name with their lengths.
    let mut body = Vec::new();
    for number in [iterator.issued_ms, 7, 5] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    body.extend_from_slice(&3_u32.to_le_bytes());
    body.extend_from_slice(b"000000000000\x09us-east-1\x06orders\x01");
    body.resize(116, 0);
    let next = sealer.seal_next(5, br#"{"after":"orders"}"#, &Fixed);
    vec![text.clone().into_bytes(), format!("\"{text}\"").into_bytes(), next.into_bytes(), body, b"12345678{}".to_vec()]
}

/// The tag that chooses a stream's limits, and single limits.
pub(crate) fn limits(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let server = Profile::Aws.limits();
    match Limits::of_tag(text, &server) {
        Ok(limits) => assert_eq!(Limits::of_tag(text, &server).as_ref(), Ok(&limits)),
        Err(error) => assert!(error.to_string().len() < 8192, "an error is told in few words"),
    }
    if let Ok(one) = text.parse::<Override>() {
        assert_eq!(one.to_string().parse(), Ok(one), "a limit reads back");
        let _limits = server.with(one);
    }
}

pub(crate) fn limits_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Limits::NAMED.iter().map(|named| format!("{}=5", named.name).into_bytes()).collect();
    let tags = ["open write_bytes_per_s=2097152 calls_per_s=none", "aws calls_per_s.DescribeStream=3", "open"];
    seeds.extend(tags.iter().map(|tag| tag.as_bytes().to_vec()));
    seeds
}

/// Sealed data and wrapped keys, as they come from the disk.
pub(crate) fn sealed(input: &[u8]) {
    let root = RootKey::new(&[7; 32]);
    let (key, wrapped) = root.make_data_key(b"context", &Fixed);
    let Ok(stream) = StreamArn::parse("arn:aws:kinesis:us-east-1:000000000000:stream/orders") else {
        panic!("this is an ARN")
    };
    let mut binding = Binding::new(&stream, ShardId(3));
    let mut buffer = b"before".to_vec();
    // Nobody without the key makes bytes that open, and an input has no way to it.
    assert!(key.opening().open(binding.of(Some("key")), input, &mut buffer).is_err() || is_ours(&buffer));
    assert!(key_number(input).is_none() || input.len() >= SEALED_OVERHEAD_BYTES);
    let mut sealed = Vec::new();
    key.sealing(1, 1, &Fixed).seal(binding.of(None), input, &mut sealed);
    assert_eq!(sealed.len(), input.len() + SEALED_OVERHEAD_BYTES);
    assert_eq!(key_number(&sealed), Some(1));
    let mut opened = b"before".to_vec();
    assert!(key.opening().open(binding.of(None), &sealed, &mut opened).is_ok());
    assert!(opened.strip_prefix(b"before") == Some(input), "what was sealed is what is opened");
    assert!(key.opening().open(binding.of(Some("")), &sealed, &mut opened).is_err(), "another place opens nothing");
    assert!(root.unwrap_data_key(&wrapped, b"context").is_ok());
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(root.unwrap_data_key(text, b"other context").is_err());
        assert!(root.unwrap_data_key(text, b"context").is_err() || text == wrapped);
    }
}

fn is_ours(buffer: &[u8]) -> bool {
    buffer == b"beforedata"
}

pub(crate) fn sealed_seeds() -> Vec<Vec<u8>> {
    let root = RootKey::new(&[7; 32]);
    let (key, wrapped) = root.make_data_key(b"context", &Fixed);
    let Ok(stream) = StreamArn::parse("arn:aws:kinesis:us-east-1:000000000000:stream/orders") else {
        panic!("this is an ARN")
    };
    let mut sealed = Vec::new();
    key.sealing(1, 1, &Fixed).seal(Binding::new(&stream, ShardId(3)).of(Some("key")), b"data", &mut sealed);
    vec![sealed, wrapped.into_bytes(), b"data".to_vec()]
}
