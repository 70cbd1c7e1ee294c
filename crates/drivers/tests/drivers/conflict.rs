//! A device plugin for the same hardware comes and goes.

use std::os::unix::net::UnixListener;

use trainyard_drivers::{DeviceState, Sign};
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_inventory::rules::Hardware;
use trainyard_node::ports::{Regarding, Severity};

use crate::{Machine, chips, claim};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_plugin_takes_its_own_hardware_from_the_slices_and_no_other() {
    let machine = Machine::new("trn2.48xlarge");
    let [neuron, efa] = machine.start_both().await;
    let of_efa = || {
        let slices = machine.api.slices().into_iter();
        slices
            .filter(|slice| slice.spec.driver == EFA_DRIVER)
            .collect::<Vec<_>>()
    };
    let untouched = of_efa();
    let [before, during, after] = ["before", "during", "after"].map(claim);
    machine.allocate(&before, &chips(&[0, 1, 2, 3]), &[]);
    machine.allocate(&during, &chips(&[4, 5, 6, 7]), &[]);
    machine.allocate(&after, &chips(&[8, 9, 10, 11]), &[]);
    let prepared = machine.container(&before, &[NEURON_DRIVER]).await;

    std::fs::create_dir(machine.path("device-plugins")).unwrap();
    let path = machine.path("device-plugins/neuron-devplugin.sock");
    let plugin = UnixListener::bind(&path).unwrap();
    // Nobody has looked since, but a prepare looks for itself.
    let refused = machine
        .kubelet
        .prepare(NEURON_DRIVER, &during)
        .await
        .unwrap_err();
    assert!(refused.starts_with("device plugin "), "{refused}");
    assert!(
        refused.contains("neuron-devplugin.sock accepts connections"),
        "{refused}"
    );
    neuron.plugin.refresh();
    efa.plugin.refresh();
    machine.until_withdrawn(NEURON_DRIVER).await;
    let gauges = neuron.hardware.gauges();
    assert_eq!(gauges.devices[&DeviceState::Withdrawn], 16);
    assert_eq!(gauges.devices[&DeviceState::Sound], 0);
    assert_eq!(gauges.conflict, Some(Sign::Socket(path.clone())));

    let again = machine.container(&before, &[NEURON_DRIVER]).await;
    assert_eq!(again, prepared, "what is prepared stays so");
    machine
        .kubelet
        .unprepare(NEURON_DRIVER, &before)
        .await
        .unwrap();

    drop(plugin);
    assert!(path.exists(), "a dead socket is left");
    neuron.plugin.refresh();
    machine.until_published(NEURON_DRIVER).await;
    machine.container(&after, &[NEURON_DRIVER]).await;
    let gauges = neuron.hardware.gauges();
    assert_eq!(gauges.devices[&DeviceState::Sound], 16);
    assert_eq!(gauges.conflict, None);

    assert_eq!(of_efa(), untouched);
    assert_eq!(efa.hardware.gauges().devices[&DeviceState::Sound], 16);
    let events = machine.api.events();
    let told: Vec<_> = events.iter().map(|e| (e.reason, e.severity)).collect();
    assert_eq!(
        told,
        [
            ("DevicePluginPresent", Severity::Warning),
            ("DevicePluginGone", Severity::Normal)
        ]
    );
    for event in events {
        assert_eq!(event.regarding, Regarding::Node);
        assert!(event.note.starts_with("device plugin "), "{}", event.note);
        assert!(event.note.len() <= 1024, "the API server takes no more");
    }
    neuron.plugin.stop().await;
    efa.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_plugin_shows_in_the_node() {
    let machine = Machine::new("trn1.32xlarge");
    let running = machine.start(Hardware::Efa).await;
    machine.until_published(EFA_DRIVER).await;
    let allocatable = |quantity: &str| {
        machine.api.change_node(|node| {
            let name = "vpc.amazonaws.com/efa".to_owned();
            node.allocatable.insert(name, quantity.to_owned());
        });
    };
    allocatable("8");
    machine.until_withdrawn(EFA_DRIVER).await;
    // What the kubelet leaves when a plugin has gone.
    allocatable("0");
    machine.until_published(EFA_DRIVER).await;
    running.plugin.stop().await;
}
