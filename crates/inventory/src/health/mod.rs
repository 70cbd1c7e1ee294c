//! Which devices are sound? From readings, one after the other, to taints.
//!
//! The running example: `mem_ecc_uncorrected` of chip 3 rises from 0 to 1. From then on
//! [`Health::taints`] of `neuron-device-3` has `neuron.aws.com/mem-ecc`. It stays, also when somebody
//! sets the counter back, until the chip has been through a reset and no new error came.
//!
//! When a taint goes:
//!
//! - `gone`, `no-node`, `invalid`, `reset`: once the fault has been away for as long as the
//!   [`Rule`]'s `clear` says, without a break;
//! - `sram-ecc`, `mem-ecc`, `repairable-ecc`: once a reset was seen from its beginning to its end
//!   (state 0, then 1) and the counter has not risen since, for as long as `clear` says. Nothing
//!   else will do: an uncorrected error says that the memory is bad, not that it was.
//!
//! Counters are the kernel's since the module was loaded. So one that is above zero at first sight
//! is an error too: a driver that restarts must not forget it. What the counters were at a device's last
//! reset, its ECC baseline, can be kept beyond a restart ([`Health::ecc_baselines`]). A reboot starts
//! them anew.
//!
//! What a reading leaves open (a file that is root's alone, a device that is gone) changes nothing.
//! There is no clock here: the time of a reading comes with it, since any beginning, and never goes
//! back.

mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use trainyard_model::Text;
use trainyard_model::taint::Taint;

use crate::machine::{Chip, Ecc, Efa, Machine, State};
use crate::publish;
use crate::rules::Hardware;

pub use policy::{Fault, Policy, PolicyError, Rule, UnknownFault};

/// What was read of one device at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether sysfs has it; where not, nothing else counts.
    pub present: bool,
    /// Whether its file is below `/dev`.
    pub has_device_file: bool,
    /// Its state; EFAs have none.
    pub state: State,
    /// Its counters; EFAs have none.
    pub ecc: Ecc,
}

impl From<&Chip> for Reading {
    fn from(chip: &Chip) -> Reading {
        Reading {
            present: chip.state != State::Gone,
            has_device_file: chip.has_device_file,
            state: chip.state,
            ecc: chip.ecc,
        }
    }
}

impl From<&Efa> for Reading {
    fn from(efa: &Efa) -> Reading {
        Reading {
            present: !efa.gone,
            has_device_file: efa.has_device_file,
            state: State::Unknown,
            ecc: Ecc::default(),
        }
    }
}

/// The readings of those of a driver's devices that are asked for, by their names in slices.
pub fn readings(
    machine: &Machine,
    hardware: Hardware,
    is_asked: impl Fn(&str) -> bool,
) -> BTreeMap<Text, Reading> {
    let asked = |name: String, reading| is_asked(&name).then(|| (name.into(), reading));
    match hardware {
        Hardware::Neuron => {
            let chips = machine.chips.iter();
            chips
                .filter_map(|chip| asked(publish::chip_name(chip.id), chip.into()))
                .collect()
        }
        Hardware::Efa => {
            let efas = machine.efas.iter();
            efas.filter_map(|efa| asked(publish::efa_name(&efa.address), efa.into()))
                .collect()
        }
    }
}

/// The health of one driver's devices.
#[derive(Debug, Clone)]
pub struct Health {
    driver: Text,
    policy: Policy,
    devices: BTreeMap<Text, Device>,
    ecc_baselines: BTreeMap<Text, Ecc>,
}

/// Something that a reading changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which device.
    pub device: Text,
    /// Which fault.
    pub fault: Fault,
    /// Whether the device has it now.
    pub raised: bool,
}

#[derive(Debug, Clone, Default)]
struct Device {
    faults: BTreeMap<Fault, Phase>,
    counters: Counters,
}

/// Where a fault stands. Times are those since which, without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There, but not for long enough.
    Suspected(Duration),
    /// Tainted.
    Raised,
    /// Tainted, but away.
    Recovering(Duration),
}

impl Phase {
    fn is_raised(self) -> bool {
        matches!(self, Phase::Raised | Phase::Recovering(_))
    }
}

/// What the counters have said since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counters {
    /// The counters at the last reset: only errors above them count.
    baseline: Ecc,
    /// Which counters have risen above.
    bad: [bool; 3],
    resetting: bool,
}

const COUNTERS: [Fault; 3] = [Fault::SramEcc, Fault::MemEcc, Fault::RepairableEcc];

fn each(ecc: Ecc) -> [u64; 3] {
    [ecc.sram, ecc.memory, ecc.repairable]
}

impl Counters {
    fn read(&mut self, state: State, now: Ecc) {
        match state {
            State::Resetting => self.resetting = true,
            State::Ready if self.resetting => {
                *self = Counters {
                    baseline: now,
                    ..Counters::default()
                };
            }
            State::Invalid => self.resetting = false,
            State::Ready | State::Gone | State::Unknown => {}
        }
        // Setting a counter back does not repair the device, but the next error counts from there.
        self.baseline = Ecc {
            sram: self.baseline.sram.min(now.sram),
            memory: self.baseline.memory.min(now.memory),
            repairable: self.baseline.repairable.min(now.repairable),
        };
        let counts = each(now).into_iter().zip(each(self.baseline));
        for (bad, (now, baseline)) in self.bad.iter_mut().zip(counts) {
            *bad |= now > baseline;
        }
    }
}

impl Health {
    /// Knows no device yet. `driver` is the domain of the taints' keys.
    pub fn new(driver: Text, policy: Policy) -> Health {
        Health {
            driver,
            policy,
            devices: BTreeMap::new(),
            ecc_baselines: BTreeMap::new(),
        }
    }

