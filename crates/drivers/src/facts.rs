//! What several threads have found out about the hardware.
//!
//! Reading `/sys` can take long: the kernel may wait for a device that hangs. So no lock is held while
//! it is read. A thread begins a look, reads, and then takes the lock to merge what it found. Looks may
//! therefore end in another order than they began; what an earlier one found never replaces what a
//! later one did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use trainyard_inventory::health::{self, Change, Health};
use trainyard_inventory::machine::{Ecc, Machine};
use trainyard_inventory::publish::{chip_name, efa_name};
use trainyard_inventory::rules::Hardware;
use trainyard_model::Text;
use trainyard_node::driver::Node;

use crate::guard::Sign;

/// A look at the hardware that has begun. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Look(u64);

/// What is known.
pub(crate) struct Facts {
    /// The Node of the last survey.
    pub(crate) node: Option<Node>,
    pub(crate) machine: Machine,
    pub(crate) health: Health,
    /// A device plugin for the same hardware.
    pub(crate) conflict: Option<Sign>,
    /// What the last survey could not read.
    pub(crate) problems: BTreeSet<String>,
    /// The ECC baselines that were written to the disk.
    pub(crate) saved: BTreeMap<Text, Ecc>,
    last: Look,
    /// The latest look at each device that was merged.
    devices: BTreeMap<Text, Look>,
    /// The latest look at all of the machine that was merged.
    whole: Look,
    /// The latest look for device plugins that was merged.
    plugins: Look,
}

impl Facts {
    pub(crate) fn new(health: Health, saved: BTreeMap<Text, Ecc>) -> Facts {
        Facts {
            node: None,
            machine: Machine::default(),
            health,
            conflict: None,
            problems: BTreeSet::new(),
            saved,
            last: Look::default(),
            devices: BTreeMap::new(),
            whole: Look::default(),
            plugins: Look::default(),
        }
    }

    pub(crate) fn begin_look(&mut self) -> Look {
        self.last.0 += 1;
        self.last
    }

    /// Merges a look at all of the machine.
    pub(crate) fn merge_whole(
        &mut self,
        look: Look,
        now: Duration,
        hardware: Hardware,
        mut found: Machine,
    ) -> Vec<Change> {
        found.remember(&self.machine);
        if look > self.whole {
            self.whole = look;
            self.machine.instance_type = found.instance_type.clone();
            self.machine.module_version = found.module_version.clone();
            self.machine.rdma_cm = found.rdma_cm;
            self.machine.ultraserver = found.ultraserver.clone();
        }
        self.merge(look, now, hardware, found, |_| true)
    }

    /// Merges a look at some devices, by their names in slices.
    pub(crate) fn merge(
        &mut self,
        look: Look,
        now: Duration,
        hardware: Hardware,
        found: Machine,
        is_asked: impl Fn(&str) -> bool,
    ) -> Vec<Change> {
        let devices = &self.devices;
        let is_news =
            |name: &str| is_asked(name) && devices.get(name).is_none_or(|latest| *latest < look);
        for chip in found.chips {
            if is_news(&chip_name(chip.id)) {
                put(&mut self.machine.chips, chip, |chip| chip.id);
            }
        }
        for efa in found.efas {
            if is_news(&efa_name(&efa.address)) {
                put(&mut self.machine.efas, efa, |efa| efa.address.clone());
            }
        }
        let readings = health::readings(&self.machine, hardware, is_news);
        let looked = readings.keys().map(|name| (name.clone(), look));
        self.devices.extend(looked);
        self.health.observe_some(now, &readings)
    }

    /// Merges a look for device plugins. Gives what was known before, if that was another answer.
    pub(crate) fn merge_plugins(&mut self, look: Look, sign: Option<Sign>) -> Option<Option<Sign>> {
        if look < self.plugins {
            return None;
        }
        self.plugins = look;
        let before = std::mem::replace(&mut self.conflict, sign);
        (before != self.conflict).then_some(before)
    }
}

/// Replaces the part with the same key, or adds it, in the order of keys.
fn put<T, K: Ord>(parts: &mut Vec<T>, part: T, key: impl Fn(&T) -> K) {
    match parts.binary_search_by_key(&key(&part), &key) {
        Ok(index) => parts[index] = part,
        Err(index) => parts.insert(index, part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_inventory::catalogue::InstanceType;
    use trainyard_inventory::health::Policy;
    use trainyard_inventory::machine::State;

    #[test]
    fn an_earlier_look_that_ends_later_replaces_nothing() {
        let kind = InstanceType::find("trn1.32xlarge").expect("in the catalogue");
        let health = Health::new("neuron.aws.com".into(), Policy::default());
        let mut facts = Facts::new(health, BTreeMap::new());
        let (survey, prepare) = (facts.begin_look(), facts.begin_look());
        let sound = Machine::of(kind);
        let mut invalid = sound.clone();
        invalid.chips[3].state = State::Invalid;
        let is_asked = |name: &str| name == "neuron-device-3";
        let (now, neuron) = (Duration::ZERO, Hardware::Neuron);
        facts.merge(prepare, now, neuron, invalid, is_asked);
        facts.merge_whole(survey, now, neuron, sound.clone());
        assert_eq!(facts.machine.chips.len(), 16);
        assert_eq!(facts.machine.chips[3].state, State::Invalid);
        assert_eq!(facts.machine.chips[2], sound.chips[2]);
        assert_eq!(facts.machine.instance_type, sound.instance_type);
        let next = facts.begin_look();
        facts.merge_whole(next, now, neuron, sound.clone());
        assert_eq!(facts.machine, sound);
        let gone = Machine {
            chips: sound.chips[..15].to_vec(),
            ..sound
        };
        let last = facts.begin_look();
        facts.merge_whole(last, now, neuron, gone);
        assert_eq!(facts.machine.chips[15].state, State::Gone);
    }

    #[test]
    fn an_earlier_look_for_device_plugins_is_not_news() {
        let health = Health::new("neuron.aws.com".into(), Policy::default());
        let mut facts = Facts::new(health, BTreeMap::new());
        let (first, second) = (facts.begin_look(), facts.begin_look());
        let sign = || Some(Sign::Socket("/plugin.sock".into()));
        assert_eq!(facts.merge_plugins(second, sign()), Some(None));
        assert_eq!(facts.merge_plugins(first, None), None);
        assert_eq!(facts.conflict, sign());
    }
}
