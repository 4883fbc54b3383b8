//! Consumers with throughput of their own.

use aws_sdk_kinesis::types::{ConsumerDescription, ConsumerStatus};

use crate::{Run, recent};

impl Run {
    /// Makes a consumer and waits until it can be used.
    pub(crate) async fn register(&self, stream: &str, name: &str) -> String {
        let made = self.client.register_stream_consumer().stream_arn(stream).consumer_name(name).send().await.unwrap();
        let made = made.consumer.unwrap();
        assert_eq!(made.consumer_name(), name);
        recent(Some(made.consumer_creation_timestamp()));
        let arn = made.consumer_arn();
        until!("ACTIVE", *self.consumer(arn).await.consumer_status() == ConsumerStatus::Active);
        made.consumer_arn
    }

    async fn consumer(&self, arn: &str) -> ConsumerDescription {
        let answer = self.client.describe_stream_consumer().consumer_arn(arn).send().await.unwrap();
        answer.consumer_description.unwrap()
    }
}

pub(crate) async fn all(run: &Run) {
    run.test("consumers", "register, describe, list in pages, deregister", |run| async move {
        let (client, name) = (&run.client, run.create("consumed", 1, &[]).await);
        let stream = run.summary(&name).await.stream_arn;
        let mut arns = Vec::new();
        for name in ["a", "b", "c"] {
            arns.push(run.register(&stream, name).await);
        }
        assert_eq!(run.consumer(&arns[0]).await.stream_arn(), stream);
        let by_name = client.describe_stream_consumer().stream_arn(&stream).consumer_name("b").send().await.unwrap();
        assert_eq!(by_name.consumer_description().unwrap().consumer_arn(), arns[1]);
        let mut pages = client.list_stream_consumers().stream_arn(&stream).max_results(2).into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            names.extend(page.unwrap().consumers.unwrap().into_iter().map(|consumer| consumer.consumer_name));
        }
        assert_eq!(names, ["a", "b", "c"]);
        let again = client.register_stream_consumer().stream_arn(&stream).consumer_name("a").send().await;
        assert!(again.unwrap_err().into_service_error().is_resource_in_use_exception());
        let delete = client.delete_stream().stream_arn(&stream).send().await;
        assert!(delete.unwrap_err().into_service_error().is_resource_in_use_exception());
        client.deregister_stream_consumer().consumer_arn(&arns[0]).send().await.unwrap();
        client.deregister_stream_consumer().stream_arn(&stream).consumer_name("b").send().await.unwrap();
        until!("one is left", run.summary(&name).await.consumer_count() == Some(1));
        let gone = client.describe_stream_consumer().consumer_arn(&arns[0]).send().await;
        assert!(gone.unwrap_err().into_service_error().is_resource_not_found_exception());
    })
    .await;
}
