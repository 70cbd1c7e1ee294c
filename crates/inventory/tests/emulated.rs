//! What the readers find in an emulated tree is what the catalogue says, for every type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use trainyard_inventory::catalogue::{ALL, InstanceType};
use trainyard_inventory::emulate::{self, Error, Fault, Nodes, Options};
use trainyard_inventory::health::{self, Health, Policy};
use trainyard_inventory::machine::{Ecc, Machine, State};
use trainyard_inventory::node::Node;
use trainyard_inventory::publish::{self, NeuronPublish};
use trainyard_inventory::rules::{self, Group, Hardware, Place, Present, Question};
use trainyard_inventory::sysfs::{self, Found, Roots};
use trainyard_model::claim::{AllocationResult, DeviceResult, ResourceClaim};
use trainyard_model::device::Device;

/// A folder of its own for each test, empty at its start.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn find(kind: &str) -> &'static InstanceType {
    InstanceType::find(kind).expect("in the catalogue")
}

fn options(faults: &[&str]) -> Options {
    Options {
        faults: faults
            .iter()
            .map(|text| text.parse::<Fault>().expect("a fault"))
            .collect(),
        ..Options::default()
    }
}

fn write(folder: &Path, kind: &InstanceType, options: &Options) {
    let tree = emulate::tree(kind, options).expect("the machine has the devices");
    emulate::write(folder, kind.name, &tree, Nodes::Plain).expect("the folder is writable");
}

fn read(folder: &Path) -> Machine {
    let roots = Roots {
        sys: folder.join("sys"),
        dev: folder.join("dev"),
    };
    let Found { machine, problems } = sysfs::discover(&roots, None);
    assert!(problems.is_empty(), "{problems:?}");
    machine
}

#[test]
fn every_type_is_found_and_publishes_what_the_inventory_prints() {
    let plain = |devices: &[Device]| -> Vec<_> {
        let devices = devices.iter();
        devices
            .map(|d| (d.name.clone(), d.attributes.clone()))
            .collect()
    };
    for kind in &ALL {
        let folder = folder(&format!("as-inventory/{}", kind.name));
        write(&folder, kind, &Options::default());
        for (path, entry) in emulate::tree(kind, &Options::default()).expect("no faults") {
            let there = folder.join(&path).canonicalize();
            let inside = there.is_ok_and(|place| place.starts_with(&folder));
            assert!(inside, "{}: {} {entry:?}", kind.name, path.display());
        }
        let machine = read(&folder);
        assert_eq!(machine, Machine::of(kind), "{}", kind.name);
        for publish in [NeuronPublish::Devices, NeuronPublish::Node] {
            let block = (publish::CAPACITY_BLOCK_LABEL.into(), "cr-1".into());
            let node = Node::new(kind, 9, &BTreeMap::from([block]), publish);
            let printed: BTreeMap<_, _> = node
                .slices
                .iter()
                .map(|slice| (slice.driver.to_string(), plain(&slice.devices)))
                .collect();
            let found = [
                (
                    publish::NEURON_DRIVER,
                    publish::neuron_devices(&machine, &node.labels, publish),
                ),
                (publish::EFA_DRIVER, publish::efa_devices(&machine)),
            ];
            let found: BTreeMap<_, _> = found
                .into_iter()
                .filter(|(_, devices)| !devices.is_empty())
                .map(|(driver, devices)| (driver.to_owned(), plain(&devices)))
                .collect();
            assert_eq!(found, printed, "{} {publish:?}", kind.name);
        }
    }
}

/// One of each kind, on several devices of a trn2.48xlarge.
const FAULTS: [&str; 11] = [
    "gone=neuron-device-3",
    "no-node=neuron4",
    "mem-ecc=5",
    "mem-ecc=5",
    "sram-ecc=6",
    "repairable-ecc=7",
    "reset=8",
    "invalid=9",
    "gone=0000:c9:00.0",
    "no-node=pci-0000-b4-00-0",
    "gone=rdmap179s0",
];

