//! Two drivers of one process: what one is asked for, the other prepares before it is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use trainyard_node::disk::{self, Disk, LocalDisk};
use trainyard_node::driver::ClaimRef;
use trainyard_node::plugin::Plugin;

use crate::hardware::Hardware;
use crate::{DRIVER, Machine, NODE, claim, record_of};

const OTHER: &str = "b.example";

/// The second driver, on hardware of its own.
struct Other {
    hardware: Arc<Hardware>,
    plugin: Plugin,
}

/// Both drivers, and a claim with a device of each.
async fn both(machine: &Machine) -> (Plugin, Other, ClaimRef) {
    let plugin = machine.start().await;
    let mut config = machine.config();
    config.driver = OTHER.into();
    config.state = machine.path().join("other");
    let hardware = Arc::<Hardware>::default();
    let other = Plugin::start(config, hardware.clone(), machine.api.clone()).await;
    let plugin_of_other = other.unwrap();
    machine.kubelet.wait_for(OTHER, 1).await;
    // Both know their devices.
    hardware.until_called("survey").await;
    machine.hardware.until_called("survey").await;
    let claim = claim("a");
    machine
        .api
        .allocate(&claim, &[(DRIVER, NODE, "d0"), (OTHER, NODE, "d1")]);
    let plugin_of_both = Other {
        hardware,
        plugin: plugin_of_other,
    };
    (plugin, plugin_of_both, claim)
}

/// Asks the first driver until the other one was called: what it was told is soon too old for a
/// machine that has much else to do.
async fn ask_until(machine: &Machine, claim: &ClaimRef, other: &Hardware, call: &str) {
    let asked = async {
        while !other.state().calls.iter().any(|known| known == call) {
            machine.kubelet.prepare(DRIVER, claim).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_driver_prepares_before_it_is_asked() {
    let machine = Machine::new();
    let (plugin, other, a) = both(&machine).await;
    ask_until(&machine, &a, &other.hardware, "prepare a").await;
    let devices = machine.kubelet.prepare(OTHER, &a).await.unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].device_name, "d1");
    let calls = other.hardware.state().calls.clone();
    let prepares = calls.iter().filter(|call| *call == "prepare a");
    assert_eq!(prepares.count(), 1, "{calls:?}");
    for driver in [DRIVER, OTHER] {
        machine.kubelet.unprepare(driver, &a).await.unwrap();
    }
    for folder in ["cdi", "state/claims", "other/claims"] {
        assert!(machine.files(folder).is_empty(), "{folder}");
    }
    plugin.stop().await;
    other.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_the_kubelet_asks_is_tried_again_when_it_does() {
    let machine = Machine::new();
    let (plugin, other, a) = both(&machine).await;
    other.hardware.state().resets = 1;
    ask_until(&machine, &a, &other.hardware, "unprepare a").await;
    assert!(machine.kubelet.prepare(OTHER, &a).await.is_ok());
    machine
        .until_files("other/claims", &[&record_of("a")])
        .await;
    plugin.stop().await;
    other.plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_prepared_for_a_claim_that_was_undone() {
    let machine = Machine::new();
    let (plugin, other, a) = both(&machine).await;
    // Whoever prepares ahead waits for the claim's lock.
    let locks = disk::locks(&machine.path().join("other"));
    let lock = LocalDisk.lock(&locks, "a").unwrap();
    machine.kubelet.prepare(DRIVER, &a).await.unwrap();
    let undo = async { machine.kubelet.unprepare(OTHER, &a).await.unwrap() };
    let release = async {
        // Long enough for the call to arrive, and shorter than what was told is good for.
        sleep(Duration::from_millis(30)).await;
        drop(lock);
    };
    let both = async { tokio::join!(undo, release) };
    timeout(Duration::from_secs(60), both).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let calls = other.hardware.state().calls.clone();
    assert!(!calls.contains(&"prepare a".to_owned()), "{calls:?}");
    assert!(machine.files("other/claims").is_empty());
    plugin.stop().await;
    other.plugin.stop().await;
}
