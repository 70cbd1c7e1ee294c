//! Stops the node half between any two writes and within them, by process and by machine, and starts
//! it again.
//!
//! The model is what a kubelet relies on: an answer is true as long as the claim is prepared, a
//! device is one claim's at a time, a repeated call gives the same answer, and after everything is
//! unprepared nothing is left. It is checked after every operation, whatever went wrong in it.

#[path = "fake_disk.rs"]
mod fake_disk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::{Error, Places, PreparedDevice, Preparer};
use crate::driver::{
    Access, Allocated, Claim, ClaimRef, DeviceNode, Driver, DriverError, Edits, Node, PrepareError,
    Survey,
};
use fake_disk::{FakeDisk, PowerCut};

const DRIVER: &str = "a.example";
const DEVICES: u8 = 4;
const CLAIMS: u8 = 4;

fn places() -> Places {
    Places {
        state: "/state".into(),
        cdi: "/cdi".into(),
    }
}

/// Hardware that remembers which claim it was set up for, until it is reset or the machine is off.
/// Setting up and resetting a device are steps at which the process may die.
struct Hardware {
    disk: FakeDisk,
    set_up: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Driver for Hardware {
    fn survey(&self, _: &Node) -> Result<Survey, DriverError> {
        Ok(Survey::default())
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let mut edits = Vec::new();
        for device in &claim.devices {
            let dead = |error: std::io::Error| PrepareError::Transient(error.to_string());
            self.disk.step().map_err(dead)?;
            let mut set_up = self.set_up.lock().unwrap();
            let devices = set_up.entry(claim.claim.uid.clone()).or_default();
            devices.insert(device.device.clone());
            edits.push(Edits {
                device_nodes: vec![DeviceNode {
                    path: format!("/dev/{}", device.device),
                    host_path: format!("/dev/{}", device.device),
                    permissions: "rw".into(),
                }],
                ..Default::default()
            });
        }
        Ok(edits)
    }

    fn unprepare(&self, claim: &ClaimRef, devices: &[Allocated]) -> Result<(), DriverError> {
        for device in devices {
            let dead = |error: std::io::Error| DriverError(error.to_string());
            self.disk.step().map_err(dead)?;
            let mut set_up = self.set_up.lock().unwrap();
            if let Some(of_claim) = set_up.get_mut(&claim.uid) {
                of_claim.remove(&device.device);
                if of_claim.is_empty() {
                    set_up.remove(&claim.uid);
                }
            }
        }
        Ok(())
    }
}

/// The machine, and what the kubelet believes.
struct World {
    disk: FakeDisk,
    hardware: Arc<Hardware>,
    preparer: Preparer<Hardware, FakeDisk>,
    boot: u32,
    /// Claims whose prepare succeeded and that were not unprepared since, in this boot.
    prepared: BTreeMap<u8, Vec<PreparedDevice>>,
    /// Claims that may have something on the machine.
    touched: BTreeSet<u8>,
}

impl World {
    fn new() -> Self {
        let disk = FakeDisk::default();
        let hardware = Arc::new(Hardware {
            disk: disk.clone(),
            set_up: Mutex::default(),
        });
        World {
            preparer: open(&disk, &hardware, 0),
            disk,
            hardware,
            boot: 0,
            prepared: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    fn restart(&mut self) {
        self.disk.revive();
        self.preparer = open(&self.disk, &self.hardware, self.boot);
        let problems = self.preparer.reconcile();
        assert!(problems.is_empty(), "{problems:?}");
    }

    fn cut_power(&mut self, cut: PowerCut) {
        self.disk.cut_power(cut);
        self.boot += 1;
        self.hardware.set_up.lock().unwrap().clear();
        self.prepared.clear();
        // A kubelet prepares again what its pods still need; what is torn is no evidence of anything.
        self.preparer = open(&self.disk, &self.hardware, self.boot);
        let problems = self.preparer.reconcile();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(self.preparer.take_moved_aside(), []);
        let claims = self.preparer.claims().unwrap();
        assert!(claims.is_empty(), "a reboot ends everything: {claims:?}");
    }

    fn prepare(&mut self, number: u8) {
        let claim = claim(number);
        self.touched.insert(number);
        match prepare(&self.preparer, &claim) {
            Ok(devices) => {
                if let Some(before) = self.prepared.insert(number, devices.clone()) {
                    assert_eq!(before, devices, "a repeated call gives the same answer");
                }
            }
            Err(error) => {
                let busy = self.prepared.keys().any(|other| {
                    *other != number
                        && devices_of(*other).any(|d| devices_of(number).any(|e| d == e))
                });
                let half_way = self.half_way(number);
                let died = self.disk.step().is_err();
                assert!(
                    busy || half_way || died || error.to_string().contains("storage"),
                    "refused without a reason: {error}"
                );
            }
        }
    }

    /// A claim that is locked and then not prepared leaves nothing.
    fn forget(&self, number: u8) {
        let uid = reference(number).uid;
        let before = self.files_of(&uid);
        let locked = self.preparer.lock(&uid);
        drop(locked);
        if self.disk.step().is_ok() {
            assert_eq!(self.files_of(&uid), before);
        }
    }

    /// Whether a claim with a device of this one is on the disk without the kubelet's knowing.
    fn half_way(&self, number: u8) -> bool {
        let Ok(claims) = self.preparer.claims() else {
            return true;
        };
        claims.iter().any(|held| {
            (0..CLAIMS).any(|other| {
                other != number
                    && reference(other) == *held
                    && devices_of(other).any(|d| devices_of(number).any(|e| d == e))
            })
        })
    }

    fn unprepare(&mut self, number: u8) {
        match unprepare(&self.preparer, &reference(number)) {
            Ok(()) => {
                self.prepared.remove(&number);
                self.touched.remove(&number);
                let uid = reference(number).uid;
                let mut left = self.files_of(&uid);
                // The process may have died when all was undone and only the lock file was left.
                if self.disk.is_dead() {
                    left.retain(|path| !path.starts_with("/state/locks"));
                }
                assert!(left.is_empty(), "left of {uid}: {left:?}");
                assert!(!self.hardware.set_up.lock().unwrap().contains_key(&uid));
            }
            Err(error) => {
                assert!(
                    self.disk.step().is_err(),
                    "only a dead process fails: {error}"
                );
                // The kubelet asks until it is told that it is done.
                self.prepared.remove(&number);
            }
        }
    }

    /// Everything but evidence that was moved aside and temporary files, which nobody reads.
    fn files_of(&self, uid: &str) -> Vec<PathBuf> {
        let files = self.disk.files().into_iter();
        files
            .filter(|path| path.to_string_lossy().contains(uid))
            .filter(|path| !path.starts_with("/state/claims/unreadable"))
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect()
    }

    /// What must hold at any moment.
    fn check(&self) {
        let mut held = BTreeMap::new();
        for (number, devices) in &self.prepared {
            let uid = reference(*number).uid;
            let spec = self
                .disk
                .peek(Path::new(&format!("/cdi/{DRIVER}-claim_{uid}.json")));
            let spec = String::from_utf8(spec.expect("a prepared claim has a CDI file")).unwrap();
            let spec: serde_json::Value = serde_json::from_str(&spec).expect("it is whole");
            let set_up = self.hardware.set_up.lock().unwrap();
            for (index, device) in devices.iter().enumerate() {
                let name = device.cdi_ids[0].split_once('=').unwrap().1;
                assert_eq!(spec["devices"][index]["name"], name);
                assert!(
                    set_up[&uid].contains(&device.device),
                    "{uid} lost {}",
                    device.device
                );
                let other = held.insert(device.device.clone(), *number);
                assert_eq!(other, None, "{} is held twice", device.device);
            }
        }
    }

    /// The kubelet unprepares all it ever asked for, and the driver starts once more.
    fn finish(mut self) {
        self.restart();
        for number in std::mem::take(&mut self.touched) {
            self.unprepare(number);
        }
        self.restart();
        // Evidence for a person, and the one lock that is not of a claim.
        let stays = |path: &PathBuf| {
            path.starts_with("/state/claims/unreadable") || path.ends_with("locks/journal")
        };
        let files = self.disk.files().into_iter();
        let left: Vec<_> = files.filter(|path| !stays(path)).collect();
        assert!(left.is_empty(), "left over: {left:?}");
        assert!(self.hardware.set_up.lock().unwrap().is_empty());
    }
}

fn open(disk: &FakeDisk, hardware: &Arc<Hardware>, boot: u32) -> Preparer<Hardware, FakeDisk> {
    let disk = Arc::new(disk.clone());
    Preparer::open(
        DRIVER,
        hardware.clone(),
        disk,
        places(),
        &format!("boot-{boot}"),
    )
    .unwrap()
}

/// As when the kubelet asks.
fn prepare(
    preparer: &Preparer<Hardware, FakeDisk>,
    claim: &Claim,
) -> Result<Vec<PreparedDevice>, PrepareError> {
    let lock = preparer
        .lock(&claim.claim.uid)?
        .expect("nobody else is here");
    preparer.prepare(&lock, claim, Instant::now())
}

fn unprepare(preparer: &Preparer<Hardware, FakeDisk>, claim: &ClaimRef) -> Result<(), Error> {
    let lock = preparer.lock(&claim.uid)?.expect("nobody else is here");
    preparer.unprepare(&lock, claim)
}

fn reference(number: u8) -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: format!("claim-{number}"),
        uid: format!("uid-{number}"),
    }
}

/// Claim n has devices n and n + 1, so neighbours exclude each other.
fn devices_of(number: u8) -> impl Iterator<Item = u8> {
    [number, (number + 1) % DEVICES].into_iter()
}

fn claim(number: u8) -> Claim {
    Claim {
        claim: reference(number),
        devices: devices_of(number)
            .map(|device| Allocated {
                request: "r".into(),
                pool: "node".into(),
                device: format!("d{device}"),
                share_id: None,
                access: Access::Exclusive,
            })
            .collect(),
        configs: Vec::new(),
        object: Default::default(),
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Prepare(u8),
    Unprepare(u8),
    Restart,
    /// The API server has no such claim.
    Forget(u8),
    /// The kernel writes what it has.
    Settle,
    PowerCut(PowerCut),
    Full(bool),
}

/// Death before the n-th write of an operation, or half-way in it.
type Death = (usize, bool);

/// What one operation may meet: death, or nothing.
fn operation() -> impl Strategy<Value = (Operation, Option<Death>)> {
    let operation = prop_oneof![
        6 => (0..CLAIMS).prop_map(Operation::Prepare),
        4 => (0..CLAIMS).prop_map(Operation::Unprepare),
        1 => Just(Operation::Restart),
        1 => (0..CLAIMS).prop_map(Operation::Forget),
        1 => Just(Operation::Settle),
        1 => prop_oneof![Just(PowerCut::LosesAll), Just(PowerCut::TearsContents)]
            .prop_map(Operation::PowerCut),
        1 => any::<bool>().prop_map(Operation::Full),
    ];
    (
        operation,
        proptest::option::weighted(0.4, (0..14_usize, any::<bool>())),
    )
}

fn run(operations: &[(Operation, Option<Death>)]) {
    let mut world = World::new();
    for (operation, death) in operations {
        if let Some((steps, tears)) = death {
            world.disk.die(*steps, *tears);
        }
        match operation {
            Operation::Prepare(number) => world.prepare(*number),
            Operation::Unprepare(number) => world.unprepare(*number),
            Operation::Restart => world.restart(),
            Operation::Forget(number) => world.forget(*number),
            Operation::Settle => world.disk.settle(),
            Operation::PowerCut(cut) => world.cut_power(*cut),
            Operation::Full(full) => world.disk.set_full(*full),
        }
        if world.disk.revive() {
            world.restart();
        }
        world.check();
    }
    world.disk.set_full(false);
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/inside/crashes.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    })]
    #[test]
    fn no_crash_breaks_what_the_kubelet_relies_on(
        operations in proptest::collection::vec(operation(), 1..14)
    ) {
        run(&operations);
    }
}

