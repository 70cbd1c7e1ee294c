//! Several processes with one journal, as during a rolling update, and claims that want each other's
//! devices: on the machine's own disk and with its own locks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{ClaimLock, Places, Preparer};
use crate::disk::LocalDisk;
use crate::driver::{
    Access, Allocated, Claim, ClaimRef, Driver, DriverError, Edits, Node, PrepareError, Survey,
};

const DEVICES: usize = 4;
const ROUNDS: usize = 60;

/// Hardware that notices when a device is set up for two claims at once.
#[derive(Default)]
struct Hardware(Mutex<BTreeMap<String, String>>);

impl Driver for Hardware {
    fn survey(&self, _: &Node) -> Result<Survey, DriverError> {
        Ok(Survey::default())
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let mut holders = self.0.lock().expect("no holder panics");
        for device in &claim.devices {
            let uid = claim.claim.uid.clone();
            let other = holders.insert(device.device.clone(), uid);
            assert_eq!(other, None, "{} has two holders", device.device);
        }
        let edits = Edits {
            env: [("A".into(), "1".into())].into(),
            ..Edits::default()
        };
        Ok(vec![edits; claim.devices.len()])
    }

    fn unprepare(&self, claim: &ClaimRef, _: &[Allocated]) -> Result<(), DriverError> {
        let mut holders = self.0.lock().expect("no holder panics");
        holders.retain(|_, holder| *holder != claim.uid);
        Ok(())
    }
}

fn open(folder: &Path, hardware: &Arc<Hardware>) -> Preparer<Hardware, LocalDisk> {
    let places = Places {
        state: folder.join("state"),
        cdi: folder.join("cdi"),
    };
    let disk = Arc::new(LocalDisk);
    Preparer::open("a.example", hardware.clone(), disk, places, "boot").expect("it opens")
}

/// Two neighbouring devices of a ring.
fn claim(worker: usize, round: usize) -> Claim {
    let first = (worker + round) % DEVICES;
    let devices = [first, (first + 1) % DEVICES].map(|device| Allocated {
        request: "r".into(),
        pool: "node".into(),
        device: format!("d{device}"),
        share_id: None,
        access: Access::Exclusive,
    });
    let uid = format!("w{worker}-r{round}");
    Claim {
        claim: ClaimRef {
            namespace: "ns".into(),
            name: uid.clone(),
            uid,
        },
        devices: devices.into(),
        configs: Vec::new(),
        object: Default::default(),
    }
}

/// Another process that starts may look at the claim meanwhile.
fn lock(preparer: &Preparer<Hardware, LocalDisk>, claim: &Claim) -> ClaimLock<LocalDisk> {
    loop {
        match preparer.lock(&claim.claim.uid).expect("it can be locked") {
            Some(lock) => return lock,
            None => thread::yield_now(),
        }
    }
}

#[test]
fn no_device_has_two_holders_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let hardware = Arc::new(Hardware::default());
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            // As a process of its own.
            let (preparer, hardware) = (open(folder.path(), &hardware), hardware.clone());
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    let claim = claim(worker, round);
                    // The others let go of their devices, so this ends.
                    let lock = || lock(&preparer, &claim);
                    let soon = || Instant::now() + Duration::from_secs(60);
                    while let Err(error) = preparer.prepare(&lock(), &claim, soon()) {
                        let error = error.to_string();
                        assert!(error.contains("still prepared for claim"), "{error}");
                        assert!(!hardware.0.is_poisoned(), "another worker failed");
                    }
                    let undone = preparer.unprepare(&lock(), &claim.claim);
                    undone.expect("it is undone");
                }
            })
        })
        .collect();
    // Others start meanwhile, and leave alone what is at work.
    while !workers.iter().all(thread::JoinHandle::is_finished) {
        let problems = open(folder.path(), &hardware).reconcile();
        assert!(problems.is_empty(), "{problems:?}");
    }
    for worker in workers {
        worker.join().expect("no assertion failed");
    }
    assert!(hardware.0.lock().expect("no holder panics").is_empty());
    for (left, files) in [("state/claims", 0), ("cdi", 0), ("state/locks", 1)] {
        let entries = std::fs::read_dir(folder.path().join(left)).expect("it exists");
        assert_eq!(entries.count(), files, "{left}");
    }
}
