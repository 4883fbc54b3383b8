//! Consumers from CREATING to gone, their limits, their listing, and restarts in the middle.

use super::*;
use crate::catalog::{CONSUMERS, STREAMS, StreamRecord};
use rheos_types::{ConsumerArn, ConsumerName};

fn consumer_of(name: &str) -> ConsumerName {
    ConsumerName::new(name).unwrap()
}

impl Bench {
    async fn register(&self, stream: &StreamName, name: &str) -> Result<ConsumerInfo, RegisterConsumerError> {
        self.streams.register_consumer(&self.ns, stream, &consumer_of(name), &BTreeMap::new()).await
    }

    fn consumer_status(&self, arn: &ConsumerArn) -> Option<ConsumerStatus> {
        self.streams.consumer(arn).ok().map(|consumer| consumer.status)
    }

    fn consumer_names(&self, stream: &StreamName) -> Vec<String> {
        let page = self.streams.list_consumers(&self.ns, stream, ListConsumers::default()).unwrap();
        page.consumers.iter().map(|consumer| consumer.name.to_string()).collect()
    }

    fn consumer_count(&self, stream: &StreamName) -> u32 {
        self.streams.describe_stream_summary(&self.ns, stream).unwrap().consumers
    }
}

#[tokio::test]
async fn a_consumer_goes_from_creating_to_active_to_deleting_to_gone() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let registered = bench.register(&a, "c").await.unwrap();
    assert_eq!((registered.status, registered.created_ms), (ConsumerStatus::Creating, bench.clock.wall_ms()));
    let arn = registered.arn();
    let text = format!("arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/c:{}", START_MS / 1000);
    assert_eq!(arn.to_string(), text);
    assert_eq!(bench.streams.consumer(&arn), Ok(registered.clone()));
    assert_eq!(bench.streams.consumer_named(&bench.ns, &a, &consumer_of("c")), Ok(registered));
    assert_eq!(bench.streams.tick().await.next_ms, bench.clock.wall_ms() + 100, "not due yet");
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Creating));
    bench.settle().await;
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Active));
    assert_eq!(bench.consumer_count(&a), 1);
    assert!(matches!(bench.register(&a, "c").await, Err(RegisterConsumerError::Exists { .. })));

    bench.streams.deregister_consumer(&arn).await.unwrap();
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Deleting));
    assert!(matches!(bench.register(&a, "c").await, Err(RegisterConsumerError::Exists { .. })), "not free yet");
    bench.clock.advance(50);
    bench.streams.deregister_consumer(&arn).await.unwrap();
    bench.clock.advance(50);
    assert!(bench.streams.tick().await.problems.is_empty());
    assert_eq!(bench.consumer_status(&arn), None, "saying it twice does not prolong it");
    assert_eq!(bench.consumer_count(&a), 0);
    assert!(bench.streams.deregister_consumer(&arn).await.is_err());
    assert_eq!(bench.log.scan(CONSUMERS).len(), 0);
    let missing = bench.streams.consumer_named(&bench.ns, &a, &consumer_of("c"));
    assert!(matches!(missing, Err(DescribeConsumerError::Consumer(_))));
    let missing = bench.streams.consumer_named(&bench.ns, &name_of("b"), &consumer_of("c"));
    assert!(matches!(missing, Err(DescribeConsumerError::Stream(_))));
}

#[tokio::test]
async fn a_name_taken_again_gets_another_arn_whatever_was_deleted_meanwhile() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let first = bench.register(&a, "c").await.unwrap().arn();
    let other = bench.register(&a, "d").await.unwrap().arn();
    bench.settle().await;
    bench.streams.deregister_consumer(&first).await.unwrap();
    bench.settle().await;
    bench.restart().await;
    let second = bench.register(&a, "c").await.unwrap().arn();
    assert!(second.created_s > first.created_s, "within one second");
    assert_eq!(bench.consumer_status(&first), None, "only an exact match is one");
    assert_eq!(bench.consumer_status(&other), Some(ConsumerStatus::Active));

    bench.streams.delete_stream(&bench.ns, &a, true).await.unwrap();
    assert_eq!(bench.consumer_status(&second), None, "gone at once");
    bench.settle().await;
    assert_eq!(bench.log.scan(CONSUMERS).len(), 0, "nothing is left behind");
    bench.restart().await;
    let a = bench.create("a", 1).await;
    let third = bench.register(&a, "c").await.unwrap().arn();
    assert!(third.created_s > second.created_s, "of another stream of that name");
}

