//! What only the hardware's own code can say, for Neuron devices and for EFAs: the other half of
//! both drivers. One struct serves either kind, for they differ in what `inventory` knows of them
//! alone.
//!
//! The running example: chip 3 of a trn2.48xlarge leaves the bus. The next look at `/sys` remembers
//! it; after ten seconds it is published with the taint `neuron.aws.com/gone`, pods that hold it
//! show "the device is off the bus" in their status, and a claim that was allocated it is not
//! prepared. When somebody installs the Neuron device plugin beside the driver, all chips leave the
//! slices and no new claim is prepared, until the plugin has gone.
//!
//! Refuses to know: what the hardware accepts and when it is sound (`trainyard-inventory`'s), the
//! kubelet, files other than its own ([`crate::plugin`]'s), and how numbers are shown.

mod config;
mod forgiven;
mod guard;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use trainyard_inventory::health::{self, Change, Fault, Health};
use trainyard_inventory::machine::{Ecc, Machine};
use trainyard_inventory::node::INSTANCE_TYPE_LABEL;
use trainyard_inventory::publish::{self, NODE_DEVICE};
use trainyard_inventory::rules::{self, Hardware, Present, Question, Refusal};
use trainyard_inventory::sysfs;
use trainyard_model::{Text, device};
use trainyard_wire::convert;

use crate::disk::{Disk, LocalDisk};
use crate::driver::{
    self, Claim, DeviceHealth, DeviceNode, Driver, DriverError, Edits, Node, Pool, PrepareError,
    Survey,
};
use crate::plugin::{self, Plugin, StartError};
use crate::ports::{Api, Event, Events, Regarding, Severity};

pub use config::{Config, DriverConfig};
pub use guard::Sign;

use forgiven::Store;
use guard::Guard;

/// The driver of one kind of hardware on one node.
pub struct HardwareDriver {
    config: Config,
    own: DriverConfig,
    guard: Guard,
    store: Store,
    events: Arc<dyn Events>,
    /// The beginning of [`Health`]'s time.
    began: Instant,
    state: Mutex<State>,
    gauges: Mutex<Gauges>,
}

/// What was found when last looked.
struct State {
    /// The Node as it was last heard of.
    node: Option<Node>,
    machine: Machine,
    health: Health,
    conflict: Option<Sign>,
    /// What could not be read.
    problems: BTreeSet<String>,
    /// What [`Store`] has.
    saved: BTreeMap<Text, Ecc>,
}

/// How a device is, for whoever counts.
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

/// What there was when last looked. Every state and fault is there, be it with zero.
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

/// A driver at work, both halves.
pub struct Running {
    /// The hardware's.
    pub hardware: Arc<HardwareDriver>,
    /// The kubelet's.
    pub plugin: Plugin,
}

/// Starts one driver of a node. Both may run in one process.
pub async fn start(
    config: &Config,
    own: DriverConfig,
    api: Arc<dyn Api>,
) -> Result<Running, StartError> {
    let plugin = config.plugin(&own.name);
    let hardware = Arc::new(HardwareDriver::new(config, own, api.clone())?);
    Ok(Running {
        plugin: Plugin::start(plugin, hardware.clone(), api).await?,
        hardware,
    })
}

impl HardwareDriver {
    /// Recalls what it knew before it was restarted; looks at no hardware yet.
    pub fn new(
        config: &Config,
        own: DriverConfig,
        events: Arc<dyn Events>,
    ) -> Result<HardwareDriver, StartError> {
        let folder = config.state_of(&own.name);
        LocalDisk
            .make_folder(&folder)
            .map_err(|source| StartError::Folder {
                path: folder.clone(),
                source,
            })?;
        let store = Store::new(&folder, &plugin::boot_id()?);
        let saved = store.load();
        let mut health = Health::new(own.name.as_str().into(), own.policy.clone());
        health.forgive(saved.clone());
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
            state: Mutex::new(State {
                node: None,
                machine: Machine::default(),
                health,
                conflict: None,
                problems: BTreeSet::new(),
                saved,
            }),
            gauges: Mutex::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.own.name
    }

