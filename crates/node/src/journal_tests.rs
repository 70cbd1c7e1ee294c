//! Tests of the journal: what its files say, of every version, and what becomes of damaged ones.

use super::*;
use crate::disk::LocalDisk;
use std::fs;
use std::sync::Arc;

const BOOT: &str = "5f0c";

fn record() -> Record {
    Record {
        claim: ClaimRef {
            namespace: "default".into(),
            name: "job-0".into(),
            uid: "0c8d1f6e-8a57-4a6e-9d1c-3a1f0a2b4c5d".into(),
        },
        phase: Phase::Prepared,
        boot: BOOT.into(),
        allocation: "ab".into(),
        devices: vec![Allocated {
            request: "neurons".into(),
            pool: "node-0".into(),
            device: "neuron-device-0".into(),
            share_id: None,
            access: Access::Exclusive,
        }],
        edits: vec![Edits {
            env: [("NEURON_LOGICAL_NC_CONFIG".into(), "1".into())].into(),
            device_nodes: vec![crate::driver::DeviceNode {
                path: "/dev/neuron0".into(),
                host_path: "/dev/neuron0".into(),
                permissions: "rw".into(),
            }],
            mounts: Vec::new(),
        }],
    }
}

/// As [`Record::begin`] makes it.
fn intent() -> Record {
    Record {
        phase: Phase::Preparing,
        edits: Vec::new(),
        ..record()
    }
}

/// Without what the file's name says.
fn unnamed(record: Record) -> Record {
    Record {
        boot: String::new(),
        ..record
    }
}

/// Kept as long as an upgrade from these versions is allowed: never to be edited.
const RELEASED: [(&[u8], &str); 3] = [
    (include_bytes!("../tests/journal/schema-1.claim"), BOOT),
    (include_bytes!("../tests/journal/schema-2.claim"), BOOT),
    (include_bytes!("../tests/journal/schema-3.record"), ""),
];

#[test]
fn records_of_every_released_schema_are_read() {
    for (bytes, boot) in RELEASED {
        let expected = Record {
            boot: boot.into(),
            ..record()
        };
        assert_eq!(decode(bytes), Ok(Some(expected)));
    }
    let now = encode(&[intent(), record()]);
    assert_eq!(RELEASED.last().unwrap().0, now);
}

