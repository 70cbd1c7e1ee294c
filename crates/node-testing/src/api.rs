//! An API server as far as a driver sees it, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use trainyard_node::driver::{ClaimRef, Node};
use trainyard_node::k8s::{ResourceClaim, ResourceSlice};
use trainyard_node::ports::{ApiError, ClaimReader, Event, Events, NodeReader, SliceClient};

/// What the API server holds, and how it behaves.
#[derive(Default)]
struct State {
    claims: BTreeMap<(String, String), ResourceClaim>,
    slices: Vec<ResourceSlice>,
    events: Vec<Event>,
    version: u64,
    away: bool,
    silent: bool,
    without_taints: bool,
    /// Writes to slices, for tests that count them.
    writes: usize,
    claim_reads: usize,
    last_claim_read: Option<String>,
}

/// An API server with one Node.
pub struct FakeApi {
    state: Mutex<State>,
    node: watch::Sender<Option<Node>>,
    /// Counts changes to slices, for the drivers' watches.
    changes: watch::Sender<u64>,
    /// Anything at all, for [`FakeApi::until`].
    activity: watch::Sender<()>,
}

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(60);

impl FakeApi {
    /// With a Node of this name, and nothing else.
    pub fn new(node: &str) -> Self {
        FakeApi {
            state: Mutex::default(),
            node: watch::Sender::new(Some(Node {
                name: node.to_owned(),
                uid: format!("uid-of-{node}"),
                ..Default::default()
            })),
            changes: watch::Sender::new(0),
            activity: watch::Sender::new(()),
        }
    }

    /// Waits until the API server is in some state; looks whenever anything happens there.
    pub async fn until(&self, what: &str, condition: impl Fn(&FakeApi) -> bool) {
        let mut activity = self.activity.subscribe();
        let wait = async {
            while !condition(self) {
                activity.changed().await.expect("the sender is here");
            }
        };
        let waited = timeout(LIMIT, wait).await;
        assert!(waited.is_ok(), "waited in vain: {what}");
    }

    /// Waits until exactly these devices are published.
    pub async fn until_devices(&self, names: &[&str]) {
        let what = format!("devices {names:?} are published");
        self.until(&what, |api| api.devices() == names).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a claim that is allocated and reserved; `results` are driver, pool and device.
    pub fn allocate(&self, claim: &ClaimRef, results: &[(&str, &str, &str)]) {
        let results: Vec<_> = results
            .iter()
            .map(|(driver, pool, device)| {
                json!({"request": "devices", "driver": driver, "pool": pool, "device": device})
            })
            .collect();
        let object = serde_json::from_value(json!({
            "metadata": {"namespace": claim.namespace, "name": claim.name, "uid": claim.uid},
            "spec": {},
            "status": {
                "allocation": {"devices": {"results": results}},
                "reservedFor": [{"resource": "pods", "name": "pod", "uid": "pod-uid"}],
            },
        }));
        self.put_claim(object.expect("a claim as the API server writes it"));
    }

    /// Allocates devices as a scheduler that asks for nothing but their number: the first free ones.
    /// Returns whether there were enough.
    pub fn schedule(&self, claim: &ClaimRef, driver: &str, count: usize) -> bool {
        let mut free = Vec::new();
        for slice in self.slices() {
            let pool = slice.spec.pool.name;
            for device in slice.spec.devices.into_iter().flatten() {
                if slice.spec.driver == driver && !self.is_allocated(driver, &pool, &device.name) {
                    free.push((pool.clone(), device.name));
                }
            }
        }
        let results: Vec<_> = free
            .iter()
            .take(count)
            .map(|(pool, device)| (driver, pool.as_str(), device.as_str()))
            .collect();
        if results.len() == count {
            self.allocate(claim, &results);
        }
        results.len() == count
    }

    fn is_allocated(&self, driver: &str, pool: &str, device: &str) -> bool {
        let state = self.state();
        let allocations = state.claims.values().filter_map(|claim| {
            let allocation = claim.status.as_ref()?.allocation.as_ref()?;
            allocation.devices.as_ref()?.results.as_ref()
        });
        allocations
            .flatten()
            .any(|result| result.driver == driver && result.pool == pool && result.device == device)
    }

    /// Creates or replaces a claim.
    pub fn put_claim(&self, claim: ResourceClaim) {
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        let key = (of(&claim.metadata.namespace), of(&claim.metadata.name));
        self.state().claims.insert(key, claim);
    }

    /// Deletes a claim.
    pub fn delete_claim(&self, claim: &ClaimRef) {
        let key = (claim.namespace.clone(), claim.name.clone());
        self.state().claims.remove(&key);
    }

    /// All slices, by name.
    pub fn slices(&self) -> Vec<ResourceSlice> {
        let mut slices = self.state().slices.clone();
        slices.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        slices
    }

    /// Names of the published devices, in order.
    pub fn devices(&self) -> Vec<String> {
        let slices = self.slices();
        let devices = slices.iter().flat_map(|slice| slice.spec.devices.iter());
        devices
            .flatten()
            .map(|device| device.name.clone())
            .collect()
    }

    /// Deletes all slices, as the kubelet does when it starts.
    pub fn wipe_slices(&self) {
        self.edit_slices(Vec::clear);
    }

    /// Another client writes slices. Those that changed get another version.
    pub fn edit_slices(&self, edit: impl FnOnce(&mut Vec<ResourceSlice>)) {
        let mut guard = self.state();
        let state = &mut *guard;
        let before = state.slices.clone();
        edit(&mut state.slices);
        for slice in &mut state.slices {
            if !before.contains(slice) {
                state.version += 1;
                slice.metadata.resource_version = Some(state.version.to_string());
            }
        }
        drop(guard);
        self.changed();
    }

    /// How often slices were written.
    pub fn writes(&self) -> usize {
        self.state().writes
    }

    /// From now on every call fails, or again succeeds.
    pub fn set_away(&self, away: bool) {
        self.state().away = away;
        self.changed();
    }

    /// From now on no call is ever answered, or again at once.
    pub fn set_silent(&self, silent: bool) {
        self.state().silent = silent;
        self.changed();
    }

    /// How many reads of claims there were, answered or not.
    pub fn claim_reads(&self) -> usize {
        self.state().claim_reads
    }

    /// The name of the claim of the last read.
    pub fn last_claim_read(&self) -> Option<String> {
        self.state().last_claim_read.clone()
    }

    /// As an API server whose feature gate DRADeviceTaints is off, or on again.
    pub fn drop_taints(&self, dropped: bool) {
        self.state().without_taints = dropped;
    }

    /// Changes the Node.
    pub fn change_node(&self, change: impl FnOnce(&mut Node)) {
        self.node.send_modify(|node| {
            change(node.get_or_insert_default());
        });
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
        self.activity.send_replace(());
    }

    fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, ApiError>,
    ) -> BoxFuture<'static, Result<T, ApiError>> {
        let mut state = self.state();
        let answer = match (state.silent, state.away) {
            (true, _) => pending().boxed(),
            (_, true) => ready(Err(ApiError::Unavailable("connection refused".into()))).boxed(),
            _ => ready(work(&mut state)).boxed(),
        };
        drop(state);
        self.activity.send_replace(());
        answer
    }

    fn written<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, ApiError>,
    ) -> BoxFuture<'static, Result<T, ApiError>> {
        let answer = self.answer(|state| {
            state.writes += 1;
            work(state)
        });
        self.changed();
        answer
    }
}

