//! What the simulated disk may leave after a power cut, held against what real ones may.

use super::*;
use std::collections::BTreeSet;

const FILE: &str = "/d/file";

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// Everything that a power cut can leave at the end of what `act` does, behind what `before` did durably.
fn images(before: impl FnOnce(&SimFiles), act: impl FnOnce(&SimFiles)) -> Vec<SimFiles> {
    let files = SimFiles::new();
    before(&files);
    files.sync_dir(path("/d")).expect("syncs");
    files.record();
    act(&files);
    let record = files.take_record().expect("a record");
    let mut replay = record.replay();
    replay.advance_to(record.len());
    let point = replay.crash_point(300, 1);
    (0..point.images()).map(|number| point.image(number).files).collect()
}

fn create(files: &SimFiles, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = files.create(path(name)).expect("creates");
    file.write_at(bytes, 0).expect("writes");
    file
}

fn durable(files: &SimFiles, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = create(files, name, bytes);
    file.sync_data().expect("syncs");
    file
}

fn file_of(image: &SimFiles) -> Option<Vec<u8>> {
    image.contents(path(FILE))
}

/// The first byte of each sector, as letters.
fn letters(bytes: &[u8]) -> String {
    bytes.chunks(512).map(|sector| if sector[0] == 0 { '.' } else { char::from(sector[0]) }).collect()
}

fn all_letters(images: &[SimFiles]) -> BTreeSet<String> {
    images.iter().filter_map(file_of).map(|bytes| letters(&bytes)).collect()
}

#[test]
fn each_sector_arrives_by_itself_and_of_overlapping_writes_the_older_may_be_the_one() {
    let images = images(
        |files| drop(durable(files, FILE, &[b'o'; 1536])),
        |files| {
            let file = files.open(path(FILE)).expect("opens");
            file.write_at(&[b'a'; 1024], 0).expect("writes");
            file.write_at(&[b'b'; 1024], 512).expect("writes");
        },
    );
    assert_eq!(images.len(), 2 * 3 * 2);
    let mut expected = BTreeSet::new();
    for first in ['o', 'a'] {
        for second in ['o', 'a', 'b'] {
            for third in ['o', 'b'] {
                expected.insert(format!("{first}{second}{third}"));
            }
        }
    }
    assert_eq!(all_letters(&images), expected);
}

#[test]
fn a_write_of_part_of_a_sector_leaves_the_rest_as_it_was() {
    let images = images(
        |files| drop(durable(files, FILE, &[b'o'; 512])),
        |files| files.open(path(FILE)).expect("opens").write_at(b"new", 100).expect("writes"),
    );
    let contents: BTreeSet<_> = images.iter().filter_map(file_of).collect();
    let mut written = vec![b'o'; 512];
    written[100..103].copy_from_slice(b"new");
    assert_eq!(contents, BTreeSet::from([vec![b'o'; 512], written]));
}

#[test]
fn a_file_may_be_longer_without_what_made_it_longer_and_show_what_others_left() {
    let images = images(
        |files| {
            drop(durable(files, FILE, &[b'o'; 512]));
            drop(durable(files, "/d/old", &[b's'; 1024]));
            files.remove(path("/d/old")).expect("removes");
        },
        |files| files.open(path(FILE)).expect("opens").write_at(&[b'n'; 512], 512).expect("writes"),
    );
    assert_eq!(all_letters(&images), BTreeSet::from(["o", "o.", "os", "on"].map(str::to_owned)));
}

#[test]
fn each_change_of_a_directory_arrives_by_itself_and_a_rename_is_atomic() {
    let images = images(
        |files| {
            drop(durable(files, FILE, b"old"));
            drop(durable(files, "/d/new", b"new"));
            drop(durable(files, "/d/gone", b"gone"));
        },
        |files| {
            drop(create(files, "/d/made", b""));
            files.rename(path("/d/new"), path(FILE)).expect("renames");
            files.remove(path("/d/gone")).expect("removes");
        },
    );
    assert_eq!(images.len(), 2 * 3 * 2);
    let mut seen = BTreeSet::new();
    for image in &images {
        let contents = file_of(image).expect("the old or the new one is there");
        let has = |name: &str| image.contents(path(name)).is_some();
        if contents == b"old" {
            assert!(has("/d/new"), "what was not renamed has its old name");
        }
        seen.insert((has("/d/made"), contents, has("/d/new"), has("/d/gone")));
    }
    assert_eq!(seen.len(), 12, "all of them are different");
}

