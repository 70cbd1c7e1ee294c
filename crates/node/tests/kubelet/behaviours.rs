//! The seven behaviours that KEP-5970 asks of every driver, each by name. Here with hardware by
//! hand; on a real cluster they are asked of the drivers themselves.

use trainyard_node::plugin::Registration;
use trainyard_node_testing::runtime::Container;

use crate::{DRIVER, Machine, NODE, claim};

#[tokio::test(flavor = "multi_thread")]
async fn registration() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let mut said = plugin.registration();
    let registered = said.wait_for(|said| *said == Registration::Registered);
    assert!(registered.await.is_ok());
    plugin.stop().await;
    machine.kubelet.wait_for(DRIVER, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slices() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let slices = machine.api.slices();
    let spec = &slices[0].spec;
    assert_eq!(
        (spec.driver.as_str(), spec.pool.name.as_str()),
        (DRIVER, NODE)
    );
    assert_eq!(spec.node_name.as_deref(), Some(NODE));
    assert_eq!(spec.pool.resource_slice_count, 1);
    let owners = slices[0].metadata.owner_references.as_ref().unwrap();
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].uid.as_str()),
        ("Node", "uid-of-n1")
    );
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn allocation() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    assert!(machine.api.schedule(&claim("a"), DRIVER, 2));
    assert!(
        !machine.api.schedule(&claim("b"), DRIVER, 1),
        "none is left"
    );
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepare() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let a = claim("a");
    machine.api.schedule(&a, DRIVER, 2);
    let devices = machine.kubelet.prepare(DRIVER, &a).await.unwrap();
    let told: Vec<_> = devices
        .iter()
        .map(|device| {
            let (pool, name) = (device.pool_name.as_str(), device.device_name.as_str());
            (device.request_names[0].as_str(), pool, name)
        })
        .collect();
    assert_eq!(told, [("devices", NODE, "d0"), ("devices", NODE, "d1")]);
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_with_what_was_injected() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let (a, b) = (claim("a"), claim("b"));
    machine.api.schedule(&a, DRIVER, 1);
    machine.api.schedule(&b, DRIVER, 1);
    let cdi = machine.path().join("cdi");
    let mut seen = Vec::new();
    for claim in [&a, &b] {
        let devices = machine.kubelet.prepare(DRIVER, claim).await.unwrap();
        let ids = devices.iter().flat_map(|device| &device.cdi_device_ids);
        let container = Container::with_devices(&cdi, ids).unwrap();
        seen.extend(container.env);
        seen.extend(container.devices);
    }
    let seen: Vec<_> = seen.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("D0", "1"),
            ("/dev/d0", "/dev/null"),
            ("D1", "1"),
            ("/dev/d1", "/dev/null")
        ],
        "each its own, and nothing of its neighbour's"
    );
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unprepare() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let a = claim("a");
    machine.api.schedule(&a, DRIVER, 2);
    let devices = machine.kubelet.prepare(DRIVER, &a).await.unwrap();
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    assert!(machine.hardware.state().set_up.is_empty());
    for folder in ["cdi", "state/claims"] {
        assert!(machine.files(folder).is_empty(), "{folder}");
    }
    let ids = devices.iter().flat_map(|device| &device.cdi_device_ids);
    let container = Container::with_devices(&machine.path().join("cdi"), ids);
    assert!(container.is_err(), "{container:?}");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    for round in 0..3 {
        let next = claim(&format!("round-{round}"));
        assert!(machine.api.schedule(&next, DRIVER, 2), "round {round}");
        machine.kubelet.prepare(DRIVER, &next).await.unwrap();
        machine.kubelet.unprepare(DRIVER, &next).await.unwrap();
        machine.api.delete_claim(&next);
    }
    plugin.stop().await;
}
