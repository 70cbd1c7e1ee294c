//! Preparing and unpreparing claims on this machine: journal, driver and CDI file, in the one order
//! that a crash at any point leaves repairable.
//!
//! ```text
//! prepare:    intent ─▶ Driver::prepare ─▶ finished record ─▶ CDI file ─▶ answer
//! unprepare:  record marked ─▶ Driver::unprepare ─▶ CDI file gone ─▶ record gone ─▶ answer
//! ```
//!
//! What waits for the driver or for a claim's lock is called on threads that may
//! ([`Preparer::is_quick`], [`Preparer::begin_at_once`]); nothing waits for the disk, as whatever a power
//! cut takes, it ends the boot for which it was written. Two locks exclude other threads and the other
//! instance during a rolling update: one per claim for the whole of a call, and one for the moment in
//! which a claim's devices are looked up and entered. Claims with different devices are prepared in
//! parallel.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cdi;
use crate::disk::{self, Disk, Draft, Lock};
use crate::driver::{Claim, ClaimRef, Driver, DriverError, Edits, PrepareError};
use crate::journal::{Journal, MovedAside, Phase, Record};

/// A device as the kubelet is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedDevice {
    /// The claim's request, without a subrequest.
    pub request: String,
    /// The pool's name.
    pub pool: String,
    /// The device's name.
    pub device: String,
    /// Its CDI devices: one, or none if it changes nothing in a container.
    pub cdi_ids: Vec<String>,
    /// Which share of it.
    pub share_id: Option<String>,
}

/// What went wrong around the driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("cannot {action} {path}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The driver could not undo a claim.
    #[error("cannot undo claim {claim}")]
    Undo {
        /// Which claim.
        claim: ClaimRef,
        /// Why.
        source: DriverError,
    },
}

impl From<Error> for PrepareError {
    /// Files and the driver's undo are tried again: a full disk or a device in reset may pass.
    fn from(error: Error) -> Self {
        PrepareError::Transient(with_causes(&error))
    }
}

/// An error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Where a driver keeps its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The journal and its locks; survives reboots.
    pub state: PathBuf,
    /// Where the container runtime reads CDI files.
    pub cdi: PathBuf,
}

/// A claim that nobody else works on, as long as this is not dropped.
pub struct Begun {
    uid: String,
    record: Option<Record>,
    drafts: Option<Drafts>,
    _lock: Box<dyn Lock>,
}

/// The files of a claim, made before it is known what is in them: a file system takes longer for a
/// new name than for a line.
struct Drafts {
    journal: Draft,
    cdi: Draft,
}

/// Prepares the claims of one driver.
pub struct Preparer<H, K> {
    driver: Arc<H>,
    name: String,
    disk: Arc<K>,
    journal: Journal<K>,
    places: Places,
    boot: String,
}

impl<H: Driver, K: Disk> Preparer<H, K> {
    /// For the driver of this name, in this boot of the machine.
    pub fn open(
        name: &str,
        driver: Arc<H>,
        disk: Arc<K>,
        places: Places,
        boot: &str,
    ) -> Result<Self, Error> {
        let folder = places.state.join("claims");
        for folder in [&places.cdi, &disk::lock_folder(&places.state)] {
            disk.make_folder(folder)
                .map_err(|source| failed("make folder", folder, source))?;
        }
        let journal = Journal::open(disk.clone(), &folder, boot)
            .map_err(|source| failed("make folder", &folder, source))?;
        Ok(Preparer {
            driver,
            name: name.to_owned(),
            disk,
            journal,
            places,
            boot: boot.to_owned(),
        })
    }

    /// Takes a claim, as soon as nobody else works on it.
    pub fn begin(&self, uid: &str) -> Result<Begun, Error> {
        let lock = self.lock(uid)?;
        self.begun(uid, lock)
    }

    /// As [`Preparer::begin`], but waits for nobody: `None` if somebody works on the claim.
    pub fn begin_at_once(&self, uid: &str) -> Result<Option<Begun>, Error> {
        let lock = self.try_lock(uid)?;
        lock.map(|lock| self.begun(uid, lock)).transpose()
    }

    fn begun(&self, uid: &str, lock: Box<dyn Lock>) -> Result<Begun, Error> {
        Ok(Begun {
            uid: uid.to_owned(),
            record: self.read(uid)?,
            drafts: None,
            _lock: lock,
        })
    }

    /// What can be done for a claim that is about to be prepared while it is read from the API server.
    pub fn make_ready(&self, begun: &mut Begun) -> Result<(), Error> {
        if begun.record.is_none() && begun.drafts.is_none() {
            begun.drafts = Some(self.drafts(&begun.uid)?);
        }
        Ok(())
    }

