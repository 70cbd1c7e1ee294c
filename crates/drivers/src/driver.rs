//! The driver of one kind of hardware on one node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use trainyard_inventory::health::{Change, Fault, Health};
use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_inventory::publish::{self, NODE_DEVICE};
use trainyard_inventory::rules::{self, Hardware, Present, Question, Refusal};
use trainyard_inventory::sysfs;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::{Text, device};
use trainyard_node::driver::{
    self, Claim, DeviceHealth, DeviceNode, Driver, DriverError, Edits, Node, Pool, PrepareError,
    Survey,
};
use trainyard_node::plugin::{self, Plugin};
use trainyard_node::ports::{Api, Event, Events, Regarding, Severity};
use trainyard_wire::convert;

use crate::config::{Config, DriverConfig};
use crate::ecc_baseline::Store;
use crate::facts::{Facts, Look};
use crate::guard::{Guard, Sign};

/// The driver of one kind of hardware on one node.
pub struct HardwareDriver {
    config: Config,
    own: DriverConfig,
    guard: Guard,
    store: Store,
    events: Arc<dyn Events>,
    /// The beginning of [`Health`]'s time.
    began: Instant,
    facts: Mutex<Facts>,
}

/// The state of a device, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceState {
    /// Published, without a fault.
    Sound,
    /// Published, with a fault.
    Faulty,
    /// Not published, because of a device plugin.
    Withdrawn,
}

impl DeviceState {
    /// All of them.
    pub const ALL: [DeviceState; 3] = [
        DeviceState::Sound,
        DeviceState::Faulty,
        DeviceState::Withdrawn,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DeviceState::Sound => "sound",
            DeviceState::Faulty => "faulty",
            DeviceState::Withdrawn => "withdrawn",
        }
    }
}

/// What is known of the hardware. Every state and every fault is there, if only with zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauges {
    /// Devices by state.
    pub devices: BTreeMap<DeviceState, u64>,
    /// Devices by fault; one may have several.
    pub faults: BTreeMap<Fault, u64>,
    /// A device plugin for the same hardware.
    pub conflict: Option<Sign>,
}

impl Default for Gauges {
    fn default() -> Self {
        Gauges {
            devices: DeviceState::ALL.map(|state| (state, 0)).into(),
            faults: Fault::ALL.map(|fault| (fault, 0)).into(),
            conflict: None,
        }
    }
}

