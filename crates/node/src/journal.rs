//! What this node has prepared: one record per claim.
//!
//! A record is written before anything is done for its claim (`Preparing`) and again when all is done
//! (`Prepared`); it is removed after all is undone. Whatever a crash leaves behind therefore has a
//! record, and a record never claims more than is there.
//!
//! One file per claim and phase: writing costs what changed, and damage costs one claim. A file names
//! the boot in which it was made: nothing that a container was given outlives a reboot. So a pod waits
//! for no record to reach the disk: the boot's name is there before, in a spare file, and a power cut
//! may take or tear the rest, which stands for nothing any more. What cannot be read in its own boot
//! was damaged; it is moved aside, never overwritten. An intent that cannot be read is none.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{self, Blank, Disk, Entry, Stamp, Stock};
use crate::driver::{Access, Allocated, Claim, ClaimRef, Edits};

/// The schema this version writes. Older ones are carried over by [`migrate`].
const SCHEMA: u32 = 2;

/// First word of every record.
const MAGIC: &str = "trainyard-claim";

/// How far a claim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Something may have been done.
    Preparing,
    /// All has been done.
    Prepared,
}

/// One claim on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which claim.
    pub claim: ClaimRef,
    /// How far it has come.
    pub phase: Phase,
    /// `/proc/sys/kernel/random/boot_id` at that time.
    #[serde(skip)]
    pub boot: String,
    /// Tells this allocation from another of the same claim.
    pub allocation: String,
    /// Its devices.
    pub devices: Vec<Allocated>,
    /// What each device changes in a container; as many as devices when prepared.
    pub edits: Vec<Edits>,
}

impl Record {
    /// The record of a claim that is about to be prepared.
    pub fn begin(claim: &Claim, boot: &str) -> Self {
        Record {
            claim: claim.claim.clone(),
            phase: Phase::Preparing,
            boot: boot.to_owned(),
            allocation: allocation_digest(claim),
            devices: claim.devices.clone(),
            edits: Vec::new(),
        }
    }

    /// Whether it is of this very allocation.
    pub fn is_of(&self, claim: &Claim) -> bool {
        self.allocation == allocation_digest(claim)
    }

    /// The first device that this record and `devices` cannot both hold.
    pub fn collision<'a>(&self, devices: &'a [Allocated]) -> Option<&'a Allocated> {
        devices.iter().find(|wanted| {
            self.devices.iter().any(|held| {
                held.pool == wanted.pool
                    && held.device == wanted.device
                    && held.access == Access::Exclusive
                    && wanted.access == Access::Exclusive
                    && !matches!((&held.share_id, &wanted.share_id), (Some(a), Some(b)) if a != b)
            })
        })
    }
}

