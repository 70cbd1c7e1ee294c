//! The drivers of Neuron devices and EFAs, between a kubelet on real sockets, an API server in
//! memory and a machine of files.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod conflict;
mod health;
mod prepare;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use trainyard_drivers::{Config, DriverConfig, Running};
use trainyard_inventory::catalogue::InstanceType;
use trainyard_inventory::emulate::{self, Nodes, Options};
use trainyard_inventory::node::Node;
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER, NeuronPublish};
use trainyard_inventory::rules::Hardware;
use trainyard_inventory::sysfs::Roots;
use trainyard_node::driver::ClaimRef;
use trainyard_node::k8s::Device;
use trainyard_node_testing::api::FakeApi;
use trainyard_node_testing::kubelet::{FakeKubelet, Speaks};
use trainyard_node_testing::runtime::Container;
use trainyard_wire::convert::to_api;

/// An emulated machine, and all that is around it.
struct Machine {
    folder: TempDir,
    kind: &'static InstanceType,
    publish: NeuronPublish,
    /// As the catalogue has it.
    node: Node,
    api: Arc<FakeApi>,
    kubelet: FakeKubelet,
}

impl Machine {
    fn new(kind: &str) -> Machine {
        Machine::publishing(kind, NeuronPublish::Devices)
    }

    fn publishing(kind: &str, publish: NeuronPublish) -> Machine {
        let kind = InstanceType::find(kind).unwrap();
        let node = Node::new(kind, 0, &BTreeMap::new(), publish);
        let folder = tempfile::tempdir().unwrap();
        let api = Arc::new(FakeApi::new(&node.name));
        let labels = node.labels.iter();
        let labels: BTreeMap<_, _> = labels
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        api.change_node(|node| node.labels = labels);
        let machine = Machine {
            kubelet: FakeKubelet::start(folder.path(), Speaks::V1),
            folder,
            kind,
            publish,
            node,
            api,
        };
        machine.emulate(&[]);
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes the machine with these faults.
    fn emulate(&self, faults: &[&str]) {
        let options = Options {
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            ultraserver_node: 1,
        };
        let tree = emulate::tree(self.kind, &options).unwrap();
        emulate::write(&self.path("machine"), self.kind.name, &tree, Nodes::Plain).unwrap();
    }

    fn config(&self) -> Config {
        Config {
            kubelet: self.folder.path().to_owned(),
            cdi: self.path("cdi"),
            state: self.path("state"),
            roots: Roots {
                sys: self.path("machine/sys"),
                dev: self.path("machine/dev"),
            },
            publish: self.publish,
            ..Config::new(&self.node.name)
        }
    }

    async fn start_as(&self, own: DriverConfig) -> Running {
        let name = own.name.clone();
        let config = self.config();
        let running = trainyard_drivers::start(&config, own, self.api.clone());
        let running = running.await.unwrap();
        self.kubelet.wait_for(&name, 1).await;
        running
    }

    async fn start(&self, hardware: Hardware) -> Running {
        self.start_as(DriverConfig::new(hardware)).await
    }

    /// Both drivers, at work.
    async fn start_both(&self) -> [Running; 2] {
        let both = [
            self.start(Hardware::Neuron).await,
            self.start(Hardware::Efa).await,
        ];
        self.until_published(NEURON_DRIVER).await;
        self.until_published(EFA_DRIVER).await;
        both
    }

    /// What the catalogue says a driver publishes.
    fn expected(&self, driver: &str) -> Vec<Device> {
        let mut slices = self.node.slices.iter();
        let slice = slices.find(|slice| &*slice.driver == driver).unwrap();
        slice.devices.iter().map(to_api::device).collect()
    }

    /// Waits until a driver publishes what the catalogue says, attribute by attribute.
    async fn until_published(&self, driver: &str) {
        let expected = self.expected(driver);
        let what = format!("{driver} publishes what the catalogue says");
        let published = |api: &FakeApi| devices(api, driver) == expected;
        self.api.until(&what, published).await;
    }

    /// Waits until a driver publishes nothing.
    async fn until_withdrawn(&self, driver: &str) {
        let what = format!("{driver} publishes nothing");
        let withdrawn = |api: &FakeApi| devices(api, driver).is_empty();
        self.api.until(&what, withdrawn).await;
    }

    /// Allocates devices to a claim, in order: driver, request and device.
    fn allocate(&self, claim: &ClaimRef, results: &[(&str, &str, String)], config: &[Value]) {
        let pool = &*self.node.name;
        let results: Vec<Value> = results
            .iter()
            .map(|(driver, request, device)| {
                json!({"request": request, "driver": driver, "pool": pool, "device": device})
            })
            .collect();
        let spec_of = |entry: &Value| json!({"opaque": entry["opaque"]});
        let spec: Vec<Value> = config.iter().map(spec_of).collect();
        let object = json!({
            "metadata": {"namespace": claim.namespace, "name": claim.name, "uid": claim.uid},
            "spec": {"devices": {
                "requests": [
                    {"name": "4-neurons", "exactly": {"deviceClassName": NEURON_DRIVER, "allocationMode": "ExactCount", "count": 4}},
                    {"name": "4-efas", "exactly": {"deviceClassName": "efa.networking.k8s.aws", "allocationMode": "ExactCount", "count": 4}},
                ],
                "config": spec,
            }},
            "status": {
                "allocation": {"devices": {"results": results, "config": config}},
                "reservedFor": [{"resource": "pods", "name": "pod", "uid": "pod-uid"}],
            },
        });
        self.api.put_claim(serde_json::from_value(object).unwrap());
    }

    /// Prepares a claim, and makes a container with all of its devices of these drivers.
    async fn container(&self, claim: &ClaimRef, drivers: &[&str]) -> Container {
        let mut ids = Vec::new();
        for driver in drivers {
            for device in self.kubelet.prepare(driver, claim).await.unwrap() {
                ids.extend(device.cdi_device_ids);
            }
        }
        Container::with_devices(&self.path("cdi"), &ids).unwrap()
    }

    /// Where the machine's own file of a container's device is.
    fn host(&self, device: &str) -> String {
        let device = device.strip_prefix("/dev/").unwrap();
        let path = self.path("machine/dev").join(device);
        path.to_str().unwrap().to_owned()
    }
}

/// What a driver publishes.
fn devices(api: &FakeApi, driver: &str) -> Vec<Device> {
    let slices = api.slices().into_iter();
    let own = slices.filter(|slice| slice.spec.driver == driver);
    own.flat_map(|slice| slice.spec.devices.unwrap_or_default())
        .collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn claim(uid: &str) -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: format!("c-{uid}"),
        uid: uid.into(),
    }
}

/// Results for chips.
fn chips(ids: &[u32]) -> Vec<(&'static str, &'static str, String)> {
    let chip = |id: &u32| (NEURON_DRIVER, "4-neurons", format!("neuron-device-{id}"));
    ids.iter().map(chip).collect()
}

/// A `NeuronConfig` of the claim.
fn logical_neuron_core(size: u32) -> Value {
    json!({"source": "FromClaim", "requests": [], "opaque": {
        "driver": NEURON_DRIVER,
        "parameters": {"apiVersion": "neuron.aws.com/v1", "kind": "NeuronConfig", "logicalNeuronCore": size},
    }})
}
