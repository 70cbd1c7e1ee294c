//! Faults come and go, and labels change.

use std::time::Duration;

use tokio::time::timeout;
use tokio_stream::StreamExt;
use trainyard_drivers::{DeviceState, DriverConfig, HardwareDriver};
use trainyard_inventory::health::Fault;
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_inventory::rules::Hardware;
use trainyard_node::driver::{Driver, Health, Node, Survey};
use trainyard_node_testing::api::FakeApi;
use trainyard_node_testing::proto::health_v1::HealthStatus;

use crate::{Machine, chips, claim, devices};

/// Keys and effects of a device's taints, as published.
fn taints(api: &FakeApi, driver: &str, device: &str) -> Vec<(String, String)> {
    let devices = devices(api, driver).into_iter();
    let of = devices.filter(|found| found.name == device);
    of.flat_map(|found| found.taints.unwrap_or_default())
        .map(|taint| (taint.key, taint.effect))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_gone_is_tainted_and_pods_hear_of_it() {
    let machine = Machine::new("trn2.48xlarge");
    let mut own = DriverConfig::new(Hardware::Neuron);
    own.policy.set("gone=NoExecute,after=0,clear=0").unwrap();
    let running = machine.start_as(own).await;
    machine.until_published(NEURON_DRIVER).await;
    let mut told = machine.kubelet.health(NEURON_DRIVER).await;
    let name = "neuron-device-3";
    // The stream repeats itself every now and then.
    let mut until = async |wanted: (bool, &str)| {
        let wait = async {
            loop {
                let devices = told.next().await.unwrap().unwrap().devices;
                assert_eq!(devices.len(), 16);
                let mut devices = devices.into_iter();
                let it = devices.find(|device| device.device.as_ref().unwrap().device_name == name);
                let it = it.unwrap();
                let unhealthy = it.health == i32::from(HealthStatus::Unhealthy);
                if (unhealthy, it.message.as_str()) == wanted {
                    return;
                }
            }
        };
        let waited = timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "waited in vain: {wanted:?}");
    };
    until((false, "")).await;

    machine.emulate(&["gone=neuron-device-3"]);
    running.plugin.refresh();
    let tainted = [("neuron.aws.com/gone".into(), "NoExecute".into())];
    let published = |api: &FakeApi| taints(api, NEURON_DRIVER, name) == tainted;
    machine.api.until("the device is tainted", published).await;
    assert_eq!(
        devices(&machine.api, NEURON_DRIVER).len(),
        16,
        "it does not vanish"
    );
    until((true, "the device is off the bus")).await;
    let gauges = running.hardware.gauges();
    assert_eq!(gauges.devices[&DeviceState::Faulty], 1);
    assert_eq!(gauges.faults[&Fault::Gone], 1);

    let a = claim("a");
    machine.allocate(&a, &chips(&[3]), &[]);
    let refused = machine
        .kubelet
        .prepare(NEURON_DRIVER, &a)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        "status.allocation.devices.results[0]: device neuron-device-3 no longer answers; delete the pod, so that its claim is allocated anew"
    );

    machine.emulate(&[]);
    running.plugin.refresh();
    machine.until_published(NEURON_DRIVER).await;
    until((false, "")).await;
    machine.container(&a, &[NEURON_DRIVER]).await;
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_waits_for_a_device_in_reset() {
    let machine = Machine::new("trn2.48xlarge");
    let running = machine.start(Hardware::Neuron).await;
    machine.until_published(NEURON_DRIVER).await;
    let a = claim("a");
    machine.allocate(&a, &chips(&[3]), &[]);
    machine.emulate(&["reset=neuron-device-3"]);
    let steps = async {
        // The claim is read at every attempt.
        machine
            .api
            .until("it is tried again", |api| api.claim_reads() >= 2)
            .await;
        machine.emulate(&[]);
    };
    let (prepared, ()) = tokio::join!(machine.kubelet.prepare(NEURON_DRIVER, &a), steps);
    assert_eq!(prepared.unwrap()[0].device_name, "neuron-device-3");
    running.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topology_follows_the_labels() {
    let machine = Machine::new("trn2.48xlarge");
    let running = machine.start(Hardware::Neuron).await;
    machine.until_published(NEURON_DRIVER).await;
    machine.api.change_node(|node| {
        let label = "topology.k8s.aws/network-node-layer-3".to_owned();
        node.labels.insert(label, "nn-moved".to_owned());
    });
    let moved = |api: &FakeApi| {
        let mut devices = devices(api, NEURON_DRIVER).into_iter();
        devices.all(|device| {
            let attributes = device.attributes.unwrap();
            attributes["networkNodeLayer3"].string.as_deref() == Some("nn-moved")
        })
    };
    machine
        .api
        .until("the attributes are the new ones", moved)
        .await;
    running.plugin.stop().await;
}

/// A driver without a kubelet, to be looked at by hand.
fn alone(machine: &Machine, hardware: Hardware) -> HardwareDriver {
    let own = DriverConfig::new(hardware);
    HardwareDriver::open(&machine.config(), own, machine.api.clone()).unwrap()
}

fn survey(driver: &HardwareDriver) -> Survey {
    let node = Node {
        name: "n1".into(),
        ..Default::default()
    };
    driver.survey(&node).unwrap()
}

#[tokio::test]
async fn errors_from_before_a_reset_are_no_fault_either_when_the_driver_restarts() {
    let machine = Machine::new("trn2.48xlarge");
    let tainted = |survey: &Survey| {
        let devices = survey.pools["n1"].devices.iter();
        let tainted = devices.filter(|device| device.taints.is_some());
        tainted
            .map(|device| device.name.clone())
            .collect::<Vec<_>>()
    };
    let error = "mem-ecc=neuron-device-3";
    machine.emulate(&[error]);
    let first = alone(&machine, Hardware::Neuron);
    assert_eq!(tainted(&survey(&first)), ["neuron-device-3"]);
    drop(first);
    let second = alone(&machine, Hardware::Neuron);
    assert_eq!(
        tainted(&survey(&second)),
        ["neuron-device-3"],
        "not by a restart"
    );
    machine.emulate(&[error, "reset=neuron-device-3"]);
    survey(&second);
    machine.emulate(&[error]);
    assert!(tainted(&survey(&second)).is_empty());
    drop(second);
    let third = alone(&machine, Hardware::Neuron);
    assert!(tainted(&survey(&third)).is_empty());
    machine.emulate(&[error, error]);
    let found = survey(&third);
    assert_eq!(tainted(&found), ["neuron-device-3"], "a new error");
    let message = "uncorrected error in its HBM";
    assert_eq!(found.health[3].message, message);
    assert_eq!(found.health[3].health, Health::Unhealthy);
}

#[tokio::test]
async fn a_machine_without_the_hardware_has_no_pool() {
    let machine = Machine::new("trn1.2xlarge");
    let driver = alone(&machine, Hardware::Efa);
    assert_eq!(driver.name(), EFA_DRIVER);
    assert_eq!(survey(&driver), Survey::default());
    assert_eq!(survey(&alone(&machine, Hardware::Neuron)).health.len(), 1);
}
