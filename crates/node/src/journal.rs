//! What this node has prepared: one record for each claim.
//!
//! An intent is written before anything is done for a claim, and a record beside it when the driver has
//! done its part. To undo a claim its record is removed first and its intent last. So whatever a crash
//! leaves behind has an intent, and undoing needs no space on a full disk.
//!
//! Both are files of the claim's own, `UID.BOOT.intent` and `UID.BOOT.record`, so that damage costs one
//! claim. Each is written as a whole, and never over another one: ext4 takes milliseconds for that. The
//! boot in which they were written is in their names, since nothing that a container was given outlives
//! a reboot. So a pod does not wait for a record to reach the disk, and a file that a power cut has torn,
//! which is of an earlier boot, is simply removed. A file of this boot that cannot be read was damaged:
//! the holder of the claim's lock moves it aside and reports it. It is never overwritten, and everybody
//! else passes over it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{self, Disk};
use crate::driver::{Access, Allocated, Claim, ClaimRef, Edits};

/// The format that this version writes. A change that an older version must not pass over gets the next
/// number; a field that older versions may ignore does not.
const SCHEMA: u32 = 1;

/// The first word of every record.
const MAGIC: &str = "trainyard-claim";

/// How far a claim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Something may have been done: there is an intent.
    Preparing,
    /// The driver has done its part: there is a record.
    Prepared,
}

/// One claim on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Which claim.
    pub(crate) claim: ClaimRef,
    /// How far it has come.
    pub(crate) phase: Phase,
    /// `/proc/sys/kernel/random/boot_id` at that time; it is in the name of the file.
    #[serde(skip)]
    pub(crate) boot: String,
    /// A digest of the allocation: the same claim may be allocated other devices later.
    pub(crate) allocation: String,
    /// Its devices.
    pub(crate) devices: Vec<Allocated>,
    /// What each device changes in a container; as many as devices when prepared.
    pub(crate) edits: Vec<Edits>,
}

impl Record {
    /// The intent to prepare a claim.
    pub(crate) fn intent(claim: &Claim, boot: &str) -> Self {
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
    pub(crate) fn is_of(&self, claim: &Claim) -> bool {
        self.allocation == allocation_digest(claim)
    }

    /// The first device that this record and `devices` cannot both hold.
    pub(crate) fn collision<'a>(&self, devices: &'a [Allocated]) -> Option<&'a Allocated> {
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

/// A change of what this reads is a new schema: a record of the same allocation must remain one, or
/// the devices of a running container would be undone.
fn allocation_digest(claim: &Claim) -> String {
    let bytes =
        serde_json::to_vec(&(&claim.devices, &claim.configs)).expect("an allocation is plain data");
    checksum(&bytes)
}

fn checksum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why the bytes of a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not a record at all.
    #[error("it does not begin with `{MAGIC} SCHEMA CHECKSUM`")]
    Header,
    /// Some byte is another one than was written, or is missing.
    #[error("its checksum does not match its content")]
    Checksum,
    /// Written by a newer version.
    #[error("it has schema {0}, and this version knows none above {SCHEMA}")]
    Newer(u32),
    /// The disk cannot read it.
    #[error("{0}")]
    Disk(String),
    /// Intact, but not what its schema says.
    #[error("its content does not follow its schema: {0}")]
    Content(String),
}

/// A record as bytes: a line with the schema and the checksum of the next line, which is JSON.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let body = serde_json::to_vec(record).expect("a record is plain data");
    let header = format!("{MAGIC} {SCHEMA} {}\n", checksum(&body));
    [header.as_bytes(), &body, b"\n"].concat()
}

/// Reads what [`encode`] wrote. The boot is left empty.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, Unreadable> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (header, rest) = bytes.split_at(end.ok_or(Unreadable::Header)?);
    let header = std::str::from_utf8(header).map_err(|_| Unreadable::Header)?;
    let mut words = header.split(' ');
    let (Some(MAGIC), Some(schema)) = (words.next(), words.next()) else {
        return Err(Unreadable::Header);
    };
    match schema.parse() {
        Ok(SCHEMA) => {}
        Ok(newer) if newer > SCHEMA => return Err(Unreadable::Newer(newer)),
        _ => return Err(Unreadable::Header),
    }
    let (Some(sum), None) = (words.next(), words.next()) else {
        return Err(Unreadable::Header);
    };
    let body = rest[1..].strip_suffix(b"\n").ok_or(Unreadable::Checksum)?;
    if sum != checksum(body) {
        return Err(Unreadable::Checksum);
    }
    serde_json::from_slice(body).map_err(|error| Unreadable::Content(error.to_string()))
}