#[test]
fn faults_are_found() {
    let kind = find("trn2.48xlarge");
    let folder = folder("faults");
    write(&folder, kind, &options(&FAULTS));
    let machine = read(&folder);
    let chip = |id| {
        machine
            .chips
            .iter()
            .find(|chip| chip.id == id)
            .expect("there")
    };
    assert_eq!(machine.chips.len(), 15);
    assert!(
        machine
            .chips
            .iter()
            .all(|chip| chip.id != 3 && chip.has_device_file == (chip.id != 4))
    );
    // One chip off the bus does not take the others' addresses away.
    assert_eq!(chip(0).address.as_deref(), Some("0000:cc:00.0"));
    assert_eq!(
        chip(5).ecc,
        Ecc {
            memory: 2,
            ..Ecc::default()
        }
    );
    assert_eq!(
        chip(6).ecc,
        Ecc {
            sram: 1,
            ..Ecc::default()
        }
    );
    assert_eq!(
        chip(7).ecc,
        Ecc {
            repairable: 1,
            ..Ecc::default()
        }
    );
    assert_eq!(
        (chip(8).state, chip(9).state),
        (State::Resetting, State::Invalid)
    );
    let efas: BTreeSet<&str> = machine.efas.iter().map(|efa| &*efa.address).collect();
    assert_eq!(machine.efas.len(), 14);
    assert!(!efas.contains("0000:c9:00.0") && !efas.contains("0000:b3:00.0"));
    let without: Vec<&str> = machine
        .efas
        .iter()
        .filter(|efa| !efa.has_device_file)
        .map(|efa| &*efa.address)
        .collect();
    assert_eq!(without, ["0000:b4:00.0"]);

    // Written again without faults, everything is back.
    write(&folder, kind, &Options::default());
    assert_eq!(read(&folder), Machine::of(kind));
}

#[test]
fn a_second_look_at_a_device_finds_what_a_whole_look_finds() {
    let kind = find("trn2.48xlarge");
    let folder = folder("second-look");
    let roots = Roots {
        sys: folder.join("sys"),
        dev: folder.join("dev"),
    };
    write(&folder, kind, &Options::default());
    let before = read(&folder);
    write(&folder, kind, &options(&FAULTS));
    let mut faulty = read(&folder);
    faulty.remember(&before);
    assert_ne!(faulty, before);
    let mut machine = before.clone();
    sysfs::look_again(&roots, &mut machine, |_| true);
    assert_eq!(machine, faulty);
    // What nobody asked for is as it was.
    let mut machine = before.clone();
    sysfs::look_again(&roots, &mut machine, |name| name == "neuron-device-5");
    let changed = machine.chips.iter().zip(&before.chips);
    let changed: Vec<u32> = changed.filter(|(a, b)| a != b).map(|(a, _)| a.id).collect();
    assert_eq!((changed, &machine.efas), (vec![5], &before.efas));
    // And what has come back is back.
    write(&folder, kind, &Options::default());
    sysfs::look_again(&roots, &mut faulty, |_| true);
    assert_eq!(faulty, before);
}

#[test]
fn another_type_replaces_the_tree() {
    let folder = folder("another");
    write(&folder, find("trn2u.48xlarge"), &Options::default());
    write(&folder, find("inf2.24xlarge"), &Options::default());
    assert_eq!(read(&folder), Machine::of(find("inf2.24xlarge")));
    assert!(!folder.join("dev/infiniband").exists());
}

#[test]
fn nodes_of_an_ultraserver_tell_their_place() {
    let folder = folder("ultraserver");
    let place = |node| {
        let options = Options {
            ultraserver_node: node,
            ..Options::default()
        };
        write(&folder, find("trn2u.48xlarge"), &options);
        match read(&folder).ultraserver {
            Some(Group::Elected(place)) => place,
            other => panic!("{other:?}"),
        }
    };
    let (first, third, fifth) = (place(0), place(3), place(4));
    let at = |place: &Place, nodes| place.groups[&nodes].clone();
    assert_eq!(
        (at(&first, 4).1, at(&third, 4).1, at(&fifth, 4).1),
        (0, 3, 0)
    );
    assert_eq!(at(&first, 4).0, at(&third, 4).0);
    assert_ne!(at(&first, 2).0, at(&third, 2).0);
    assert_ne!(at(&first, 4).0, at(&fifth, 4).0);
    let busy = folder.join("sys/class/neuron_device/ultraserver_mode");
    fs::remove_file(&busy).expect("there");
    fs::write(&busy, "busy\n").expect("writable");
    assert_eq!(read(&folder).ultraserver, Some(Group::Electing));
}

