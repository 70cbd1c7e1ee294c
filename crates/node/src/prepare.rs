//! Preparing and unpreparing claims on this machine: journal, driver and CDI file, in the one order
//! that a crash at any point leaves repairable.
//!
//! ```text
//! prepare:    intent ─▶ Driver::prepare ─▶ record ─▶ CDI file ─▶ answer
//! unprepare:  record gone ─▶ Driver::unprepare ─▶ CDI file gone ─▶ intent gone ─▶ answer
//! ```
//!
//! All calls here may block, so they are made on threads of their own. Two kinds of locks, each a file
//! of its own, exclude other threads and the other instance of a rolling update:
//!
//! - a claim's lock is held for the whole of a call, so that a driver that hangs in one claim keeps
//!   no other claim waiting. It is never waited for: who finds it taken tries again later;
//! - the journal's lock is held while a claim's devices are looked up and entered, which reads and
//!   writes files but never calls the driver.
//!
//! Nothing is synchronised to the disk: what a power cut takes was written for the boot that it ends.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cdi;
use crate::disk::{self, Disk, Lock};
use crate::driver::{Claim, ClaimRef, Driver, DriverError, Edits, PrepareError};
use crate::journal::{Journal, MovedAside, Phase, Record};

/// How long a thread sleeps before it tries a lock again that is held for a few file accesses.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// A prepared device, as the kubelet gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreparedDevice {
    /// The claim's request, without a subrequest.
    pub(crate) request: String,
    /// The pool's name.
    pub(crate) pool: String,
    /// The device's name.
    pub(crate) device: String,
    /// Its CDI devices: one, or none if it changes nothing in a container.
    pub(crate) cdi_ids: Vec<String>,
    /// Which share of it.
    pub(crate) share_id: Option<String>,
}

/// What went wrong around the driver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file.
    #[error("cannot {action} {path}")]
    Disk {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The driver could not undo a claim.
    #[error("cannot undo claim {claim}")]
    Undo {
        claim: ClaimRef,
        source: DriverError,
    },
    /// Another claim is being entered, and it takes too long.
    #[error("the journal in {path} is in use")]
    Busy { path: PathBuf },
}