impl State {
    /// What would be stored.
    fn stored(&mut self, mut slice: ResourceSlice) -> ResourceSlice {
        self.version += 1;
        slice.metadata.resource_version = Some(self.version.to_string());
        if let Some(prefix) = slice.metadata.generate_name.clone()
            && slice.metadata.name.is_none()
        {
            slice.metadata.name = Some(format!("{prefix}{:05}", self.version));
            slice.metadata.uid = Some(format!("slice-{}", self.version));
        }
        if self.without_taints {
            for device in slice.spec.devices.iter_mut().flatten() {
                device.taints = None;
            }
        }
        slice
    }

    /// The slice with the name, UID and version of the one given.
    fn find(&self, slice: &ResourceSlice) -> Result<usize, ApiError> {
        let same = |other: &ResourceSlice| other.metadata.name == slice.metadata.name;
        let index = self
            .slices
            .iter()
            .position(same)
            .ok_or(ApiError::NotFound)?;
        let there = &self.slices[index].metadata;
        match there.uid == slice.metadata.uid
            && there.resource_version == slice.metadata.resource_version
        {
            true => Ok(index),
            false => Err(ApiError::Conflict),
        }
    }
}

impl ClaimReader for FakeApi {
    fn claim<'a>(
        &'a self,
        claim: &'a ClaimRef,
    ) -> BoxFuture<'a, Result<Arc<ResourceClaim>, ApiError>> {
        let mut state = self.state();
        state.claim_reads += 1;
        state.last_claim_read = Some(claim.name.clone());
        drop(state);
        let key = (claim.namespace.clone(), claim.name.clone());
        self.answer(|state| {
            let found = state.claims.get(&key).cloned();
            found.map(Arc::new).ok_or(ApiError::NotFound)
        })
    }
}

impl SliceClient for FakeApi {
    fn list<'a>(
        &'a self,
        driver: &'a str,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceSlice>, ApiError>> {
        self.answer(|state| {
            let ours = |slice: &&ResourceSlice| {
                slice.spec.driver == driver && slice.spec.node_name.as_deref() == Some(node)
            };
            Ok(state.slices.iter().filter(ours).cloned().collect())
        })
    }

    fn create(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        self.written(|state| {
            let slice = state.stored(slice);
            state.slices.push(slice.clone());
            Ok(slice)
        })
    }

    fn dry_run(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        self.answer(|state| Ok(state.stored(slice)))
    }

    fn update(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        self.written(|state| {
            let index = state.find(&slice)?;
            let slice = state.stored(slice);
            state.slices[index] = slice.clone();
            Ok(slice)
        })
    }

    fn delete(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<(), ApiError>> {
        self.written(|state| {
            let index = state.find(&slice)?;
            state.slices.remove(index);
            Ok(())
        })
    }

    fn changes(&self, _driver: &str, _node: &str) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl NodeReader for FakeApi {
    fn node(&self, _name: &str) -> watch::Receiver<Option<Node>> {
        self.node.subscribe()
    }
}

impl Events for FakeApi {
    fn emit(&self, event: Event) {
        self.state().events.push(event);
        self.activity.send_replace(());
    }
}
