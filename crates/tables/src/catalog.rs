//! What tables keep in the log's catalog, and under which keys. Values are JSON, items in the form of DynamoDB's API.
//!
//! | key | value |
//! | --- | --- |
//! | `table/{account}/{region}/{name}` | [`TableRecord`] |
//! | `item/{account}/{region}/{table's uid, 32 hex digits}/{key of the item}` | [`ItemRecord`] |
//! | `request/{account}/{region}/{ClientRequestToken}` | [`RequestRecord`]: a transaction that was carried out |
//!
//! The key of an item is its hash key and range key, each by its type and with what is not a letter, a digit or one of
//! `_.-` escaped (`SshardId-000000000000`); of a long one, the digest (`key.rs`). The whole key is in the value.
//!
//! A field is added with `#[serde(default)]`; one is never renamed or given another meaning.

use crate::key::{KeySchema, KeyType, Place, escaped};
use crate::value::Item;
use rheos_log::{Change, Condition, Key};
use rheos_types::{AccountId, Namespace, Region, TableName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

pub(crate) const TABLES: &str = "table/";
pub(crate) const ITEMS: &str = "item/";
pub(crate) const REQUESTS: &str = "request/";

/// Tells a table from every other, those of the same name before and after it included: random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableUid(pub(crate) u128);

impl TableUid {
    /// As a UUID is written.
    #[must_use]
    pub fn to_uuid(self) -> String {
        let digits = self.to_string();
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        parts.join("-")
    }
}

impl fmt::Display for TableUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<TableUid> for String {
    fn from(uid: TableUid) -> Self {
        uid.to_string()
    }
}

impl TryFrom<String> for TableUid {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

/// Where a table is in its life. One is made in a moment, so none is ever CREATING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TableStatus {
    /// In service.
    Active,
    /// In service, while an index is being made or removed.
    Updating,
    /// Its items are being removed; it serves no more.
    Deleting,
}

impl TableStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// Where an index is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IndexStatus {
    /// The items that were there before it are being taken in. It serves no reads.
    Creating,
    /// In service.
    Active,
}

impl IndexStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
        }
    }
}

/// What of an item an index shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexProjection {
    /// All of it.
    All,
    /// The keys of table and index.
    KeysOnly,
    /// The keys and some other attributes.
    Include(Vec<String>),
}

/// How many units a table or an index was said to need. Nothing is counted against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// Reads.
    pub read: u64,
    /// Writes.
    pub write: u64,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRecord {
    /// Its key.
    pub key: KeySchema,
    /// What it shows.
    pub projection: IndexProjection,
    /// Where it is in its life.
    pub status: IndexStatus,
    /// Its collections are the table's. Such an index is made with its table and shows all that is written at once.
    #[serde(default)]
    pub local: bool,
    /// What it was said to need.
    #[serde(default)]
    pub throughput: Throughput,
}

/// How a table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillingMode {
    /// By units.
    Provisioned,
    /// By requests.
    PayPerRequest,
}

impl BillingMode {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::PayPerRequest => "PAY_PER_REQUEST",
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Tells it from every other.
    pub uid: TableUid,
    /// DELETING is all that is kept: whether it is UPDATING, its indexes say.
    pub(crate) deleting: bool,
    /// When it was made.
    pub created_ms: u64,
    /// The types of the attributes that keys are made of, in the order in which they were given.
    pub attributes: Vec<(String, KeyType)>,
    /// Its key.
    pub key: KeySchema,
    /// Its indexes by name.
    #[serde(default)]
    pub indexes: BTreeMap<String, IndexRecord>,
    /// How it is paid for.
    pub billing: BillingMode,
    /// Since when by requests.
    #[serde(default)]
    pub pay_per_request_since_ms: Option<u64>,
    /// What it was said to need.
    #[serde(default)]
    pub throughput: Throughput,
    /// It cannot be deleted.
    #[serde(default)]
    pub deletion_protected: bool,
    /// Its storage class, as it was given. All are the same here.
    #[serde(default)]
    pub class: Option<String>,
    /// Since when it was said that backups be made all the time. What is written is durable; nothing else is made.
    #[serde(default)]
    pub recovery_since_ms: Option<u64>,
    /// For how many days.
    #[serde(default)]
    pub recovery_days: Option<u32>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl TableRecord {
    /// The type of an attribute that is part of a key.
    #[must_use]
    pub fn type_of(&self, name: &str) -> Option<KeyType> {
        self.attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, kind)| *kind)
    }

    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> TableStatus {
        if self.deleting {
            TableStatus::Deleting
        } else if self.indexes.values().any(|index| index.status == IndexStatus::Creating) {
            TableStatus::Updating
        } else {
            TableStatus::Active
        }
    }
}

/// An item, its own or one that is borrowed to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ItemRecord<I = Item> {
    pub(crate) item: I,
}

/// A transaction that was carried out, by the token that its caller gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestRecord {
    /// Of what was asked for.
    pub(crate) digest: String,
    pub(crate) done_ms: u64,
}

pub(crate) fn table_key(namespace: &Namespace, name: &TableName) -> Key {
    Key::new(format!("{TABLES}{}/{}/{name}", namespace.account, namespace.region))
}

pub(crate) fn parse_table_key(key: &Key) -> Option<(Namespace, TableName)> {
    let (namespace, name) = parse_namespace(key.as_str().strip_prefix(TABLES)?)?;
    Some((namespace, TableName::new(name).ok()?))
}

pub(crate) fn item_key(namespace: &Namespace, uid: TableUid, place: &Place) -> Key {
    Key::new(format!("{ITEMS}{}/{}/{uid}/{}", namespace.account, namespace.region, place.text()))
}

/// The table of an item's key.
pub(crate) fn parse_item_key(key: &Key) -> Option<TableUid> {
    let (_, rest) = parse_namespace(key.as_str().strip_prefix(ITEMS)?)?;
    TableUid::try_from(rest.split_once('/')?.0.to_owned()).ok()
}

pub(crate) fn request_key(namespace: &Namespace, token: &str) -> Key {
    Key::new(format!("{REQUESTS}{}/{}/{}", namespace.account, namespace.region, escaped(token.as_bytes())))
}

pub(crate) fn parse_namespace(text: &str) -> Option<(Namespace, &str)> {
    let (account, rest) = text.split_once('/')?;
    let (region, rest) = rest.split_once('/')?;
    Some((Namespace { account: AccountId::new(account).ok()?, region: Region::new(region).ok()? }, rest))
}

/// The change that gives a key this value.
pub(crate) fn put(key: Key, value: &impl Serialize) -> Change {
    Change::Put { key, value: encode(value).into() }
}

/// The value as it is kept.
#[expect(clippy::expect_used, reason = "records have no maps whose keys are not texts, and nothing else can fail")]
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a record of the catalog is JSON")
}

/// What is kept; `None` if it cannot be read.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

pub(crate) fn expect(key: Key, version: Option<u64>) -> Condition {
    Condition { key, version }
}
