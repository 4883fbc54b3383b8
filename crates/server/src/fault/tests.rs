use super::*;
use rheos_streams::{IteratorError, IteratorKind, OpenIteratorError, PutRecordsError, Status, TagError, TagRefusal};
use rheos_types::{AccountId, HashKey, Namespace, Region, ResourceArn, ShardId, StreamArn, StreamName};

fn namespace() -> Namespace {
    Namespace { account: AccountId::new("123456789012").unwrap(), region: Region::new("eu-west-1").unwrap() }
}

fn said(fault: impl Into<Fault>) -> (&'static str, String) {
    let body = fault.into().body;
    (body.code.wire_name(), body.message.unwrap_or_default().into_owned())
}

#[test]
fn facts_are_told_in_the_words_of_the_service() {
    let (namespace, stream) = (namespace(), StreamName::new("s").unwrap());
    let shard = ShardId(3);
    assert_eq!(
        said(StreamNotFound { namespace: namespace.clone(), stream: stream.clone() }),
        ("ResourceNotFoundException", "Stream s under account 123456789012 not found.".to_owned())
    );
    assert_eq!(
        said(ShardIdInvalid { namespace: namespace.clone(), stream: stream.clone(), shard: "x".to_owned() }).1,
        "Could not find shard x in stream s under account 123456789012."
    );
    assert_eq!(
        said(NotActive { namespace: namespace.clone(), stream: stream.clone(), status: Status::Updating }),
        (
            "ResourceInUseException",
            "Stream s under account 123456789012 not ACTIVE, instead in state UPDATING".to_owned()
        )
    );
    let split = HashKeyOutOfRange {
        namespace: namespace.clone(),
        stream: stream.clone(),
        shard,
        hash_key: "0".to_owned(),
        start: HashKey(0),
        end: HashKey(9),
    };
    assert_eq!(
        said(split).1,
        "NewStartingHashKey 0 used in SplitShard() on shard shardId-000000000003 in stream s under account 123456789012 \
         is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey 9."
    );
    let refusal = TagRefusal::TooMany { limit: 50 };
    let resource = ResourceArn::Stream(StreamArn { namespace, name: stream });
    let refused = TagError::Refused { resource, refusal };
    assert_eq!(
        said(control::change_tags(refused, "add tags to")).1,
        "Failed to add tags to stream s under account 123456789012 because a given stream cannot have more than 50 tags \
         associated with it."
    );
}

#[test]
fn iterators_are_refused_in_the_words_of_the_service() {
    let expired = OpenIteratorError::Expired { issued_ms: 1_579_066_282_000, now_ms: 1_579_066_600_000 };
    assert_eq!(
        said(expired),
        (
            "ExpiredIteratorException",
            "Iterator expired. The iterator was created at time Wed Jan 15 05:31:22 UTC 2020 while right now it is Wed \
             Jan 15 05:36:40 UTC 2020 which is further in the future than the tolerated delay of 300000 milliseconds."
                .to_owned()
        )
    );
    let mismatch = IteratorError::SequenceMismatch { kind: IteratorKind::Latest, given: true };
    assert!(said(mismatch).1.ends_with("Request specified LATEST and also a StartingSequenceNumber."));
}

#[test]
fn nothing_happened_and_may_have_happened_stay_apart() {
    let full = LogError::Full { free_bytes: 10, reserve_bytes: 20 };
    let (code, message) = said(full);
    assert_eq!(code, "InternalFailureException");
    assert!(message.contains("Nothing was written") && message.contains("10 bytes"), "{message}");
    assert!(said(LogError::Unknown).1.contains("may have happened"));
    assert_eq!(said(LogError::Overloaded).0, "LimitExceededException");
    let overloaded = PutRecordsError::Log(LogError::Overloaded);
    assert_eq!(said(overloaded).0, "ProvisionedThroughputExceededException");
    assert_eq!(
        said(PutRecordsError::TooLarge { bytes: 1, limit_bytes: 10 << 20 }).1,
        "Records size exceeds 10 MB limit"
    );
}

#[test]
fn a_chain_is_told_whole() {
    let error = LogError::Full { free_bytes: 1, reserve_bytes: 2 };
    let fault = Fault::from(error);
    assert!(chain(fault.cause.as_deref().unwrap()).starts_with("the disk is full"));
}