/// Whether the disk has lost what was written: another read would fail as well.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::IO | Errno::UCLEAN | Errno::BADMSG)
    )
}

/// A record that was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedAside {
    /// The claim's UID, from the file's name.
    pub(crate) uid: String,
    /// Where its bytes are now.
    pub(crate) path: PathBuf,
    /// Why it could not be used.
    pub(crate) why: Unreadable,
}

const INTENT: &str = ".intent";
const RECORD: &str = ".record";

/// The file of a claim in a boot.
fn file_name(uid: &str, boot: &str, phase: Phase) -> String {
    let suffix = match phase {
        Phase::Preparing => INTENT,
        Phase::Prepared => RECORD,
    };
    format!("{uid}.{boot}{suffix}")
}

/// The claim's UID and the boot, from the name of a file or of a temporary one.
fn parse_name(name: &str) -> Option<(&str, &str)> {
    let name = disk::final_name_of(name).unwrap_or(name);
    let stem = name.strip_suffix(RECORD).or(name.strip_suffix(INTENT))?;
    let (uid, boot) = stem.split_once('.')?;
    (!uid.is_empty()).then_some((uid, boot))
}

/// The records of one driver on one node, shared by all its processes.
pub(crate) struct Journal<D> {
    disk: Arc<D>,
    folder: PathBuf,
    boot: String,
    moved: Mutex<Vec<MovedAside>>,
}

/// What a file turned out to be.
enum Loaded {
    Record(Record),
    /// It is not there any more.
    Missing,
    /// A temporary file, or one of an earlier boot that a power cut has torn: nothing counts on it.
    Leftover,
    Unusable(Unreadable),
}

impl<D: Disk> Journal<D> {
    /// The journal in this folder, in this boot.
    pub(crate) fn new(disk: Arc<D>, folder: &Path, boot: &str) -> Self {
        Journal {
            disk,
            folder: folder.to_owned(),
            boot: boot.to_owned(),
            moved: Mutex::default(),
        }
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("unreadable")
    }