    fn drafts(&self, uid: &str) -> Result<Drafts, Error> {
        let journal = self.journal.create(uid);
        let journal =
            journal.map_err(|source| failed("make the record of claim", Path::new(uid), source))?;
        let path = disk::temporary_of(&self.cdi_path(uid));
        let cdi = Draft::create(self.disk.clone(), path.clone())
            .map_err(|source| failed("make", &path, source))?;
        Ok(Drafts { journal, cdi })
    }

    /// Whether preparing and unpreparing would not wait for the driver.
    pub fn is_quick(&self) -> bool {
        self.driver.is_quick()
    }

    /// Prepares a claim, or confirms that it is prepared.
    pub fn prepare(
        &self,
        begun: Begun,
        claim: &Claim,
    ) -> Result<Vec<PreparedDevice>, PrepareError> {
        debug_assert_eq!(begun.uid, claim.claim.uid, "begun for another claim");
        if let Some(record) = &begun.record {
            if self.stands(record) && record.is_of(claim) {
                self.repair_cdi(record)?;
                return Ok(self.answer(record));
            }
            // Half-way when something stopped, or of another boot, or of an allocation that is over.
            self.undo(record)?;
        }
        let mut drafts = match begun.drafts {
            Some(drafts) => drafts,
            None => self.drafts(&begun.uid)?,
        };
        let mut record = Record::begin(claim, &self.boot);
        self.enter(&mut drafts.journal, &record)?;
        match self.carry_out(claim, &mut record, drafts) {
            Ok(()) => Ok(self.answer(&record)),
            Err(error) => {
                // Should the undo fail as well, the record stays and the next call tries again.
                self.undo(&record)?;
                Err(error)
            }
        }
    }

    /// The answer for a claim that is prepared already, when nobody can say what it is allocated.
    pub fn recall(&self, begun: Begun) -> Result<Option<Vec<PreparedDevice>>, Error> {
        let record = begun.record.as_ref();
        let Some(record) = record.filter(|record| self.stands(record)) else {
            return Ok(None);
        };
        self.repair_cdi(record)?;
        Ok(Some(self.answer(record)))
    }

    /// Undoes a claim, whatever there is of it.
    pub fn unprepare(&self, begun: Begun, claim: &ClaimRef) -> Result<(), Error> {
        debug_assert_eq!(begun.uid, claim.uid, "begun for another claim");
        match &begun.record {
            Some(record) => self.undo(record),
            // Never prepared, undone before, or its record was moved aside.
            None => self.undo_without_record(claim),
        }
    }

