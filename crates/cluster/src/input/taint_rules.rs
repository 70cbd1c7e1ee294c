//! DeviceTaintRules, laid over the slices before anybody allocates from them.
//!
//! Source: `resourceslice/tracker` of k8s.io/dynamic-resource-allocation v0.37.2.

use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::device::Device;
use trainyard_model::slice::ResourceSlice;
use trainyard_model::taint::Taint;

/// A DeviceTaintRule's `spec`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `deviceSelector`; without one the rule applies to nothing.
    pub selector: Option<Selector>,
    /// `taint`
    pub taint: Taint,
}

/// `deviceSelector`: what is unset matches everything.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// `driver`
    pub driver: Option<Text>,
    /// `pool`
    pub pool: Option<Text>,
    /// `device`
    pub device: Option<Text>,
}

/// Appends the taints of all rules that apply, and says which rules applied to any device.
pub fn apply(rules: &[Rule], slices: &mut [Arc<ResourceSlice>]) -> Vec<bool> {
    let mut applied = vec![false; rules.len()];
    for slice in slices {
        for (rule, applied) in rules.iter().zip(&mut applied) {
            let Some(selector) = &rule.selector else {
                continue;
            };
            let meant = |wanted: &Option<Text>, is: &Text| {
                wanted.as_ref().is_none_or(|wanted| wanted == is)
            };
            if !meant(&selector.driver, &slice.driver) || !meant(&selector.pool, &slice.pool.name) {
                continue;
            }
            let is_meant = |device: &Device| meant(&selector.device, &device.name);
            if !slice.devices.iter().any(is_meant) {
                continue;
            }
            *applied = true;
            let tainted = slice.devices.iter().cloned().map(|mut device| {
                if is_meant(&device) {
                    device.taints.push(rule.taint.clone());
                }
                device
            });
            Arc::make_mut(slice).devices = tainted.collect();
        }
    }
    applied
}
