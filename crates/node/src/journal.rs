//! What this node has prepared: one record per claim.
//!
//! A record is written before anything is done for its claim (`Preparing`) and again when all is done
//! (`Prepared`) but the CDI file, which is made from it; it is removed after all is undone. Whatever a
//! crash leaves behind therefore has a record.
//!
//! One file per claim, to which each phase adds a line: writing costs what changed, and damage costs
//! one claim. The file's name has the boot in which it was made: nothing that a container was given
//! outlives a reboot, so whatever a power cut leaves of it stands for nothing any more, and a pod waits
//! for no record to reach the disk. In its own boot a file may end in a part of a line, of a process
//! that was killed or is still writing; the lines before it count. Anything else that cannot be read,
//! or says less than the CDI file that is there, was damaged: it is moved aside, never overwritten, by
//! who has the claim's lock. Others only read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::libc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{self, Disk, Draft, Entry, Stamp};
use crate::driver::{Access, Allocated, Claim, ClaimRef, Edits};

/// The schema this version writes. Older ones are carried over by [`migrate`].
const SCHEMA: u32 = 3;

/// First word of every file.
const MAGIC: &str = "trainyard-claim";

/// First line of every file.
const HEADER: &[u8] = b"trainyard-claim 3\n";

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
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// Why the bytes of a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not a record at all.
    #[error("it does not begin with `{MAGIC} <version>`")]
    Header,
    /// Some byte is another one than was written.
    #[error("its checksum does not match its content")]
    Checksum,
    /// It ends before it says that the claim is prepared, which it is.
    #[error("its end is missing")]
    Cut,
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

/// A claim's file as bytes: a header, and a line with checksum and record for each phase.
pub fn encode(phases: &[Record]) -> Vec<u8> {
    let lines = phases.iter().flat_map(line);
    HEADER.iter().copied().chain(lines).collect()
}

fn line(record: &Record) -> Vec<u8> {
    let body = serde_json::to_vec(record).expect("a record is plain data");
    [checksum(&body).as_bytes(), b" ", &body, b"\n"].concat()
}

fn checksum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Reads what [`encode`] of this or an older version wrote, as far as it got: `None` if nothing was
/// done for the claim yet. This version has the boot in the file's name, so it is left empty.
pub fn decode(bytes: &[u8]) -> Result<Option<Record>, Unreadable> {
    if HEADER.starts_with(bytes) {
        return Ok(None);
    }
    if let Some(lines) = bytes.strip_prefix(HEADER) {
        return last(lines);
    }
    let (header, rest) = cut(bytes, b'\n').ok_or(Unreadable::Header)?;
    let header = std::str::from_utf8(header).map_err(|_| Unreadable::Header)?;
    let mut words = header.splitn(4, ' ');
    let (Some(MAGIC), Some(schema)) = (words.next(), words.next()) else {
        return Err(Unreadable::Header);
    };
    match (schema.parse(), words.next(), words.next()) {
        // The sum is that of the body, which has the boot.
        (Ok(1), Some(sum), None) => older(1, sum.as_bytes(), rest).map(Some),
        // The sum is that of the boot. A line with the sum of the body follows, and spaces do.
        (Ok(2), Some(sum), Some(boot)) if sum == checksum(boot.as_bytes()) => {
            let rest = rest.trim_ascii_start();
            let (sum, body) = cut(rest, b'\n').ok_or(Unreadable::Checksum)?;
            let mut record = older(2, sum, body)?;
            record.boot = boot.to_owned();
            Ok(Some(record))
        }
        (Ok(newer), ..) if newer > SCHEMA => Err(Unreadable::Newer(newer)),
        _ => Err(Unreadable::Header),
    }
}

