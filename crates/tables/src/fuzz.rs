//! Entry points for fuzzing: expressions of all kinds, attribute values and what the catalog holds of tables. Each function
//! panics where what is promised of their reading does not hold.

use crate::catalog::{ITEMS, REQUESTS, TABLES, decode, encode, parse_item_key, parse_table_key};
use crate::catalog::{ItemRecord, RequestRecord, TableRecord};
use crate::expression::{Condition, KeyConditions, Names, Projection, Scope, Update, Values, Which};
use crate::limits::ITEM_BYTES;
use crate::value::{AttributeValue, DEPTH, Item, size_bytes};
use crate::view::Views;
use rheos_log::{Key, Observer, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// Reads a value that these functions write themselves.
#[expect(clippy::expect_used, reason = "the inputs are constants")]
fn of<T: DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).expect("a constant is what it is")
}

fn sample() -> Item {
    of(json!({
        "id": {"S": "shardId-0"}, "n": {"N": "5"}, "ss": {"SS": ["a", "b"]}, "b": {"B": "AAEC"}, "x": {"NULL": true},
        "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"d": {"BOOL": true}}}]}, "m": {"M": {"i": {"N": "7"}}}
    }))
}

/// An expression: the first byte says which, the rest is its text.
pub fn expression(input: &[u8]) {
    let Some((kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let names: Names = of(json!({"#n": "n", "#m": "m", "#l": "l"}));
    let values: Values = of(json!({
        ":n": {"N": "5"}, ":s": {"S": "a"}, ":ss": {"SS": ["a"]}, ":l": {"L": [{"S": "x"}]}, ":b": {"B": "AAE="}, ":t": {"S": "N"}
    }));
    let Ok(mut scope) = Scope::new(Some(&names), Some(&values)) else { panic!("these are names and values") };
    let item = sample();
    let refused = match kind % 5 {
        0 => Condition::parse(Which::Condition, text, &mut scope).map(|condition| {
            let opposite = Condition::Not(Box::new(condition.clone()));
            assert_ne!(condition.holds(&item), opposite.holds(&item));
            assert!(condition.paths().len() <= text.len());
            let _of_nothing = condition.holds(&Item::new());
        }),
        1 => Update::parse(text, &mut scope).map(|update| {
            let (mut once, mut again) = (item.clone(), item.clone());
            let done = update.apply(&mut once);
            assert_eq!(done, update.apply(&mut again), "the same does the same");
            if done.is_ok() {
                assert_eq!(once, again);
                assert!(size_bytes(&once) <= ITEM_BYTES + size_bytes(&item), "it is bounded");
                let untouched = item.iter().filter(|(name, _)| update.paths().all(|path| path.attribute != **name));
                untouched.for_each(|(name, value)| assert_eq!(once.get(name), Some(value)));
            }
        }),
        2 => Projection::parse(text, &mut scope).map(|projection| {
            let part = projection.of(&item);
            assert!(size_bytes(&part) <= size_bytes(&item), "a part is no larger than the whole");
            assert!(part.keys().all(|name| item.contains_key(name)));
        }),
        3 => KeyConditions::parse(text, &mut scope).map(|keys| assert!((1..=2).contains(&keys.0.len()))),
        _ => Condition::parse(Which::Filter, text, &mut scope).map(|filter| {
            assert_eq!(filter.holds(&item), filter.holds(&item.clone()));
        }),
    };
    if let Err(invalid) = refused {
        assert!(invalid.to_string().len() <= 2048 + 4 * text.len(), "a refusal is told in few words");
    }
}

/// Expressions that are taken, and some that are not.
#[must_use]
pub fn expression_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\0attribute_exists(id) AND #n = :n OR NOT (n BETWEEN :n AND :n)",
        "\0attribute_not_exists(m.i) AND contains(ss, :s) AND size(l) > :n AND n IN (:n, :s)",
        "\0begins_with(b, :b) AND attribute_type(n, :t)",
        "\u{1}SET n = n + :n, m.i = if_not_exists(m.j, :s), l[1] = :s REMOVE x ADD c :n DELETE ss :ss",
        "\u{1}SET l = list_append(l, :l), k = (n - :n)",
        "\u{2}id, m.i, l[2].d, #l[0]",
        "\u{3}id = :s AND begins_with(r, :s)",
        "\u{4}n <> :n and x >= :s",
    ];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An attribute value in JSON.
pub fn attribute_value(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<AttributeValue>(input) else { return };
    assert!(value.depth() <= DEPTH + 1, "it is no deeper than it may be");
    let written = encode(&value);
    assert_eq!(decode::<AttributeValue>(&written), Some(value.clone()), "it is written as it was read");
    let _size = value.size_bytes();
}

/// A value of each type.
#[must_use]
pub fn attribute_value_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = sample().values().map(encode).collect();
    seeds.extend(
        [&br#"{"N":"-1.50E-3"}"#[..], br#"{"NS":["1","2e3"]}"#, br#"{"BS":["AA==","AQ=="]}"#].map(<[u8]>::to_vec),
    );
    seeds
}

/// Entries of the catalog: a line each for key and value, in turn.
pub fn catalog(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut there = Vec::new();
    while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        let key = Key::new(key);
        let _places = (parse_table_key(&key), parse_item_key(&key));
        let value = bytes::Bytes::copy_from_slice(value);
        written_as_read::<TableRecord>(&value);
        written_as_read::<ItemRecord>(&value);
        written_as_read::<RequestRecord>(&value);
        let version = there.len() as u64 + 1;
        there.push((key, Versioned { version, value }));
    }
    // As the log has it: each key once.
    there.sort_by(|(a, _), (b, _)| a.cmp(b));
    there.dedup_by(|(a, _), (b, _)| a == b);
    let gone: Vec<_> = there.iter().map(|(key, _)| (key.clone(), None)).collect();
    let views = Views::default();
    if views.load(there).is_ok() {
        views.applied(&gone);
        for (key, _) in &gone {
            if let Some((namespace, name)) = parse_table_key(key) {
                assert!(views.get(&namespace, &name).is_none(), "what was deleted is gone");
                assert_eq!(views.account_bytes(&namespace.account), 0, "and not counted any more");
            }
        }
    }
}

fn written_as_read<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &[u8]) {
    if let Some(record) = decode::<T>(value) {
        assert_eq!(decode(&encode(&record)), Some(record));
    }
}

/// A table with an index and items, and a request.
#[must_use]
pub fn catalog_seeds() -> Vec<Vec<u8>> {
    let uid = "0123456789abcdef0123456789abcdef";
    let table = format!(
        "{TABLES}000000000000/us-east-1/leases\n{{\"uid\":\"{uid}\",\"deleting\":false,\"created_ms\":1,\"attributes\":[[\"id\",\"S\"],\
         [\"o\",\"S\"]],\"key\":{{\"hash\":\"id\"}},\"indexes\":{{\"by-o\":{{\"key\":{{\"hash\":\"o\",\"range\":\"id\"}},\"projection\":\
         \"keys_only\",\"status\":\"CREATING\"}}}},\"billing\":\"PAY_PER_REQUEST\"}}"
    );
    let item = format!(
        "{ITEMS}000000000000/us-east-1/{uid}/Sa\n{{\"item\":{{\"id\":{{\"S\":\"a\"}},\"o\":{{\"S\":\"w\"}}}}}}"
    );
    let request = format!("{REQUESTS}000000000000/us-east-1/token\n{{\"digest\":\"00\",\"done_ms\":1}}");
    vec![format!("{table}\n{item}\n{request}").into_bytes(), table.into_bytes(), request.into_bytes()]
}