#[test]
fn any_flipped_bit_is_noticed_and_no_cut_makes_a_record() {
    for (bytes, boot) in RELEASED {
        for at in 0..bytes.len() {
            let phase = decode(&bytes[..at]).map(|read| read.map(|record| record.phase));
            let whole = Ok(Some(Phase::Prepared));
            assert!(phase != whole, "cut at {at}");
            assert!(boot.is_empty() || at == 0 || phase.is_err() || phase == Ok(None));
            for bit in 0..8 {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= 1 << bit;
                assert!(decode(&damaged).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_file_says_how_far_its_claim_has_come() {
    let [header, begun, done] = [&[][..], &[intent()], &[intent(), record()]].map(encode);
    for length in 0..done.len() {
        let read = decode(&done[..length]);
        let expected = (length >= begun.len()).then(|| unnamed(intent()));
        assert_eq!(read, Ok(expected), "{length} bytes of {}", done.len());
    }
    assert_eq!(header, HEADER);
    for more in [&b"more"[..], b"more\n"] {
        let read = decode(&[&done, more].concat());
        assert_eq!(read, Err(Unreadable::Checksum));
    }
}

#[test]
fn what_a_power_cut_tore_is_none_and_what_was_damaged_is_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (second, third) = (RELEASED[1].0, RELEASED[2].0);
    let torn = |bytes: &[u8], length, with| {
        let mut torn = bytes[..length].to_vec();
        torn.resize(bytes.len(), with);
        torn
    };
    let mut files = vec![(file_name("u1", BOOT), b"damaged".to_vec())];
    for length in 0..HEADER.len() {
        files.push((file_name("u1", BOOT), torn(third, length, 0)));
    }
    // Their first line was on the disk before.
    let first = second.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in first..second.len() {
        files.push(("u1.claim".into(), torn(second, length, b' ')));
    }
    for (name, bytes) in files {
        for (boot, damaged) in [("another boot", false), (BOOT, true)] {
            let journal = Journal::open(Arc::new(LocalDisk), folder.path(), boot).unwrap();
            fs::write(path(&name), &bytes).unwrap();
            assert!(journal.records().unwrap().is_empty());
            assert_eq!(journal.take_moved_aside(), [], "others only read");
            assert_eq!(journal.get("u1", || false).unwrap(), None);
            assert!(!path(&name).exists());
            assert_eq!(journal.take_moved_aside().len(), usize::from(damaged));
        }
    }
}

#[test]
fn a_blank_file_is_none_unless_its_claim_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
    let path = folder.path().join(file_name("u1", BOOT));
    for length in [0, HEADER.len() - 3, HEADER.len() + 40] {
        for is_done in [false, true] {
            fs::write(&path, &encode(&[intent()])[..length]).unwrap();
            assert!(journal.claims().unwrap().contains("u1"));
            assert!(journal.records().unwrap().is_empty());
            assert!(journal.has("u1").unwrap(), "somebody may be at it");
            assert_eq!(journal.get("u1", || is_done).unwrap(), None);
            assert!(!journal.has("u1").unwrap());
            let moved = journal.take_moved_aside();
            assert_eq!(moved.len(), usize::from(is_done));
        }
    }
}

#[test]
fn a_record_of_a_newer_version_is_left_alone_until_its_claim_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
    let body = br#"{"later":true}"#;
    let text = format!("{MAGIC} 7 something\n");
    let bytes = [text.as_bytes(), body, b"\n"].concat();
    for round in 0..2 {
        fs::write(folder.path().join(file_name("u1", BOOT)), &bytes).unwrap();
        assert!(journal.records().unwrap().is_empty());
        assert!(
            journal.claims().unwrap().is_empty(),
            "its process may be running"
        );
        assert!(journal.has("u1").unwrap());
        assert_eq!(journal.get("u1", || false).unwrap(), None);
        let moved = journal.take_moved_aside();
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].why, Unreadable::Newer(7));
        assert!(!journal.has("u1").unwrap());
        assert_eq!(fs::read(&moved[0].path).unwrap(), bytes, "round {round}");
    }
    assert_eq!(journal.unreadable().unwrap(), ["u1", "u1"]);
}

fn put(journal: &Journal<LocalDisk>, phases: &[Record]) {
    let mut file = journal.create(&phases[0].claim.uid).unwrap();
    for record in phases {
        journal.put(&mut file, record).unwrap();
    }
}

#[test]
fn another_process_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
    let (ours, theirs) = (open(), open());
    let uid = record().claim.uid;
    for phases in [vec![intent(), record()], vec![intent()]] {
        put(&theirs, &phases);
        assert_eq!(ours.records().unwrap()[&uid], *phases.last().unwrap());
        assert_eq!(ours.get(&uid, || false).unwrap(), phases.last().cloned());
        let files = theirs.begin_undo(&uid).unwrap();
        let seen = ours.records().unwrap();
        assert_eq!(seen[&uid].phase, Phase::Preparing);
        assert_eq!(ours.get(&uid, || false).unwrap(), seen.get(&uid).cloned());
        theirs.remove(&files).unwrap();
        assert!(ours.records().unwrap().is_empty());
    }
}