#[test]
fn a_failed_sync_leaves_clean_pages_that_no_later_sync_writes() {
    let act = |later: fn(&dyn File)| {
        images(
            |files| drop(durable(files, FILE, &[b'o'; 1024])),
            move |files| {
                let file = files.open(path(FILE)).expect("opens");
                file.write_at(&[b'n'; 1024], 0).expect("writes");
                files.fail_sync_after(0);
                file.sync_data().expect_err("fails");
                assert_eq!(letters(&file_of(files).expect("there")), "nn", "it reads well");
                later(&*file);
                file.sync_data().expect("says that all is well");
            },
        )
    };
    assert_eq!(all_letters(&act(|_| {})), BTreeSet::from(["oo", "on", "no", "nn"].map(str::to_owned)));
    let rewritten = act(|file| file.write_at(&[b'n'; 512], 512).expect("writes"));
    assert_eq!(all_letters(&rewritten), BTreeSet::from(["on", "nn"].map(str::to_owned)));
}

#[test]
fn what_is_evicted_after_a_failed_sync_is_what_the_disk_has() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let files = SimFiles::new();
        let file = durable(&files, FILE, &[b'o'; 512]);
        files.sync_dir(path("/d")).expect("syncs");
        file.write_at(&[b'n'; 512], 0).expect("writes");
        files.fail_sync_after(0);
        file.sync_data().expect_err("fails");
        files.evict(seed);
        let read = file_of(&files);
        for unsynced in [Unsynced::Lost, Unsynced::Kept] {
            assert_eq!(file_of(&files.crash(unsynced)), read, "nothing is undecided any more");
        }
        seen.insert(read);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn what_is_synced_with_its_directory_is_in_every_image() {
    let images = images(
        |_| {},
        |files| {
            drop(durable(files, FILE, &[b'a'; 5000]));
            files.sync_dir(path("/d")).expect("syncs");
        },
    );
    assert_eq!(images.len(), 1);
    assert_eq!(file_of(&images[0]), Some(vec![b'a'; 5000]));
}

#[test]
fn much_that_is_unsynced_is_sampled_with_the_extremes() {
    let images = images(
        |files| drop(durable(files, FILE, &[b'o'; 512 * 20])),
        |files| files.open(path(FILE)).expect("opens").write_at(&[b'n'; 512 * 20], 0).expect("writes"),
    );
    let letters = all_letters(&images);
    assert_eq!(images.len(), 2 + 20 + 300);
    assert!(letters.contains(&"o".repeat(20)) && letters.contains(&"n".repeat(20)));
    for missing in 0..20 {
        let mut image = vec!['n'; 20];
        image[missing] = 'o';
        assert!(letters.contains(&image.into_iter().collect::<String>()));
    }
    assert!(letters.len() > 150, "the samples differ: {}", letters.len());
}

#[test]
fn a_record_stops_before_each_sync_and_goes_on_over_a_power_cut() {
    let files = SimFiles::new();
    files.record();
    let file = durable(&files, FILE, b"one");
    files.sync_dir(path("/d")).expect("syncs");
    file.write_at(b"two", 0).expect("writes");
    files.lose_power(Unsynced::Lost);
    assert_eq!(file_of(&files), Some(b"one".to_vec()));
    create(&files, "/d/other", b"").sync_data().expect("syncs");
    let record = files.take_record().expect("a record");
    let mut replay = record.replay();
    let mut moments = Vec::new();
    while let Some(moment) = replay.next_sync() {
        let point = replay.crash_point(200, 1);
        moments.push((moment, point.unsynced()));
        for number in 0..point.images() {
            assert!(!point.describe(number).is_empty() || point.unsynced() == 0);
        }
    }
    // create and write | sync | sync directory | write | power cut | create, a write of nothing | sync.
    assert_eq!(moments, [(2, 3), (3, 1), (5, 1), (8, 1), (9, 1)]);
}

#[test]
fn images_with_the_same_files_have_the_same_fingerprint() {
    let files = SimFiles::new();
    files.record();
    drop(create(&files, FILE, &[b'x'; 700]));
    let record = files.take_record().expect("a record");
    let mut replay = record.replay();
    replay.advance_to(record.len());
    let point = replay.crash_point(0, 0);
    let mut by_fingerprint = std::collections::BTreeMap::new();
    for number in 0..point.images() {
        let image = point.image(number);
        let contents = file_of(&image.files);
        assert_eq!(by_fingerprint.entry(image.fingerprint).or_insert_with(|| contents.clone()), &contents);
    }
    // No file, an empty one, and one of 700 bytes with either sector or both missing.
    assert_eq!(by_fingerprint.len(), 6);
    let contents: BTreeSet<_> = by_fingerprint.into_values().collect();
    assert_eq!(contents.len(), 6);
}

#[test]
fn a_file_that_is_removed_can_be_read_while_it_is_open_and_takes_no_memory_afterwards() {
    let files = SimFiles::new();
    let file = durable(&files, FILE, b"bytes");
    files.remove(path(FILE)).expect("removes");
    files.sync_dir(path("/d")).expect("syncs");
    let mut buffer = [0; 5];
    assert_eq!(file.read_at(&mut buffer, 0).expect("reads"), 5);
    drop(file);
    files.sync_dir(path("/d")).expect("syncs");
    assert!(files.state().disk.inodes.is_empty());
}
