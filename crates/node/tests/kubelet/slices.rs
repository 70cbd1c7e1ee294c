//! What is published follows the hardware, whatever others do to it.

use trainyard_node::k8s::ResourceSlice;
use trainyard_node::plugin::Publishing;
use trainyard_node_testing::api::FakeApi;

use crate::{DRIVER, Machine, NODE, claim};

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
    machine.api.drop_taints(false);
    machine.api.wipe_slices();
    machine.api.until_devices(&["d0", "d1"]).await;
    // The gate is turned off again, which a write brings to light.
    machine.api.drop_taints(true);
    machine.api.wipe_slices();
    machine.api.until_devices(&["d1"]).await;
    plugin.stop().await;
}

fn names(slices: &[ResourceSlice]) -> Vec<&str> {
    let names = slices.iter().filter_map(|s| s.metadata.name.as_deref());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_the_slices_is_undone() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let foreign = |slices: &mut Vec<ResourceSlice>| {
        let mut another = slices[0].clone();
        another.metadata.name = Some("by-hand".into());
        slices.push(another);
    };
    let edits: [(&str, fn(&mut Vec<ResourceSlice>)); 5] = [
        ("a device removed", |slices| {
            slices[0].spec.devices.as_mut().unwrap().pop();
        }),
        ("a device renamed", |slices| {
            slices[0].spec.devices.as_mut().unwrap()[0].name = "x".into();
        }),
        ("another owner", |slices| {
            slices[0].metadata.owner_references = None;
        }),
        ("a slice too many", foreign),
        ("all deleted", Vec::clear),
    ];
    for (what, edit) in edits {
        let writes = machine.api.writes();
        machine.api.edit_slices(edit);
        let repaired = |api: &FakeApi| {
            let slices = api.slices();
            api.writes() > writes && slices.len() == 1 && api.devices() == ["d0", "d1"]
        };
        machine.api.until(what, repaired).await;
        assert_eq!(machine.api.writes(), writes + 1, "{what}");
        let slices = machine.api.slices();
        assert!(names(&slices)[0].starts_with("00000-a.example-n1-"));
        assert!(slices[0].metadata.owner_references.is_some(), "{what}");
    }
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_withdrawn_when_asked_and_come_back() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let a = claim("a");
    machine.api.allocate(&a, &[(DRIVER, NODE, "d0")]);
    let prepared = machine.kubelet.prepare(DRIVER, &a).await;
    let pools = std::mem::take(&mut machine.hardware.state().pools);
    plugin.refresh();
    let withdrawn = |api: &FakeApi| api.slices().is_empty();
    machine.api.until("withdrawn", withdrawn).await;
    assert_eq!(machine.kubelet.prepare(DRIVER, &a).await, prepared);
    machine.kubelet.unprepare(DRIVER, &a).await.unwrap();
    machine.hardware.state().pools = pools;
    plugin.refresh();
    machine.api.until_devices(&["d0", "d1"]).await;
    // An empty pool is another thing: the scheduler learns that there is nothing.
    machine
        .hardware
        .state()
        .pools
        .insert(String::new(), Vec::new());
    plugin.refresh();
    machine.api.until_devices(&[]).await;
    assert_eq!(machine.api.slices().len(), 1);
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_cannot_be_published_stays_as_it_was_and_hinders_no_other() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let twice = vec!["d0".to_owned(); 2];
    let other = vec!["x".to_owned()];
    machine.hardware.state().pools =
        [(String::new(), twice), ("other-pool".to_owned(), other)].into();
    plugin.refresh();
    machine.api.until_devices(&["d0", "d1", "x"]).await;
    let told = |api: &FakeApi| !api.events().is_empty();
    machine.api.until("told", told).await;
    let events = machine.api.events();
    assert_eq!(events[0].reason, "DevicesNotPublished");
    assert!(
        events[0].note.contains("device d0 is there twice"),
        "{events:?}"
    );
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_follows_the_node() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    let rack = |api: &FakeApi| {
        let slices = api.slices();
        let device = slices.first()?.spec.devices.as_ref()?.first()?;
        device.attributes.as_ref()?.get("rack")?.string.clone()
    };
    machine.api.change_node(|node| {
        node.labels.insert("rack".into(), "r7".into());
    });
    let follows = |api: &FakeApi| rack(api).as_deref() == Some("r7");
    machine.api.until("labelled", follows).await;
    machine
        .api
        .change_node(|node| node.uid = "created-anew".into());
    let owned = |api: &FakeApi| {
        let slices = api.slices();
        let owners = slices
            .first()
            .and_then(|s| s.metadata.owner_references.clone());
        owners.is_some_and(|owners| owners[0].uid == "created-anew")
    };
    machine.api.until("owned by the new Node", owned).await;
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_undoes_every_repair_keeps_nobody_busy() {
    let machine = Machine::new();
    let plugin = machine.start().await;
    machine.api.until_devices(&["d0", "d1"]).await;
    for _ in 0..10 {
        machine.api.wipe_slices();
        machine.api.until_devices(&["d0", "d1"]).await;
    }
    machine.api.wipe_slices();
    // What the hardware says is not kept waiting.
    let pool = (String::new(), vec!["d2".to_owned()]);
    machine.hardware.state().pools = [pool].into();
    plugin.refresh();
    machine.api.until_devices(&["d2"]).await;
    assert_eq!(
        machine.api.writes(),
        1 + 10 + 1,
        "the eleventh wipe was not repaired for itself"
    );
    plugin.stop().await;
}
