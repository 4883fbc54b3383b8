//! Encryption at rest: what clients see, what the data directory holds, and what happens without the key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that finds nothing has failed, and this one looks into files and spoils them"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rheos_log::files::sim::{SimFiles, Unsynced};
use rheos_testkit::{Home, TestServer};
use rheos_types::limits::Profile;
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "alias/aws/kinesis";

async fn start(home: &Home) -> TestServer {
    TestServer::start_with(home.clone(), |config| config.limits = Profile::Open).await
}

async fn encrypt(server: &TestServer, stream: &str) {
    let body = json!({"StreamName": stream, "EncryptionType": "KMS", "KeyId": KEY});
    server.ok("StartStreamEncryption", &body).await;
    server.wait_until_active(stream).await;
}

async fn put(server: &TestServer, stream: &str, text: &str) -> Value {
    let data = base64_simd::STANDARD.encode_to_string(text);
    server.ok("PutRecord", &json!({"StreamName": stream, "Data": data, "PartitionKey": "k"})).await
}

/// A shard's records: their texts, and their encryption types.
async fn read(server: &TestServer, stream: &str) -> Vec<(String, Option<String>)> {
    let iterator = server.iterator(stream, "0", "TRIM_HORIZON").await;
    let page = server.ok("GetRecords", &json!({"ShardIterator": iterator})).await;
    let record = |record: &Value| {
        let data = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap();
        let encryption = record.get("EncryptionType").map(|kind| kind.as_str().unwrap().to_owned());
        (String::from_utf8(data).unwrap(), encryption)
    };
    page["Records"].as_array().unwrap().iter().map(record).collect()
}

fn sealed(text: &str) -> (String, Option<String>) {
    (text.to_owned(), Some("KMS".to_owned()))
}

/// The files below `directory` in which the text stands.
fn files_with(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn clients_see_what_is_encrypted() {
    let server = start(&Home::default()).await;
    server.create_stream("s", 1).await;
    let stop = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": KEY});
    server.ok("StopStreamEncryption", &stop).await;
    assert_eq!(put(&server, "s", "before").await.get("EncryptionType"), None);
    encrypt(&server, "s").await;
    encrypt(&server, "s").await;
    let stream = &server.ok("DescribeStream", &json!({"StreamName": "s"})).await["StreamDescription"];
    assert_eq!((&stream["EncryptionType"], &stream["KeyId"]), (&json!("KMS"), &json!(KEY)));
    let summary = server.ok("DescribeStreamSummary", &json!({"StreamName": "s"})).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["EncryptionType"], &summary["KeyId"]), (&json!("KMS"), &json!(KEY)));
    assert_eq!(put(&server, "s", "one").await["EncryptionType"], "KMS");
    let records = json!([{"Data": "dHdv", "PartitionKey": "k"}, {"Data": "dGhyZWU=", "PartitionKey": "l"}]);
    let many = server.ok("PutRecords", &json!({"StreamName": "s", "Records": records})).await;
    assert_eq!((&many["EncryptionType"], &many["FailedRecordCount"]), (&json!("KMS"), &json!(0)));
    server.ok("StopStreamEncryption", &stop).await;
    server.wait_until_active("s").await;
    let many = server.ok("PutRecords", &json!({"StreamName": "s", "Records": records})).await;
    assert_eq!(many.get("EncryptionType"), None);
    let stream = &server.ok("DescribeStream", &json!({"StreamName": "s"})).await["StreamDescription"];
    assert_eq!((&stream["EncryptionType"], stream.get("KeyId")), (&json!("NONE"), None));
    let plain = |text: &str| (text.to_owned(), None);
    let expected = [plain("before"), sealed("one"), sealed("two"), sealed("three"), plain("two"), plain("three")];
    assert_eq!(read(&server, "s").await, expected);
    server.stop().await;
}

#[tokio::test]
async fn the_largest_record_can_be_encrypted() {
    let server = start(&Home::default()).await;
    server.ok("CreateStream", &json!({"StreamName": "s", "ShardCount": 1, "MaxRecordSizeInKiB": 10240})).await;
    server.wait_until_active("s").await;
    encrypt(&server, "s").await;
    let text = "x".repeat((10 << 20) - 1);
    put(&server, "s", &text).await;
    assert_eq!(read(&server, "s").await, [sealed(&text)]);
    let data = base64_simd::STANDARD.encode_to_string(format!("{text}x"));
    let (_, error) = server.call("PutRecord", &json!({"StreamName": "s", "Data": data, "PartitionKey": "k"})).await;
    assert_eq!(error["__type"], "ValidationException", "the plain size counts");
    server.stop().await;
}

