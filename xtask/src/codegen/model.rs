//! The part of a botocore service model that is needed, in the order of the document.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) operations: Ordered<Operation>,
    pub(crate) shapes: Ordered<Shape>,
}

#[derive(Deserialize)]
pub(crate) struct Operation {
    pub(crate) input: Reference,
    pub(crate) output: Option<Reference>,
    #[serde(default)]
    pub(crate) errors: Vec<Reference>,
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) shape: String,
}

#[derive(Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) pattern: Option<String>,
    #[serde(rename = "enum", default)]
    pub(crate) values: Vec<String>,
    pub(crate) member: Option<Reference>,
    pub(crate) key: Option<Reference>,
    pub(crate) value: Option<Reference>,
    #[serde(default)]
    pub(crate) members: Ordered<Reference>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    #[serde(default)]
    pub(crate) eventstream: bool,
    #[serde(default)]
    pub(crate) event: bool,
}

impl Model {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        serde_json::from_str(text).context("read the service model")
    }

    pub(crate) fn shape(&self, name: &str) -> anyhow::Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model names a shape it does not have: {name}"))
    }

    /// The operations that get types: all but those of channels and queues, which are a product of their own.
    pub(crate) fn typed_operations(&self) -> impl Iterator<Item = &(String, Operation)> {
        self.operations.0.iter().filter(|(name, _)| !name.contains("Channel") && !name.contains("Queue"))
    }

    /// The event of an output that is a stream of events.
    pub(crate) fn event_of(&self, output: &str) -> anyhow::Result<Option<&String>> {
        for (_, member) in &self.shape(output)?.members.0 {
            let stream = self.shape(&member.shape)?;
            if stream.eventstream {
                for (_, event) in &stream.members.0 {
                    if self.shape(&event.shape)?.event {
                        return Ok(Some(&event.shape));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The names of all shapes that can be reached from some, and theirs.
    pub(crate) fn reach<'m>(&'m self, from: impl IntoIterator<Item = &'m String>) -> anyhow::Result<BTreeSet<&'m str>> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&String> = from.into_iter().collect();
        while let Some(name) = left.pop() {
            if reached.insert(name.as_str()) {
                let shape = self.shape(name)?;
                left.extend(shape.members.0.iter().map(|(_, member)| &member.shape));
                left.extend([&shape.member, &shape.key, &shape.value].into_iter().flatten().map(|at| &at.shape));
            }
        }
        Ok(reached)
    }
}

/// An object with its members in the order in which they are written.
pub(crate) struct Ordered<T>(pub(crate) Vec<(String, T)>);

impl<T> Ordered<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
