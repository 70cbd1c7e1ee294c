//! What is published follows the hardware, whatever others do to it.

use trainyard_node::plugin::Publishing;

use crate::{DRIVER, Machine};

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_repaired_and_taints_follow_the_health() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    let api = &machine.api;
    let mut publishing = plugin.publishing();
    let done = Publishing::Published {
        slices: 1,
        devices: 2,
    };
    publishing.wait_for(|status| *status == done).await.unwrap();
    let writes = api.writes();
    api.wipe_slices();
    api.until_devices(&["d0", "d1"]).await;
    assert_eq!(api.writes(), writes + 1);
    let (mut v1, mut alpha) = (
        machine.kubelet.health(DRIVER).await,
        machine.kubelet.health_v1alpha1(DRIVER).await,
    );
    assert_eq!(v1.message().await.unwrap().unwrap().devices[0].health, 1);
    assert_eq!(alpha.message().await.unwrap().unwrap().devices[0].health, 1);
    machine.hardware.state().faulty = true;
    plugin.refresh();
    assert_eq!(v1.message().await.unwrap().unwrap().devices[0].health, 2);
    assert_eq!(alpha.message().await.unwrap().unwrap().devices[0].health, 2);
    api.until("tainted", |api| {
        let slices = api.slices();
        let devices = slices.first().and_then(|slice| slice.spec.devices.as_ref());
        devices.is_some_and(|devices| devices[0].taints.is_some())
    })
    .await;
    plugin.stop().await;
    assert!(v1.message().await.unwrap().is_none(), "the stream ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_without_taints_never_shows_a_faulty_device() {
    let machine = Machine::new();
    machine.hardware.state().faulty = true;
    machine.api.drop_taints(true);
    let plugin = machine.start().await;
    machine.api.until_devices(&["d1"]).await;
    assert_eq!(machine.api.writes(), 1);
    plugin.stop().await;
}
