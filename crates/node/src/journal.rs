//! What this node has prepared: one record for each claim.
//!
//! A record is written before anything is done for its claim (`Preparing`: the intent) and again when
//! the driver has done its part (`Prepared`); it is removed after all is undone. So whatever a crash
//! leaves behind has a record.
//!
//! Each record is a file of its own, so that damage costs one claim. It is replaced as a whole, and its
//! name has the boot in which it was written: `UID.BOOT.record`. Nothing that a container was given
//! outlives a reboot. So a pod does not wait for a record to reach the disk, and a record that a power
//! cut has torn, which is of an earlier boot, is simply removed. A record of this boot that cannot be
//! read was damaged: the holder of the claim's lock moves it aside and reports it. It is never
//! overwritten, and everybody else passes over it.
//!
//! While a claim is being undone its file is called `UID.BOOT.undo`. Renaming takes no space, so that a
//! full disk does not keep a claim from being undone.

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
    /// Something may have been done.
    Preparing,
    /// The driver has done its part.
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

const RECORD: &str = ".record";
/// Of a claim that is being undone.
const UNDO: &str = ".undo";

/// The file of a claim in a boot.
fn file_name(uid: &str, boot: &str) -> String {
    format!("{uid}.{boot}{RECORD}")
}

/// The claim's UID and the boot, from the name of a file or of a temporary one.
fn parse_name(name: &str) -> Option<(&str, &str)> {
    let name = disk::final_name_of(name).unwrap_or(name);
    let stem = name.strip_suffix(RECORD).or(name.strip_suffix(UNDO))?;
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
            for name in self.disk.list(&self.folder)? {
                let Some((uid, _)) = parse_name(&name) else {
                    continue;
                };
                match self.load(&name)? {
                    Loaded::Record(record) => found.insert(uid.to_owned(), record),
                    Loaded::Leftover | Loaded::Unusable(_) => continue,
                    // It may have another name now: no claim is to be overlooked.
                    Loaded::Missing => continue 'again,
                };
            }
            return Ok(found);
        }
    }

    /// The record of one claim, for the holder of its lock. What a crash left is removed, and a record
    /// that cannot be read is moved aside.
    pub(crate) fn get(&self, uid: &str) -> io::Result<Option<Record>> {
        let mut found = None;
        for name in self.files_of(uid)? {
            let path = self.folder.join(&name);
            match self.load(&name)? {
                Loaded::Record(record) => found = Some(record),
                Loaded::Missing => {}
                Loaded::Leftover => disk::discard(&*self.disk, &path)?,
                Loaded::Unusable(why) => self.move_aside(uid, &path, why)?,
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
                    if name.ends_with(UNDO) {
                        record.phase = Phase::Preparing;
                    }
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
        let path = self.folder.join(file_name(&record.claim.uid, &self.boot));
        disk::replace(&*self.disk, &path, &encode(record))
    }

    /// Marks that a claim is about to be undone. From now on its record says `Preparing`.
    pub(crate) fn begin_undo(&self, uid: &str) -> io::Result<()> {
        for name in self.files_of(uid)? {
            if let Some(stem) = name.strip_suffix(RECORD) {
                let marked = self.folder.join(format!("{stem}{UNDO}"));
                self.disk.rename(&self.folder.join(&name), &marked)?;
            }
        }
        Ok(())
    }

    /// Removes the record of a claim that is undone. Should a power cut bring it back, its boot is over
    /// and it is undone again.
    pub(crate) fn remove(&self, uid: &str) -> io::Result<()> {
        for name in self.files_of(uid)? {
            disk::discard(&*self.disk, &self.folder.join(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "../tests/inside/journal.rs"]
mod tests;
