//! Names and folders of the drivers of a node, and the device plugins with which they must not share it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glob::Pattern;
use trainyard_inventory::health::Policy;
use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER, NeuronPublish};
use trainyard_inventory::rules::Hardware;
use trainyard_inventory::sysfs::Roots;

use trainyard_node::plugin::{self, Instance};

/// The node and its folders: the same for both drivers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the Node.
    pub node: String,
    /// The kubelet's folder, `/var/lib/kubelet`; the same path inside and outside of a container.
    pub kubelet: PathBuf,
    /// Where the container runtime reads CDI files, `/var/run/cdi`.
    pub cdi: PathBuf,
    /// Where the drivers keep their state, each in a folder of its name; it must survive reboots.
    pub state: PathBuf,
    /// The folders that are read as `/sys` and `/dev`.
    pub roots: Roots,
    /// What `roots.dev` is called on the host, where the container runtime looks; the same if `None`.
    pub host_dev: Option<PathBuf>,
    /// Whether another instance may run at the same time.
    pub instance: Instance,
    /// How often the hardware is looked at when nothing else asks for it.
    pub poll: Duration,
    /// What a node of an UltraServer publishes.
    pub publish: NeuronPublish,
}

impl Config {
    /// The conventional folders.
    pub fn new(node: &str) -> Config {
        Config {
            node: node.to_owned(),
            kubelet: "/var/lib/kubelet".into(),
            cdi: "/var/run/cdi".into(),
            state: "/var/lib/kubelet/plugins/trainyard".into(),
            roots: Roots::default(),
            host_dev: None,
            instance: Instance::Only,
            poll: Duration::from_secs(5),
            publish: NeuronPublish::default(),
        }
    }

    /// The part of it that `trainyard-node` needs, for the driver of this name.
    pub fn plugin(&self, driver: &str) -> plugin::Config {
        let mut config = plugin::Config::new(driver, &self.node);
        config.kubelet = self.kubelet.clone();
        config.cdi = self.cdi.clone();
        config.state = self.state_of(driver);
        config.instance = self.instance.clone();
        config.survey_every = self.poll;
        config
    }

    /// Where the driver of this name keeps its state.
    pub fn state_of(&self, driver: &str) -> PathBuf {
        self.state.join(driver)
    }

    /// Where device plugins have their sockets.
    pub(crate) fn device_plugins(&self) -> PathBuf {
        self.kubelet.join(Path::new("device-plugins"))
    }
}

/// One of the two drivers.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// Which one.
    pub hardware: Hardware,
    /// Its name: a DNS name in lower case.
    pub name: String,
    /// Names of the sockets, in the kubelet's `device-plugins` folder, of device plugins for the
    /// same hardware.
    pub plugin_sockets: Vec<Pattern>,
    /// Names of the extended resources of device plugins for the same hardware.
    pub plugin_resources: Vec<Pattern>,
    /// What each fault of a device does.
    pub policy: Policy,
}

impl DriverConfig {
    /// The driver under its conventional name, with the names of the published device plugins.
    pub fn new(hardware: Hardware) -> DriverConfig {
        let (name, sockets, resources): (_, &[_], _) = match hardware {
            Hardware::Neuron => (
                NEURON_DRIVER,
                &["neuron-devplugin.sock", "neuroncore-devplugin.sock"],
                "aws.amazon.com/neuron*",
            ),
            Hardware::Efa => (
                EFA_DRIVER,
                &["aws-efa-device-plugin.sock"],
                "vpc.amazonaws.com/efa",
            ),
        };
        let pattern = |text: &&str| Pattern::new(text).expect("the pattern is well-formed");
        DriverConfig {
            hardware,
            name: name.to_owned(),
            plugin_sockets: sockets.iter().map(pattern).collect(),
            plugin_resources: vec![pattern(&resources)],
            policy: Policy::default(),
        }
    }
}