/// Every single crash point of the plain life of a claim, with a retry after it: nothing depends on
/// luck.
#[test]
fn every_crash_point_of_one_claim_is_survived() {
    let mut survived = 0;
    for steps in 0.. {
        for death in [Some((steps, false)), Some((steps, true))] {
            run(&[
                (Operation::Prepare(0), death),
                (Operation::Prepare(0), None),
                (Operation::Prepare(1), None),
                (Operation::Unprepare(0), death),
                (Operation::Prepare(0), None),
                (Operation::Unprepare(0), None),
            ]);
            // What is half-way waits for the kubelet's next call, or the next start.
            for next in [Operation::Prepare(1), Operation::Unprepare(0)] {
                run(&[(Operation::Prepare(0), death), (next, None)]);
            }
            run(&[
                (Operation::Prepare(0), None),
                (Operation::Unprepare(0), death),
            ]);
            for cut in [PowerCut::LosesAll, PowerCut::TearsContents] {
                run(&[
                    (Operation::Prepare(0), death),
                    (Operation::Settle, None),
                    (Operation::Prepare(2), death),
                    (Operation::PowerCut(cut), None),
                    (Operation::Prepare(0), None),
                    (Operation::Unprepare(0), death),
                    (Operation::PowerCut(cut), None),
                ]);
            }
        }
        let world = World::new();
        world.disk.die_after(steps);
        if prepare(&world.preparer, &claim(0)).is_ok() && !world.disk.revive() {
            survived = steps;
            break;
        }
    }
    // Two locks made, three files written and renamed, two devices.
    assert_eq!(survived, 10, "are all steps still counted?");
}

