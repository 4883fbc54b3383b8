//! The table of targets.

use rheos_log::fuzz as log;
use rheos_wire::fuzz as wire;

use crate::Target;

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "log_batch",
        about: "a batch: header, directory, changes, blocks",
        decode: log::batch,
        seeds: log::batch_seeds,
        longest_bytes: 16 << 10,
        bytes_per_byte: 200,
    },
    Target {
        name: "log_file",
        about: "log files through the whole of recovery, and what a start does then",
        decode: log::log_file,
        seeds: log::log_file_seeds,
        longest_bytes: 16 << 10,
        bytes_per_byte: 1000,
    },
    Target {
        name: "log_manifest",
        about: "MANIFEST and the root in it",
        decode: log::manifest,
        seeds: log::manifest_seeds,
        longest_bytes: 4 << 10,
        bytes_per_byte: 200,
    },
    Target {
        name: "log_records",
        about: "the records of a block",
        decode: log::records,
        seeds: log::records_seeds,
        longest_bytes: 2 << 10,
        bytes_per_byte: 50,
    },
    Target {
        name: "log_segment",
        about: "a segment: opened, read, searched by time, verified",
        decode: log::segment,
        seeds: log::segment_seeds,
        longest_bytes: 8 << 10,
        bytes_per_byte: 200,
    },
    Target {
        name: "log_snapshot",
        about: "a snapshot of the catalog",
        decode: log::snapshot,
        seeds: log::snapshot_seeds,
        longest_bytes: 8 << 10,
        bytes_per_byte: 200,
    },
    Target {
        name: "json",
        about: "requests of every operation in JSON, beside the same in CBOR",
        decode: wire::json,
        seeds: wire::json_seeds,
        longest_bytes: 4 << 10,
        bytes_per_byte: 500,
    },
    Target {
        name: "json_put",
        about: "PutRecord and PutRecords in JSON, borrowed beside copied",
        decode: wire::json_put,
        seeds: wire::json_put_seeds,
        longest_bytes: 4 << 10,
        bytes_per_byte: 500,
    },
    Target {
        name: "cbor",
        about: "requests of every operation in CBOR",
        decode: wire::cbor,
        seeds: wire::cbor_seeds,
        longest_bytes: 4 << 10,
        bytes_per_byte: 500,
    },
    Target {
        name: "cbor_put",
        about: "PutRecord and PutRecords in CBOR, borrowed beside copied",
        decode: wire::cbor_put,
        seeds: wire::cbor_put_seeds,
        longest_bytes: 4 << 10,
        bytes_per_byte: 500,
    },
];