    /// Takes over the baselines from before the driver restarted. Not beyond a reboot.
    pub fn set_ecc_baselines(&mut self, ecc_baselines: BTreeMap<Text, Ecc>) {
        self.ecc_baselines = ecc_baselines;
    }

    /// The counters of each device at its last reset, for [`Health::set_ecc_baselines`] after a restart.
    pub fn ecc_baselines(&self) -> BTreeMap<Text, Ecc> {
        let devices = self.devices.iter();
        let baselines = devices.map(|(name, device)| (name.clone(), device.counters.baseline));
        baselines
            .filter(|(_, ecc)| *ecc != Ecc::default())
            .collect()
    }

    /// Takes in the readings of all devices at one time. One that was known and is not among them is
    /// gone.
    pub fn observe(&mut self, now: Duration, readings: &BTreeMap<Text, Reading>) -> Vec<Change> {
        self.take_in(now, readings, |_| true)
    }

    /// Takes in the readings of some devices, and leaves the others as they are.
    pub fn observe_some(
        &mut self,
        now: Duration,
        readings: &BTreeMap<Text, Reading>,
    ) -> Vec<Change> {
        self.take_in(now, readings, |name| readings.contains_key(name))
    }

    fn take_in(
        &mut self,
        now: Duration,
        readings: &BTreeMap<Text, Reading>,
        is_read: impl Fn(&Text) -> bool,
    ) -> Vec<Change> {
        for name in readings.keys() {
            if !self.devices.contains_key(name) {
                let mut device = Device::default();
                device.counters.baseline =
                    self.ecc_baselines.get(name).copied().unwrap_or_default();
                self.devices.insert(name.clone(), device);
            }
        }
        let mut changes = Vec::new();
        for (name, device) in self.devices.iter_mut().filter(|(name, _)| is_read(name)) {
            let reading = readings.get(name).filter(|reading| reading.present);
            for (fault, there) in device.read(reading) {
                let rule = self.policy.rule(fault);
                let before = device.faults.get(&fault).copied();
                let after = rule.step(before, there, now);
                match after {
                    Some(phase) => device.faults.insert(fault, phase),
                    None => device.faults.remove(&fault),
                };
                let raised = after.is_some_and(Phase::is_raised);
                if raised != before.is_some_and(Phase::is_raised) {
                    changes.push(Change {
                        device: name.clone(),
                        fault,
                        raised,
                    });
                }
            }
        }
        changes
    }

    /// A device's faults, in their order; empty for one that was never read.
    pub fn faults(&self, device: &str) -> Vec<Fault> {
        let faults = self.devices.get(device).into_iter().flat_map(|d| &d.faults);
        faults
            .filter(|(_, phase)| phase.is_raised())
            .map(|(fault, _)| *fault)
            .collect()
    }

    /// Whether a device was read at all.
    pub fn knows(&self, device: &str) -> bool {
        self.devices.contains_key(device)
    }

    /// A device's taints, in the order of its faults.
    pub fn taints(&self, device: &str) -> Vec<Taint> {
        let faults = self.faults(device).into_iter();
        faults.filter_map(|fault| self.taint(fault)).collect()
    }

    /// The taints of a device that stands for all of the driver's, each once.
    pub fn taints_of_all(&self) -> Vec<Taint> {
        let mut faults: Vec<Fault> = self
            .devices
            .keys()
            .flat_map(|name| self.faults(name))
            .collect();
        faults.sort_unstable();
        faults.dedup();
        faults
            .into_iter()
            .filter_map(|fault| self.taint(fault))
            .collect()
    }

    fn taint(&self, fault: Fault) -> Option<Taint> {
        Some(Taint {
            key: format!("{}/{fault}", self.driver).into(),
            value: Text::default(),
            effect: self.policy.rule(fault).effect.clone()?,
            // The API server's to set.
            time_added: None,
        })
    }
}

impl Device {
    /// Which faults a reading shows or denies; those that it leaves open are left out.
    fn read(&mut self, reading: Option<&Reading>) -> Vec<(Fault, bool)> {
        let Some(reading) = reading else {
            return vec![(Fault::Gone, true)];
        };
        let mut found = vec![
            (Fault::Gone, false),
            (Fault::NoNode, !reading.has_device_file),
        ];
        if matches!(
            reading.state,
            State::Ready | State::Resetting | State::Invalid
        ) {
            found.push((Fault::Reset, reading.state == State::Resetting));
            found.push((Fault::Invalid, reading.state == State::Invalid));
        }
        self.counters.read(reading.state, reading.ecc);
        found.extend(COUNTERS.into_iter().zip(self.counters.bad));
        found
    }
}

impl Rule {
    fn step(&self, before: Option<Phase>, there: bool, now: Duration) -> Option<Phase> {
        self.effect.as_ref()?;
        let lasted = |since: Duration, wanted| now.saturating_sub(since) >= wanted;
        match (before, there) {
            (Some(Phase::Raised | Phase::Recovering(_)), true) => Some(Phase::Raised),
            (None | Some(Phase::Suspected(_)), true) => {
                let since = match before {
                    Some(Phase::Suspected(since)) => since,
                    _ => now,
                };
                Some(if lasted(since, self.after) {
                    Phase::Raised
                } else {
                    Phase::Suspected(since)
                })
            }
            (None | Some(Phase::Suspected(_)), false) => None,
            (Some(Phase::Raised | Phase::Recovering(_)), false) => {
                let since = match before {
                    Some(Phase::Recovering(since)) => since,
                    _ => now,
                };
                (!lasted(since, self.clear)).then_some(Phase::Recovering(since))
            }
        }
    }
}
