//! A whole driver between a kubelet on real sockets and an API server in memory.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use trainyard_node::driver::{
    Claim, ClaimRef, DeviceHealth, DeviceNode, Driver, DriverError, Edits, Health, Node, Pool,
    PrepareError, Survey,
};
use trainyard_node::k8s::{Device, DeviceTaint};
use trainyard_node::plugin::{Config, Instance, Plugin, Publishing, Registration};
use trainyard_testkit::node::api::FakeApi;
use trainyard_testkit::node::kubelet::{FakeKubelet, Speaks};

const DRIVER: &str = "a.example";

#[derive(Default)]
struct Hardware {
    faulty: Mutex<bool>,
    /// How many prepares still find the device in reset.
    resets: Mutex<u32>,
}

impl Driver for Hardware {
    fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
        let faulty = *self.faulty.lock().unwrap();
        let taint = DeviceTaint {
            key: "a.example/fault".into(),
            effect: "NoSchedule".into(),
            ..Default::default()
        };
        let device = |n: u32| Device {
            name: format!("d{n}"),
            taints: (faulty && n == 0).then(|| vec![taint.clone()]),
            ..Default::default()
        };
        let health = DeviceHealth {
            pool: node.name.clone(),
            device: "d0".into(),
            health: if faulty {
                Health::Unhealthy
            } else {
                Health::Healthy
            },
            message: String::new(),
        };
        let pool = Pool {
            devices: (0..2).map(device).collect(),
            counters: Vec::new(),
        };
        Ok(Survey {
            pools: [(node.name.clone(), pool)].into(),
            health: vec![health],
        })
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let mut resets = self.resets.lock().unwrap();
        if *resets > 0 {
            *resets -= 1;
            return Err(PrepareError::Transient("device d0 is in reset".into()));
        }
        let edits = claim.devices.iter().map(|device| Edits {
            device_nodes: vec![DeviceNode {
                path: format!("/dev/{}", device.device),
                host_path: "/dev/null".into(),
                permissions: "rw".into(),
            }],
            ..Default::default()
        });
        Ok(edits.collect())
    }
}

async fn start(
    folder: &Path,
    instance: Instance,
    hardware: &Arc<Hardware>,
    api: &Arc<FakeApi>,
) -> Plugin {
    let mut config = Config::new(DRIVER, "n1");
    config.kubelet = folder.to_owned();
    config.cdi = folder.join("cdi");
    config.state = folder.join("state");
    config.instance = instance;
    Plugin::start(config, hardware.clone(), api.clone())
        .await
        .unwrap()
}

fn claim(uid: &str) -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: format!("c-{uid}"),
        uid: uid.into(),
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.expect(what);
}

