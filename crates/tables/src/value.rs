//! Values of attributes, and items: what is stored, in the form in which the API writes it and the catalog keeps it
//! (`{"S": "text"}`).

use crate::invalid::Invalid;
use crate::number::Number;
use bytes::Bytes;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How deep lists and maps may lie in one another.
pub(crate) const DEPTH: usize = 32;

/// An item: attributes by name.
pub type Item = BTreeMap<String, AttributeValue>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// True or false.
    Bool(bool),
    /// Nothing, said explicitly.
    Null,
    /// A map.
    M(Item),
    /// A list.
    L(Vec<AttributeValue>),
    /// A set of texts, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of bytes, never empty.
    Bs(BTreeSet<Bytes>),
}

/// The ten types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
    /// True or false.
    Bool,
    /// Nothing.
    Null,
    /// A map.
    M,
    /// A list.
    L,
    /// A set of texts.
    Ss,
    /// A set of numbers.
    Ns,
    /// A set of bytes.
    Bs,
}

impl Type {
    const ALL: [Self; 10] =
        [Self::S, Self::N, Self::B, Self::Bool, Self::Null, Self::M, Self::L, Self::Ss, Self::Ns, Self::Bs];

    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
            Self::M => "M",
            Self::L => "L",
            Self::Ss => "SS",
            Self::Ns => "NS",
            Self::Bs => "BS",
        }
    }

    /// The type that the API calls so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Whether it is one of the three kinds of sets.
    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::Ss | Self::Ns | Self::Bs)
    }

    /// As DynamoDB names it in some of its errors.
    pub(crate) fn long_name(self) -> &'static str {
        match self {
            Self::S => "STRING",
            Self::N => "NUMBER",
            Self::B => "BINARY",
            Self::Bool => "BOOLEAN",
            Self::Null => "NULL",
            Self::M => "MAP",
            Self::L => "LIST",
            Self::Ss => "STRING_SET",
            Self::Ns => "NUMBER_SET",
            Self::Bs => "BINARY_SET",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AttributeValue {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::S(_) => Type::S,
            Self::N(_) => Type::N,
            Self::B(_) => Type::B,
            Self::Bool(_) => Type::Bool,
            Self::Null => Type::Null,
            Self::M(_) => Type::M,
            Self::L(_) => Type::L,
            Self::Ss(_) => Type::Ss,
            Self::Ns(_) => Type::Ns,
            Self::Bs(_) => Type::Bs,
        }
    }

    /// Its size as DynamoDB counts it: texts and bytes by length, numbers by pairs of digits, a byte for each element.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number_bytes(*number),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::M(map) => 3 + map.len() + size_bytes(map),
            Self::L(list) => 3 + list.iter().map(|value| 1 + value.size_bytes()).sum::<usize>(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number_bytes(*number)).sum(),
            Self::Bs(set) => set.iter().map(Bytes::len).sum(),
        }
    }

    /// About how many bytes of memory it takes.
    fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>();
        match self {
            Self::S(text) => own + text.len(),
            Self::B(bytes) => own + bytes.len(),
            Self::N(_) | Self::Bool(_) | Self::Null => own,
            Self::M(map) => own + memory_bytes(map),
            Self::L(list) => own + list.iter().map(Self::memory_bytes).sum::<usize>(),
            Self::Ss(set) => own + set.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>(),
            Self::Ns(set) => own + set.len() * size_of::<Number>(),
            Self::Bs(set) => own + set.iter().map(|bytes| size_of::<Bytes>() + bytes.len()).sum::<usize>(),
        }
    }

    /// Reads the form of the API.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] says what DynamoDB says; [`ReadError::Form`] that the JSON has another form.
    fn read(json: Value, depth: usize) -> Result<Self, ReadError> {
        if depth > DEPTH {
            return Err(Invalid::TooDeep.into());
        }
        let Value::Object(members) = json else { return Err(ReadError::Form("an attribute value must be an object")) };
        let mut given = Given::default();
        for (name, json) in members {
            if let Some(kind) = Type::parse(&name) {
                given.take(kind, json)?;
            }
        }
        given.value(depth)
    }

    fn read_as(kind: Type, json: Value, depth: usize) -> Result<Self, ReadError> {
        Ok(match kind {
            Type::S => Self::S(text(json)?),
            Type::N => Self::N(Number::parse(&text(json)?).map_err(Invalid::Number)?),
            Type::B => Self::B(binary(&text(json)?)?),
            Type::Bool => Self::Bool(json.as_bool().ok_or(ReadError::Form("BOOL must be true or false"))?),
            Type::Null => match json.as_bool() {
                Some(true) => Self::Null,
                Some(false) => return Err(Invalid::NullIsFalse.into()),
                None => return Err(ReadError::Form("NULL must be true")),
            },
            Type::M => {
                let Value::Object(members) = json else { return Err(ReadError::Form("M must be an object")) };
                let mut map = Item::new();
                for (name, json) in members {
                    map.insert(name, Self::read(json, depth + 1)?);
                }
                Self::M(map)
            }
            Type::L => {
                let list = elements(json)?.into_iter().map(|json| Self::read(json, depth + 1));
                Self::L(list.collect::<Result<_, _>>()?)
            }
            Type::Ss => Self::Ss(set(kind, elements(json)?, text)?),
            Type::Ns => {
                let number = |json| Ok(Number::parse(&text(json)?).map_err(Invalid::Number)?);
                Self::Ns(set(kind, elements(json)?, number)?)
            }
            Type::Bs => Self::Bs(set(kind, elements(json)?, |json| binary(&text(json)?))?),
        })
    }

    /// How deep it is: 0 for what is no list and no map.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::M(map) => 1 + map.values().map(Self::depth).max().unwrap_or(0),
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// The member of an attribute value that says its type, as it is being read.
#[derive(Default)]
struct Given(Option<(Type, Value)>);

