//! What is there? Slices, classes and what is in use, kept up to date by events.
//!
//! Loading converts each device by itself. What ranges over several devices (which slices a node has,
//! which devices an expression selects) is learned by questions, kept between them, and can be
//! [forgotten](Inventory::forget).
//!
//! Refuses to know: requests, and which devices are best for them.

pub(crate) mod allocated;
pub(crate) mod devices;
pub(crate) mod names;
pub(crate) mod nodes;
pub(crate) mod pools;
pub(crate) mod programs;
pub(crate) mod shapes;
pub(crate) mod slices;
pub(crate) mod values;
pub(crate) mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, DeviceResult};
use trainyard_model::class::DeviceClass;
use trainyard_model::quantity::Quantity;
use trainyard_model::selector::Engine;
use trainyard_model::slice::{DeviceId, ResourceSlice};

use crate::verdict::{Fatal, Question};
use allocated::{Allocated, DeviceKey, Use};
use names::{Names, PoolId};
use programs::{ProgramId, Programs};
use slices::Slices;
use view::{View, Views};

/// The share id of every share: whoever writes the claim replaces it by a random one.
pub const NIL_SHARE: &str = "00000000-0000-0000-0000-000000000000";

/// A class, its selectors compiled.
#[derive(Debug)]
pub(crate) struct LoadedClass {
    pub source: Arc<DeviceClass>,
    /// `None`: a selector without CEL.
    pub selectors: Vec<Option<ProgramId>>,
}

/// All slices, classes and allocations, with the engine that evaluates their expressions.
#[derive(Debug)]
pub struct Inventory<E: Engine> {
    pub(crate) engine: E,
    pub(crate) names: Names,
    pub(crate) programs: Programs<E::Expression>,
    pub(crate) slices: Slices<E::Device>,
    pub(crate) classes: FxHashMap<Text, LoadedClass>,
    pub(crate) allocated: Allocated,
    pub(crate) views: Views,
}

impl<E: Engine> Inventory<E> {
    /// Nothing there yet.
    pub fn new(engine: E) -> Self {
        Inventory {
            engine,
            names: Names::default(),
            programs: Programs::new(),
            slices: Slices::new(),
            classes: FxHashMap::default(),
            allocated: Allocated::default(),
            views: Views::default(),
        }
    }

    /// Adds a slice or replaces the one of the same name. Taint rules must have been applied.
    pub fn apply_slice(&mut self, slice: &Arc<ResourceSlice>) {
        self.delete_slice(&slice.name);
        let slices = &mut self.slices;
        let concerned = slices.insert(&mut self.engine, &mut self.names, slice);
        self.views.forget(concerned);
    }

    /// Removes a slice by name, if it is there.
    pub fn delete_slice(&mut self, name: &str) {
        let Some((concerned, shape)) = self.slices.remove(name) else {
            return;
        };
        self.views.forget(concerned);
        if let Some(shape) = shape {
            self.views.forget_shape(shape);
        }
    }

    /// Adds a class or replaces the one of the same name.
    pub fn apply_class(&mut self, class: &Arc<DeviceClass>) {
        let selectors = class.selectors.iter().map(|source| {
            let source = source.as_ref()?;
            Some(self.programs.selector(&mut self.engine, source))
        });
        let loaded = LoadedClass {
            selectors: selectors.collect(),
            source: class.clone(),
        };
        self.classes.insert(class.name.clone(), loaded);
    }

    /// Removes a class by name, if it is there.
    pub fn delete_class(&mut self, name: &str) {
        self.classes.remove(name);
    }

    /// Compiles an expression beforehand, so that no question has to wait for it.
    pub fn compile(&mut self, source: &Text) {
        self.programs.selector(&mut self.engine, source);
    }

    /// Compiles the expression of a derived attribute beforehand.
    pub fn compile_derived(&mut self, source: &Text) {
        self.programs.derived(&mut self.engine, source);
    }

