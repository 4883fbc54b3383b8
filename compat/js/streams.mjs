// Streams and shards.
import { paginateListStreams, waitUntilStreamExists, waitUntilStreamNotExists } from "@aws-sdk/client-kinesis";
import { FIRST, ensure, equal, recent } from "./main.mjs";

export async function streams(run) {
  const { client } = run;
  await run.test("streams", "create, wait, describe", async () => {
    const name = "described";
    await client.createStream({ StreamName: name, ShardCount: 3 });
    await waitUntilStreamExists({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StreamName: name });
    const found = (await client.describeStream({ StreamName: name })).StreamDescription;
    equal(found.StreamARN, `arn:aws:kinesis:us-east-1:000000000000:stream/${name}`);
    equal([found.StreamName, found.StreamStatus, found.HasMoreShards], [name, "ACTIVE", false]);
    equal([found.Shards.length, found.RetentionPeriodHours, found.EncryptionType], [3, 24, "NONE"]);
    recent(found.StreamCreationTimestamp);
    const summary = await run.summary(name);
    equal([summary.OpenShardCount, summary.StreamCreationTimestamp], [3, found.StreamCreationTimestamp]);
  });
  await run.test("streams", "describe in pages", async () => {
    await run.create("pages", 5);
    let [seen, last, more] = [0, undefined, true];
    while (more) {
      const page = await client.describeStream({ StreamName: "pages", Limit: 2, ExclusiveStartShardId: last });
      const { Shards, HasMoreShards } = page.StreamDescription;
      [seen, last, more] = [seen + Shards.length, Shards.at(-1).ShardId, HasMoreShards];
    }
    equal(seen, 5);
  });
  await run.test("streams", "list in pages", async () => {
    for (const name of ["listed-a", "listed-b", "listed-c"]) {
      await run.create(name, 1);
    }
    const names = [];
    let summaries = 0;
    for await (const page of paginateListStreams({ client, pageSize: 2 }, {})) {
      ensure(page.StreamNames.length <= 2, `a page of ${page.StreamNames.length}`);
      names.push(...page.StreamNames);
      summaries += page.StreamSummaries.length;
    }
    ensure(names.length >= 5, names);
    equal(names, names.toSorted());
    equal(summaries, names.length);
  });
  await run.test("streams", "delete, wait", async () => {
    const name = await run.create("deleted", 2);
    await client.deleteStream({ StreamName: name, EnforceConsumerDeletion: true });
    await waitUntilStreamNotExists({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StreamName: name });
  });
  await run.test("streams", "account limits", async () => {
    const limits = await client.describeLimits({});
    ensure(limits.OpenShardCount >= 5 && limits.ShardLimit >= limits.OpenShardCount, JSON.stringify(limits));
    ensure(limits.OnDemandStreamCountLimit >= 1, JSON.stringify(limits));
  });
  await run.test("shards", "list in pages", async () => {
    const name = await run.create("shards", 5);
    let page = await client.listShards({ StreamName: name, MaxResults: 2 });
    let [pages, seen] = [1, page.Shards.length];
    while (page.NextToken) {
      page = await client.listShards({ NextToken: page.NextToken, MaxResults: 2 });
      [pages, seen] = [pages + 1, seen + page.Shards.length];
    }
    equal([pages, seen], [3, 5]);
  });
  await run.test("shards", "filters", async () => {
    const name = await run.create("filtered", 1);
    const created = (await run.summary(name)).StreamCreationTimestamp;
    await run.split(name, (await run.open(name))[0]);
    for (const [filter, wanted] of [
      [{ Type: "AT_LATEST" }, 2],
      [{ Type: "AT_TRIM_HORIZON" }, 1],
      [{ Type: "FROM_TRIM_HORIZON" }, 3],
      [{ Type: "AFTER_SHARD_ID", ShardId: FIRST }, 2],
      [{ Type: "FROM_TIMESTAMP", Timestamp: created }, 3],
      [{ Type: "AT_TIMESTAMP", Timestamp: new Date(Date.now() - 1) }, 2],
    ]) {
      equal((await client.listShards({ StreamName: name, ShardFilter: filter })).Shards.length, wanted);
    }
  });
}