fn rolling(uid: &str) -> Instance {
    Instance::Rolling(uid.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_comes_and_goes_in_both_versions() {
    for speaks in [Speaks::V1, Speaks::V1beta1] {
        let folder = tempfile::tempdir().unwrap();
        let (hardware, api) = (Arc::default(), Arc::new(FakeApi::new("n1")));
        let kubelet = FakeKubelet::start(folder.path(), speaks);
        let plugin = start(folder.path(), Instance::Only, &hardware, &api).await;
        kubelet.wait_for(DRIVER, 1).await;
        until("published", || api.devices() == ["d0", "d1"]).await;
        assert_eq!(*plugin.registration().borrow(), Registration::Registered);
        let (a, b) = (claim("a"), claim("b"));
        api.allocate(&a, &[(DRIVER, "n1", "d0"), ("other", "n1", "x")]);
        api.allocate(&b, &[(DRIVER, "elsewhere", "d1")]);
        let answers = kubelet.prepare_all(DRIVER, &[&a, &b]).await;
        let devices = answers["a"].as_ref().unwrap();
        assert_eq!(devices[0].cdi_device_ids, ["a.example/claim=a-0"]);
        assert!(answers["b"].as_ref().unwrap_err().contains("elsewhere"));
        assert_eq!(kubelet.prepare(DRIVER, &a).await.as_ref(), Ok(devices));
        let kubelet = kubelet.restart();
        kubelet.wait_for(DRIVER, 1).await;
        api.set_away(true);
        let recalled = kubelet.prepare(DRIVER, &a).await;
        assert_eq!(
            recalled.as_ref(),
            Ok(devices),
            "known without the API server"
        );
        kubelet.unprepare(DRIVER, &a).await.unwrap();
        kubelet.unprepare(DRIVER, &a).await.unwrap();
        plugin.stop().await;
        let left = |sub: &str| std::fs::read_dir(folder.path().join(sub)).unwrap().count();
        assert_eq!(
            [left("cdi"), left("state/claims"), left("plugins_registry")],
            [0; 3]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_transient_is_tried_until_the_kubelets_patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (hardware, api) = (Arc::new(Hardware::default()), Arc::new(FakeApi::new("n1")));
    let kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
    let plugin = start(folder.path(), Instance::Only, &hardware, &api).await;
    kubelet.wait_for(DRIVER, 1).await;
    let a = claim("a");
    api.allocate(&a, &[(DRIVER, "n1", "d0")]);
    *hardware.resets.lock().unwrap() = 2;
    assert!(kubelet.prepare(DRIVER, &a).await.is_ok());
    let kubelet = kubelet.with_patience(Duration::from_secs(1));
    let b = claim("b");
    api.allocate(&b, &[(DRIVER, "n1", "d0")]);
    let error = kubelet.prepare(DRIVER, &b).await.unwrap_err();
    assert!(error.contains("still prepared for claim ns/c-a"), "{error}");
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_repaired_and_taints_follow_the_health() {
    let folder = tempfile::tempdir().unwrap();
    let (hardware, api) = (Arc::new(Hardware::default()), Arc::new(FakeApi::new("n1")));
    let kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
    let plugin = start(folder.path(), Instance::Only, &hardware, &api).await;
    until("published", || api.devices().len() == 2).await;
    kubelet.wait_for(DRIVER, 1).await;
    let mut publishing = plugin.publishing();
    let done = Publishing::Published {
        slices: 1,
        devices: 2,
    };
    publishing.wait_for(|status| *status == done).await.unwrap();
    let writes = api.writes();
    api.wipe_slices();
    until("republished", || api.devices().len() == 2).await;
    assert_eq!(api.writes(), writes + 1);
    let (mut v1, mut alpha) = (
        kubelet.health(DRIVER).await,
        kubelet.health_v1alpha1(DRIVER).await,
    );
    assert_eq!(v1.message().await.unwrap().unwrap().devices[0].health, 1);
    assert_eq!(alpha.message().await.unwrap().unwrap().devices[0].health, 1);
    *hardware.faulty.lock().unwrap() = true;
    plugin.refresh();
    assert_eq!(v1.message().await.unwrap().unwrap().devices[0].health, 2);
    assert_eq!(alpha.message().await.unwrap().unwrap().devices[0].health, 2);
    until("tainted", || {
        let slices = api.slices();
        let devices = slices.first().and_then(|slice| slice.spec.devices.as_ref());
        devices.is_some_and(|devices| devices[0].taints.is_some())
    })
    .await;
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_without_taints_never_shows_a_faulty_device() {
    let folder = tempfile::tempdir().unwrap();
    let (hardware, api) = (Arc::new(Hardware::default()), Arc::new(FakeApi::new("n1")));
    *hardware.faulty.lock().unwrap() = true;
    api.drop_taints();
    let _kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
    let plugin = start(folder.path(), Instance::Only, &hardware, &api).await;
    until("published", || !api.devices().is_empty()).await;
    assert_eq!(api.devices(), ["d1"]);
    assert_eq!(api.writes(), 1);
    plugin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_hands_over() {
    let folder = tempfile::tempdir().unwrap();
    let (hardware, api) = (Arc::default(), Arc::new(FakeApi::new("n1")));
    let kubelet = FakeKubelet::start(folder.path(), Speaks::V1);
    let old = start(folder.path(), rolling("one"), &hardware, &api).await;
    kubelet.wait_for(DRIVER, 1).await;
    until("published", || api.devices().len() == 2).await;
    let (a, b) = (claim("a"), claim("b"));
    api.allocate(&a, &[(DRIVER, "n1", "d0")]);
    api.allocate(&b, &[(DRIVER, "n1", "d1")]);
    let prepared = kubelet.prepare(DRIVER, &a).await;
    let new = start(folder.path(), rolling("two"), &hardware, &api).await;
    kubelet.wait_for(DRIVER, 2).await;
    assert_eq!(kubelet.prepare(DRIVER, &a).await, prepared);
    old.stop().await;
    kubelet.wait_for(DRIVER, 1).await;
    assert!(kubelet.prepare(DRIVER, &b).await.is_ok());
    let mut publishing = new.publishing();
    let ready = |status: &Publishing| matches!(status, Publishing::Published { .. });
    publishing.wait_for(ready).await.unwrap();
    assert_eq!(
        api.writes(),
        1,
        "the new instance found all as it should be"
    );
    new.stop().await;
}