    /// `holder` has the whole device. How holders are named is up to the caller.
    pub fn hold(&mut self, device: &DeviceId, holder: &Text) {
        let key = self.key(device);
        self.allocated.hold(key, holder.clone());
    }

    /// `holder` has the share `share` of the device.
    pub fn share(&mut self, device: &DeviceId, share: &Text, holder: &Text) {
        let key = self.key(device);
        self.allocated.share(key, share.clone(), holder.clone());
    }

    /// The shares of the device together take this much more of its capacity.
    pub fn consume(&mut self, device: &DeviceId, amounts: &BTreeMap<Text, Quantity>) {
        let key = self.key(device);
        self.allocated.consume(key, amounts);
    }

    /// `holder` no longer has the whole device.
    pub fn release(&mut self, device: &DeviceId, holder: &Text) {
        let key = self.key(device);
        self.allocated.release(key, None, None, holder);
    }

    /// `holder` has all that `result` lists: whole devices, and shares with what they take. Devices
    /// with admin access stay free. A nil share id is replaced by the holder's name.
    pub fn hold_result(&mut self, result: &AllocationResult, holder: &Text) {
        self.each_device(result, |allocated, key, device| {
            let Some(share) = &device.share_id else {
                return allocated.hold(key, holder.clone());
            };
            let share = share_name(share, holder);
            allocated.share(key, share, holder.clone());
            if let Some(amounts) = &device.consumed_capacity {
                allocated.consume(key, amounts);
            }
        });
    }

    /// Takes back what [`Inventory::hold_result`] did.
    pub fn release_result(&mut self, result: &AllocationResult, holder: &Text) {
        self.each_device(result, |allocated, key, device| {
            let share = device.share_id.as_ref();
            let share = share.map(|share| share_name(share, holder));
            let amounts = device.consumed_capacity.as_ref();
            allocated.release(key, share.as_ref(), amounts, holder);
        });
    }

    fn each_device(
        &mut self,
        result: &AllocationResult,
        mut change: impl FnMut(&mut Allocated, DeviceKey, &DeviceResult),
    ) {
        let mut last: Option<(&DeviceResult, PoolId)> = None;
        for device in result.results.iter().filter(|device| !device.admin_access) {
            let pool = match last {
                Some((last, pool)) if last.pool == device.pool && last.driver == device.driver => {
                    pool
                }
                _ => self.names.intern_pool(&device.driver, &device.pool),
            };
            last = Some((device, pool));
            let key = (pool, self.names.intern(&device.device));
            change(&mut self.allocated, key, device);
        }
    }

    /// Nothing is in use any more.
    pub fn release_all(&mut self) {
        self.allocated.clear();
    }

    /// Forgets what earlier questions learned: results of selectors, and which slices a node sees.
    pub fn forget(&mut self) {
        self.slices.forget();
        self.views = Views::default();
    }

    /// Who has (part of) a device: holders in the order in which they came.
    pub fn holders(&self, device: &DeviceId) -> Vec<Text> {
        let pool = self.names.find_pool(&device.driver, &device.pool);
        let (Some(pool), Some(name)) = (pool, self.names.find(&device.device)) else {
            return Vec::new();
        };
        let used = self.allocated.get((pool, name));
        used.map(Use::holders).unwrap_or_default()
    }

    pub(crate) fn key(&mut self, device: &DeviceId) -> DeviceKey {
        let pool = self.names.intern_pool(&device.driver, &device.pool);
        (pool, self.names.intern(&device.device))
    }

    /// What the node of a question sees.
    pub(crate) fn view(&mut self, question: &Question<'_>) -> Result<Arc<View>, Fatal> {
        self.slices.index();
        self.views.of_node(&self.slices, &self.names, question)
    }
}

/// The nil UUID is a placeholder, so several shares have it.
fn share_name(share: &Text, holder: &Text) -> Text {
    if &**share == NIL_SHARE {
        return holder.clone();
    }
    share.clone()
}
