package compat;

import static compat.Report.ensure;
import static compat.Report.equal;
import static compat.Report.recent;

import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.EncryptionType;
import software.amazon.awssdk.services.kinesis.model.MetricsName;
import software.amazon.awssdk.services.kinesis.model.StreamMode;
import software.amazon.awssdk.services.kinesis.model.Tag;

/** What is set on streams and accounts. */
final class Settings {
    private final Journey journey;
    private final Report report;
    private final KinesisClient client;

    Settings(Journey journey) {
        this.journey = journey;
        report = journey.report;
        client = journey.client;
    }

    void all() {
        report.test("settings", "tags of a stream", () -> {
            String name = journey.create("tagged", 1, Map.of("made", "with it"));
            client.addTagsToStream(r -> r.streamName(name).tags(Map.of("ταμείο", "α", "empty", "")));
            var first = client.listTagsForStream(r -> r.streamName(name).limit(2));
            equal(first.tags().size(), 2);
            equal(first.hasMoreTags(), true);
            var rest = client.listTagsForStream(r -> r.streamName(name).exclusiveStartTagKey(first.tags().get(1).key()));
            equal(rest.tags().stream().map(Tag::key).toList(), List.of("ταμείο"));
            client.removeTagsFromStream(r -> r.streamName(name).tagKeys("made", "empty"));
            equal(client.listTagsForStream(r -> r.streamName(name)).tags().stream().map(Tag::value).toList(), List.of("α"));
        });
        report.test("settings", "retention", () -> {
            String name = journey.create("retained", 1);
            for (int time = 0; time < 2; time++) {
                client.increaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(48));
                journey.active(name);
                equal(journey.summary(name).retentionPeriodHours(), 48);
            }
            client.decreaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(24));
            journey.active(name);
            equal(journey.summary(name).retentionPeriodHours(), 24);
        });
        report.test("settings", "tags of a resource", () -> {
            String arn = journey.arn(journey.create("labelled", 1));
            client.tagResource(r -> r.resourceARN(arn).tags(Map.of("a", "1", "b", "2")));
            client.untagResource(r -> r.resourceARN(arn).tagKeys("a"));
            var left = client.listTagsForResource(r -> r.resourceARN(arn)).tags();
            equal(left, List.of(Tag.builder().key("b").value("2").build()));
        });
        report.test("settings", "a resource policy", () -> {
            String arn = journey.arn(journey.create("shared", 1));
            String policy = POLICY.formatted(arn);
            client.putResourcePolicy(r -> r.resourceARN(arn).policy(policy));
            equal(client.getResourcePolicy(r -> r.resourceARN(arn)).policy(), policy);
            client.deleteResourcePolicy(r -> r.resourceARN(arn));
            equal(client.getResourcePolicy(r -> r.resourceARN(arn)).policy(), "{}");
        });
        report.test("settings", "metrics of shards", () -> {
            String name = journey.create("watched", 1);
            var on = client.enableEnhancedMonitoring(r -> r.streamName(name).shardLevelMetrics(MetricsName.INCOMING_BYTES, MetricsName.OUTGOING_BYTES));
            equal(on.currentShardLevelMetrics().size(), 0);
            equal(on.desiredShardLevelMetrics().size(), 2);
            journey.active(name);
            equal(journey.summary(name).enhancedMonitoring().get(0).shardLevelMetrics().size(), 2);
            var off = client.disableEnhancedMonitoring(r -> r.streamName(name).shardLevelMetrics(MetricsName.ALL));
            equal(off.desiredShardLevelMetrics(), List.of());
            journey.active(name);
        });
        report.test("settings", "encryption", () -> {
            String name = journey.create("sealed", 1);
            String key = "alias/aws/kinesis";
            client.startStreamEncryption(r -> r.streamName(name).encryptionType(EncryptionType.KMS).keyId(key));
            journey.active(name);
            equal(journey.summary(name).encryptionType(), EncryptionType.KMS);
            equal(journey.summary(name).keyId(), key);
            equal(client.putRecord(r -> r.streamName(name).partitionKey("k").data(Journey.bytes("secret"))).encryptionType(), EncryptionType.KMS);
            client.stopStreamEncryption(r -> r.streamName(name).encryptionType(EncryptionType.KMS).keyId(key));
            journey.active(name);
            client.putRecord(r -> r.streamName(name).partitionKey("k").data(Journey.bytes("open")));
            var found = journey.read(journey.oldest(name, Journey.FIRST), null).records();
            equal(found.stream().map(record -> record.data().asUtf8String()).toList(), List.of("secret", "open"));
            equal(found.get(0).encryptionType(), EncryptionType.KMS);
        });
        report.test("settings", "larger records", () -> {
            String name = journey.create("roomy", 1);
            SdkBytes large = SdkBytes.fromByteArray(new byte[3 << 20]);
            Journey.invalid("Member must have length less than or equal to", () -> client.putRecord(r -> r.streamName(name).partitionKey("k").data(large)));
            client.updateMaxRecordSize(r -> r.streamARN(journey.arn(name)).maxRecordSizeInKiB(4096));
            journey.active(name);
            equal(journey.summary(name).maxRecordSizeInKiB(), 4096);
            client.putRecord(r -> r.streamName(name).partitionKey("k").data(large));
        });
        report.test("settings", "on demand, and an account's commitment", () -> {
            String name = journey.create("elastic", 1);
            mode(name, StreamMode.ON_DEMAND);
            client.updateAccountSettings(r -> r.minimumThroughputBillingCommitment(c -> c.status("ENABLED")));
            var account = client.describeAccountSettings(r -> {}).minimumThroughputBillingCommitment();
            equal(account.statusAsString(), "ENABLED");
            recent(account.startedAt());
            var warm = client.updateStreamWarmThroughput(r -> r.streamARN(journey.arn(name)).warmThroughputMiBps(3));
            equal(warm.warmThroughput().targetMiBps(), 3);
            journey.active(name);
            ensure(journey.open(name).size() >= 3, "too few shards");
            mode(name, StreamMode.PROVISIONED);
        });
    }

    private void mode(String name, StreamMode mode) throws Exception {
        client.updateStreamMode(r -> r.streamARN(journey.arn(name)).streamModeDetails(d -> d.streamMode(mode)));
        journey.active(name);
        equal(journey.summary(name).streamModeDetails().streamMode(), mode);
    }

    static final String POLICY = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},"
        + "\"Action\":\"kinesis:GetRecords\",\"Resource\":\"%s\"}]}";
}
