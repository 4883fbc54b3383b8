//! The typed structures and enumerations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};

use super::model::{Model, Shape};
use super::words;

/// Members that the model requires and the service leaves out all the same.
///
/// The last event of a shard has no continuation: consumers take the absence for the end of the shard (api.md §8).
const OPTIONAL_AFTER_ALL: &[(&str, &str)] = &[("SubscribeToShardEvent", "ContinuationSequenceNumber")];

/// The shapes that become types: all that the inputs and outputs of typed operations are made of.
pub(crate) struct Types<'m> {
    model: &'m Model,
    names: BTreeSet<&'m str>,
}

impl<'m> Types<'m> {
    pub(crate) fn of(model: &'m Model) -> anyhow::Result<Self> {
        let mut roots = Vec::new();
        for (_, operation) in model.typed_operations() {
            roots.push(&operation.input.shape);
            if let Some(output) = &operation.output {
                roots.push(model.event_of(&output.shape)?.unwrap_or(&output.shape));
            }
        }
        Ok(Self { model, names: model.reach(roots)? })
    }

    pub(crate) fn enums(&self) -> anyhow::Result<String> {
        let mut out = String::from(
            "//! The texts that come from a set.

#![allow(missing_docs, reason = \"a name is all that the model says of a value\")]

use crate::text_enum::text_enum;

",
        );
        for &name in &self.names {
            let shape = self.model.shape(name)?;
            if shape.values.is_empty() {
                continue;
            }
            writeln!(out, "text_enum! {{\npub enum {name} {{")?;
            for value in &shape.values {
                writeln!(out, "{} = \"{value}\",", pascal(&value.replace('/', "Per")))?;
            }
            out.push_str("}\n}\n\n");
        }
        Ok(out)
    }

    pub(crate) fn structures(&self, service: &str) -> anyhow::Result<String> {
        let mut structures = String::new();
        for &name in &self.names {
            let shape = self.model.shape(name)?;
            if shape.kind == "structure" {
                self.structure(name, shape, &mut structures)?;
            }
        }
        let mut scalars = vec!["Timestamp"];
        if structures.contains("Blob") {
            scalars.insert(0, "Blob");
        }
        Ok(format!(
            "//! What operations take and answer with, member by member. What the members mean is in the API reference of
//! {service}; here they have its names, in the spelling of Rust.

#![allow(missing_docs, reason = \"a name is all that the model says of a member\")]

use std::collections::BTreeMap;

use serde::{{Deserialize, Serialize}};

use super::enums::*;
use crate::scalar::{{{}}};

{structures}",
            scalars.join(", ")
        ))
    }

    fn structure(&self, name: &str, shape: &Shape, out: &mut String) -> anyhow::Result<()> {
        let fields = shape.members.0.iter().map(|(member, reference)| {
            let required = shape.required.contains(member) && !OPTIONAL_AFTER_ALL.contains(&(name, member.as_str()));
            Ok((member, self.type_of(&reference.shape)?, required))
        });
        let fields: Vec<_> = fields.collect::<anyhow::Result<_>>()?;

        // A structure with a default can be built by naming only what it has.
        let has_default = fields.iter().all(|(_, of, required)| !required || self.defaults(of));
        let default = if has_default { "Default, " } else { "" };
        writeln!(out, "#[derive(Clone, Debug, {default}PartialEq, Deserialize, Serialize)]")?;
        writeln!(out, "#[serde(rename_all = \"PascalCase\")]\npub struct {name} {{")?;
        for (member, of, required) in fields {
            let field = words(member).join("_");
            let mut attributes = Vec::new();
            if pascal(&field) != *member {
                attributes.push(format!("rename = \"{member}\""));
            }
            if !required {
                attributes.push("skip_serializing_if = \"Option::is_none\"".to_owned());
            }
            if !attributes.is_empty() {
                writeln!(out, "#[serde({})]", attributes.join(", "))?;
            }
            let field = if field == "type" { "r#type".to_owned() } else { field };
            let of = if required { of } else { format!("Option<{of}>") };
            writeln!(out, "pub {field}: {of},")?;
        }
        out.push_str("}\n\n");
        Ok(())
    }

    /// Whether a required member of this type has a value that means nothing was said. A structure or a text from a set
    /// has none.
    fn defaults(&self, of: &str) -> bool {
        !self.names.contains(of)
    }

    fn type_of(&self, name: &str) -> anyhow::Result<String> {
        let shape = self.model.shape(name)?;
        let of = match shape.kind.as_str() {
            "string" if !shape.values.is_empty() => name.to_owned(),
            "structure" => name.to_owned(),
            "string" => "String".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "double" => "f64".to_owned(),
            "boolean" => "bool".to_owned(),
            "timestamp" => "Timestamp".to_owned(),
            "blob" => "Blob".to_owned(),
            "list" => {
                let member = shape.member.as_ref().context("a list has a member")?;
                format!("Vec<{}>", self.type_of(&member.shape)?)
            }
            "map" => {
                let key = shape.key.as_ref().context("a map has a key")?;
                let value = shape.value.as_ref().context("a map has a value")?;
                format!("BTreeMap<{}, {}>", self.type_of(&key.shape)?, self.type_of(&value.shape)?)
            }
            other => bail!("{name} is of a kind that is not known: {other}"),
        };
        Ok(of)
    }
}

/// `AT_SEQUENCE_NUMBER` is `AtSequenceNumber`; so is `at_sequence_number`.
fn pascal(name: &str) -> String {
    let capital = |word: &String| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    words(name).iter().filter_map(capital).collect()
}
