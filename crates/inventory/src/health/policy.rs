//! Which faults there are, and what each does to its device.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use trainyard_model::taint::Effect;

/// What can be wrong with a device. The name is the part of the taint's key after the driver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `gone`: the device is off the bus.
    Gone,
    /// `no-node`: its file below `/dev` is missing.
    NoNode,
    /// `sram-ecc`: an uncorrected error in the cores' own memory.
    SramEcc,
    /// `mem-ecc`: an uncorrected error in HBM.
    MemEcc,
    /// `repairable-ecc`: an uncorrected error in HBM that a reset repairs.
    RepairableEcc,
    /// `reset`: in reset, and for longer than resets take.
    Reset,
    /// `invalid`: unusable until it is reset.
    Invalid,
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 7] = [
        Fault::Gone,
        Fault::NoNode,
        Fault::SramEcc,
        Fault::MemEcc,
        Fault::RepairableEcc,
        Fault::Reset,
        Fault::Invalid,
    ];

    /// Its name in taints and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Gone => "gone",
            Fault::NoNode => "no-node",
            Fault::SramEcc => "sram-ecc",
            Fault::MemEcc => "mem-ecc",
            Fault::RepairableEcc => "repairable-ecc",
            Fault::Reset => "reset",
            Fault::Invalid => "invalid",
        }
    }

    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Fault::Gone => "the device is off the bus",
            Fault::NoNode => "its file below /dev is missing",
            Fault::SramEcc => "uncorrected error in the memory of its cores",
            Fault::MemEcc => "uncorrected error in its HBM",
            Fault::RepairableEcc => "uncorrected error in its HBM, which a reset repairs",
            Fault::Reset => "it has been in reset for long",
            Fault::Invalid => "it is unusable until it is reset",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Not the name of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault {name:?}: one of {}", Fault::ALL.map(Fault::name).join(", "))]
pub struct UnknownFault {
    name: String,
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let found = Fault::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| UnknownFault {
            name: text.to_owned(),
        })
    }
}

/// What one fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of the taint; `None`: the fault is not looked at.
    pub effect: Option<Effect>,
    /// How long it must be there without a break before the device is tainted.
    pub after: Duration,
    /// How long it must be away without a break before the taint is cleared.
    pub clear: Duration,
}

/// What each fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(BTreeMap<Fault, Rule>);

impl Default for Policy {
    /// Nothing evicts pods of itself: `NoExecute` is for whoever knows their workloads.
    fn default() -> Self {
        let rule = |fault| {
            let (after, clear) = match fault {
                // A module that is loaded anew takes its devices away for a moment.
                Fault::Gone | Fault::NoNode => (10, 30),
                Fault::SramEcc | Fault::MemEcc | Fault::RepairableEcc => (0, 0),
                // Every start of a program resets its cores, and some the whole device.
                Fault::Reset => (60, 10),
                Fault::Invalid => (0, 10),
            };
            Rule {
                effect: Some(Effect::NoSchedule),
                after: Duration::from_secs(after),
                clear: Duration::from_secs(clear),
            }
        };
        Policy(Fault::ALL.map(|fault| (fault, rule(fault))).into())
    }
}

impl Policy {
    /// What a fault does.
    pub fn rule(&self, fault: Fault) -> &Rule {
        self.0
            .get(&fault)
            .expect("a policy has a rule for every fault")
    }

    /// Changes a rule: `FAULT=EFFECT[,after=SECONDS][,clear=SECONDS]`, such as
    /// `gone=NoExecute,after=60`. Effects are `NoSchedule`, `NoExecute`, `None` (a taint that hinders
    /// nobody, since Kubernetes 1.35) and `Ignore`.
    pub fn set(&mut self, text: &str) -> Result<(), PolicyError> {
        let form = || PolicyError::Form(text.to_owned());
        let (fault, rest) = text.split_once('=').ok_or_else(form)?;
        let fault: Fault = fault.parse()?;
        let mut parts = rest.split(',');
        let effect = parts.next().unwrap_or_default();
        let effect = match effect {
            "NoSchedule" => Some(Effect::NoSchedule),
            "NoExecute" => Some(Effect::NoExecute),
            "None" => Some(Effect::None),
            "Ignore" => None,
            _ => return Err(PolicyError::Effect(effect.to_owned())),
        };
        let mut rule = Rule {
            effect,
            ..self.rule(fault).clone()
        };
        for part in parts {
            let (name, seconds) = part.split_once('=').ok_or_else(form)?;
            let seconds = seconds.parse().map_err(|_| form())?;
            match name {
                "after" => rule.after = Duration::from_secs(seconds),
                "clear" => rule.clear = Duration::from_secs(seconds),
                _ => return Err(form()),
            }
        }
        self.0.insert(fault, rule);
        Ok(())
    }
}

/// Why a text changes no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not of the form.
    #[error(
        "{0:?} is no FAULT=EFFECT[,after=SECONDS][,clear=SECONDS], as in gone=NoExecute,after=60"
    )]
    Form(String),
    /// No such fault.
    #[error(transparent)]
    Fault(#[from] UnknownFault),
    /// No such effect.
    #[error("unknown effect {0:?}: one of NoSchedule, NoExecute, None, Ignore")]
    Effect(String),
}