#[test]
fn what_is_not_an_emulated_tree_stays() {
    let folder = folder("foreign");
    fs::create_dir_all(folder.join("dev")).expect("writable");
    fs::write(folder.join("dev/mine"), "").expect("writable");
    let tree = emulate::tree(find("trn1.2xlarge"), &Options::default()).expect("no faults");
    let error = emulate::write(&folder, "trn1.2xlarge", &tree, Nodes::Plain).expect_err("refused");
    assert!(matches!(error, Error::Foreign(_)), "{error}");
    assert!(folder.join("dev/mine").exists());
}

#[test]
fn the_label_stands_in_for_the_firmware() {
    let folder = folder("label");
    write(&folder, find("trn1.2xlarge"), &Options::default());
    fs::remove_file(folder.join("sys/devices/virtual/dmi/id/product_name")).expect("there");
    let roots = Roots {
        sys: folder.join("sys"),
        dev: folder.join("dev"),
    };
    let found = sysfs::discover(&roots, Some("trn1.2xlarge"));
    assert_eq!(found.machine, Machine::of(find("trn1.2xlarge")));
    assert_eq!(&*sysfs::discover(&roots, None).machine.instance_type, "");
}

#[test]
fn a_driver_reads_nothing_of_the_other() {
    let folder = folder("halves");
    write(&folder, find("trn2u.48xlarge"), &Options::default());
    let roots = Roots {
        sys: folder.join("sys"),
        dev: folder.join("dev"),
    };
    let whole = read(&folder);
    let neuron = sysfs::discover_for(Hardware::Neuron, &roots, None).machine;
    assert!(neuron.efas.is_empty());
    let file = folder.join("sys/devices/virtual/neuron_device/neuron0/core_count");
    fs::remove_file(&file).expect("there");
    fs::create_dir(&file).expect("writable");
    let efa = sysfs::discover_for(Hardware::Efa, &roots, None);
    assert!(efa.problems.is_empty(), "{:?}", efa.problems);
    assert!(efa.machine.chips.is_empty());
    let both = Machine {
        efas: efa.machine.efas,
        rdma_cm: efa.machine.rdma_cm,
        ..neuron
    };
    assert_eq!(both, whole);
}

#[test]
fn what_cannot_be_read_is_told_and_left_open() {
    let folder = folder("unreadable");
    write(&folder, find("trn1.2xlarge"), &Options::default());
    let file = folder.join("sys/devices/virtual/neuron_device/neuron0/core_count");
    fs::remove_file(&file).expect("there");
    fs::create_dir(&file).expect("writable");
    let roots = Roots {
        sys: folder.join("sys"),
        dev: folder.join("dev"),
    };
    let found = sysfs::discover(&roots, None);
    assert_eq!(found.machine.chips[0].cores, None);
    assert_eq!(found.problems.len(), 1);
    assert!(
        found.problems[0]
            .to_string()
            .contains("neuron0/core_count: ")
    );
}

#[test]
fn an_empty_machine_has_nothing() {
    let roots = Roots {
        sys: folder("empty").join("sys"),
        dev: folder("empty").join("dev"),
    };
    let found = sysfs::discover(&roots, None);
    assert_eq!(found.machine, Machine::default());
    assert!(found.problems.is_empty());
}

#[test]
fn root_makes_character_devices() {
    let folder = folder("nodes");
    let kind = find("trn2.3xlarge");
    let tree = emulate::tree(kind, &Options::default()).expect("no faults");
    let made = emulate::write(&folder, kind.name, &tree, Nodes::Character).expect("writable");
    let is_device = |path: &str| {
        let metadata = fs::symlink_metadata(folder.join(path)).expect("there");
        metadata.file_type().is_char_device()
    };
    for path in [
        "dev/neuron0",
        "dev/infiniband/uverbs0",
        "dev/infiniband/rdma_cm",
    ] {
        assert_eq!(is_device(path), made == Nodes::Character, "{path}");
    }
    let again = emulate::write(&folder, kind.name, &tree, Nodes::Plain).expect("writable");
    assert_eq!(again, Nodes::Plain);
    assert!(!is_device("dev/neuron0"));
}