    /// What there was when last looked. Does not wait for a look that is under way: the kernel may
    /// take its time.
    pub fn gauges(&self) -> Gauges {
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the hardware, and for a device plugin.
    fn look(&self, state: &mut State, node: &Node) {
        let label = node.labels.get(INSTANCE_TYPE_LABEL).map(String::as_str);
        let found = sysfs::discover_for(self.own.hardware, &self.config.roots, label);
        self.report_problems(state, &found.problems);
        let mut machine = found.machine;
        machine.remember(&state.machine);
        let readings = health::readings(&machine, self.own.hardware, |_| true);
        // What is as it was is dropped by the thread that made it: its part of the heap is free again.
        if machine != state.machine {
            state.machine = machine;
        }
        let changes = state.health.observe(self.began.elapsed(), &readings);
        self.take_note(state, node, changes);
        let gauges = self.count(state);
        *self.gauges.lock().unwrap_or_else(PoisonError::into_inner) = gauges;
    }

    /// Looks at what can change about some devices, and for a device plugin: a pod is waiting. What it
    /// finds is counted with the next look at all there is.
    fn look_again(&self, state: &mut State, node: &Node, is_asked: impl Fn(&str) -> bool) {
        sysfs::look_again(&self.config.roots, &mut state.machine, &is_asked);
        let readings = health::readings(&state.machine, self.own.hardware, is_asked);
        let changes = state.health.observe_some(self.began.elapsed(), &readings);
        self.take_note(state, node, changes);
    }

    /// After a look: tells what has changed, and remembers what must outlive a restart.
    fn take_note(&self, state: &mut State, node: &Node, changes: Vec<Change>) {
        for change in changes {
            let (device, fault) = (&*change.device, change.fault.name());
            if change.raised {
                let what = change.fault.words();
                tracing::warn!(driver = self.own.name, device, fault, "{what}");
            } else {
                tracing::info!(driver = self.own.name, device, fault, "cleared");
            }
        }
        let forgiven = state.health.forgiven();
        if forgiven != state.saved {
            match self.store.save(&forgiven) {
                Ok(()) => state.saved = forgiven,
                // Tried again at the next look.
                Err(error) => {
                    tracing::warn!(driver = self.own.name, %error, "cannot keep what resets forgave");
                }
            }
        }
        let sign = self.guard.look(node);
        self.report_conflict(state.conflict.as_ref(), sign.as_ref());
        state.conflict = sign;
    }

    fn count(&self, state: &State) -> Gauges {
        let mut gauges = Gauges {
            conflict: state.conflict.clone(),
            ..Gauges::default()
        };
        let (kind, publish) = (self.own.hardware, self.config.publish);
        let present = Present::found(&state.machine, kind, publish, &state.health, |_| true);
        for name in present.devices.keys() {
            let faults = faults(state, name).into_iter().map(|(_, fault)| fault);
            let faults: BTreeSet<Fault> = faults.collect();
            let is = match (&state.conflict, faults.is_empty()) {
                (Some(_), _) => DeviceState::Withdrawn,
                (None, true) => DeviceState::Sound,
                (None, false) => DeviceState::Faulty,
            };
            *gauges.devices.entry(is).or_default() += 1;
            for fault in faults {
                *gauges.faults.entry(fault).or_default() += 1;
            }
        }
        gauges
    }

    /// Once for each file, until it can be read again.
    fn report_problems(&self, state: &mut State, problems: &[sysfs::Problem]) {
        let problems: BTreeSet<String> = problems.iter().map(ToString::to_string).collect();
        for error in problems.difference(&state.problems) {
            tracing::warn!(driver = self.own.name, error, "cannot read a fact");
        }
        state.problems = problems;
    }

    /// Says once that a device plugin has come or gone. That it shows in another way is no news.
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
    fn devices(&self, state: &State) -> Vec<device::Device> {
        let labels = state.node.iter().flat_map(|node| &node.labels);
        let labels = labels.map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let mut devices = match self.own.hardware {
            Hardware::Neuron => {
                publish::neuron_devices(&state.machine, &labels.collect(), self.config.publish)
            }
            Hardware::Efa => publish::efa_devices(&state.machine),
        };
        for device in &mut devices {
            device.taints = rules::taints(&state.health, &device.name);
        }
        devices
    }

    /// What there is of the devices that are asked for, after a look.
    fn present(
        &self,
        is_asked: impl Fn(&str) -> bool,
        look: impl FnOnce(&mut State, &Node),
    ) -> Result<Present, PrepareError> {
        let mut state = self.state();
        let Some(node) = state.node.clone() else {
            let why = format!("Node {} was not read yet", self.config.node);
            return Err(PrepareError::Transient(why));
        };
        look(&mut state, &node);
        if let Some(sign) = &state.conflict {
            return Err(PrepareError::Refused(self.conflict(sign)));
        }
        Ok(Present::found(
            &state.machine,
            self.own.hardware,
            self.config.publish,
            &state.health,
            is_asked,
        ))
    }

    fn check(&self, claim: &Claim, present: &Present) -> Result<rules::Edits, Refusal> {
        let status = claim.object.status.as_ref();
        let allocation = status.and_then(|status| status.allocation.as_ref());
        let allocation = allocation.map(convert::allocation).unwrap_or_default();
        rules::check(&Question {
            hardware: self.own.hardware,
            driver: &self.own.name,
            claim: &convert::claim(&claim.object),
            allocation: &allocation,
            present,
        })
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

/// A device's faults, each with the name of the chip that has it: a whole node has its chips'.
fn faults(state: &State, device: &str) -> Vec<(Text, Fault)> {
    let of = |name: &Text| {
        let faults = state.health.faults(name).into_iter();
        faults.map(|fault| (name.clone(), fault)).collect()
    };
    match device {
        NODE_DEVICE => {
            let chips = state.machine.chips.iter();
            chips
                .flat_map(|chip| of(&publish::chip_name(chip.id).into()) as Vec<_>)
                .collect()
        }
        _ => of(&device.into()),
    }
}

fn device_health(state: &State, pool: &str, device: &str) -> DeviceHealth {
    let faults = faults(state, device).into_iter();
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

impl From<Refusal> for PrepareError {
    fn from(refusal: Refusal) -> Self {
        match refusal.passing {
            true => PrepareError::Transient(refusal.to_string()),
            false => PrepareError::Refused(refusal.to_string()),
        }
    }
}

impl Driver for HardwareDriver {
    fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
        let mut state = self.state();
        state.node = Some(node.clone());
        self.look(&mut state, node);
        let devices = self.devices(&state);
        let health = devices
            .iter()
            .map(|device| device_health(&state, &node.name, &device.name))
            .collect();
        // Without devices there is no pool either: a node without EFAs is none of that driver's.
        let mut pools = BTreeMap::new();
        if state.conflict.is_none() && !devices.is_empty() {
            let pool = Pool {
                devices: devices.iter().map(convert::to_api::device).collect(),
                counters: Vec::new(),
            };
            pools.insert(node.name.clone(), pool);
        }
        Ok(Survey { pools, health })
    }

    /// Unless somebody looks at the hardware: the kernel may take its time.
    fn is_quick(&self) -> bool {
        self.state.try_lock().is_ok()
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let is_asked = |name: &str| {
            let mut devices = claim.devices.iter().map(|device| &*device.device);
            devices.any(|device| device == name || device == NODE_DEVICE)
        };
        let present = self.present(is_asked, |state, node| {
            self.look_again(state, node, is_asked);
        })?;
        let edits = match self.check(claim, &present) {
            Ok(edits) => edits,
            // Not for something that has changed elsewhere since.
            Err(_) => {
                let present = self.present(is_asked, |state, node| self.look(state, node))?;
                self.check(claim, &present)?
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