/// What is before the first such byte, and after it.
fn cut(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// The record of the last line.
fn last(lines: &[u8]) -> Result<Option<Record>, Unreadable> {
    let mut lines: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
    let part = lines.pop().unwrap_or_default();
    let records = lines.into_iter().map(record);
    let last = records.collect::<Result<Vec<_>, _>>()?.pop();
    // Written to its end, which has become another byte.
    let is_whole = || {
        part.split_last()
            .is_some_and(|(_, line)| record(line).is_ok())
    };
    let is_done = last
        .as_ref()
        .is_some_and(|last| last.phase == Phase::Prepared);
    match !part.is_empty() && (is_done || is_whole()) {
        true => Err(Unreadable::Checksum),
        false => Ok(last),
    }
}

fn record(line: &[u8]) -> Result<Record, Unreadable> {
    let (sum, body) = cut(line, b' ').ok_or(Unreadable::Checksum)?;
    checked(sum, body)?;
    serde_json::from_slice(body).map_err(|error| Unreadable::Content(error.to_string()))
}

/// Whether the disk has lost what was written: another read would fail as well.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EUCLEAN | libc::EBADMSG)
    )
}

fn checked(sum: &[u8], body: &[u8]) -> Result<(), Unreadable> {
    match sum == checksum(body).as_bytes() {
        true => Ok(()),
        false => Err(Unreadable::Checksum),
    }
}

/// The record of an older version in its body, a line that spaces may follow.
fn older(schema: u32, sum: &[u8], body: &[u8]) -> Result<Record, Unreadable> {
    let end = body.iter().rposition(|byte| *byte != b' ');
    let body = &body[..end.map_or(0, |last| last + 1)];
    let body = body.strip_suffix(b"\n").ok_or(Unreadable::Checksum)?;
    checked(sum, body)?;
    let content = |error: serde_json::Error| Unreadable::Content(error.to_string());
    let (value, boot) = migrate(schema, serde_json::from_slice(body).map_err(content)?);
    let mut record: Record = serde_json::from_value(value).map_err(content)?;
    record.boot = boot;
    Ok(record)
}

