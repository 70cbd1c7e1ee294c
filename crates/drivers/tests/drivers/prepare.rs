//! What containers get, and what is refused.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use serde_json::json;
use trainyard_drivers::{Config, DeviceState, DriverConfig, HardwareDriver};
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER, NeuronPublish};
use trainyard_inventory::rules::Hardware;
use trainyard_node::claim::for_driver;
use trainyard_node::driver::{Driver, Node};
use trainyard_node::metrics::Outcome;
use trainyard_node::ports::{ClaimReader, Regarding};
use trainyard_node_testing::kubelet::{FakeKubelet, Speaks};

use crate::{Machine, chips, claim, devices, files, logical_neuron_core};

/// The claim that everything here must serve first: four chips and the four EFAs beside them.
fn aligned(machine: &Machine, group: u32) -> Vec<(&'static str, &'static str, String)> {
    let first = group * 4;
    let mut results = chips(&[first, first + 1, first + 2, first + 3]);
    let id = |device: &trainyard_node::k8s::Device| {
        let attributes = device.attributes.as_ref().unwrap();
        let group = &attributes["resource.aws.com/devicegroup4_id"];
        group.string.clone()
    };
    let neurons = devices(&machine.api, NEURON_DRIVER);
    let wanted = id(neurons
        .iter()
        .find(|device| device.name == results[0].2)
        .unwrap());
    let efas = devices(&machine.api, EFA_DRIVER).into_iter();
    let beside = efas.filter(|efa| id(efa) == wanted);
    results.extend(beside.map(|efa| (EFA_DRIVER, "4-efas", efa.name)));
    assert_eq!(results.len(), 8);
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn two_drivers_in_one_process_prepare_one_claim() {
    let machine = Machine::new("trn2.48xlarge");
    let both = machine.start_both().await;
    let (a, b) = (claim("a"), claim("b"));
    machine.allocate(&a, &aligned(&machine, 0), &[]);
    machine.allocate(&b, &aligned(&machine, 1), &[logical_neuron_core(1)]);
    let drivers = [NEURON_DRIVER, EFA_DRIVER];

    let container = machine.container(&a, &drivers).await;
    let seen: Vec<&str> = container.devices.keys().map(String::as_str).collect();
    // EFAs are numbered by their addresses, and those of chips 0 to 3 are c9, b4, b3 and ca.
    assert_eq!(
        seen,
        [
            "/dev/infiniband/rdma_cm",
            "/dev/infiniband/uverbs10",
            "/dev/infiniband/uverbs11",
            "/dev/infiniband/uverbs8",
            "/dev/infiniband/uverbs9",
            "/dev/neuron0",
            "/dev/neuron1",
            "/dev/neuron2",
            "/dev/neuron3",
        ]
    );
    for (path, host) in &container.devices {
        assert_eq!(*host, machine.host(path));
    }
    assert!(container.env.is_empty(), "{:?}", container.env);
    assert!(container.mounts.is_empty());

    let container = machine.container(&b, &drivers).await;
    let env: Vec<_> = container
        .env
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        env,
        [
            "NEURON_LOGICAL_NC_CONFIG=1",
            "NEURON_RT_VIRTUAL_CORE_SIZE=1"
        ]
    );
    let chips = container
        .devices
        .keys()
        .filter(|path| path.contains("neuron"));
    let expected = [
        "/dev/neuron4",
        "/dev/neuron5",
        "/dev/neuron6",
        "/dev/neuron7",
    ];
    assert!(chips.eq(&expected.map(String::from)), "no neighbour's");

    for driver in drivers {
        for claim in [&a, &b] {
            machine.kubelet.unprepare(driver, claim).await.unwrap();
        }
    }
    for running in &both {
        let calls = running.plugin.calls();
        assert_eq!(calls.prepare[&Outcome::Done].count(), 2);
        assert_eq!(calls.unprepare[&Outcome::Done].count(), 2);
        assert_eq!(calls.prepare[&Outcome::Refused].count(), 0);
    }
    assert!(machine.api.events().is_empty());
    for running in both {
        running.plugin.stop().await;
    }
    for folder in ["cdi", "state/neuron.aws.com/claims", "state/dra.net/claims"] {
        assert!(files(&machine.path(folder)).is_empty(), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trn1_does_not_take_is_refused_with_the_remedy() {
    let machine = Machine::new("trn1.32xlarge");
    let running = machine.start(Hardware::Neuron).await;
    machine.until_published(NEURON_DRIVER).await;
    let [a, b, c] = ["a", "b", "c"].map(claim);
    machine.allocate(&a, &chips(&[0, 1, 2, 3]), &[logical_neuron_core(2)]);
    let refused = machine.kubelet.prepare(NEURON_DRIVER, &a).await;
    assert_eq!(
        refused.unwrap_err(),
        "spec.devices.config[0].opaque.parameters.logicalNeuronCore: the size of a logical NeuronCore is fixed on trn1.32xlarge; leave the NeuronConfig out, or ask for trn2 or trn3"
    );
    machine.allocate(&b, &chips(&[0, 1, 4, 5]), &[]);
    let refused = machine.kubelet.prepare(NEURON_DRIVER, &b).await;
    assert_eq!(
        refused.unwrap_err(),
        "spec.devices.requests[0]: the Neuron runtime does not take chips 0, 1, 4, 5 of a trn1.32xlarge: it takes one, a row of four (0-3, 4-7, 8-11, 12-15), a half (0-7, 8-15) or all sixteen; add the constraint matchAttribute: resource.aws.com/devicegroup4_id"
    );
    machine.allocate(&c, &chips(&[4, 5, 6, 7]), &[]);
    machine.container(&c, &[NEURON_DRIVER]).await;
    let calls = running.plugin.calls();
    assert_eq!(calls.prepare[&Outcome::Refused].count(), 2);
    assert_eq!(calls.prepare[&Outcome::Done].count(), 1);
    assert_eq!(
        files(&machine.path("cdi")).len(),
        1,
        "nothing is left of the refused"
    );
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chips_that_may_not_work_together_are_prepared_with_a_warning() {
    let machine = Machine::new("trn2.48xlarge");
    let running = machine.start(Hardware::Neuron).await;
    let a = claim("a");
    machine.allocate(&a, &chips(&[0, 5]), &[]);
    machine.container(&a, &[NEURON_DRIVER]).await;
    machine.container(&a, &[NEURON_DRIVER]).await;
    let events = machine.api.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].regarding, Regarding::Claim(a));
    assert!(events[0].note.starts_with("chips 0, 5 of a trn2.48xlarge"));
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_an_ultraserver_is_one_device() {
    let machine = Machine::publishing("trn2u.48xlarge", NeuronPublish::Node);
    let running = machine.start(Hardware::Neuron).await;
    machine.until_published(NEURON_DRIVER).await;
    let a = claim("a");
    let config = json!({"source": "FromClaim", "requests": [], "opaque": {
        "driver": NEURON_DRIVER,
        "parameters": {"apiVersion": "neuron.aws.com/v1", "kind": "UltraServerConfig", "ultraserverMode": 4},
    }});
    let node = (NEURON_DRIVER, "4-neurons", "neuron-node".to_owned());
    machine.allocate(&a, &[node], &[config]);
    let container = machine.container(&a, &[NEURON_DRIVER]).await;
    assert_eq!(container.devices.len(), 16);
    assert_eq!(container.env["NEURON_RT_ULTRASERVER_MODE"], "1");
    assert_eq!(container.env["NEURON_RT_ULTRASERVER_NODE_ID"], "1");
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_can_have_another_name() {
    let machine = Machine::new("trn2.48xlarge");
    let own = DriverConfig {
        name: "efa.example".into(),
        ..DriverConfig::new(Hardware::Efa)
    };
    let running = machine.start_as(own).await;
    let expected = machine.expected(EFA_DRIVER);
    machine
        .api
        .until("its devices are published", |api| {
            devices(api, "efa.example") == expected
        })
        .await;
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_is_told_what_the_host_calls_the_devices() {
    let machine = Machine::new("trn2.48xlarge");
    let config = Config {
        host_dev: Some("/dev".into()),
        ..machine.config()
    };
    let own = DriverConfig::new(Hardware::Neuron);
    let running = trainyard_drivers::start(&config, own, machine.api.clone()).await;
    let running = running.unwrap();
    machine.kubelet.wait_for(NEURON_DRIVER, 1).await;
    let c = claim("c");
    machine.allocate(&c, &chips(&[5]), &[]);
    let container = machine.container(&c, &[NEURON_DRIVER]).await;
    let same = ("/dev/neuron5".to_owned(), "/dev/neuron5".to_owned());
    assert_eq!(Vec::from_iter(container.devices), [same]);
    running.plugin.stop().await;
}

#[tokio::test]
async fn nothing_is_refused_for_what_has_changed_since_the_last_survey() {
    let machine = Machine::new("trn2.48xlarge");
    let own = DriverConfig::new(Hardware::Neuron);
    let driver = HardwareDriver::open(&machine.config(), own, machine.api.clone()).unwrap();
    let node = Node {
        name: machine.node.name.to_string(),
        ..Node::default()
    };
    machine.emulate(&["gone=neuron-device-3"]);
    driver.survey(&node).unwrap();
    let a = claim("a");
    machine.allocate(&a, &chips(&[3]), &[]);
    let object = machine.api.claim(&a).await.unwrap();
    let a = for_driver(&a, &object, NEURON_DRIVER, |_| true).unwrap();
    assert!(driver.prepare(&a).is_err(), "it was never there");
    machine.emulate(&[]);
    assert_eq!(driver.prepare(&a).unwrap().len(), 1, "no survey since");
    machine.emulate(&["gone=neuron-device-3"]);
    assert!(driver.prepare(&a).is_err(), "nor since then");
}

/// Reading a file of this chip takes as long as the test wants, as it may when the kernel waits for the
/// hardware.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_hangs_keeps_no_other_claim_waiting() {
    let machine = Machine::new("trn2.48xlarge");
    let running = machine.start(Hardware::Neuron).await;
    machine.until_published(NEURON_DRIVER).await;
    let [hanging, other] = ["hanging", "other"].map(claim);
    machine.allocate(&hanging, &chips(&[3]), &[]);
    machine.allocate(&other, &chips(&[4, 5, 6, 7]), &[]);
    let path = machine.path("machine/sys/class/neuron_device/neuron3/reset");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
    running.plugin.refresh();
    let kubelet = FakeKubelet::start(machine.folder.path(), Speaks::V1);
    let impatient = kubelet.with_patience(Duration::from_secs(1));
    impatient.wait_for(NEURON_DRIVER, 1).await;
    let late = impatient
        .prepare(NEURON_DRIVER, &hanging)
        .await
        .unwrap_err();
    assert!(late.contains("still being prepared"), "{late}");

    let container = machine.container(&other, &[NEURON_DRIVER]).await;
    assert_eq!(container.devices.len(), 4);
    machine
        .kubelet
        .unprepare(NEURON_DRIVER, &other)
        .await
        .unwrap();
    assert_eq!(running.hardware.gauges().devices[&DeviceState::Sound], 16);

    // Opening a pipe in both directions waits for nobody, and lets in those that wait to read.
    let mut answer = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "1\n").unwrap();
    answer.write_all(b"1\n").unwrap();
    drop(answer);
    assert_eq!(
        machine
            .container(&hanging, &[NEURON_DRIVER])
            .await
            .devices
            .len(),
        1
    );
    running.plugin.stop().await;
}