/// The file of the first claim, prepared in the first boot.
fn record_of_claim_0() -> PathBuf {
    PathBuf::from("/state/claims/uid-0.boot-0.record")
}

fn without_last_line(bytes: &[u8]) -> usize {
    let before = &bytes[..bytes.len() - 1];
    before.iter().rposition(|byte| *byte == b'\n').unwrap() + 1
}

#[test]
fn a_damaged_record_keeps_the_containers_alive_and_is_kept_as_evidence() {
    let damages: [fn(&FakeDisk, &Path); 6] = [
        FakeDisk::lose,
        |disk, path| disk.damage(path, |bytes| bytes[200] ^= 1),
        |disk, path| disk.damage(path, Vec::clear),
        |disk, path| disk.damage(path, |bytes| *bytes = b"something else".to_vec()),
        |disk, path| disk.damage(path, |bytes| bytes.truncate(bytes.len() - 3)),
        |disk, path| disk.damage(path, |bytes| bytes.truncate(without_last_line(bytes))),
    ];
    for damage in damages {
        let mut world = World::new();
        world.prepare(0);
        damage(&world.disk, &record_of_claim_0());
        world.restart();
        let moved = world.preparer.take_moved_aside();
        assert_eq!(moved.len(), 1);
        let cdi = Path::new("/cdi/a.example-claim_uid-0.json");
        assert!(
            world.disk.peek(cdi).is_some(),
            "a running container may be restarted"
        );
        world.restart();
        assert!(world.disk.peek(cdi).is_some(), "also after another start");
        world.prepare(0);
        world.check();
        world.unprepare(0);
        assert!(world.disk.peek(cdi).is_none());
        assert!(
            world.disk.peek(&moved[0].path).is_some(),
            "for a person to look at"
        );
    }
}

