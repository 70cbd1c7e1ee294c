//! Hardware that does what a test tells it, and remembers what was done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use trainyard_node::driver::{
    Allocated, Claim, ClaimRef, DeviceHealth, DeviceNode, Driver, DriverError, Edits, Health, Node,
    Pool, PrepareError, Survey,
};
use trainyard_node::k8s::{Device, DeviceAttribute, DeviceTaint};

/// What the hardware is like.
pub struct State {
    /// Names of the devices, by pool; a pool called `""` is the node's own.
    pub pools: BTreeMap<String, Vec<String>>,
    /// Whether `d0` is broken.
    pub faulty: bool,
    /// Whether nobody can look at the devices.
    pub blind: bool,
    /// How many prepares still find a device in reset.
    pub resets: u32,
    /// How many undos still fail.
    pub stuck: u32,
    /// Whether the next prepare panics.
    pub panics: bool,
    /// Names of calls that wait: `prepare`, or `prepare u1` for one claim.
    pub held: BTreeSet<&'static str>,
    /// UIDs of claims that are set up.
    pub set_up: BTreeSet<String>,
    /// Calls so far: `prepare u1`.
    pub calls: Vec<String>,
    /// Who made them.
    pub callers: Vec<ThreadId>,
}

pub struct Hardware {
    state: Mutex<State>,
    released: Condvar,
    activity: watch::Sender<()>,
}

impl Default for Hardware {
    fn default() -> Self {
        let devices = vec!["d0".to_owned(), "d1".to_owned()];
        Hardware {
            state: Mutex::new(State {
                pools: [(String::new(), devices)].into(),
                faulty: false,
                blind: false,
                resets: 0,
                stuck: 0,
                panics: false,
                held: BTreeSet::new(),
                set_up: BTreeSet::new(),
                calls: Vec::new(),
                callers: Vec::new(),
            }),
            released: Condvar::new(),
            activity: watch::Sender::new(()),
        }
    }
}

impl Hardware {
    /// What it is like; changes are seen at the next call.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on calls of this name wait until [`Hardware::release`].
    pub fn hold(&self, call: &'static str) {
        self.state().held.insert(call);
    }

    pub fn release(&self) {
        self.state().held.clear();
        self.released.notify_all();
    }

    /// Waits until some call has made this true.
    pub async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let mut activity = self.activity.subscribe();
        let wait = async {
            while !condition(&self.state()) {
                activity.changed().await.unwrap();
            }
        };
        let waited = timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "waited in vain: {what}");
    }

    /// Waits until a call has begun.
    pub async fn until_called(&self, call: &str) {
        self.until(call, |state| state.calls.iter().any(|c| c == call))
            .await;
    }

    /// Notes a call, and waits while calls of its name are held.
    fn enter(&self, call: &str, of: &str) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let full = format!("{call} {of}").trim().to_owned();
        state.calls.push(full.clone());
        state.callers.push(thread::current().id());
        self.activity.send_replace(());
        let held = |state: &mut State| state.held.contains(call) || state.held.contains(&*full);
        let state = self.released.wait_while(state, held);
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Hardware {
    fn survey(&self, node: &Node) -> Result<Survey, DriverError> {
        let state = self.enter("survey", "");
        if state.blind {
            return Err(DriverError("cannot read the devices".into()));
        }
        let taint = DeviceTaint {
            key: "a.example/fault".into(),
            effect: "NoSchedule".into(),
            ..Default::default()
        };
        let rack = node.labels.get("rack").map(|rack| {
            let value = DeviceAttribute {
                string: Some(rack.clone()),
                ..Default::default()
            };
            [("rack".to_owned(), value)].into()
        });
        let device = |name: &String| Device {
            name: name.clone(),
            taints: (state.faulty && name == "d0").then(|| vec![taint.clone()]),
            attributes: rack.clone(),
            ..Default::default()
        };
        let pools = state.pools.iter().map(|(name, devices)| {
            let name = match name.as_str() {
                "" => node.name.clone(),
                name => name.to_owned(),
            };
            let devices = devices.iter().map(device).collect();
            let counters = Vec::new();
            (name, Pool { devices, counters })
        });
        let health = DeviceHealth {
            pool: node.name.clone(),
            device: "d0".into(),
            health: match state.faulty {
                true => Health::Unhealthy,
                false => Health::Healthy,
            },
            message: String::new(),
        };
        Ok(Survey {
            pools: pools.collect(),
            health: vec![health],
        })
    }

    fn prepare(&self, claim: &Claim) -> Result<Vec<Edits>, PrepareError> {
        let mut state = self.enter("prepare", &claim.claim.uid);
        assert!(!std::mem::take(&mut state.panics), "the driver has a bug");
        if state.resets > 0 {
            state.resets -= 1;
            return Err(PrepareError::Transient("device d0 is in reset".into()));
        }
        state.set_up.insert(claim.claim.uid.clone());
        let edits = claim.devices.iter().map(|device| Edits {
            env: [(
                device.device.to_uppercase(),
                claim.devices.len().to_string(),
            )]
            .into(),
            device_nodes: vec![DeviceNode {
                path: format!("/dev/{}", device.device),
                host_path: "/dev/null".into(),
                permissions: "rw".into(),
            }],
            ..Default::default()
        });
        Ok(edits.collect())
    }

    fn unprepare(&self, claim: &ClaimRef, _: &[Allocated]) -> Result<(), DriverError> {
        let mut state = self.enter("unprepare", &claim.uid);
        if state.stuck > 0 {
            state.stuck -= 1;
            return Err(DriverError("device d0 is in reset".into()));
        }
        state.set_up.remove(&claim.uid);
        self.activity.send_replace(());
        Ok(())
    }
}
