//! Tests of the machine's own disk: locks that exclude, also while their files are removed, and files
//! that are replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn a_lock_excludes_others_although_its_holders_remove_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (path, inside) = (path.clone(), inside.clone());
            std::thread::spawn(move || {
                for round in 0..2000 {
                    let lock = loop {
                        match LocalDisk.try_lock(&path).unwrap() {
                            Some(lock) => break lock,
                            None => std::thread::yield_now(),
                        }
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    assert!(LocalDisk.try_lock(&path).unwrap().is_none());
                    inside.fetch_sub(1, Ordering::SeqCst);
                    // Most of them remove it, so that the others meet files with and without a name.
                    if (thread + round) % 4 != 0 {
                        LocalDisk.remove(&path).unwrap();
                    }
                    drop(lock);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn locks_of_different_files_do_not_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let take = |name: &str| LocalDisk.try_lock(&folder.path().join(name)).unwrap();
    let (a, b) = (take("a"), take("b"));
    assert!(a.is_some() && b.is_some());
    assert!(take("a").is_none());
    drop(a);
    assert!(take("a").is_some());
}

#[test]
fn a_replaced_file_has_no_temporary_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    for content in [b"one", b"two"] {
        replace(&LocalDisk, &path, content).unwrap();
        assert_eq!(LocalDisk.read(&path).unwrap(), content);
        assert_eq!(LocalDisk.list(folder.path()).unwrap(), ["a.json"]);
    }
    discard(&LocalDisk, &path).unwrap();
    discard(&LocalDisk, &path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(replace(&LocalDisk, &path, b"three").is_err());
    assert!(LocalDisk.list(folder.path()).unwrap().is_empty());
    let temporary = temporary_of(&path);
    let name = temporary.file_name().unwrap().to_str().unwrap();
    assert_eq!(final_name_of(name), Some("a.json"));
    assert_eq!(final_name_of("a.json"), None);
}