/// Why a driver does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The half that serves the kubelet.
    #[error(transparent)]
    Plugin(#[from] plugin::StartError),
    /// The folder of its state.
    #[error("cannot make folder {path}")]
    State {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A driver at work, both halves.
pub struct Running {
    /// The half that knows the hardware.
    pub hardware: Arc<HardwareDriver>,
    /// The half that serves the kubelet.
    pub plugin: Plugin,
}

/// Starts one driver of a node. Both may run in one process.
pub async fn start(
    config: &Config,
    own: DriverConfig,
    api: Arc<dyn Api>,
) -> Result<Running, StartError> {
    let plugin = config.plugin(&own.name);
    let (config, events) = (config.clone(), api.clone());
    let opened = tokio::task::spawn_blocking(move || HardwareDriver::open(&config, own, events));
    let hardware = Arc::new(opened.await.expect("opening does not panic")?);
    Ok(Running {
        plugin: Plugin::start(plugin, hardware.clone(), api).await?,
        hardware,
    })
}

impl HardwareDriver {
    /// Reads what it knew before it was restarted, and may block; does not look at the hardware yet.
    pub fn open(
        config: &Config,
        own: DriverConfig,
        events: Arc<dyn Events>,
    ) -> Result<HardwareDriver, StartError> {
        let folder = config.state_of(&own.name);
        let store = Store::open(&folder, &plugin::boot_id()?);
        let store = store.map_err(|source| StartError::State {
            path: folder,
            source,
        })?;
        let saved = store.load();
        let mut health = Health::new(own.name.as_str().into(), own.policy.clone());
        health.set_ecc_baselines(saved.clone());
        Ok(HardwareDriver {
            guard: Guard {
                folder: config.device_plugins(),
                sockets: own.plugin_sockets.clone(),
                resources: own.plugin_resources.clone(),
            },
            config: config.clone(),
            own,
            store,
            events,
            began: Instant::now(),
            facts: Mutex::new(Facts::new(health, saved)),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.own.name
    }

    /// What is known of the hardware. Returns at once, also while the kernel does not answer.
    pub fn gauges(&self) -> Gauges {
        self.count(&self.facts())
    }

    /// Never to be held while something is read or written.
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at all of the hardware, and for a device plugin.
    fn look(&self, node: &Node) {
        let look = self.facts().begin_look();
        let label = node.labels.get(INSTANCE_TYPE_LABEL).map(String::as_str);
        let found = sysfs::discover_for(self.own.hardware, &self.config.roots, label);
        let changes = {
            let mut facts = self.facts();
            self.report_problems(&mut facts, &found.problems);
            facts.merge_whole(look, self.began.elapsed(), self.own.hardware, found.machine)
        };
        self.report_changes(changes);
        self.look_for_plugins(look, node);
    }

    /// Looks only at what can change about some devices, for which a pod is waiting, and for a device
    /// plugin. So another device that hangs does not delay it.
    fn look_at(&self, node: &Node, is_asked: impl Fn(&str) -> bool) {
        let (look, mut machine) = {
            let mut facts = self.facts();
            (facts.begin_look(), facts.machine.clone())
        };
        sysfs::look_again(&self.config.roots, &mut machine, &is_asked);
        let changes = self.facts().merge(
            look,
            self.began.elapsed(),
            self.own.hardware,
            machine,
            is_asked,
        );
        self.report_changes(changes);
        self.look_for_plugins(look, node);
    }

    fn look_for_plugins(&self, look: Look, node: &Node) {
        let sign = self.guard.look(node);
        let before = self.facts().merge_plugins(look, sign.clone());
        if let Some(before) = before {
            self.report_conflict(before.as_ref(), sign.as_ref());
        }
    }

    fn report_changes(&self, changes: Vec<Change>) {
        for change in changes {
            let (device, fault) = (&*change.device, change.fault.name());
            if change.raised {
                let what = change.fault.words();
                tracing::warn!(driver = self.own.name, device, fault, "{what}");
            } else {
                tracing::info!(driver = self.own.name, device, fault, "cleared");
            }
        }
    }

    /// Writes down the ECC baselines if a reset has changed one.
    fn save_baselines(&self) {
        let baselines = {
            let facts = self.facts();
            let baselines = facts.health.ecc_baselines();
            (baselines != facts.saved).then_some(baselines)
        };
        let Some(baselines) = baselines else { return };
        match self.store.save(&baselines) {
            Ok(true) => self.facts().saved = baselines,
            // Tried again at the next survey.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(driver = self.own.name, %error, "cannot save the ECC baselines");
            }
        }
    }

    fn count(&self, facts: &Facts) -> Gauges {
        let mut gauges = Gauges {
            conflict: facts.conflict.clone(),
            ..Gauges::default()
        };
        for name in self.present(facts, |_| true).devices.keys() {
            let faults = faults(facts, name).into_iter().map(|(_, fault)| fault);
            let faults: BTreeSet<Fault> = faults.collect();
            let state = match (&facts.conflict, faults.is_empty()) {
                (Some(_), _) => DeviceState::Withdrawn,
                (None, true) => DeviceState::Sound,
                (None, false) => DeviceState::Faulty,
            };
            *gauges.devices.entry(state).or_default() += 1;
            for fault in faults {
                *gauges.faults.entry(fault).or_default() += 1;
            }
        }
        gauges
    }

    /// Once for each file, until it can be read again.
    fn report_problems(&self, facts: &mut Facts, problems: &[sysfs::Problem]) {
        let problems: BTreeSet<String> = problems.iter().map(ToString::to_string).collect();
        for error in problems.difference(&facts.problems) {
            tracing::warn!(driver = self.own.name, error, "cannot read a fact");
        }
        facts.problems = problems;
    }

    /// Says once that a device plugin has come or gone. Another sign of the same plugin is not reported.
    fn report_conflict(&self, before: Option<&Sign>, now: Option<&Sign>) {
        let node = &self.config.node;
        let (severity, reason, note) = match (before, now) {
            (None, Some(sign)) => (
                Severity::Warning,
                "DevicePluginPresent",
                format!("{}; what is prepared stays so", self.conflict(sign)),
            ),
            (Some(_), None) => (
                Severity::Normal,
                "DevicePluginGone",
                format!(
                    "device plugin for the hardware of driver {} has left node {node}: its devices are published again",
                    self.own.name
                ),
            ),
            (None, None) | (Some(_), Some(_)) => return,
        };
        match severity {
            Severity::Warning => tracing::warn!(driver = self.own.name, "{note}"),
            Severity::Normal => tracing::info!(driver = self.own.name, "{note}"),
        }
        self.events.emit(Event {
            regarding: Regarding::Node,
            severity,
            reason,
            note,
        });
    }

    /// What is wrong, and what to do.
    fn conflict(&self, sign: &Sign) -> String {
        format!(
            "device plugin for the hardware of driver {} serves node {} ({sign}), so the driver withdraws its devices and prepares no new claim: keep one of the two off the node, the device plugin's DaemonSet or the driver's",
            self.own.name, self.config.node
        )
    }

    /// The devices as they would be published, taints and all.
    fn devices(&self, facts: &Facts) -> Vec<device::Device> {
        let labels = facts.node.iter().flat_map(|node| &node.labels);
        let labels = labels.map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let mut devices = match self.own.hardware {
            Hardware::Neuron => {
                publish::neuron_devices(&facts.machine, &labels.collect(), self.config.publish)
            }
            Hardware::Efa => publish::efa_devices(&facts.machine),
        };
        for device in &mut devices {
            device.taints = rules::taints(&facts.health, &device.name);
        }
        devices
    }

    /// The devices that are asked for, in the form that the rules take.
    fn present(&self, facts: &Facts, is_asked: impl Fn(&str) -> bool) -> Present {
        let (kind, publish) = (self.own.hardware, self.config.publish);
        Present::found(&facts.machine, kind, publish, &facts.health, is_asked)
    }

    /// Whether the hardware accepts a claim, by what was found last.
    fn check(
        &self,
        claim: &ResourceClaim,
        allocation: &AllocationResult,
        is_asked: impl Fn(&str) -> bool,
    ) -> Result<rules::Edits, PrepareError> {
        let present = {
            let facts = self.facts();
            if let Some(sign) = &facts.conflict {
                return Err(PrepareError::Refused(self.conflict(sign)));
            }
            self.present(&facts, is_asked)
        };
        let checked = rules::check(&Question {
            hardware: self.own.hardware,
            driver: &self.own.name,
            claim,
            allocation,
            present: &present,
        });
        checked.map_err(not_prepared)
    }

    fn edits(&self, edits: rules::DeviceEdits) -> Edits {
        let dev = self.config.host_dev.as_ref();
        let dev = dev.unwrap_or(&self.config.roots.dev);
        let nodes = edits.nodes.into_iter().map(|node| DeviceNode {
            path: node.path(),
            host_path: dev.join(node.below()).to_string_lossy().into_owned(),
            permissions: "rw".to_owned(),
        });
        let env = edits.env.into_iter();
        Edits {
            env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
            device_nodes: nodes.collect(),
            mounts: Vec::new(),
        }
    }
}

/// A device's faults, each with the name of the chip that has it: the device that is a whole node has
/// those of all its chips.
fn faults(facts: &Facts, device: &str) -> Vec<(Text, Fault)> {
    let of = |name: &Text| {
        let faults = facts.health.faults(name).into_iter();
        faults.map(|fault| (name.clone(), fault)).collect()
    };
    match device {
        NODE_DEVICE => {
            let chips = facts.machine.chips.iter();
            chips
                .flat_map(|chip| of(&publish::chip_name(chip.id).into()) as Vec<_>)
                .collect()
        }
        _ => of(&device.into()),
    }
}

fn device_health(facts: &Facts, pool: &str, device: &str) -> DeviceHealth {
    let faults = faults(facts, device).into_iter();
    let words = faults.map(|(name, fault)| match &*name == device {
        true => fault.words().to_owned(),
        false => format!("{name}: {}", fault.words()),
    });
    let message = words.collect::<Vec<_>>().join("; ");
    DeviceHealth {
        pool: pool.to_owned(),
        device: device.to_owned(),
        health: match message.is_empty() {
            true => driver::Health::Healthy,
            false => driver::Health::Unhealthy,
        },
        message,
    }
}

fn not_prepared(refusal: Refusal) -> PrepareError {
    match refusal.passing {
        true => PrepareError::Transient(refusal.to_string()),
        false => PrepareError::Refused(refusal.to_string()),
    }
}

impl Driver for HardwareDriver {
    fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
        self.facts().node = Some(node.clone());
        self.look(node);
        self.save_baselines();
        let facts = self.facts();
        let devices = self.devices(&facts);
        let health = devices
            .iter()
            .map(|device| device_health(&facts, &node.name, &device.name))
            .collect();
        // A node without EFAs has no pool of that driver at all.
        let mut pools = BTreeMap::new();
        if facts.conflict.is_none() && !devices.is_empty() {
            let pool = Pool {
                devices: devices.iter().map(convert::to_api::device).collect(),
                counters: Vec::new(),
            };
            pools.insert(node.name.clone(), pool);
        }
        Ok(Survey { pools, health })
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let Some(node) = self.facts().node.clone() else {
            let why = format!("Node {} was not read yet", self.config.node);
            return Err(PrepareError::Transient(why));
        };
        let is_asked = |name: &str| {
            let mut devices = claim.devices.iter().map(|device| &*device.device);
            devices.any(|device| device == name || device == NODE_DEVICE)
        };
        let status = claim.object.status.as_ref();
        let allocation = status.and_then(|status| status.allocation.as_ref());
        let allocation = allocation.map(convert::allocation).unwrap_or_default();
        let object = convert::claim(&claim.object);
        self.look_at(&node, is_asked);
        let edits = match self.check(&object, &allocation, is_asked) {
            Ok(edits) => edits,
            // Something that the claim's devices depend on may have changed since the last survey.
            Err(_) => {
                self.look(&node);
                self.check(&object, &allocation, is_asked)?
            }
        };
        for warning in edits.warnings {
            let (uid, note) = (&claim.claim.uid, warning.message);
            tracing::warn!(driver = self.own.name, claim.uid = uid, "{note}");
            self.events.emit(Event {
                regarding: Regarding::Claim(claim.claim.clone()),
                severity: Severity::Warning,
                reason: "DoubtfulDevices",
                note,
            });
        }
        let edits = edits.devices.into_iter();
        Ok(edits.map(|edits| self.edits(edits)).collect())
    }
}