    /// All records, by claim UID, as all processes left them at one moment. Those that cannot be used
    /// are left out.
    pub(crate) fn records(&self) -> io::Result<BTreeMap<String, Record>> {
        'again: loop {
            let mut found = BTreeMap::new();
            let mut names = self.disk.list(&self.folder)?;
            records_first(&mut names);
            for name in names {
                let uid = parse_name(&name).map(|(uid, _)| uid);
                let Some(uid) = uid.filter(|uid| !found.contains_key(*uid)) else {
                    continue;
                };
                match self.load(&name)? {
                    Loaded::Record(record) => found.insert(uid.to_owned(), record),
                    Loaded::Leftover | Loaded::Unusable(_) => continue,
                    // Its phase may have changed: no claim is to be overlooked.
                    Loaded::Missing => continue 'again,
                };
            }
            return Ok(found);
        }
    }

    /// The record of one claim, or its intent, for the holder of its lock. What a crash left is removed,
    /// and what cannot be read is moved aside. The intent of a damaged record is removed: the claim was
    /// prepared, and its containers keep what they were given.
    pub(crate) fn get(&self, uid: &str) -> io::Result<Option<Record>> {
        let (mut found, mut is_damaged) = (None, false);
        for name in self.files_of(uid)? {
            let path = self.folder.join(&name);
            match self.load(&name)? {
                Loaded::Record(record) if !is_damaged => {
                    found.get_or_insert(record);
                }
                Loaded::Record(_) | Loaded::Leftover => disk::discard(&*self.disk, &path)?,
                Loaded::Missing => {}
                Loaded::Unusable(why) => {
                    is_damaged |= name.ends_with(RECORD);
                    self.move_aside(uid, &path, why)?;
                }
            }
        }
        Ok(found)
    }

    /// The UIDs of all claims with a file, whatever is in it, except for records of a newer version,
    /// whose process may be running.
    pub(crate) fn uids(&self) -> io::Result<BTreeSet<String>> {
        let mut uids = BTreeSet::new();
        for name in self.disk.list(&self.folder)? {
            if let Some((uid, _)) = parse_name(&name)
                && !matches!(self.load(&name)?, Loaded::Unusable(Unreadable::Newer(_)))
            {
                uids.insert(uid.to_owned());
            }
        }
        Ok(uids)
    }

    /// Whether there is a file of a claim, readable or not.
    pub(crate) fn has(&self, uid: &str) -> io::Result<bool> {
        Ok(!self.files_of(uid)?.is_empty())
    }

    fn files_of(&self, uid: &str) -> io::Result<Vec<String>> {
        let mut names = self.disk.list(&self.folder)?;
        names.retain(|name| parse_name(name).is_some_and(|(of, _)| of == uid));
        records_first(&mut names);
        Ok(names)
    }

    fn load(&self, name: &str) -> io::Result<Loaded> {
        let (uid, boot) = parse_name(name).expect("a name of the journal's");
        if disk::final_name_of(name).is_some() {
            return Ok(Loaded::Leftover);
        }
        let why = match self.disk.read(&self.folder.join(name)) {
            Ok(bytes) => match decode(&bytes) {
                Ok(mut record) if record.claim.uid == uid => {
                    record.boot = boot.to_owned();
                    return Ok(Loaded::Record(record));
                }
                Ok(record) => Unreadable::Content(format!("it is of claim {}", record.claim.uid)),
                Err(why) => why,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Missing),
            // It costs one claim. Passing the error on would cost all of them, for ever.
            Err(error) if is_damage(&error) => Unreadable::Disk(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(match (&why, boot == self.boot) {
            (Unreadable::Newer(_), _) | (_, true) => Loaded::Unusable(why),
            (_, false) => Loaded::Leftover,
        })
    }

    /// Keeps the bytes for a person to look at, under a name that nothing else has.
    fn move_aside(&self, uid: &str, from: &Path, why: Unreadable) -> io::Result<()> {
        let aside = self.aside();
        self.disk.make_folder(&aside)?;
        let taken = self.disk.list(&aside)?;
        let name = (0..)
            .map(|number| format!("{uid}.{number}"))
            .find(|name| !taken.contains(name))
            .expect("numbers do not end");
        let path = aside.join(name);
        self.disk.rename(from, &path)?;
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = uid.to_owned();
        moved.push(MovedAside { uid, path, why });
        Ok(())
    }

    /// What was moved aside since this was last asked.
    pub(crate) fn take_moved_aside(&self) -> Vec<MovedAside> {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// UIDs of claims whose record was moved aside, by this process or an earlier one.
    pub(crate) fn moved_aside(&self) -> io::Result<BTreeSet<String>> {
        let names = self.disk.list(&self.aside())?.into_iter();
        let uids = names.filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned()));
        Ok(uids.collect())
    }

    /// Writes down how far a claim has come, in this boot.
    pub(crate) fn put(&self, record: &Record) -> io::Result<()> {
        debug_assert_eq!(record.boot, self.boot, "another boot is over");
        let name = file_name(&record.claim.uid, &self.boot, record.phase);
        let path = self.folder.join(name);
        disk::replace(&*self.disk, &path, &encode(record))
    }

    /// Leaves only the intent of a claim that is about to be undone.
    pub(crate) fn begin_undo(&self, record: &Record) -> io::Result<()> {
        let names = self.files_of(&record.claim.uid)?;
        if names.iter().all(|name| !name.ends_with(INTENT)) {
            // It was damaged. Without it a crash would leave what is half undone without a trace.
            let intent = Record {
                phase: Phase::Preparing,
                boot: self.boot.clone(),
                ..record.clone()
            };
            self.put(&intent)?;
        }
        for name in names.iter().filter(|name| name.ends_with(RECORD)) {
            disk::discard(&*self.disk, &self.folder.join(name))?;
        }
        Ok(())
    }

    /// Removes the intent of a claim that is undone. Should a power cut bring it back, its boot is over
    /// and it is undone again.
    pub(crate) fn remove(&self, uid: &str) -> io::Result<()> {
        for name in self.files_of(uid)? {
            disk::discard(&*self.disk, &self.folder.join(name))?;
        }
        Ok(())
    }
}

/// A record says more than the intent beside it.
fn records_first(names: &mut [String]) {
    names.sort_by_key(|name| !name.ends_with(RECORD));
}

#[cfg(test)]
#[path = "../tests/inside/journal.rs"]
mod tests;