fn allocation_digest(claim: &Claim) -> String {
    let bytes =
        serde_json::to_vec(&(&claim.devices, &claim.configs)).expect("an allocation is plain data");
    checksum(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why the bytes of a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Cut off, or not a record at all.
    #[error("it does not begin with `{MAGIC} <version>`")]
    Header,
    /// A power cut ended its boot and may have taken the rest.
    #[error("it is of another boot, and was not written to the end")]
    Torn,
    /// Some byte is another one than was written.
    #[error("its checksum does not match its content")]
    Checksum,
    /// Written by a newer version.
    #[error("it has schema {0}, and this version knows none above {SCHEMA}")]
    Newer(u32),
    /// Intact, but not what its schema says.
    #[error("its content does not follow its schema: {0}")]
    Content(String),
}

impl Unreadable {
    /// Whether a part may be missing.
    fn is_cut(&self) -> bool {
        matches!(self, Unreadable::Header | Unreadable::Checksum)
    }
}

/// A record as bytes: its head, then its tail. Spaces may be between them and follow.
pub fn encode(record: &Record) -> Vec<u8> {
    [head(&record.boot), tail(record)].concat()
}

/// A line with schema, checksum of the boot, and the boot.
fn head(boot: &str) -> Vec<u8> {
    format!("{MAGIC} {SCHEMA} {} {boot}\n", checksum(boot.as_bytes())).into_bytes()
}

fn checksum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A line with the checksum of the line that follows, the record.
fn tail(record: &Record) -> Vec<u8> {
    let body = serde_json::to_vec(record).expect("a record is plain data");
    [checksum(&body).as_bytes(), b"\n", &body, b"\n"].concat()
}

/// Reads what [`encode`] of this or an older version wrote, in this boot or another.
pub fn decode(bytes: &[u8], boot: &str) -> Result<Record, Unreadable> {
    let (header, rest) = line(bytes).ok_or(Unreadable::Header)?;
    let header = std::str::from_utf8(header).map_err(|_| Unreadable::Header)?;
    let mut words = header.splitn(4, ' ');
    let (Some(MAGIC), Some(schema), Some(sum)) = (words.next(), words.next(), words.next()) else {
        return Err(Unreadable::Header);
    };
    match (schema.parse(), words.next()) {
        // Its sum is that of the body, which has the boot.
        (Ok(1), None) => whole(1, sum.as_bytes(), rest),
        (Ok(SCHEMA), Some(of)) if sum == checksum(of.as_bytes()) => {
            let tail = line(rest.trim_ascii_start()).ok_or(Unreadable::Checksum);
            let record = tail.and_then(|(sum, body)| whole(SCHEMA, sum, body));
            match record {
                Ok(record) => Ok(Record {
                    boot: of.to_owned(),
                    ..record
                }),
                Err(Unreadable::Checksum) if of != boot => Err(Unreadable::Torn),
                Err(why) => Err(why),
            }
        }
        (Ok(newer), _) if newer > SCHEMA => Err(Unreadable::Newer(newer)),
        _ => Err(Unreadable::Header),
    }
}

/// The first line, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The record in a body, which is a line.
fn whole(schema: u32, sum: &[u8], body: &[u8]) -> Result<Record, Unreadable> {
    // A spare file may be longer than what it was filled with.
    let end = body.iter().rposition(|byte| *byte != b' ');
    let body = &body[..end.map_or(0, |last| last + 1)];
    let body = body.strip_suffix(b"\n").ok_or(Unreadable::Checksum)?;
    if sum != checksum(body).as_bytes() {
        return Err(Unreadable::Checksum);
    }
    let content = |error: serde_json::Error| Unreadable::Content(error.to_string());
    let (value, boot) = migrate(schema, serde_json::from_slice(body).map_err(content)?);
    let mut record: Record = serde_json::from_value(value).map_err(content)?;
    record.boot = boot;
    Ok(record)
}

/// Carries a record of an older schema over to [`SCHEMA`], one version at a time, and says its boot
/// if it does. A change of [`Record`], of what is in it or of what [`allocation_digest`] reads is a
/// new schema: a record of the same allocation must stay one, or a running container's devices would
/// be undone.
fn migrate(schema: u32, mut value: serde_json::Value) -> (serde_json::Value, String) {
    let mut boot = String::new();
    if schema == 1
        && let Some(record) = value.as_object_mut()
        && let Some(serde_json::Value::String(of)) = record.remove("boot")
    {
        boot = of;
    }
    (value, boot)
}

/// A record that was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAside {
    /// The claim's UID, from the file's name.
    pub uid: String,
    /// Where its bytes are now.
    pub path: PathBuf,
    /// Why it could not be used.
    pub why: Unreadable,
}

/// The records of one driver on one node, shared by all its processes.
pub struct Journal<D> {
    disk: std::sync::Arc<D>,
    folder: PathBuf,
    boot: String,
    /// What was read, as long as its file has the same stamp.
    read: Mutex<BTreeMap<String, (Stamp, Record)>>,
    moved: Mutex<Vec<MovedAside>>,
    /// Files for both kinds of records: a pod waits for each.
    intents: Stock<D>,
    finished: Stock<D>,
}

/// Bytes of a spare file for the tail of a finished record: one of 16 devices fits.
const ROOM: usize = 8 << 10;

/// What became of a file.
enum Loaded {
    Record(Record),
    /// Not there.
    Gone,
    /// There is no record in it, or none of this version.
    Unusable,
}

/// What to do with a record of a newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newer {
    Leave,
    MoveAside,
}

/// Of a record whose claim is prepared.
const SUFFIX: &str = ".claim";
/// Of a record whose claim is being prepared.
const INTENT: &str = ".preparing";
/// Of a record whose claim is being undone: renaming takes no space, so it works on a full disk.
const UNDOING: &str = ".undoing";