#[test]
fn a_record_stands_as_soon_as_its_line_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
    let (ours, theirs) = (open(), open());
    let uid = record().claim.uid;
    let mut file = theirs.create(&uid).unwrap();
    assert!(ours.records().unwrap().is_empty());
    for record in [intent(), record()] {
        theirs.put(&mut file, &record).unwrap();
        assert_eq!(ours.records().unwrap()[&uid], record);
    }
    drop(file);
    assert_eq!(ours.records().unwrap()[&uid], record());
    drop(theirs.create("u1").unwrap());
    assert!(!ours.has("u1").unwrap(), "nothing was done");
}

#[test]
fn a_name_tells_the_claim_and_older_versions_know_none_of_ours() {
    for (name, claim) in [
        ("u1.b1.record", Some(("u1", Some("b1")))),
        ("u1.b1.undo", Some(("u1", Some("b1")))),
        ("u1.claim", Some(("u1", None))),
        ("u1.undoing", Some(("u1", None))),
        ("u1.preparing", Some(("u1", None))),
        ("u1.record", None),
        ("u1.b1.claim", None),
        (".u1.claim.tmp", Some(("u1", None))),
        (".u1.claim", None),
        (".record", None),
        ("unreadable", None),
    ] {
        assert_eq!(claim_of(name), claim, "{name}");
    }
    let ours = [file_name("u1", "b1"), "u1.b1.undo".into()];
    for older in [".claim", ".undoing", ".preparing"] {
        assert!(ours.iter().all(|name| !name.ends_with(older)));
    }
}

#[test]
fn what_older_versions_left_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
    let uid = record().claim.uid;
    for (bytes, _) in &RELEASED[..2] {
        let write = |suffix: &str, bytes: &[u8]| {
            fs::write(folder.path().join(format!("{uid}{suffix}")), bytes).unwrap();
        };
        // Both are there after a crash.
        write(".preparing", bytes);
        let begun = journal.get(&uid, || true).unwrap().unwrap();
        assert_eq!(begun.phase, Phase::Preparing);
        write(".claim", bytes);
        assert_eq!(journal.records().unwrap()[&uid], record());
        assert_eq!(journal.get(&uid, || true).unwrap(), Some(record()));
        let files = journal.begin_undo(&uid).unwrap();
        assert_eq!(journal.records().unwrap()[&uid].phase, Phase::Preparing);
        journal.remove(&files).unwrap();
        assert!(!journal.has(&uid).unwrap());
        write(".preparing", &bytes[..40]);
        assert_eq!(journal.get(&uid, || true).unwrap(), None);
        assert!(!journal.has(&uid).unwrap());
        fs::write(folder.path().join(format!(".{uid}.claim.tmp")), "").unwrap();
        assert!(journal.claims().unwrap().contains(&uid));
        assert_eq!(journal.get(&uid, || true).unwrap(), None);
        assert!(!journal.has(&uid).unwrap());
        assert_eq!(journal.take_moved_aside(), []);
        // What is damaged was prepared, whatever the intent beside it says.
        for length in [0, 5, bytes.len() - 1] {
            write(".preparing", bytes);
            write(".claim", &bytes[..length]);
            assert_eq!(journal.get(&uid, || true).unwrap(), None);
            assert!(!journal.has(&uid).unwrap());
            assert_eq!(journal.take_moved_aside().len(), 1);
        }
    }
}

#[test]
fn devices_collide_unless_shared_or_administered() {
    let mut held = record();
    let mut wanted = held.devices.clone();
    assert!(held.collision(&wanted).is_some());
    wanted[0].access = Access::Admin;
    assert!(held.collision(&wanted).is_none());
    wanted[0].access = Access::Exclusive;
    wanted[0].share_id = Some("a".into());
    assert!(held.collision(&wanted).is_some(), "held as a whole");
    held.devices[0].share_id = Some("b".into());
    assert!(held.collision(&wanted).is_none());
    held.devices[0].share_id = Some("a".into());
    assert!(held.collision(&wanted).is_some());
    wanted[0].share_id = None;
    held.devices[0].share_id = Some("b".into());
    assert!(held.collision(&wanted).is_some(), "wanted as a whole");
}
