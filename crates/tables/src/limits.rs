//! The limits of tables. The first part are DynamoDB's own (its developer guide, "Quotas"), the second are ours: these
//! tables are for leases and checkpoints, and are kept in memory.

/// Bytes of an item: names and values.
pub const ITEM_BYTES: usize = 400 << 10;
/// Bytes of the value of a hash key.
pub const HASH_KEY_BYTES: usize = 2048;
/// Bytes of the value of a range key.
pub const RANGE_KEY_BYTES: usize = 1024;
/// Bytes of items that one Query or Scan looks at.
pub const PAGE_BYTES: usize = 1 << 20;
/// Items of one BatchGetItem.
pub const BATCH_GET: usize = 100;
/// Bytes of one answer of BatchGetItem.
pub const BATCH_GET_BYTES: usize = 16 << 20;
/// Puts and deletes of one BatchWriteItem.
pub const BATCH_WRITE: usize = 25;
/// Actions of one transaction.
pub const TRANSACTION: usize = 100;
/// Bytes of the items of one transaction.
pub const TRANSACTION_BYTES: usize = 4 << 20;
/// How long a ClientRequestToken is remembered.
pub const TOKEN_LIFE_MS: u64 = 600_000;
/// Global secondary indexes of a table.
pub const GLOBAL_INDEXES: usize = 20;
/// Local secondary indexes of a table.
pub const LOCAL_INDEXES: usize = 5;
/// Attributes that all indexes of a table together name in their projections.
pub const PROJECTED_ATTRIBUTES: usize = 100;
/// Tables of an account, in all regions together.
pub const TABLES: usize = 2500;
/// Tags of a table.
pub const TAGS: usize = 50;
/// Names in one ListTables answer.
pub const LIST_TABLES: u32 = 100;
/// Segments of a parallel scan.
pub const SEGMENTS: u32 = 1_000_000;

/// Bytes of memory that the tables of one account take, in all regions together, unless it is configured.
pub const ACCOUNT_BYTES: usize = 256 << 20;
/// Bytes of one item as it is kept: the log takes no larger value. An item of 400 KB has this many only if it is full of
/// control characters or of long numbers.
pub const STORED_BYTES: usize = 1 << 20;