    /// Removes what earlier lives left half-way and what a reboot ended, moves aside what was damaged,
    /// and writes CDI files that are missing. Claims that another instance is busy with are left to it.
    /// Problems are returned, not fatal: each claim is looked at again when the kubelet asks for it.
    pub fn reconcile(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), Error>| problems.extend(result.err());
        match self.journal.claims() {
            Ok(claims) => {
                for uid in claims {
                    note(self.repair_if_idle(&uid));
                }
            }
            Err(source) => note(Err(failed(
                "read the journal in",
                &self.places.state,
                source,
            ))),
        }
        note(self.sweep_cdi());
        problems
    }

    /// The claims with a record, whatever their phase.
    pub fn claims(&self) -> Result<Vec<ClaimRef>, Error> {
        let records = self.records()?;
        Ok(records.into_values().map(|record| record.claim).collect())
    }

    /// Records that could not be read, since this was last asked.
    pub fn take_moved_aside(&self) -> Vec<MovedAside> {
        self.journal.take_moved_aside()
    }

    /// Whether what a record says is still so.
    fn stands(&self, record: &Record) -> bool {
        record.phase == Phase::Prepared && record.boot == self.boot
    }

    fn carry_out(
        &self,
        claim: &Claim,
        record: &mut Record,
        drafts: Drafts,
    ) -> Result<(), PrepareError> {
        let Drafts { mut journal, cdi } = drafts;
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
        self.put(&mut journal, record)?;
        // Last, as it wakes who watches the folder. Without it no answer was given yet.
        match self.spec(record) {
            Some(bytes) => self.write_cdi(&record.claim.uid, cdi, &bytes)?,
            None => self.remove_cdi(&record.claim.uid)?,
        }
        Ok(())
    }

    /// Writes the intent, if no other claim holds one of its devices.
    fn enter(&self, file: &mut Draft, record: &Record) -> Result<(), PrepareError> {
        let _journal = self.lock(".journal")?;
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
        self.put(file, record)?;
        Ok(())
    }

    fn undo(&self, record: &Record) -> Result<(), Error> {
        let uid = &record.claim.uid;
        let files = self
            .journal
            .begin_undo(uid)
            .map_err(|source| failed("mark the record of claim", Path::new(uid), source))?;
        self.driver
            .unprepare(&record.claim, &record.devices)
            .map_err(|source| Error::Undo {
                claim: record.claim.clone(),
                source,
            })?;
        self.remove_cdi(uid)?;
        self.journal
            .remove(&files)
            .map_err(|source| failed("remove the record of claim", Path::new(uid), source))
    }

    fn undo_without_record(&self, claim: &ClaimRef) -> Result<(), Error> {
        self.driver
            .unprepare(claim, &[])
            .map_err(|source| Error::Undo {
                claim: claim.clone(),
                source,
            })?;
        self.remove_cdi(&claim.uid)
    }

    fn repair_if_idle(&self, uid: &str) -> Result<(), Error> {
        let Some(_claim) = self.try_lock(uid)? else {
            return Ok(());
        };
        // Another instance may have been here before the lock was ours.
        match self.read(uid)? {
            Some(record) if self.stands(&record) => self.repair_cdi(&record),
            Some(record) => self.undo(&record),
            None => Ok(()),
        }
    }

    /// CDI files without a record. Those of a record that was moved aside stay until the kubelet
    /// unprepares the claim: its containers may be running.
    fn sweep_cdi(&self) -> Result<(), Error> {
        let folder = &self.places.cdi;
        let on = |action| move |source| failed(action, folder, source);
        let files = self.disk.list(folder).map_err(on("list"))?;
        let unreadable = self.journal.unreadable().map_err(on("list"))?;
        let unreadable: BTreeSet<_> = unreadable.into_iter().collect();
        for file in files.into_iter().map(|entry| entry.name) {
            let draft = disk::final_name_of(&file);
            let Some(uid) = cdi::claim_of(&self.name, draft.unwrap_or(&file)) else {
                continue;
            };
            let Some(_claim) = self.try_lock(uid)? else {
                continue;
            };
            let recorded = self.journal.has(uid).map_err(on("clean"))?;
            let kept = recorded || unreadable.contains(uid);
            if draft.is_some() || !kept {
                disk::discard(&*self.disk, &folder.join(&file)).map_err(on("clean"))?;
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

    /// The CDI file of a record; `None` if it changes no container.
    fn spec(&self, record: &Record) -> Option<Vec<u8>> {
        let names: Vec<String> = (0..record.edits.len())
            .map(|index| cdi::device_name(&record.claim.uid, index))
            .collect();
        let devices = names.iter().map(String::as_str).zip(&record.edits);
        cdi::spec(&self.name, devices)
    }

    /// Makes the CDI file what the record says; a file that is so already is left alone.
    fn repair_cdi(&self, record: &Record) -> Result<(), Error> {
        let uid = &record.claim.uid;
        let Some(bytes) = self.spec(record) else {
            return self.remove_cdi(uid);
        };
        let path = self.cdi_path(uid);
        if self.disk.read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let draft = Draft::create(self.disk.clone(), disk::temporary_of(&path))
            .map_err(|source| failed("write", &path, source))?;
        self.write_cdi(uid, draft, &bytes)
    }

    fn write_cdi(&self, uid: &str, mut draft: Draft, bytes: &[u8]) -> Result<(), Error> {
        let path = self.cdi_path(uid);
        let written = draft.append(bytes).and_then(|()| draft.publish(&path));
        written.map_err(|source| failed("write", &path, source))
    }

    fn remove_cdi(&self, uid: &str) -> Result<(), Error> {
        let path = self.cdi_path(uid);
        disk::discard(&*self.disk, &path).map_err(|source| failed("remove", &path, source))
    }

    fn cdi_path(&self, uid: &str) -> PathBuf {
        self.places.cdi.join(cdi::file_name(&self.name, uid))
    }

    fn lock(&self, name: &str) -> Result<Box<dyn Lock>, Error> {
        let file = disk::locks(&self.places.state);
        self.disk
            .lock(&file, name)
            .map_err(|source| failed("lock", &file, source))
    }

    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, Error> {
        let file = disk::locks(&self.places.state);
        self.disk
            .try_lock(&file, name)
            .map_err(|source| failed("lock", &file, source))
    }

    fn read(&self, uid: &str) -> Result<Option<Record>, Error> {
        // That of a record that was moved aside earlier says nothing of a later one.
        let is_done = || {
            let unreadable = self.journal.unreadable().unwrap_or_default();
            unreadable.iter().all(|other| other != uid)
                && self.disk.read(&self.cdi_path(uid)).is_ok()
        };
        self.journal
            .get(uid, is_done)
            .map_err(|source| failed("read the record of claim", Path::new(uid), source))
    }

    fn records(&self) -> Result<std::collections::BTreeMap<String, Record>, Error> {
        self.journal
            .records()
            .map_err(|source| failed("read the journal in", &self.places.state, source))
    }

    fn put(&self, file: &mut Draft, record: &Record) -> Result<(), Error> {
        let uid = Path::new(&record.claim.uid);
        self.journal
            .put(file, record)
            .map_err(|source| failed("write the record of claim", uid, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Disk {
        action,
        path: path.to_owned(),
        source,
    }
}
