use super::*;
use crate::name::{AccountId, Namespace, Region, StreamName};
use crate::random::SystemRandom;
use proptest::prelude::*;
use std::collections::HashSet;

const CONTEXT: &[u8] = b"stream 1";

fn root() -> RootKey {
    RootKey::new(&[7; 32])
}

fn data_key() -> DataKey {
    root().make_data_key(CONTEXT, &SystemRandom).0
}

fn stream(name: &str) -> StreamArn {
    let namespace =
        Namespace { account: AccountId::new("123456789012").unwrap(), region: Region::new("eu-west-3").unwrap() };
    StreamArn { namespace, name: StreamName::new(name).unwrap() }
}

fn seal(key: &DataKey, bound_to: &[u8], data: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    key.sealing(3, 1, &SystemRandom).seal(bound_to, data, &mut sealed);
    sealed
}

fn open(key: &DataKey, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopenable> {
    let mut data = b"before".to_vec();
    let opened = key.opening().open(bound_to, sealed, &mut data);
    assert_eq!(&data[..6], b"before");
    assert!(opened.is_ok() || data.len() == 6, "the buffer is as it was");
    opened.map(|()| data.split_off(6))
}

#[test]
fn a_data_key_is_unwrapped_by_its_root_key_for_its_stream_only() {
    let (key, wrapped) = root().make_data_key(CONTEXT, &SystemRandom);
    let sealed = seal(&key, b"", b"data");
    assert_eq!(open(&root().unwrap_data_key(&wrapped, CONTEXT).unwrap(), b"", &sealed).unwrap(), b"data");
    assert_eq!(root().unwrap_data_key(&wrapped, b"stream 2").unwrap_err(), UnwrapError::Damaged);
    let other = RootKey::new(&[8; 32]);
    let expected = UnwrapError::OtherRoot { needed: root().id().to_owned(), present: other.id().to_owned() };
    assert_eq!(other.unwrap_data_key(&wrapped, CONTEXT).unwrap_err(), expected);
    let mut bytes = base64_simd::STANDARD.decode_to_vec(&wrapped).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert!(root().unwrap_data_key(&base64_simd::STANDARD.encode_to_string(&bytes), CONTEXT).is_err(), "{at}");
        bytes[at] ^= 1;
    }
    for text in ["", "AAAA", "not base64!"] {
        assert_eq!(root().unwrap_data_key(text, CONTEXT).unwrap_err(), UnwrapError::Damaged);
    }
}

#[test]
fn the_id_of_a_root_key_is_fixed() {
    // Wrapped keys of older data directories name it.
    assert_eq!(root().id(), "c512b05bf7b6c1be");
    assert_eq!(format!("{:?}", root()), "RootKey(c512b05bf7b6c1be)");
}

#[test]
fn no_bit_of_a_sealed_record_can_be_changed() {
    let key = data_key();
    let mut sealed = seal(&key, b"place", b"data");
    assert_eq!(sealed.len(), 4 + SEALED_OVERHEAD_BYTES);
    assert_eq!(key_number(&sealed), Some(3));
    // The number of the key chooses the key, and is not judged by it.
    for at in 4..sealed.len() {
        for bit in 0..8 {
            sealed[at] ^= 1 << bit;
            assert_eq!(open(&key, b"place", &sealed), Err(Unopenable), "byte {at}, bit {bit}");
            sealed[at] ^= 1 << bit;
        }
    }
    for length in 0..sealed.len() {
        assert_eq!(open(&key, b"place", &sealed[..length]), Err(Unopenable), "{length}");
        assert_eq!(key_number(&sealed[..length]).is_some(), length >= SEALED_OVERHEAD_BYTES);
    }
    assert_eq!(open(&data_key(), b"place", &sealed), Err(Unopenable), "another key");
    assert_eq!(open(&key, b"place", &sealed).unwrap(), b"data");
}