/// The CDI file that is there says nothing of how far the later record has come.
#[test]
fn a_claim_that_is_prepared_again_after_damage_is_as_any_other() {
    // Up to the record that says that all is done.
    for steps in 0..=6 {
        let mut world = World::new();
        world.prepare(0);
        world.disk.damage(&record_of_claim_0(), Vec::clear);
        world.restart();
        assert_eq!(world.preparer.take_moved_aside().len(), 1);
        world.hardware.set_up.lock().unwrap().clear();
        world.prepared.clear();
        world.disk.die_after(steps);
        world.prepare(0);
        world.prepared.clear();
        world.restart();
        assert_eq!(world.preparer.take_moved_aside(), [], "{steps} steps");
        assert!(world.hardware.set_up.lock().unwrap().is_empty());
        world.finish();
    }
}

#[test]
fn a_lost_cdi_file_is_written_anew_at_the_next_start() {
    let mut world = World::new();
    world.prepare(0);
    let cdi = Path::new("/cdi/a.example-claim_uid-0.json");
    world.disk.damage(cdi, Vec::clear);
    world.restart();
    world.check();
}

#[test]
fn a_full_disk_refuses_new_claims_and_still_lets_old_ones_go() {
    let mut world = World::new();
    world.prepare(0);
    world.disk.set_full(true);
    let error = prepare(&world.preparer, &claim(2)).unwrap_err();
    assert!(matches!(error, PrepareError::Transient(_)), "{error}");
    assert_eq!(world.files_of("uid-2"), Vec::<PathBuf>::new());
    world.unprepare(0);
    world.disk.set_full(false);
    world.prepare(2);
    world.check();
    assert_eq!(world.prepared.len(), 1);
}

#[test]
fn a_claim_with_another_allocation_gets_its_new_devices() {
    let mut world = World::new();
    world.prepare(0);
    let mut moved = claim(2);
    moved.claim = reference(0);
    let devices = prepare(&world.preparer, &moved).unwrap();
    assert_eq!(devices[0].device, "d2");
    world.prepared.insert(0, devices);
    world.check();
    world.prepare(1);
    assert!(!world.prepared.contains_key(&1), "d2 is taken");
}

#[test]
fn what_an_earlier_boot_held_keeps_nobody_waiting() {
    let mut world = World::new();
    world.prepare(0);
    world.disk.settle();
    world.disk.cut_power(PowerCut::LosesAll);
    world.hardware.set_up.lock().unwrap().clear();
    // As if the clean-up at the start had failed.
    let preparer = open(&world.disk, &world.hardware, 1);
    assert_eq!(preparer.claims().unwrap(), [reference(0)]);
    assert!(prepare(&preparer, &claim(1)).is_ok());
}