#[tokio::test]
async fn no_more_consumers_than_a_stream_may_have() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (streams, ns, a) = (bench.streams.clone(), bench.ns.clone(), a.clone());
        let name = consumer_of(&format!("c{n}"));
        tasks.spawn(async move { streams.register_consumer(&ns, &a, &name, &BTreeMap::new()).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 5, "at once, and no more");
    let refused = done.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(refused, RegisterConsumerError::TooManyCreating { limit: 5, .. }), "{refused}");
    for n in 5..20 {
        bench.settle().await;
        bench.register(&a, &format!("d{n}")).await.unwrap();
    }
    bench.settle().await;
    let refused = bench.register(&a, "more").await;
    assert!(matches!(refused, Err(RegisterConsumerError::TooMany { limit: 20, .. })));
    assert_eq!(bench.consumer_count(&a), 20);
}

#[tokio::test]
async fn consumers_are_registered_with_streams_in_service_only_and_with_tags_that_are_some() {
    let bench = Bench::new().await;
    assert!(matches!(bench.register(&name_of("a"), "c").await, Err(RegisterConsumerError::NotFound(_))));
    bench.begin("a", 1).await.unwrap();
    let a = name_of("a");
    assert!(matches!(bench.register(&a, "c").await, Err(RegisterConsumerError::NotActive(_))));
    let listed = bench.streams.list_consumers(&bench.ns, &a, ListConsumers::default());
    assert!(matches!(listed, Err(ListConsumersError::NotActive(_))));
    bench.settle().await;
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.register(&a, "c").await.unwrap();
    let tags = BTreeMap::from([("a".to_owned(), "%".to_owned())]);
    let refused = bench.streams.register_consumer(&bench.ns, &a, &consumer_of("d"), &tags).await;
    assert!(matches!(refused, Err(RegisterConsumerError::Tags(TagRefusal::Percent))));
    bench.streams.delete_stream(&bench.ns, &a, true).await.unwrap();
    assert!(matches!(bench.register(&a, "c").await, Err(RegisterConsumerError::NotActive(_))));
}

#[tokio::test]
async fn a_stream_with_consumers_is_not_deleted_unless_it_is_said() {
    let bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let arn = bench.register(&a, "c").await.unwrap().arn();
    for _ in 0..2 {
        let refused = bench.streams.delete_stream(&bench.ns, &a, false).await;
        assert!(matches!(refused, Err(DeleteError::HasConsumers { .. })), "CREATING or ACTIVE");
        bench.settle().await;
    }
    bench.streams.deregister_consumer(&arn).await.unwrap();
    assert!(bench.streams.delete_stream(&bench.ns, &a, false).await.is_err(), "DELETING");
    bench.settle().await;
    bench.streams.delete_stream(&bench.ns, &a, false).await.unwrap();
}

#[tokio::test]
async fn a_registration_and_a_deletion_at_once_leave_nothing_behind() {
    let bench = Bench::open().await;
    for n in 0..20 {
        let a = bench.create(&format!("a{n}"), 1).await;
        let (registered, deleted) =
            tokio::join!(bench.register(&a, "c"), bench.streams.delete_stream(&bench.ns, &a, false));
        assert!(registered.is_ok() != deleted.is_ok(), "{registered:?} {deleted:?}");
        if registered.is_ok() {
            bench.streams.delete_stream(&bench.ns, &a, true).await.unwrap();
        }
        bench.settle().await;
    }
    assert_eq!(bench.log.scan(CONSUMERS).len() + bench.log.scan(STREAMS).len(), 0);
}

