//! Requests that start and stop encryption, and cannot.

use serde_json::json;

use crate::Says::{All, Exactly};
use crate::{INVALID, NOT_FOUND, Row, VALIDATION, call, row};

pub(crate) fn encryption() -> Vec<Row> {
    let encryption = |verb: &str, kind: &str, key: &str, stream: &str| {
        let body = json!({"StreamName": stream, "EncryptionType": kind, "KeyId": key});
        call(&format!("{verb}StreamEncryption"), body)
    };
    let nobody = "Stream nobody under account 000000000000 not found.";
    vec![
        row(
            "encrypt no such stream",
            encryption("Start", "KMS", "alias/aws/kinesis", "nobody"),
            NOT_FOUND,
            Exactly(nobody),
        ),
        row(
            "decrypt no such stream",
            encryption("Stop", "KMS", "alias/aws/kinesis", "nobody"),
            NOT_FOUND,
            Exactly(nobody),
        ),
        row(
            "encrypt by nothing",
            encryption("Start", "NONE", "alias/aws/kinesis", "s"),
            INVALID,
            Exactly("EncryptionType has to be KMS."),
        ),
        row("stop nothing", encryption("Stop", "NONE", "alias/aws/kinesis", "s"), INVALID, All(&["KMS"])),
        row("no encryption type", encryption("Start", "AES", "alias/aws/kinesis", "s"), VALIDATION, All(&["KMS"])),
        row("an empty key id", encryption("Start", "KMS", "", "s"), VALIDATION, All(&["keyId"])),
        row("a long key id", encryption("Start", "KMS", &"a".repeat(2049), "s"), VALIDATION, All(&["keyId"])),
        row(
            "a key id that is none",
            encryption("Start", "KMS", "my key", "s"),
            INVALID,
            Exactly(
                "KeyId my key names no key: it has to be a key id, alias/NAME, or the ARN of a key or of an alias.",
            ),
        ),
        row("stop by a key id that is none", encryption("Stop", "KMS", "alias/", "s"), INVALID, All(&["names no key"])),
        row(
            "a key of another region",
            encryption("Start", "KMS", "arn:aws:kms:eu-west-1:000000000000:alias/x", "s"),
            INVALID,
            Exactly(
                "KeyId arn:aws:kms:eu-west-1:000000000000:alias/x names a key of another region than the stream's, \
                 us-east-1.",
            ),
        ),
    ]
}
