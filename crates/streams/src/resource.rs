//! Streams and consumers as resources: what has tags and a policy of its own.

use crate::catalog::{ConsumerRecord, ConsumerStatus, StreamRecord};
use crate::consumer::{ConsumerInfo, find, not_found};
use crate::facts::{ConsumerNotFound, NotActive, StreamNotFound};
use crate::open::{Streams, put_stream};
use crate::view::{ConsumerView, StreamView};
use rheos_log::{LogError, Transaction};
use rheos_types::ResourceArn;
use std::collections::BTreeMap;

/// Why a resource cannot be looked at, or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// There is no such stream.
    #[error(transparent)]
    Stream(#[from] StreamNotFound),
    /// There is no such consumer.
    #[error(transparent)]
    Consumer(#[from] ConsumerNotFound),
    /// The stream is being created or deleted.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The consumer is being created or deleted.
    #[error("consumer {} is {}", .0.name, .0.status.as_str())]
    ConsumerNotActive(ConsumerInfo),
}

/// What hangs on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<String>,
}

impl Streams {
    /// What hangs on a stream that is ACTIVE or UPDATING, or on a consumer that is ACTIVE.
    pub(crate) fn attached(&self, resource: &ResourceArn) -> Result<Attached, ResourceError> {
        match resource {
            ResourceArn::Stream(arn) => of_stream(&*self.stream(&arn.namespace, &arn.name)?),
            ResourceArn::Consumer(arn) => {
                let stream = self.views.get(&arn.stream.namespace, &arn.stream.name).ok_or_else(|| not_found(arn))?;
                of_consumer(&stream, find(&stream, arn)?)
            }
        }
    }

    /// Changes what hangs on such a resource: lets `edit` do it, and decides again if something else came first.
    pub(crate) async fn change_attached<E>(
        &self,
        resource: &ResourceArn,
        edit: impl Fn(&mut Attached) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: From<ResourceError> + From<StreamNotFound> + From<ConsumerNotFound> + From<LogError>,
    {
        let edited = |was: Attached| -> Result<Option<Attached>, E> {
            let mut attached = was.clone();
            edit(&mut attached)?;
            Ok((attached != was).then_some(attached))
        };
        match resource {
            ResourceArn::Stream(arn) => {
                let decide = |view: &StreamView| {
                    let Some(Attached { tags, policy }) = edited(of_stream(view)?)? else { return Ok(None) };
                    let record = StreamRecord { tags, policy, ..view.record.clone() };
                    Ok(Some(Transaction { changes: vec![put_stream(view, &record)], ..Transaction::default() }))
                };
                self.change(&arn.namespace, &arn.name, decide).await
            }
            ResourceArn::Consumer(arn) => {
                let decide = |stream: &StreamView, consumer: &ConsumerView| {
                    let Some(Attached { tags, policy }) = edited(of_consumer(stream, consumer)?)? else {
                        return Ok(None);
                    };
                    Ok(Some(ConsumerRecord { tags, policy, ..consumer.record.clone() }))
                };
                self.change_consumer(arn, decide).await
            }
        }
    }
}

fn of_stream(view: &StreamView) -> Result<Attached, ResourceError> {
    if !view.record.status.serves() {
        return Err(view.not_active().into());
    }
    Ok(Attached { tags: view.record.tags.clone(), policy: view.record.policy.clone() })
}

fn of_consumer(stream: &StreamView, consumer: &ConsumerView) -> Result<Attached, ResourceError> {
    if consumer.record.status != ConsumerStatus::Active {
        return Err(ResourceError::ConsumerNotActive(ConsumerInfo::of(stream, consumer)));
    }
    Ok(Attached { tags: consumer.record.tags.clone(), policy: consumer.record.policy.clone() })
}