/// The claim that a file is of, by its name.
fn uid_of(name: &str) -> Option<&str> {
    let uid = [SUFFIX, INTENT, UNDOING]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    (!uid.starts_with('.')).then_some(uid)
}

impl<D: Disk> Journal<D> {
    /// The journal in this folder, which is made, in this boot.
    pub fn open(disk: std::sync::Arc<D>, folder: &Path, boot: &str) -> io::Result<Self> {
        disk.make_folder(folder)?;
        let finished = Blank {
            head: head(boot),
            room: ROOM,
        };
        Ok(Journal {
            intents: Stock::new(disk.clone(), folder, Blank::default()),
            finished: Stock::new(disk.clone(), folder, finished),
            disk,
            folder: folder.to_owned(),
            boot: boot.to_owned(),
            read: Mutex::default(),
            moved: Mutex::default(),
        })
    }

    fn path(&self, uid: &str) -> PathBuf {
        self.folder.join(format!("{uid}{SUFFIX}"))
    }

    fn intent(&self, uid: &str) -> PathBuf {
        self.folder.join(format!("{uid}{INTENT}"))
    }

    fn undoing(&self, uid: &str) -> PathBuf {
        self.folder.join(format!("{uid}{UNDOING}"))
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("unreadable")
    }

    /// All records, by claim UID, as all processes left them at one moment. Those of a newer version
    /// are left alone and left out: during a rolling update its process is running.
    pub fn records(&self) -> io::Result<BTreeMap<String, Record>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        'anew: loop {
            let mut listed = self.disk.list(&self.folder)?;
            // A crash leaves two files of one claim: the finished record counts.
            listed.sort_by_key(|entry| !entry.name.ends_with(SUFFIX));
            let mut found = BTreeMap::new();
            for Entry { name, stamp } in listed {
                let Some(uid) = uid_of(&name).filter(|uid| !found.contains_key(*uid)) else {
                    continue;
                };
                let known = read.get(&name).filter(|(known, _)| *known == stamp);
                let record = match known {
                    Some((_, record)) => record.clone(),
                    None => match self.load(uid, &name, Newer::Leave)? {
                        Loaded::Record(record) => record,
                        Loaded::Unusable => continue,
                        // Under another name now: a claim whose phase changes is not overlooked.
                        Loaded::Gone => continue 'anew,
                    },
                };
                found.insert(uid.to_owned(), record.clone());
                read.insert(name, (stamp, record));
            }
            read.retain(|_, (_, record)| found.contains_key(&record.claim.uid));
            return Ok(found);
        }
    }

    /// The record of one claim, for whoever is about to write it: what cannot be read is moved
    /// aside. One that was being undone is as one that was being prepared.
    pub fn get(&self, uid: &str) -> io::Result<Option<Record>> {
        for suffix in [SUFFIX, INTENT, UNDOING] {
            let name = format!("{uid}{suffix}");
            if let Loaded::Record(record) = self.load(uid, &name, Newer::MoveAside)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Whether there is a record of a claim, readable or not.
    pub fn has(&self, uid: &str) -> io::Result<bool> {
        let listed = self.disk.list(&self.folder)?;
        Ok(listed.iter().any(|entry| uid_of(&entry.name) == Some(uid)))
    }

    fn load(&self, uid: &str, name: &str, newer: Newer) -> io::Result<Loaded> {
        let path = self.folder.join(name);
        let bytes = match self.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Gone),
            Err(error) => return Err(error),
        };
        let why = match decode(&bytes, &self.boot) {
            Ok(mut record) if record.claim.uid == uid => {
                // One that is being undone vouches for nothing any more.
                if !name.ends_with(SUFFIX) {
                    record.phase = Phase::Preparing;
                }
                return Ok(Loaded::Record(record));
            }
            Ok(record) => Unreadable::Content(format!("it is of claim {}", record.claim.uid)),
            Err(Unreadable::Newer(_)) if newer == Newer::Leave => return Ok(Loaded::Unusable),
            // By a power cut, as no process sees a part of what it or another one writes.
            Err(why) if why == Unreadable::Torn || (name.ends_with(INTENT) && why.is_cut()) => {
                disk::discard(&*self.disk, &path)?;
                return Ok(Loaded::Unusable);
            }
            Err(why) => why,
        };
        self.move_aside(uid, &path, why)?;
        Ok(Loaded::Unusable)
    }

    /// Keeps the bytes for a person to look at, under a name that nothing else has.
    fn move_aside(&self, uid: &str, from: &Path, why: Unreadable) -> io::Result<()> {
        let aside = self.aside();
        self.disk.make_folder(&aside)?;
        let taken = self.disk.list(&aside)?;
        let name = (0..)
            .map(|number| format!("{uid}.{number}"))
            .find(|name| taken.iter().all(|entry| entry.name != *name))
            .expect("numbers do not end");
        let path = aside.join(name);
        match self.disk.rename(from, &path) {
            Ok(()) => {}
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.disk.sync_folder(&aside)?;
        if from == self.path(uid) {
            // What its containers were given stays.
            self.forget_intent(uid)?;
        }
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = uid.to_owned();
        moved.push(MovedAside { uid, path, why });
        Ok(())
    }

    /// What was moved aside since this was last asked.
    pub fn take_moved_aside(&self) -> Vec<MovedAside> {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// UIDs of claims whose record was moved aside, now or in an earlier life.
    pub fn unreadable(&self) -> io::Result<Vec<String>> {
        let entries = self.disk.list(&self.aside())?.into_iter();
        Ok(entries
            .filter_map(|entry| Some(entry.name.rsplit_once('.')?.0.to_owned()))
            .collect())
    }

    /// Writes a record, of this boot. Once it is finished its intent is good for nothing, but still
    /// there.
    pub fn put(&self, record: &Record) -> io::Result<()> {
        debug_assert_eq!(record.boot, self.boot, "another boot is over");
        let uid = &record.claim.uid;
        match record.phase {
            Phase::Preparing => self.intents.write(&self.intent(uid), &encode(record)),
            Phase::Prepared => self.finished.write(&self.path(uid), &tail(record)),
        }
    }

    /// Removes the intent of a finished record.
    pub fn forget_intent(&self, uid: &str) -> io::Result<()> {
        disk::discard(&*self.disk, &self.intent(uid))
    }

    /// Whether records would be written without waiting for the disk.
    pub fn is_quick(&self) -> bool {
        self.finished.is_quick()
    }

    /// Makes spare files for the records to come.
    pub fn stock(&self) -> io::Result<()> {
        self.intents.refill()?;
        self.finished.refill()
    }

    /// Marks that a claim is about to be undone: from now on its record vouches for nothing, as an
    /// intent never did.
    pub fn begin_undo(&self, uid: &str) -> io::Result<()> {
        match self.disk.rename(&self.path(uid), &self.undoing(uid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a record; one that is gone is fine. Should a power cut bring it back, its boot is over
    /// and it is removed again.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        for path in [self.path(uid), self.intent(uid), self.undoing(uid)] {
            disk::discard(&*self.disk, &path)?;
        }
        Ok(())
    }

    /// Removes the temporary files of claims that `idle` says nobody is writing.
    pub fn sweep(&self, mut idle: impl FnMut(&str) -> io::Result<bool>) -> io::Result<()> {
        for entry in self.disk.list(&self.folder)? {
            let written = entry.name.strip_prefix('.');
            let uid = written.and_then(|name| uid_of(name.strip_suffix(".tmp")?));
            if let Some(uid) = uid
                && idle(uid)?
            {
                let path = self.folder.join(&entry.name);
                disk::discard(&*self.disk, &path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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

    /// Kept as long as an upgrade from these versions is allowed: never to be edited.
    const RELEASED: [&[u8]; 2] = [
        include_bytes!("../tests/journal/schema-1.claim"),
        include_bytes!("../tests/journal/schema-2.claim"),
    ];

    #[test]
    fn records_of_every_released_schema_are_read() {
        for bytes in RELEASED {
            assert_eq!(decode(bytes, BOOT), Ok(record()));
            assert_eq!(decode(bytes, "another boot"), Ok(record()));
        }
        assert_eq!(RELEASED.last().unwrap(), &encode(&record()));
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        for bytes in RELEASED {
            for at in 0..bytes.len() {
                assert!(decode(&bytes[..at], BOOT).is_err(), "cut at {at}");
                for bit in 0..8 {
                    let mut damaged = bytes.to_vec();
                    damaged[at] ^= 1 << bit;
                    let read = decode(&damaged, BOOT);
                    assert!(
                        read.is_err() && read != Err(Unreadable::Torn),
                        "byte {at}, bit {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_power_cut_tore_is_none_and_what_was_damaged_is_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u1.claim");
        let bytes = encode(&record());
        let begins = head(BOOT).len();
        for length in begins..bytes.len() {
            let mut torn = bytes[..length].to_vec();
            torn.resize(bytes.len(), b' ');
            for (boot, damaged) in [("another boot", false), (BOOT, true)] {
                let journal = Journal::open(Arc::new(LocalDisk), folder.path(), boot).unwrap();
                fs::write(&path, &torn).unwrap();
                assert!(journal.records().unwrap().is_empty());
                assert!(!path.exists());
                assert_eq!(journal.take_moved_aside().len(), usize::from(damaged));
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
            fs::write(folder.path().join("u1.claim"), &bytes).unwrap();
            assert!(journal.records().unwrap().is_empty());
            assert_eq!(journal.take_moved_aside(), [], "its process may be running");
            assert!(journal.has("u1").unwrap());
            assert_eq!(journal.get("u1").unwrap(), None);
            let moved = journal.take_moved_aside();
            assert_eq!(moved.len(), 1);
            assert_eq!(moved[0].why, Unreadable::Newer(7));
            assert!(!journal.has("u1").unwrap());
            assert_eq!(fs::read(&moved[0].path).unwrap(), bytes, "round {round}");
        }
        assert_eq!(journal.unreadable().unwrap(), ["u1", "u1"]);
    }

    #[test]
    fn another_process_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
        let (ours, theirs) = (open(), open());
        let mut record = record();
        ours.put(&record).unwrap();
        assert_eq!(ours.records().unwrap().len(), 1);
        theirs.remove(&record.claim.uid).unwrap();
        record.phase = Phase::Preparing;
        theirs.put(&record).unwrap();
        let seen = ours.records().unwrap();
        assert_eq!(seen[&record.claim.uid].phase, Phase::Preparing);
        theirs.remove(&record.claim.uid).unwrap();
        assert!(ours.records().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_record_has_no_intent() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
        let mut record = record();
        let uid = record.claim.uid.clone();
        for phase in [Phase::Preparing, Phase::Prepared] {
            record.phase = phase;
            journal.put(&record).unwrap();
        }
        fs::write(journal.path(&uid), b"damaged").unwrap();
        assert!(journal.records().unwrap().is_empty());
        assert!(!journal.has(&uid).unwrap());
        assert_eq!(journal.take_moved_aside().len(), 1);
    }

    #[test]
    fn an_intent_that_a_power_cut_tore_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
        for length in [0, 40] {
            let torn = &encode(&record())[..length];
            fs::write(folder.path().join("u1.preparing"), torn).unwrap();
            assert!(journal.has("u1").unwrap());
            assert!(journal.records().unwrap().is_empty());
            assert!(!journal.has("u1").unwrap());
            assert_eq!(journal.take_moved_aside(), []);
        }
    }

    #[test]
    fn a_record_fills_a_spare_file_or_does_without() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(Arc::new(LocalDisk), folder.path(), BOOT).unwrap();
        journal.stock().unwrap();
        let mut record = record();
        // More than are in stock, and the last one has more than a spare file has room for.
        for number in 0..8 {
            record.claim.uid = format!("u{number}");
            if number == 7 {
                record.devices = vec![record.devices[0].clone(); 1000];
            }
            for phase in [Phase::Preparing, Phase::Prepared] {
                record.phase = phase;
                journal.put(&record).unwrap();
                let found = journal.get(&record.claim.uid).unwrap();
                assert_eq!(found, Some(record.clone()));
                assert_eq!(journal.records().unwrap()[&record.claim.uid], record);
            }
            journal.forget_intent(&record.claim.uid).unwrap();
        }
        journal.stock().unwrap();
        record.allocation = "another".into();
        journal.put(&record).unwrap();
        assert_eq!(journal.records().unwrap()[&record.claim.uid], record);
        assert_eq!(journal.take_moved_aside(), []);
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
}