#[tokio::test]
async fn consumers_are_listed_by_name_in_pages_of_a_hundred() {
    let bench = Bench::open().await;
    let a = bench.create("a", 1).await;
    for n in (0..105).rev() {
        bench.register(&a, &format!("c{n:03}")).await.unwrap();
    }
    let list = |stream: &StreamName, max_results, next_token: Option<&str>| {
        let request = ListConsumers { max_results, next_token, stream_created_ms: None };
        bench.streams.list_consumers(&bench.ns, stream, request)
    };
    let page = list(&a, Some(10_000), None).unwrap();
    assert_eq!((page.consumers.len(), page.consumers[0].name.as_str()), (100, "c000"));
    let token = page.next_token.unwrap();
    let rest = list(&a, None, Some(&token)).unwrap();
    assert_eq!((rest.consumers.len(), rest.consumers[4].name.as_str(), rest.next_token), (5, "c104", None));
    assert_eq!(list(&a, Some(5), Some(&token)).unwrap().next_token, None, "exactly the rest");

    let b = bench.create("b", 1).await;
    assert_eq!(list(&b, None, Some(&token)), Err(ListConsumersError::Token(TokenError::Invalid)), "of another stream");
    let streams = bench.streams.list_streams(&bench.ns, Some(1), None, None).unwrap().next_token.unwrap();
    assert_eq!(list(&a, None, Some(&streams)), Err(ListConsumersError::Token(TokenError::Invalid)));
    let created_ms = bench.describe(&a).stream.created_ms;
    let of_time = |ms| ListConsumers { stream_created_ms: Some(ms), ..ListConsumers::default() };
    assert!(bench.streams.list_consumers(&bench.ns, &a, of_time(created_ms / 1000 * 1000)).is_ok());
    let missing = bench.streams.list_consumers(&bench.ns, &a, of_time(created_ms + 1000));
    assert!(matches!(missing, Err(ListConsumersError::NotFound(_))));
    bench.clock.advance(300_001);
    assert!(matches!(list(&a, None, Some(&token)), Err(ListConsumersError::Token(TokenError::Expired { .. }))));
}

#[tokio::test]
async fn every_transition_of_consumers_is_finished_after_a_restart() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let arn = bench.register(&a, "c").await.unwrap().arn();
    let stays = bench.register(&a, "d").await.unwrap().arn();
    bench.restart().await;
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Creating));
    assert_eq!(bench.consumer_names(&a), ["c", "d"]);
    bench.settle().await;
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Active));
    bench.streams.deregister_consumer(&arn).await.unwrap();
    bench.streams.split_shard(&bench.ns, &a, "0", "1000").await.unwrap();
    bench.restart().await;
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Deleting));
    bench.settle().await;
    assert_eq!(bench.status(&a), Some(Status::Active), "the stream goes first");
    assert!(bench.streams.tick().await.problems.is_empty());
    assert_eq!(bench.consumer_status(&arn), None);
    assert_eq!(bench.consumer_status(&stays), Some(ConsumerStatus::Active));
}

#[tokio::test]
async fn a_clock_set_back_does_not_hold_consumers_up() {
    let mut bench = Bench::new().await;
    let a = bench.create("a", 1).await;
    let arn = bench.register(&a, "c").await.unwrap().arn();
    bench.clock.set_wall(START_MS - 24 * HOUR_MS);
    bench.restart().await;
    assert!(bench.streams.tick().await.problems.is_empty());
    assert_eq!(bench.consumer_status(&arn), Some(ConsumerStatus::Active));
}

#[tokio::test]
async fn hundreds_of_streams_with_twenty_consumers_each_settle_in_one_step() {
    let bench = Bench::open().await;
    let mut names = Vec::new();
    for n in 0..200 {
        bench.begin(&format!("s{n:03}"), 1).await.unwrap();
        names.push(name_of(&format!("s{n:03}")));
    }
    bench.settle().await;
    for name in &names {
        for n in 0..20 {
            bench.register(name, &format!("c{n}")).await.unwrap();
        }
    }
    bench.settle().await;
    let active = |name: &StreamName| {
        let page = bench.streams.list_consumers(&bench.ns, name, ListConsumers::default()).unwrap();
        page.consumers.iter().filter(|consumer| consumer.status == ConsumerStatus::Active).count()
    };
    assert!(names.iter().all(|name| active(name) == 20));
    assert!(bench.streams.views.pending().is_empty());
}

/// A catalog of the version before consumers has no such member.
#[test]
fn a_stream_of_before_consumers_reads() {
    let text =
        br#"{"uid":1,"status":"ACTIVE","mode":"PROVISIONED","retention_hours":24,"created_ms":1,"last_shard_second":1,
        "next_shard":1,"max_record_kib":1024,"tags":{},"horizon_ms":0,"pending":null}"#;
    let record: StreamRecord = crate::catalog::decode(&bytes::Bytes::from_static(text)).unwrap();
    assert_eq!(record.last_consumer_second, 0);
}
