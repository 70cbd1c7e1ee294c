//! Tests of the journal: what its files say, of older and of newer versions, and what becomes of
//! damaged ones.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::disk::LocalDisk;

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

/// As [`Record::intent`] makes it.
fn intent() -> Record {
    Record {
        phase: Phase::Preparing,
        edits: Vec::new(),
        ..record()
    }
}

/// What is in the file: the boot is in its name.
fn unnamed(record: Record) -> Record {
    Record {
        boot: String::new(),
        ..record
    }
}

fn open(folder: &Path, boot: &str) -> Journal<LocalDisk> {
    Journal::new(Arc::new(LocalDisk), folder, boot)
}

/// Kept as long as an upgrade from such a version is allowed: never to be edited.
const SCHEMA_1: &[u8] = include_bytes!("../journal/schema-1.record");
/// What a version may write that has more to say, but nothing that older ones must heed.
const MORE_FIELDS: &[u8] = include_bytes!("../journal/schema-1-with-more-fields.record");
/// What a version may write that older ones must not misunderstand.
const SCHEMA_2: &[u8] = include_bytes!("../journal/schema-2.record");

#[test]
fn an_upgrade_reads_what_the_older_version_wrote() {
    assert_eq!(decode(SCHEMA_1), Ok(unnamed(record())));
    assert_eq!(encode(&record()), SCHEMA_1, "and writes the same");
    assert_eq!(decode(&encode(&intent())), Ok(unnamed(intent())));
}

#[test]
fn a_downgrade_reads_what_it_may_ignore_the_rest_of_and_refuses_other_schemas() {
    assert_eq!(decode(MORE_FIELDS), Ok(unnamed(record())));
    let refused = decode(SCHEMA_2).unwrap_err();
    assert_eq!(refused, Unreadable::Newer(2));
    assert_eq!(
        refused.to_string(),
        "it has schema 2, and this version knows none above 1"
    );
}

#[test]
fn any_flipped_bit_and_any_missing_end_is_noticed() {
    for at in 0..SCHEMA_1.len() {
        assert!(decode(&SCHEMA_1[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut damaged = SCHEMA_1.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "byte {at}, bit {bit}");
        }
    }
    for more in [&b"more"[..], b"\n", b"more\n"] {
        assert!(decode(&[SCHEMA_1, more].concat()).is_err());
    }
}

#[test]
fn a_torn_record_of_an_earlier_boot_is_removed_and_a_damaged_one_of_this_boot_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file_name("u1", BOOT, Phase::Prepared));
    let torn = |length: usize| {
        let mut torn = SCHEMA_1[..length].to_vec();
        torn.resize(SCHEMA_1.len(), 0);
        torn
    };
    let damaged = (0..SCHEMA_1.len()).map(torn);
    for bytes in damaged.chain([Vec::new(), b"damaged".to_vec()]) {
        for (boot, moved) in [("another boot", 0), (BOOT, 1)] {
            let journal = open(folder.path(), boot);
            fs::write(&path, &bytes).unwrap();
            assert!(journal.records().unwrap().is_empty());
            assert_eq!(journal.take_moved_aside(), [], "without its lock");
            assert_eq!(journal.get("u1").unwrap(), None);
            assert!(!path.exists());
            assert_eq!(journal.take_moved_aside().len(), moved);
        }
    }
}

#[test]
fn a_record_of_a_newer_version_is_left_alone_until_its_claim_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (round, boot) in [(0, BOOT), (1, "another boot")] {
        let journal = open(folder.path(), BOOT);
        fs::write(
            folder.path().join(file_name("u1", boot, Phase::Prepared)),
            SCHEMA_2,
        )
        .unwrap();
        assert!(journal.records().unwrap().is_empty());
        assert!(
            journal.uids().unwrap().is_empty(),
            "its process may be running"
        );
        assert!(journal.has("u1").unwrap());
        assert_eq!(journal.get("u1").unwrap(), None);
        let moved = journal.take_moved_aside();
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].why, Unreadable::Newer(2));
        assert!(!journal.has("u1").unwrap());
        assert_eq!(fs::read(&moved[0].path).unwrap(), SCHEMA_2, "{round}");
        assert_eq!(journal.moved_aside().unwrap(), ["u1".to_owned()].into());
    }
}

#[test]
fn a_record_of_another_claim_is_not_taken_for_one_of_this() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), BOOT);
    fs::write(
        folder.path().join(file_name("u1", BOOT, Phase::Prepared)),
        SCHEMA_1,
    )
    .unwrap();
    assert_eq!(journal.get("u1").unwrap(), None);
    let why = &journal.take_moved_aside()[0].why;
    assert!(why.to_string().contains("it is of claim 0c8d1f6e"), "{why}");
}

#[test]
fn another_process_sees_each_phase() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (open(folder.path(), BOOT), open(folder.path(), BOOT));
    let uid = record().claim.uid;
    for phases in [vec![intent(), record()], vec![intent()]] {
        for phase in &phases {
            theirs.put(phase).unwrap();
            assert_eq!(ours.records().unwrap()[&uid], *phase);
            assert_eq!(ours.get(&uid).unwrap().as_ref(), Some(phase));
        }
        theirs.begin_undo(phases.last().unwrap()).unwrap();
        let seen = ours.records().unwrap();
        assert_eq!(seen[&uid].phase, Phase::Preparing);
        assert_eq!(ours.get(&uid).unwrap().as_ref(), seen.get(&uid));
        theirs.remove(&uid).unwrap();
        assert!(ours.records().unwrap().is_empty());
        assert!(!ours.has(&uid).unwrap());
    }
}

#[test]
fn what_a_crash_left_of_a_write_is_removed_and_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), BOOT);
    let temporary = folder
        .path()
        .join(format!(".{}.tmp", file_name("u1", BOOT, Phase::Prepared)));
    fs::write(&temporary, SCHEMA_1).unwrap();
    assert!(journal.records().unwrap().is_empty());
    assert!(journal.uids().unwrap().contains("u1"));
    assert_eq!(journal.get("u1").unwrap(), None);
    assert!(!temporary.exists());
    assert_eq!(journal.take_moved_aside(), []);
}

#[test]
fn the_intent_of_a_damaged_record_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), BOOT);
    let uid = record().claim.uid;
    journal.put(&intent()).unwrap();
    let path = folder.path().join(file_name(&uid, BOOT, Phase::Prepared));
    fs::write(path, "damaged").unwrap();
    assert_eq!(journal.get(&uid).unwrap(), None);
    assert!(!journal.has(&uid).unwrap());
    assert_eq!(journal.take_moved_aside().len(), 1);
}

#[test]
fn a_record_without_its_intent_gets_one_before_it_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), BOOT);
    let uid = record().claim.uid;
    journal.put(&record()).unwrap();
    assert_eq!(journal.get(&uid).unwrap(), Some(record()));
    journal.begin_undo(&record()).unwrap();
    let left = journal.get(&uid).unwrap().map(|left| left.phase);
    assert_eq!(left, Some(Phase::Preparing));
    journal.remove(&uid).unwrap();
    assert!(!journal.has(&uid).unwrap());
}

#[test]
fn names_have_the_claim_and_the_boot() {
    for (name, parsed) in [
        ("u1.b1.record", Some(("u1", "b1"))),
        ("u1.b1.intent", Some(("u1", "b1"))),
        (".u1.b1.record.tmp", Some(("u1", "b1"))),
        ("u1.record", None),
        (".record", None),
        (".b1.record", None),
        ("unreadable", None),
    ] {
        assert_eq!(parse_name(name), parsed, "{name}");
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