impl Given {
    /// Another member. One of the same name takes the place of the one before.
    fn take(&mut self, kind: Type, json: Value) -> Result<(), Invalid> {
        let is_other = self.0.as_ref().is_some_and(|(before, _)| *before != kind);
        // An absent member may be written as null.
        match (is_other, json.is_null()) {
            (true, true) => {}
            (true, false) => return Err(Invalid::SeveralTypes),
            (false, is_null) => self.0 = (!is_null).then_some((kind, json)),
        }
        Ok(())
    }

    fn value(self, depth: usize) -> Result<AttributeValue, ReadError> {
        let (kind, json) = self.0.ok_or(Invalid::NoType)?;
        AttributeValue::read_as(kind, json, depth)
    }
}

/// Why JSON is no value.
enum ReadError {
    /// It has another form than the API's.
    Form(&'static str),
    /// It has the form, and DynamoDB refuses it.
    Invalid(Box<Invalid>),
}

impl From<Invalid> for ReadError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(Box::new(invalid))
    }
}

fn text(json: Value) -> Result<String, ReadError> {
    match json {
        Value::String(text) => Ok(text),
        _ => Err(ReadError::Form("expected a string")),
    }
}

fn elements(json: Value) -> Result<Vec<Value>, ReadError> {
    match json {
        Value::Array(elements) => Ok(elements),
        _ => Err(ReadError::Form("expected a list")),
    }
}

fn binary(text: &str) -> Result<Bytes, ReadError> {
    let decoded = base64_simd::STANDARD.decode_to_vec(text);
    decoded.map(Bytes::from).map_err(|_| ReadError::Form("expected Base64"))
}

fn set<T: Ord>(
    kind: Type,
    elements: Vec<Value>,
    read: impl Fn(Value) -> Result<T, ReadError>,
) -> Result<BTreeSet<T>, ReadError> {
    if elements.is_empty() {
        return Err(Invalid::EmptySet(kind).into());
    }
    let mut set = BTreeSet::new();
    let texts: Vec<String> = elements.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect();
    for element in elements {
        if !set.insert(read(element)?) {
            return Err(Invalid::Duplicates { kind, elements: texts }.into());
        }
    }
    Ok(set)
}

/// The size of an item or a map as DynamoDB counts it.
#[must_use]
pub fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// About how many bytes of memory an item takes.
pub(crate) fn memory_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| size_of::<String>() + name.len() + value.memory_bytes()).sum()
}