#[test]
fn neighbours_are_printed_as_the_kernel_does() {
    let folder = folder("neighbours");
    write(&folder, find("trn1n.32xlarge"), &Options::default());
    let file = folder.join("sys/class/neuron_device/neuron0/connected_devices");
    assert_eq!(fs::read_to_string(file).expect("there"), "12, 3, 4, 1\n");
}

/// A claim that got one device.
fn claim(driver: &str, device: &str) -> (ResourceClaim, AllocationResult) {
    let result = DeviceResult {
        request: "r".into(),
        driver: driver.into(),
        pool: "node".into(),
        device: device.into(),
        ..DeviceResult::default()
    };
    let allocation = AllocationResult {
        results: vec![result],
        ..AllocationResult::default()
    };
    (ResourceClaim::default(), allocation)
}

#[test]
fn claims_are_prepared_from_what_is_found() {
    let folder = folder("prepared");
    let kind = find("trn2u.48xlarge");
    let mut health = Health::new(publish::NEURON_DRIVER.into(), Policy::default());
    let efas = Health::new(publish::EFA_DRIVER.into(), Policy::default());
    let mut ask = |faults: &[&str], publish, device: &str| {
        write(&folder, kind, &options(faults));
        let mut machine = read(&folder);
        machine.remember(&Machine::of(kind));
        let (hardware, driver, health) = if device.starts_with("pci") {
            (Hardware::Efa, publish::EFA_DRIVER, &efas)
        } else {
            health.observe(
                Duration::ZERO,
                &health::readings(&machine, Hardware::Neuron, |_| true),
            );
            (Hardware::Neuron, publish::NEURON_DRIVER, &health)
        };
        let (claim, allocation) = claim(driver, device);
        let answer = rules::check(&Question {
            hardware,
            driver,
            claim: &claim,
            allocation: &allocation,
            present: &Present::found(&machine, hardware, publish, health, |_| true),
        });
        let nodes = |edits: rules::Edits| -> Vec<String> {
            let nodes = edits.devices.iter().flat_map(|device| &device.nodes);
            nodes.map(rules::DeviceNode::path).collect()
        };
        answer.map(nodes).map_err(|refusal| refusal.code)
    };
    let devices = NeuronPublish::Devices;
    assert_eq!(
        ask(&[], devices, "neuron-device-4"),
        Ok(vec!["/dev/neuron4".to_owned()])
    );
    // 0000:c9:00.0 is the eleventh by address.
    assert_eq!(
        ask(&[], devices, "pci-0000-c9-00-0"),
        Ok(vec![
            "/dev/infiniband/uverbs10".to_owned(),
            "/dev/infiniband/rdma_cm".to_owned()
        ])
    );
    assert_eq!(
        ask(&[], NeuronPublish::Node, "neuron-node").map(|nodes| nodes.len()),
        Ok(16)
    );
    for (fault, device, code) in [
        ("gone=4", "neuron-device-4", "device/gone"),
        ("no-node=4", "neuron-device-4", "device/gone"),
        ("invalid=4", "neuron-device-4", "device/gone"),
        ("reset=4", "neuron-device-4", "device/reset"),
        ("gone=pci-0000-c9-00-0", "pci-0000-c9-00-0", "device/gone"),
        (
            "no-node=pci-0000-c9-00-0",
            "pci-0000-c9-00-0",
            "device/gone",
        ),
    ] {
        assert_eq!(ask(&[fault], devices, device), Err(code), "{fault}");
    }
    assert_eq!(
        ask(&["gone=4"], NeuronPublish::Node, "neuron-node"),
        Err("device/gone")
    );
    let code = Err("device/unhealthy");
    assert_eq!(ask(&["mem-ecc=4"], devices, "neuron-device-4"), code);
    assert_eq!(
        ask(&["mem-ecc=4"], NeuronPublish::Node, "neuron-node"),
        code
    );
    assert!(ask(&["mem-ecc=4"], devices, "neuron-device-5").is_ok());
}