/// The boot of a file that a power cut may have torn, if its bytes still say it: schema 2 has it in
/// its first line.
fn boot_in(bytes: &[u8]) -> Option<&str> {
    let (header, _) = cut(bytes, b'\n')?;
    let mut words = std::str::from_utf8(header).ok()?.splitn(4, ' ');
    let (Some(MAGIC), Some("2"), Some(sum)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    words.next().filter(|boot| sum == checksum(boot.as_bytes()))
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
    disk: Arc<D>,
    folder: PathBuf,
    boot: String,
    /// What was read, as long as its file has the same stamp.
    read: Mutex<BTreeMap<String, (Stamp, Record)>>,
    moved: Mutex<Vec<MovedAside>>,
}

/// What became of a file.
enum Loaded {
    Record(Record),
    /// Not there.
    Gone,
    /// Nothing was done for its claim, or nothing that counts: a power cut tore it.
    Void,
    /// There is no record in it, or none of this version.
    Unusable(Unreadable),
}

/// Of a claim's file.
const RECORD: &str = ".record";
/// Of a claim's file while the claim is being undone: renaming takes no space, so it works on a full
/// disk.
const UNDO: &str = ".undo";
/// Likewise of versions before schema 3, and of what they wrote while a claim was being prepared.
/// Other names, as they take what they cannot read for damaged, and may run beside this one.
const OLDER_RECORD: &str = ".claim";
const OLDER_UNDO: &str = ".undoing";
const OLDER_INTENT: &str = ".preparing";

/// The file of a claim in a boot.
pub fn file_name(uid: &str, boot: &str) -> String {
    format!("{uid}.{boot}{RECORD}")
}

/// The claim of a file by its name, and the boot, which older versions have in the file.
fn claim_of(name: &str) -> Option<(&str, Option<&str>)> {
    // Older versions wrote some of them under a temporary name.
    let name = disk::final_name_of(name).unwrap_or(name);
    let strip = |suffix: &&str| name.strip_suffix(*suffix);
    let stem = [RECORD, UNDO].iter().find_map(strip);
    let (uid, boot) = match stem {
        Some(stem) => stem.split_once('.').map(|(uid, boot)| (uid, Some(boot)))?,
        None => {
            let older = [OLDER_RECORD, OLDER_UNDO, OLDER_INTENT];
            (older.iter().find_map(strip)?, None)
        }
    };
    (!uid.is_empty() && !uid.contains('.')).then_some((uid, boot))
}

/// Whether a file may say that its claim is prepared: one that is being undone vouches for nothing.
fn vouches(name: &str) -> bool {
    name.ends_with(RECORD) || name.ends_with(OLDER_RECORD)
}

impl<D: Disk> Journal<D> {
    /// The journal in this folder, which is made, in this boot.
    pub fn open(disk: Arc<D>, folder: &Path, boot: &str) -> io::Result<Self> {
        disk.make_folder(folder)?;
        Ok(Journal {
            disk,
            folder: folder.to_owned(),
            boot: boot.to_owned(),
            read: Mutex::default(),
            moved: Mutex::default(),
        })
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("unreadable")
    }

    /// All records, by claim UID, as all processes left them at one moment. What cannot be used is left
    /// out: of a newer version, too, whose process may be running.
    pub fn records(&self) -> io::Result<BTreeMap<String, Record>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        'anew: loop {
            let mut listed = self.disk.list(&self.folder)?;
            first_what_counts(&mut listed);
            let mut found = BTreeMap::new();
            for Entry { name, stamp } in listed {
                let Some((uid, _)) = claim_of(&name).filter(|(uid, _)| !found.contains_key(*uid))
                else {
                    continue;
                };
                // Made for a claim that is being read.
                if stamp.length == 0 {
                    continue;
                }
                let known = read.get(&name).filter(|(known, _)| *known == stamp);
                let record = match known {
                    Some((_, record)) => record.clone(),
                    None => match self.load(&name)? {
                        Loaded::Record(record) => record,
                        Loaded::Void | Loaded::Unusable(_) => continue,
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

    /// The record of one claim, for whoever has its lock: what is void is removed, and what cannot be
    /// read, or says less than `is_done`, is moved aside. One that was being undone is as one that was
    /// being prepared.
    pub fn get(&self, uid: &str, is_done: impl Fn() -> bool) -> io::Result<Option<Record>> {
        let mut found = None;
        let mut is_damaged = false;
        for name in self.files_of(uid)? {
            let path = self.folder.join(&name);
            let is_cut = || name == file_name(uid, &self.boot) && is_done();
            let why = match self.load(&name)? {
                Loaded::Gone => continue,
                // What its containers were given stays.
                Loaded::Record(_) if is_damaged => None,
                Loaded::Record(record) if record.phase == Phase::Prepared || !is_cut() => {
                    found.get_or_insert(record);
                    continue;
                }
                Loaded::Record(_) => Some(Unreadable::Cut),
                Loaded::Void => is_cut().then_some(Unreadable::Cut),
                Loaded::Unusable(why) => Some(why),
            };
            match why {
                Some(why) => {
                    is_damaged |= vouches(&name);
                    self.move_aside(uid, &path, why)?;
                }
                None => disk::discard(&*self.disk, &path)?,
            }
        }
        Ok(found)
    }

    /// The UIDs of claims with a file, whatever is in it, unless a newer version wrote it: its process
    /// may be running.
    pub fn claims(&self) -> io::Result<BTreeSet<String>> {
        let mut claims = BTreeSet::new();
        for Entry { name, .. } in self.disk.list(&self.folder)? {
            let Some((uid, _)) = claim_of(&name) else {
                continue;
            };
            match self.load(&name)? {
                Loaded::Gone | Loaded::Unusable(Unreadable::Newer(_)) => {}
                Loaded::Record(_) | Loaded::Void | Loaded::Unusable(_) => {
                    claims.insert(uid.to_owned());
                }
            }
        }
        Ok(claims)
    }

    /// Whether there is a file of a claim, readable or not.
    pub fn has(&self, uid: &str) -> io::Result<bool> {
        Ok(!self.files_of(uid)?.is_empty())
    }

    fn files_of(&self, uid: &str) -> io::Result<Vec<String>> {
        let mut listed = self.disk.list(&self.folder)?;
        listed.retain(|entry| claim_of(&entry.name).is_some_and(|(of, _)| of == uid));
        first_what_counts(&mut listed);
        Ok(listed.into_iter().map(|entry| entry.name).collect())
    }

    fn load(&self, name: &str) -> io::Result<Loaded> {
        let (uid, boot) = claim_of(name).expect("a name of the journal's");
        let is_over = |boot: Option<&str>| boot.is_some_and(|boot| boot != self.boot);
        let bytes = match self.disk.read(&self.folder.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Gone),
            // It costs one claim, not all: their reads would fail for ever.
            Err(error) if is_damage(&error) => {
                return Ok(match is_over(boot) {
                    true => Loaded::Void,
                    false => Loaded::Unusable(Unreadable::Disk(error.to_string())),
                });
            }
            Err(error) => return Err(error),
        };
        let is_torn = is_over(boot.or_else(|| boot_in(&bytes)));
        let why = match decode(&bytes) {
            Ok(Some(mut record)) if record.claim.uid == uid => {
                if let Some(boot) = boot {
                    record.boot = boot.to_owned();
                }
                if !vouches(name) {
                    record.phase = Phase::Preparing;
                }
                return Ok(Loaded::Record(record));
            }
            Ok(Some(record)) => Unreadable::Content(format!("it is of claim {}", record.claim.uid)),
            Ok(None) if boot.is_some() && vouches(name) => return Ok(Loaded::Void),
            Ok(None) => Unreadable::Header,
            Err(why) => why,
        };
        // A power cut tore what older versions wrote, too, and of an intent in any boot.
        let is_void =
            is_torn || name.ends_with(OLDER_INTENT) || disk::final_name_of(name).is_some();
        Ok(match is_void && !matches!(why, Unreadable::Newer(_)) {
            true => Loaded::Void,
            false => Loaded::Unusable(why),
        })
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
        self.disk.rename(from, &path)?;
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = uid.to_owned();
        moved.push(MovedAside { uid, path, why });
        self.disk.sync_folder(&aside)
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

    /// The file of a claim that has no record, still blank: it stays when it is given a phase.
    pub fn create(&self, uid: &str) -> io::Result<Draft> {
        let path = self.folder.join(file_name(uid, &self.boot));
        Draft::create(self.disk.clone(), path)
    }

    /// Writes down a phase of a claim, of this boot, behind the one before.
    pub fn put(&self, file: &mut Draft, record: &Record) -> io::Result<()> {
        debug_assert_eq!(record.boot, self.boot, "another boot is over");
        match record.phase {
            Phase::Preparing => {
                file.append(&encode(std::slice::from_ref(record)))?;
                file.keep();
                Ok(())
            }
            Phase::Prepared => file.append(&line(record)),
        }
    }

    /// Marks that a claim is about to be undone: from now on its record vouches for nothing, as an
    /// intent never did. Gives its files.
    pub fn begin_undo(&self, uid: &str) -> io::Result<Vec<PathBuf>> {
        let mark = |name: String| {
            let path = self.folder.join(&name);
            let marked = [(RECORD, UNDO), (OLDER_RECORD, OLDER_UNDO)]
                .into_iter()
                .find_map(|(from, to)| Some(format!("{}{to}", name.strip_suffix(from)?)));
            let Some(marked) = marked.map(|name| self.folder.join(name)) else {
                return Ok(path);
            };
            self.disk.rename(&path, &marked).map(|()| marked)
        };
        self.files_of(uid)?.into_iter().map(mark).collect()
    }

    /// Removes the files of a claim that is undone; one that is gone is fine. Should a power cut bring
    /// it back, its boot is over and it is removed again.
    pub fn remove(&self, files: &[PathBuf]) -> io::Result<()> {
        let mut files = files.iter();
        files.try_for_each(|path| disk::discard(&*self.disk, path))
    }
}

/// Older versions may leave two files of one claim: what was prepared counts.
fn first_what_counts(listed: &mut [Entry]) {
    listed.sort_by_key(|entry| !vouches(&entry.name));
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
