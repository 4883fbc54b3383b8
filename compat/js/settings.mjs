// What is set on streams and accounts.
import { FIRST, ensure, equal, recent, refused, text } from "./main.mjs";

export async function settings(run) {
  const { client } = run;
  await run.test("settings", "tags of a stream", async () => {
    const name = await run.create("tagged", 1, { made: "with it" });
    await client.addTagsToStream({ StreamName: name, Tags: { ταμείο: "α", empty: "" } });
    const first = await client.listTagsForStream({ StreamName: name, Limit: 2 });
    equal([first.Tags.length, first.HasMoreTags], [2, true]);
    const rest = await client.listTagsForStream({ StreamName: name, ExclusiveStartTagKey: first.Tags[1].Key });
    equal(rest.Tags.map((tag) => tag.Key), ["ταμείο"]);
    await client.removeTagsFromStream({ StreamName: name, TagKeys: ["made", "empty"] });
    equal((await client.listTagsForStream({ StreamName: name })).Tags, [{ Key: "ταμείο", Value: "α" }]);
  });
  await run.test("settings", "retention", async () => {
    const name = await run.create("retained", 1);
    for (let time = 0; time < 2; time++) {
      await client.increaseStreamRetentionPeriod({ StreamName: name, RetentionPeriodHours: 48 });
      await run.active(name);
      equal((await run.summary(name)).RetentionPeriodHours, 48);
    }
    await client.decreaseStreamRetentionPeriod({ StreamName: name, RetentionPeriodHours: 24 });
    await run.active(name);
    equal((await run.summary(name)).RetentionPeriodHours, 24);
  });
  await run.test("settings", "tags of a resource", async () => {
    const ResourceARN = await run.arn(await run.create("labelled", 1));
    await client.tagResource({ ResourceARN, Tags: { a: "1", b: "2" } });
    await client.untagResource({ ResourceARN, TagKeys: ["a"] });
    equal((await client.listTagsForResource({ ResourceARN })).Tags, [{ Key: "b", Value: "2" }]);
  });
  await run.test("settings", "a resource policy", async () => {
    const ResourceARN = await run.arn(await run.create("shared", 1));
    const allowed = { Effect: "Allow", Principal: { AWS: "111122223333" }, Action: "kinesis:GetRecords", Resource: ResourceARN };
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [allowed] });
    await client.putResourcePolicy({ ResourceARN, Policy });
    equal((await client.getResourcePolicy({ ResourceARN })).Policy, Policy);
    await client.deleteResourcePolicy({ ResourceARN });
    equal((await client.getResourcePolicy({ ResourceARN })).Policy, "{}");
  });
  await run.test("settings", "metrics of shards", async () => {
    const StreamName = await run.create("watched", 1);
    const on = await client.enableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ["IncomingBytes", "OutgoingBytes"] });
    equal([on.CurrentShardLevelMetrics.length, on.DesiredShardLevelMetrics.length], [0, 2]);
    await run.active(StreamName);
    equal((await run.summary(StreamName)).EnhancedMonitoring[0].ShardLevelMetrics.length, 2);
    const off = await client.disableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ["ALL"] });
    equal(off.DesiredShardLevelMetrics, []);
    await run.active(StreamName);
  });
  await run.test("settings", "encryption", async () => {
    const StreamName = await run.create("sealed", 1);
    const how = { StreamName, EncryptionType: "KMS", KeyId: "alias/aws/kinesis" };
    await client.startStreamEncryption(how);
    await run.active(StreamName);
    const summary = await run.summary(StreamName);
    equal([summary.EncryptionType, summary.KeyId], ["KMS", how.KeyId]);
    equal((await run.put(StreamName, "k", "secret")).EncryptionType, "KMS");
    await client.stopStreamEncryption(how);
    await run.active(StreamName);
    await run.put(StreamName, "k", "open");
    const found = await run.readAll(StreamName, FIRST);
    equal(found.map((record) => text(record.Data)), ["secret", "open"]);
    equal(found[0].EncryptionType, "KMS");
  });
  await run.test("settings", "larger records", async () => {
    const name = await run.create("roomy", 1);
    const large = Buffer.alloc(3 * 2 ** 20);
    await refused("ValidationException", "Member must have length less than or equal to", run.put(name, "k", large));
    await client.updateMaxRecordSize({ StreamARN: await run.arn(name), MaxRecordSizeInKiB: 4096 });
    await run.active(name);
    equal((await run.summary(name)).MaxRecordSizeInKiB, 4096);
    await run.put(name, "k", large);
  });
  await run.test("settings", "on demand, and an account's commitment", async () => {
    const name = await run.create("elastic", 1);
    const StreamARN = await run.arn(name);
    const mode = async (StreamMode) => {
      await client.updateStreamMode({ StreamARN, StreamModeDetails: { StreamMode } });
      await run.active(name);
      equal((await run.summary(name)).StreamModeDetails, { StreamMode });
    };
    await mode("ON_DEMAND");
    await client.updateStreamRecordDistributionStrategy({ StreamARN, RecordDistributionStrategy: "AUTO" });
    await run.active(name);
    await client.putRecord({ StreamName: name, Data: Buffer.from("without a key") });
    await client.updateAccountSettings({ MinimumThroughputBillingCommitment: { Status: "ENABLED" } });
    const account = (await client.describeAccountSettings({})).MinimumThroughputBillingCommitment;
    equal(account.Status, "ENABLED");
    recent(account.StartedAt);
    const warm = await client.updateStreamWarmThroughput({ StreamARN, WarmThroughputMiBps: 3 });
    equal(warm.WarmThroughput.TargetMiBps, 3);
    await run.active(name);
    ensure((await run.open(name)).length >= 3, "too few shards");
    await mode("PROVISIONED");
  });
}