#[test]
fn a_record_opens_in_its_place_only() {
    let key = data_key();
    let place =
        |name: &str, shard: u32, key: Option<&str>| Binding::new(&stream(name), ShardId(shard)).of(key).to_vec();
    let here = place("a", 1, Some("k"));
    let sealed = seal(&key, &here, b"data");
    assert_eq!(open(&key, &here, &sealed).unwrap(), b"data");
    let mut elsewhere = stream("a");
    elsewhere.namespace.region = Region::new("eu-west-1").unwrap();
    for other in [
        place("a", 2, Some("k")),
        place("b", 1, Some("k")),
        place("a", 1, Some("l")),
        place("a", 1, Some("")),
        place("a", 1, None),
        Binding::new(&elsewhere, ShardId(1)).of(Some("k")).to_vec(),
    ] {
        assert_eq!(open(&key, &other, &sealed), Err(Unopenable));
    }
    let mut binding = Binding::new(&stream("a"), ShardId(1));
    binding.of(Some("a longer key"));
    assert_eq!(binding.of(Some("k")), here, "keys leave nothing behind");
}

#[test]
fn nonces_are_not_used_twice() {
    let key = data_key();
    let nonces = |key: &DataKey, records: u32| -> Vec<[u8; 20]> {
        let mut sealing = key.sealing(0, records, &SystemRandom);
        let mut seal = |_| {
            let mut sealed = Vec::new();
            sealing.seal(b"", b"", &mut sealed);
            sealed[4..24].try_into().unwrap()
        };
        (0..records).map(&mut seal).collect()
    };
    let mut all: Vec<_> = [1, 500, 1, 20].into_iter().flat_map(|records| nonces(&key, records)).collect();
    assert_eq!(all.iter().map(|nonce| &nonce[..12]).collect::<HashSet<_>>().len(), 1, "one opening, one salt");
    // The same data key in another process, and after as many records as a subkey may seal.
    let (key, wrapped) = root().make_data_key(CONTEXT, &SystemRandom);
    let again = root().unwrap_data_key(&wrapped, CONTEXT).unwrap();
    let rest = u32::try_from(RECORDS_PER_SUBKEY - 1).unwrap();
    all.extend(nonces(&key, 2));
    all.extend(nonces(&again, 2));
    drop(key.sealing(0, rest, &SystemRandom));
    all.extend(nonces(&key, 2));
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert_eq!(all.iter().map(|nonce| &nonce[..12]).collect::<HashSet<_>>().len(), 4);
}

#[test]
#[should_panic(expected = "more records than announced")]
fn no_more_is_sealed_than_was_announced() {
    let key = data_key();
    let mut sealing = key.sealing(0, 1, &SystemRandom);
    sealing.seal(b"", b"", &mut Vec::new());
    sealing.seal(b"", b"", &mut Vec::new());
}

/// Made once by this code: what was sealed has to open for ever.
#[test]
fn what_was_sealed_before_opens() {
    let wrapped = "xRKwW/e2wb7H+BZYTiVqpwwguYXU7gs4VMmEzAe/Jrg12cvPML1cifqLc6we/IwZeVj/wp31k1eZDIZWvu/ewI3XSBI=";
    let sealed = "AwAAAJC7ln94rQN1AY5I4gAAAAAAAAAA1KJgrjgyle2Citfz3i8yKfcsx2DCnGoW";
    let context = data_key_context(&stream("orders"), 9, 3, "alias/aws/kinesis");
    let key = root().unwrap_data_key(wrapped, &context).unwrap();
    let sealed = base64_simd::STANDARD.decode_to_vec(sealed).unwrap();
    let mut binding = Binding::new(&stream("orders"), ShardId(2));
    assert_eq!(open(&key, binding.of(Some("key")), &sealed).unwrap(), b"a record");
}

proptest! {
    #[test]
    fn data_comes_back(data in proptest::collection::vec(any::<u8>(), 0..300), place in ".{0,20}") {
        let key = data_key();
        prop_assert_eq!(open(&key, place.as_bytes(), &seal(&key, place.as_bytes(), &data)), Ok(data));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(open(&data_key(), b"", &bytes), Err(Unopenable));
    }
}