impl From<Error> for PrepareError {
    /// Files and the driver's undo are tried again: a full disk or a device in reset may pass.
    fn from(error: Error) -> Self {
        PrepareError::Transient(with_causes(&error))
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The folders of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The journal and its locks; survives reboots.
    pub(crate) state: PathBuf,
    /// Where the container runtime reads CDI files.
    pub(crate) cdi: PathBuf,
}

/// The lock of a claim. When it is dropped its file is removed, unless the claim has a record.
pub(crate) struct ClaimLock<K: Disk> {
    uid: String,
    path: PathBuf,
    journal: Arc<Journal<K>>,
    disk: Arc<K>,
    _lock: Box<dyn Lock>,
}

impl<K: Disk> Drop for ClaimLock<K> {
    fn drop(&mut self) {
        if self.journal.has(&self.uid).is_ok_and(|has| !has) {
            // A file that stays is removed at the next start. The lock itself is released after this.
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// Prepares the claims of one driver.
pub(crate) struct Preparer<H, K> {
    driver: Arc<H>,
    name: String,
    disk: Arc<K>,
    journal: Arc<Journal<K>>,
    places: Places,
    boot: String,
}

impl<H: Driver, K: Disk> Preparer<H, K> {
    /// For the driver of this name, in this boot of the machine. The error is of a folder that cannot be
    /// made.
    pub(crate) fn open(
        name: &str,
        driver: Arc<H>,
        disk: Arc<K>,
        places: Places,
        boot: &str,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let claims = places.state.join("claims");
        for folder in [&places.cdi, &lock_folder(&places.state), &claims] {
            let made = disk.make_folder(folder);
            made.map_err(|error| (folder.clone(), error))?;
        }
        let journal = Journal::new(disk.clone(), &claims, boot);
        Ok(Preparer {
            driver,
            name: name.to_owned(),
            disk,
            journal: Arc::new(journal),
            places,
            boot: boot.to_owned(),
        })
    }

    /// Takes the lock of a claim; `None` while another call works on the claim.
    pub(crate) fn lock(&self, uid: &str) -> Result<Option<ClaimLock<K>>, Error> {
        let path = lock_folder(&self.places.state).join(format!("{CLAIM_LOCK}{uid}"));
        let lock = self.disk.try_lock(&path);
        let lock = lock.map_err(|source| failed("lock", &path, source))?;
        Ok(lock.map(|lock| ClaimLock {
            uid: uid.to_owned(),
            path,
            journal: self.journal.clone(),
            disk: self.disk.clone(),
            _lock: lock,
        }))
    }

    /// Prepares a claim, or confirms that it is prepared. By `deadline` it gives up waiting for the
    /// journal's lock.
    pub(crate) fn prepare(
        &self,
        lock: &ClaimLock<K>,
        claim: &Claim,
        deadline: Instant,
    ) -> Result<Vec<PreparedDevice>, PrepareError> {
        debug_assert_eq!(lock.uid, claim.claim.uid, "the lock of another claim");
        if let Some(record) = self.read(lock)? {
            if self.is_prepared(&record) && record.is_of(claim) {
                self.write_cdi(&record)?;
                return Ok(self.answer(&record));
            }
            // Half-way when something stopped, or of another boot, or of an allocation that is over.
            self.undo(&record)?;
        }
        let mut record = Record::intent(claim, &self.boot);
        self.enter(&record, deadline)?;
        match self.carry_out(claim, &mut record) {
            Ok(()) => Ok(self.answer(&record)),
            Err(error) => {
                // Should the undo fail as well, the record stays and the next call tries again.
                self.undo(&record)?;
                Err(error)
            }
        }
    }

    /// The answer for a claim that is prepared already; for when its allocation cannot be read.
    pub(crate) fn recall(&self, lock: &ClaimLock<K>) -> Result<Option<Vec<PreparedDevice>>, Error> {
        match self.read(lock)? {
            Some(record) if self.is_prepared(&record) => {
                self.write_cdi(&record)?;
                Ok(Some(self.answer(&record)))
            }
            _ => Ok(None),
        }
    }

    /// Undoes a claim, whatever there is of it.
    pub(crate) fn unprepare(&self, lock: &ClaimLock<K>, claim: &ClaimRef) -> Result<(), Error> {
        debug_assert_eq!(lock.uid, claim.uid, "the lock of another claim");
        match self.read(lock)? {
            Some(record) => self.undo(&record),
            // Never prepared, undone before, or its record was moved aside.
            None => {
                let undone = self.driver.unprepare(claim, &[]);
                undone.map_err(|source| undo_failed(claim, source))?;
                self.remove_cdi(&claim.uid)
            }
        }
    }

    /// Removes what earlier processes left half-way and what a reboot ended, moves damaged records
    /// aside, and writes CDI files that are missing. Claims that another instance is working on are
    /// left to it. Problems are returned: each claim is looked at again when the kubelet asks for it.
    pub(crate) fn reconcile(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), Error>| problems.extend(result.err());
        match self.journal.uids() {
            Ok(uids) => uids.iter().for_each(|uid| note(self.repair_if_idle(uid))),
            Err(source) => note(Err(self.journal_failed(source))),
        }
        note(self.sweep_cdi());
        note(self.sweep_locks());
        problems
    }

    /// The claims with a record, whatever their phase.
    pub(crate) fn claims(&self) -> Result<Vec<ClaimRef>, Error> {
        let records = self.records()?;
        Ok(records.into_values().map(|record| record.claim).collect())
    }

    /// Records that could not be read, since this was last asked.
    pub(crate) fn take_moved_aside(&self) -> Vec<MovedAside> {
        self.journal.take_moved_aside()
    }

    fn is_prepared(&self, record: &Record) -> bool {
        record.phase == Phase::Prepared && record.boot == self.boot
    }

    /// Writes the intent, if no other claim holds one of its devices.
    fn enter(&self, record: &Record, deadline: Instant) -> Result<(), PrepareError> {
        let _journal = self.lock_journal(deadline)?;
        for other in self.records()?.values() {
            // Nothing of another boot is in use any more.
            if other.claim.uid == record.claim.uid || other.boot != self.boot {
                continue;
            }
            if let Some(device) = other.collision(&record.devices) {
                return Err(PrepareError::Transient(format!(
                    "device {}/{} is still prepared for claim {} ({})",
                    device.pool, device.device, other.claim, other.claim.uid
                )));
            }
        }
        self.put(record)?;
        Ok(())
    }

    fn carry_out(&self, claim: &Claim, record: &mut Record) -> Result<(), PrepareError> {
        let edits = self.driver.prepare(claim)?;
        if edits.len() != claim.devices.len() {
            return Err(PrepareError::Refused(format!(
                "bug in driver {}: edits for {} devices, allocated are {}",
                self.name,
                edits.len(),
                claim.devices.len()
            )));
        }
        record.edits = edits;
        record.phase = Phase::Prepared;
        self.put(record)?;
        // Last, since it wakes the container runtime, which watches the folder. Should the process die
        // before, no answer was given yet.
        self.write_cdi(record)?;
        Ok(())
    }

    fn undo(&self, record: &Record) -> Result<(), Error> {
        let (claim, uid) = (&record.claim, &record.claim.uid);
        let of_record = |action| move |source| failed(action, Path::new(uid), source);
        self.journal
            .begin_undo(record)
            .map_err(of_record("remove the record of claim"))?;
        let undone = self.driver.unprepare(claim, &record.devices);
        undone.map_err(|source| undo_failed(claim, source))?;
        self.remove_cdi(uid)?;
        self.journal
            .remove(uid)
            .map_err(of_record("remove the intent of claim"))
    }

    fn repair_if_idle(&self, uid: &str) -> Result<(), Error> {
        let Some(lock) = self.lock(uid)? else {
            return Ok(());
        };
        // Another instance may have been here before the lock was taken.
        match self.read(&lock)? {
            Some(record) if self.is_prepared(&record) => self.write_cdi(&record),
            Some(record) => self.undo(&record),
            None => Ok(()),
        }
    }

    /// Removes CDI files without a record. Those of a record that was moved aside stay until the
    /// kubelet unprepares the claim: its containers may be running.
    fn sweep_cdi(&self) -> Result<(), Error> {
        let folder = &self.places.cdi;
        let clean = |source| failed("clean", folder, source);
        let moved_aside = self.journal.moved_aside().map_err(clean)?;
        for file in self.disk.list(folder).map_err(clean)? {
            let temporary = disk::final_name_of(&file);
            let Some(uid) = cdi::claim_of(&self.name, temporary.unwrap_or(&file)) else {
                continue;
            };
            let Some(_lock) = self.lock(uid)? else {
                continue;
            };
            let is_needed = self.journal.has(uid).map_err(clean)? || moved_aside.contains(uid);
            if temporary.is_some() || !is_needed {
                disk::discard(&*self.disk, &folder.join(&file)).map_err(clean)?;
            }
        }
        Ok(())
    }

    /// Removes the lock files of claims without a record, which killed processes left.
    fn sweep_locks(&self) -> Result<(), Error> {
        let folder = lock_folder(&self.places.state);
        let names = self.disk.list(&folder);
        for name in names.map_err(|source| failed("clean", &folder, source))? {
            if let Some(uid) = name.strip_prefix(CLAIM_LOCK) {
                drop(self.lock(uid)?);
            }
        }
        Ok(())
    }

    fn answer(&self, record: &Record) -> Vec<PreparedDevice> {
        let devices = record.devices.iter().zip(&record.edits).enumerate();
        devices
            .map(|(index, (device, edits))| {
                let name = cdi::device_name(&record.claim.uid, index);
                let request = device.request.split('/').next().unwrap_or_default();
                PreparedDevice {
                    request: request.to_owned(),
                    pool: device.pool.clone(),
                    device: device.device.clone(),
                    cdi_ids: match *edits == Edits::default() {
                        true => Vec::new(),
                        false => vec![cdi::device_id(&self.name, &name)],
                    },
                    share_id: device.share_id.clone(),
                }
            })
            .collect()
    }

    /// Makes the CDI file what the record says; one that is so already is left alone.
    fn write_cdi(&self, record: &Record) -> Result<(), Error> {
        let uid = &record.claim.uid;
        let names: Vec<String> = (0..record.edits.len())
            .map(|index| cdi::device_name(uid, index))
            .collect();
        let devices = names.iter().map(String::as_str).zip(&record.edits);
        let Some(bytes) = cdi::spec(&self.name, devices) else {
            return self.remove_cdi(uid);
        };
        let path = self.cdi_path(uid);
        if self.disk.read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        disk::replace(&*self.disk, &path, &bytes).map_err(|source| failed("write", &path, source))
    }

    fn remove_cdi(&self, uid: &str) -> Result<(), Error> {
        let path = self.cdi_path(uid);
        disk::discard(&*self.disk, &path).map_err(|source| failed("remove", &path, source))
    }

    fn cdi_path(&self, uid: &str) -> PathBuf {
        self.places.cdi.join(cdi::file_name(&self.name, uid))
    }

    fn lock_journal(&self, deadline: Instant) -> Result<Box<dyn Lock>, Error> {
        let path = lock_folder(&self.places.state).join("journal");
        loop {
            match self.disk.try_lock(&path) {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                Ok(None) => return Err(Error::Busy { path }),
                Err(source) => return Err(failed("lock", &path, source)),
            }
        }
    }

    fn read(&self, lock: &ClaimLock<K>) -> Result<Option<Record>, Error> {
        let uid = Path::new(&lock.uid);
        let read = self.journal.get(&lock.uid);
        read.map_err(|source| failed("read the record of claim", uid, source))
    }

    fn records(&self) -> Result<BTreeMap<String, Record>, Error> {
        let records = self.journal.records();
        records.map_err(|source| self.journal_failed(source))
    }

    fn journal_failed(&self, source: io::Error) -> Error {
        failed("read the journal in", &self.places.state, source)
    }

    fn put(&self, record: &Record) -> Result<(), Error> {
        let uid = Path::new(&record.claim.uid);
        let put = self.journal.put(record);
        put.map_err(|source| failed("write the record of claim", uid, source))
    }
}

/// The name of a claim's lock is this and its UID.
const CLAIM_LOCK: &str = "claim-";

/// Where the locks of a driver are.
fn lock_folder(state: &Path) -> PathBuf {
    state.join("locks")
}

/// The lock of the instance that publishes a driver's slices.
pub(crate) fn publisher_lock(state: &Path) -> PathBuf {
    lock_folder(state).join("publisher")
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Disk {
        action,
        path: path.to_owned(),
        source,
    }
}

fn undo_failed(claim: &ClaimRef, source: DriverError) -> Error {
    Error::Undo {
        claim: claim.clone(),
        source,
    }
}

#[cfg(test)]
#[path = "../tests/inside/contention.rs"]
mod contention;
#[cfg(test)]
#[path = "../tests/inside/crashes.rs"]
mod crashes;