#[tokio::test]
async fn the_data_directory_holds_no_plaintext_of_what_is_encrypted() {
    let home = Home::directory();
    let Home::Directory(directory) = &home else { panic!() };
    let server = start(&home).await;
    for stream in ["open", "closed"] {
        server.create_stream(stream, 1).await;
    }
    put(&server, "open", "words for everybody").await;
    put(&server, "closed", "words before encryption").await;
    encrypt(&server, "closed").await;
    put(&server, "closed", "words for nobody else").await;
    server.stop().await;
    let server = start(&home).await;
    put(&server, "closed", "words for nobody else").await;
    let expected = [
        ("words before encryption".to_owned(), None),
        sealed("words for nobody else"),
        sealed("words for nobody else"),
    ];
    assert_eq!(read(&server, "closed").await, expected);
    server.stop().await;
    assert_eq!(files_with(directory.path(), "words for nobody else"), [] as [PathBuf; 0]);
    assert_ne!(files_with(directory.path(), "words for everybody"), [] as [PathBuf; 0]);
    assert_ne!(files_with(directory.path(), "words before encryption"), [] as [PathBuf; 0]);
    // Nor the key, but where it belongs.
    let file = directory.path().join("data").join("encryption-key.json");
    let stored: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(files_with(directory.path(), stored["root_key"].as_str().unwrap()), [file]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_directorys_files_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::directory();
    let Home::Directory(directory) = &home else { panic!() };
    start(&home).await.stop().await;
    let data = directory.path().join("data");
    for file in ["encryption-key.json", "MANIFEST"] {
        assert_eq!(std::fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn without_the_key_the_server_does_not_start() {
    let home = Home::directory();
    let Home::Directory(directory) = &home else { panic!() };
    let file = directory.path().join("data").join("encryption-key.json");
    let refused = async || match TestServer::try_start_with(home.clone(), |_| {}).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    // As long as nothing is encrypted, another key does as well.
    let server = start(&home).await;
    server.create_stream("s", 1).await;
    server.stop().await;
    std::fs::remove_file(&file).unwrap();
    let server = start(&home).await;
    encrypt(&server, "s").await;
    put(&server, "s", "secret").await;
    server.stop().await;

    let own = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let error = refused().await;
    assert!(error.contains("encryption-key.json is missing") && error.contains("stream s"), "{error}");
    assert!(!file.exists(), "no key takes its place");
    std::fs::write(&file, &own[..own.len() / 2]).unwrap();
    let error = refused().await;
    assert!(error.contains("encryption-key.json holds no root key"), "{error}");
    let other = Home::directory();
    let Home::Directory(elsewhere) = &other else { panic!() };
    start(&other).await.stop().await;
    std::fs::copy(elsewhere.path().join("data").join("encryption-key.json"), &file).unwrap();
    let error = refused().await;
    assert!(error.contains("is not the root key that streams are encrypted under"), "{error}");

    std::fs::write(&file, own).unwrap();
    let server = start(&home).await;
    assert_eq!(read(&server, "s").await, [sealed("secret")]);
    server.stop().await;
}

/// The power goes at every operation of a first start and of the first encryption: whatever was acknowledged is
/// readable after the next start, and so the key was durable before anything needed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_power_cut_parts_the_key_from_what_it_sealed() {
    let mut done = false;
    for operation in 1.. {
        if done {
            assert!(operation > 25, "the power never went in the middle: {operation}");
            break;
        }
        let (files, directory) = (SimFiles::new(), Arc::new(TempDir::new().unwrap()));
        files.crash_at(operation);
        let mut acknowledged = false;
        let first = Home::Simulated(files.clone(), directory.clone());
        if let Ok(server) = TestServer::try_start_with(first, |_| {}).await {
            acknowledged = first_encryption(&server).await;
            server.stop().await;
        }
        done = acknowledged;
        for unsynced in [Unsynced::Lost, Unsynced::Torn(operation)] {
            let server = start(&Home::Simulated(files.crash(unsynced), directory.clone())).await;
            if acknowledged {
                assert_eq!(read(&server, "s").await, [sealed("secret")], "operation {operation}");
            }
            server.stop().await;
        }
    }
}

/// Makes a stream, encrypts it and puts a record: whether that was acknowledged.
async fn first_encryption(server: &TestServer) -> bool {
    let create = json!({"StreamName": "s", "ShardCount": 1});
    if server.call("CreateStream", &create).await.0 != 200 {
        return false;
    }
    let (start, put) = (
        json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": KEY}),
        json!({"StreamName": "s", "Data": "c2VjcmV0", "PartitionKey": "k"}),
    );
    // The stream is CREATING for a moment, or for ever on a disk that has failed.
    for _ in 0..50 {
        match server.call("StartStreamEncryption", &start).await {
            (200, _) => return server.call("PutRecord", &put).await.0 == 200,
            (400, _) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            _ => return false,
        }
    }
    false
}

#[tokio::test]
async fn what_is_encrypted_is_pushed_to_consumers_too() {
    let server = start(&Home::default()).await;
    server.create_stream("s", 1).await;
    put(&server, "s", "plain").await;
    encrypt(&server, "s").await;
    put(&server, "s", "secret").await;
    let consumer = server.consumer("s", "c").await;
    let position = json!({"Type": "TRIM_HORIZON"});
    let mut events = server.subscribe(&consumer, "shardId-000000000000", &position).await.unwrap();
    let (mut texts, mut kinds) = (Vec::new(), Vec::new());
    while texts.len() < 2 {
        let event = events.next_news().await.unwrap();
        texts.extend(event.data());
        let records = event.payload["Records"].as_array().unwrap().clone();
        kinds.extend(records.iter().map(|record| record.get("EncryptionType").cloned()));
    }
    assert_eq!(texts, ["plain", "secret"]);
    assert_eq!(kinds, [None, Some(json!("KMS"))]);
}