/// Pairs of digits (counted by places, so that 100 and 10 differ), a byte for the exponent, one for the sign below zero.
fn number_bytes(number: Number) -> usize {
    if number == Number::default() {
        return 1;
    }
    let count = number.count() as usize;
    let straddles = count.is_multiple_of(2) && number.highest() % 2 == 0;
    1 + count.div_ceil(2) + usize::from(straddles) + usize::from(number.is_negative())
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let name = self.kind().as_str();
        let base64 = |bytes: &Bytes| base64_simd::STANDARD.encode_to_string(bytes);
        match self {
            Self::S(text) => map.serialize_entry(name, text)?,
            Self::N(number) => map.serialize_entry(name, &number.to_string())?,
            Self::B(bytes) => map.serialize_entry(name, &base64(bytes))?,
            Self::Bool(value) => map.serialize_entry(name, value)?,
            Self::Null => map.serialize_entry(name, &true)?,
            Self::M(members) => map.serialize_entry(name, members)?,
            Self::L(list) => map.serialize_entry(name, list)?,
            Self::Ss(set) => map.serialize_entry(name, set)?,
            Self::Ns(set) => {
                map.serialize_entry(name, &set.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            }
            Self::Bs(set) => map.serialize_entry(name, &set.iter().map(base64).collect::<Vec<_>>())?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads an attribute value. Most are one text: only what lies inside of lists, maps and sets is read by way of a tree of JSON.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an attribute value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<AttributeValue, M::Error> {
        let mut given = Given::default();
        while let Some(Member(kind)) = members.next_key()? {
            match kind {
                Some(kind) => given.take(kind, members.next_value()?).map_err(|invalid| custom(invalid.into()))?,
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        given.value(0).map_err(custom)
    }
}

fn custom<E: serde::de::Error>(error: ReadError) -> E {
    match error {
        ReadError::Form(form) => E::custom(form),
        ReadError::Invalid(invalid) => E::custom(invalid.marked()),
    }
}

/// The name of a member, if it is one of a type.
struct Member(Option<Type>);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Member, E> {
                Ok(Member(Type::parse(name)))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: Value) -> Result<AttributeValue, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_is_written_as_it_was_read() {
        for value in [
            json!({"S": ""}),
            json!({"N": "-12.5"}),
            json!({"B": "AAEC"}),
            json!({"BOOL": false}),
            json!({"NULL": true}),
            json!({"M": {"a": {"L": [{"S": "x"}, {"M": {}}]}}}),
            json!({"SS": ["a", "b"]}),
            json!({"NS": ["1", "2.5"]}),
            json!({"BS": ["AA==", "AQ=="]}),
        ] {
            assert_eq!(serde_json::to_value(read(value.clone()).unwrap()).unwrap(), value);
        }
    }

    #[test]
    fn values_that_dynamodb_refuses_say_why() {
        let refused = |json| Invalid::of_marked(&read(json).unwrap_err()).map(str::to_owned);
        for (json, why) in [
            (json!({}), "Supplied AttributeValue is empty"),
            (json!({"S": "a", "N": "1"}), "Supplied AttributeValue has more than one datatypes set"),
            (json!({"NULL": false}), "Null attribute value types must have the value of true"),
            (json!({"SS": []}), "An string set  may not be empty"),
            (json!({"NS": ["1", "1.0"]}), "Input collection contains duplicates"),
            (json!({"SS": ["a", "a"]}), "Input collection [a, a] contains duplicates."),
            (json!({"N": "x"}), "cannot be converted to a numeric value: x"),
        ] {
            assert!(refused(json.clone()).is_some_and(|text| text.contains(why)), "{json}");
        }
        let nested = (0..40).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
        assert!(refused(nested).unwrap().contains("Nesting Levels"));
        for form in [json!({"S": 5}), json!("text"), json!(["S"]), json!({"M": {"a": "text"}})] {
            assert!(read(form.clone()).is_err() && refused(form).is_none(), "another form is no fact of DynamoDB's");
        }
        let twice = serde_json::from_str::<AttributeValue>(r#"{"S": "a", "N": null, "X": [1], "S": "b"}"#);
        assert_eq!(twice.unwrap(), AttributeValue::S("b".to_owned()));
        let taken_back = serde_json::from_str::<AttributeValue>(r#"{"S": "a", "S": null}"#);
        assert!(taken_back.is_err(), "{taken_back:?}");
    }

    #[test]
    fn sizes_are_dynamodbs() {
        let size = |json| read(json).unwrap().size_bytes();
        assert_eq!(size(json!({"S": "äb"})), 3);
        assert_eq!((size(json!({"N": "0"})), size(json!({"N": "1"})), size(json!({"N": "-12"}))), (1, 2, 3));
        assert_eq!((size(json!({"M": {}})), size(json!({"L": [{"BOOL": true}]}))), (3, 5));
        let item: Item = serde_json::from_value(json!({"key": {"S": "abc"}})).unwrap();
        assert_eq!(size_bytes(&item), 6);
    }
}
