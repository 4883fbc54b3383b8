//! How a key of the key service is named: by its id, by an alias, or by the ARN of either.
//!
//! The forms are those of KMS's `KeyId` (`reference/api.md` §5.10): a UUID or `mrk-` and 32 hex digits, `alias/NAME`,
//! `arn:aws:kms:REGION:ACCOUNT:key/ID`, `arn:aws:kms:REGION:ACCOUNT:alias/NAME`.

use crate::name::{AccountId, Namespace, Region};
use std::fmt;

/// The name of a key, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId {
    text: String,
    home: Option<Namespace>,
    resource: usize,
}

/// The text names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} names no key: expected a key id, alias/NAME, or the ARN of either")]
pub struct InvalidKeyId {
    /// What it looked like.
    pub value: String,
}

impl KeyId {
    /// Reads a name of any form.
    ///
    /// # Errors
    /// [`InvalidKeyId`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeyId> {
        let invalid = || InvalidKeyId { value: text.chars().take(160).collect() };
        let (home, resource) = match text.strip_prefix("arn:") {
            None => (None, text),
            Some(rest) => {
                let parts: Vec<&str> = rest.splitn(5, ':').collect();
                let [partition, "kms", region, account, resource] = parts[..] else { return Err(invalid()) };
                if !partition.starts_with("aws") {
                    return Err(invalid());
                }
                let region = Region::new(region).map_err(|_| invalid())?;
                let account = AccountId::new(account).map_err(|_| invalid())?;
                // Only in an ARN does an id say that it is one.
                if !resource.starts_with("alias/") && !resource.starts_with("key/") {
                    return Err(invalid());
                }
                (Some(Namespace { account, region }), resource.strip_prefix("key/").unwrap_or(resource))
            }
        };
        let known = match resource.strip_prefix("alias/") {
            Some(name) => is_alias(name),
            None => is_key(resource),
        };
        if !known {
            return Err(invalid());
        }
        Ok(Self { text: text.to_owned(), home, resource: text.len() - resource.len() })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region that an ARN names.
    #[must_use]
    pub fn region(&self) -> Option<&Region> {
        self.home.as_ref().map(|home| &home.region)
    }

    /// Whether both are names of one key for somebody in `namespace`. What an alias stands for is not known here.
    #[must_use]
    pub fn is_same(&self, other: &Self, namespace: &Namespace) -> bool {
        let parts = |key: &Self| {
            let resource = &key.text[key.resource..];
            // Hex digits have no case; aliases do.
            let resource = if resource.starts_with("alias/") { resource.to_owned() } else { resource.to_lowercase() };
            (key.home.clone().unwrap_or_else(|| namespace.clone()), resource)
        };
        parts(self) == parts(other)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_alias(name: &str) -> bool {
    (1..=250).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-'))
}

fn is_key(id: &str) -> bool {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(multi_region) = id.strip_prefix("mrk-") {
        return is_hex(multi_region, 32);
    }
    let groups: Vec<&str> = id.split('-').collect();
    groups.len() == 5 && groups.iter().zip([8, 4, 4, 4, 12]).all(|(group, digits)| is_hex(group, digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn home() -> Namespace {
        Namespace { account: AccountId::new("123456789012").unwrap(), region: Region::new("eu-west-1").unwrap() }
    }

    #[test]
    fn every_form_is_read_and_nothing_else() {
        let long = format!("alias/{}", "a".repeat(250));
        for text in [
            ID,
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "alias/aws/kinesis",
            &long,
            "arn:aws:kms:eu-west-1:123456789012:alias/a_b-C",
            &format!("arn:aws-cn:kms:cn-north-1:123456789012:key/{ID}"),
        ] {
            assert_eq!(KeyId::parse(text).map(|key| key.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "x",
            "alias/",
            "alias/a b",
            "key",
            &format!("key/{ID}"),
            &ID[1..],
            &format!("{ID}0"),
            "mrk-1234",
            &format!("alias/{}", "a".repeat(251)),
            &format!("arn:aws:kms:eu-west-1:123456789012:{ID}"),
            &format!("arn:aws:kinesis:eu-west-1:123456789012:key/{ID}"),
            &format!("arn:aws:kms:eu-west-1:12345:key/{ID}"),
            &format!("arn:gcp:kms:eu-west-1:123456789012:key/{ID}"),
            "arn:aws:kms:eu-west-1:123456789012",
        ] {
            assert!(KeyId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_and_its_arn_are_one_key() {
        let key = |text: &str| KeyId::parse(text).unwrap();
        let arn = format!("arn:aws:kms:eu-west-1:123456789012:key/{ID}");
        assert!(key(ID).is_same(&key(&arn), &home()));
        assert!(key(&ID.to_uppercase()).is_same(&key(&arn), &home()));
        assert!(!key(ID).is_same(&key(&arn.replace("123456789012", "000000000000")), &home()));
        assert!(key("alias/x").is_same(&key("arn:aws:kms:eu-west-1:123456789012:alias/x"), &home()));
        assert!(!key("alias/x").is_same(&key("alias/X"), &home()));
        assert_eq!(key(&arn).region(), Some(&home().region));
        assert_eq!(key(ID).region(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}", rest in "[a-z0-9:/-]{0,60}") {
            let _read = (KeyId::parse(&text), KeyId::parse(&format!("arn:aws:kms:{rest}")));
        }
    }
}
