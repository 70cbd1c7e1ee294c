//! The drivers' own configuration in a claim: `NeuronConfig` and `UltraServerConfig`, decoded
//! strictly, as the published driver does.
//!
//! Sources: Neuron SDK documentation (`deploy/eks/dra.rst`, `deploy/files/specs`).

use serde_json::{Map, Value};
use trainyard_model::claim::{
    AllocationConfig, AllocationResult, ConfigSource, DeviceResult, ResourceClaim,
};
use trainyard_model::nearest::nearest;

use super::{Refusal, code};

/// The version of both kinds.
pub const API_VERSION: &str = "neuron.aws.com/v1";

const NEURON_CONFIG: &str = "NeuronConfig";
const ULTRASERVER_CONFIG: &str = "UltraServerConfig";
const LOGICAL_NEURON_CORE: &str = "logicalNeuronCore";
const ULTRASERVER_MODE: &str = "ultraserverMode";

/// What one `opaque.parameters` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// `NeuronConfig`: physical NeuronCores of a logical one.
    LogicalNeuronCore(u32),
    /// `UltraServerConfig`: how many nodes of the UltraServer work together.
    UltraServerMode(u32),
}

impl Config {
    /// Decodes `parameters`, a JSON value. `path` is where it stands in the claim.
    pub fn decode(parameters: &str, path: &str) -> Result<Config, Refusal> {
        let invalid =
            |path: String, message: &str| Refusal::new(code::CONFIG_INVALID, message).at(path);
        let Ok(Value::Object(fields)) = serde_json::from_str(parameters) else {
            return Err(invalid(path.to_owned(), "not a JSON object"));
        };
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(invalid(format!("{path}.{name}"), "not a string")),
            None => Err(invalid(format!("{path}.{name}"), "missing").help(format!(
                "write apiVersion: {API_VERSION} and kind: {NEURON_CONFIG} or {ULTRASERVER_CONFIG}"
            ))),
        };
        let version = text("apiVersion")?;
        let kind = text("kind")?;
        if version != API_VERSION {
            let refusal = Refusal::new(
                code::CONFIG_UNKNOWN_KIND,
                format!("unknown version {version:?} of {kind}"),
            );
            let at = format!("{path}.apiVersion");
            return Err(refusal.at(at).help(format!("write {API_VERSION}")));
        }
        let (field, allowed): (_, &[u32]) = match kind {
            NEURON_CONFIG => (LOGICAL_NEURON_CORE, &[1, 2]),
            ULTRASERVER_CONFIG => (ULTRASERVER_MODE, &[1, 2, 4]),
            _ => {
                let refusal = Refusal::new(
                    code::CONFIG_UNKNOWN_KIND,
                    format!("unknown kind {kind:?} in {API_VERSION}"),
                );
                let kinds = [NEURON_CONFIG, ULTRASERVER_CONFIG];
                return Err(refusal
                    .at(format!("{path}.kind"))
                    .help(or_list(kind, &kinds)));
            }
        };
        known(&fields, field, path)?;
        let number = number(&fields, field, allowed, path)?;
        Ok(if kind == NEURON_CONFIG {
            Config::LogicalNeuronCore(number)
        } else {
            Config::UltraServerMode(number)
        })
    }

    /// The field that holds the value.
    pub fn field(self) -> &'static str {
        match self {
            Config::LogicalNeuronCore(_) => LOGICAL_NEURON_CORE,
            Config::UltraServerMode(_) => ULTRASERVER_MODE,
        }
    }

    /// The value.
    pub fn value(self) -> u32 {
        match self {
            Config::LogicalNeuronCore(value) | Config::UltraServerMode(value) => value,
        }
    }
}

/// Refuses a field that the kind does not have.
fn known(fields: &Map<String, Value>, field: &str, path: &str) -> Result<(), Refusal> {
    let names = ["apiVersion", "kind", field];
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let refusal = Refusal::new(
                code::CONFIG_UNKNOWN_FIELD,
                format!("unknown field {name:?}"),
            );
            Err(refusal
                .at(format!("{path}.{name}"))
                .help(or_list(name, &[field])))
        }
    }
}

/// The value of the kind's only field.
fn number(
    fields: &Map<String, Value>,
    field: &str,
    allowed: &[u32],
    path: &str,
) -> Result<u32, Refusal> {
    let value = fields.get(field);
    let number = value
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok());
    if let Some(number) = number.filter(|number| allowed.contains(number)) {
        return Ok(number);
    }
    let found = value.map_or_else(
        || "missing".to_owned(),
        |value| format!("{value} is not allowed"),
    );
    let allowed: Vec<String> = allowed.iter().map(u32::to_string).collect();
    let refusal = Refusal::new(code::CONFIG_INVALID, found).at(format!("{path}.{field}"));
    Err(refusal.help(format!("write {}", words(&allowed))))
}

/// `did you mean x?`, where one of the candidates is like the name or is what it begins with; else all
/// candidates.
fn or_list(name: &str, candidates: &[&str]) -> String {
    let wanted = name.to_lowercase();
    let begins = |candidate: &&str| wanted.starts_with(&candidate.to_lowercase());
    let near = nearest(name, candidates.iter().copied());
    match near.or_else(|| candidates.iter().copied().find(begins)) {
        Some(candidate) => format!("did you mean {candidate}?"),
        None => format!("write {}", words(candidates)),
    }
}

/// `1`, `1 or 2`, `1, 2 or 4`.
pub(super) fn words(items: &[impl AsRef<str>]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A decoded entry of `status.allocation.devices.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) config: Config,
    /// Of the field with the value.
    pub(super) path: String,
    allocated: &'a AllocationConfig,
}

impl Entry<'_> {
    /// Whether the entry is for the request of this device.
    fn covers(&self, device: &DeviceResult) -> bool {
        let requests = &self.allocated.requests;
        let named = |request: &str| {
            let rest = device.request.strip_prefix(request);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        requests.is_empty() || requests.iter().any(|request| named(request))
    }
}

/// Where each entry of an allocation's config stands for whoever wrote it: in the claim's spec, or,
/// from a class, only in the status.
pub(super) fn paths(claim: &ResourceClaim, allocation: &AllocationResult) -> Vec<String> {
    // The allocator copies the entries of the spec in their order, without those of alternatives
    // that it did not choose.
    let mut spec = claim.config.iter().enumerate();
    let mut place = |entry: &AllocationConfig| {
        let mut rest = spec.clone();
        // The allocator clears a list of requests that names all of them.
        let found = rest.find(|(_, written)| {
            written.opaque == entry.opaque
                && (entry.requests.is_empty() || written.requests == entry.requests)
        })?;
        spec = rest;
        Some(found.0)
    };
    let entries = allocation.config.iter().enumerate();
    entries
        .map(|(index, entry)| {
            let found = (entry.source == ConfigSource::Claim)
                .then(|| place(entry))
                .flatten();
            match found {
                Some(place) => format!("spec.devices.config[{place}].opaque.parameters"),
                None => format!("status.allocation.devices.config[{index}].opaque.parameters"),
            }
        })
        .collect()
}

/// Decodes every entry for `driver`, whether or not it is for any device.
pub(super) fn decode<'a>(
    driver: &str,
    claim: &ResourceClaim,
    allocation: &'a AllocationResult,
) -> Result<Vec<Entry<'a>>, Refusal> {
    let entries = allocation.config.iter().zip(paths(claim, allocation));
    let ours = entries.filter_map(|(entry, path)| {
        let opaque = entry.opaque.as_ref()?;
        (&*opaque.driver == driver).then_some((entry, opaque, path))
    });
    ours.map(|(entry, opaque, path)| {
        let decoded = Config::decode(&opaque.parameters, &path);
        let config = decoded.map_err(|refusal| match entry.source {
            ConfigSource::Claim => refusal,
            ConfigSource::Class => refusal.in_class(),
        })?;
        Ok(Entry {
            config,
            path: format!("{path}.{}", config.field()),
            allocated: entry,
        })
    })
    .collect()
}

/// What applies to a device: of each kind one entry, the claim's before the class's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Applied<'a> {
    pub(super) logical_neuron_core: Option<&'a Entry<'a>>,
    pub(super) ultraserver_mode: Option<&'a Entry<'a>>,
}

/// Entries that apply to a device. Two of one rank that disagree are refused.
pub(super) fn applied<'a>(
    entries: &'a [Entry<'a>],
    device: &DeviceResult,
) -> Result<Applied<'a>, Refusal> {
    let mut applied = Applied::default();
    for source in [ConfigSource::Class, ConfigSource::Claim] {
        let mut own = Applied::default();
        for entry in entries {
            if entry.allocated.source == source && entry.covers(device) {
                own.slot(entry.config).agree(entry)?;
            }
        }
        applied.logical_neuron_core = own.logical_neuron_core.or(applied.logical_neuron_core);
        applied.ultraserver_mode = own.ultraserver_mode.or(applied.ultraserver_mode);
    }
    Ok(applied)
}

impl<'a> Applied<'a> {
    fn slot(&mut self, config: Config) -> &mut Option<&'a Entry<'a>> {
        match config {
            Config::LogicalNeuronCore(_) => &mut self.logical_neuron_core,
            Config::UltraServerMode(_) => &mut self.ultraserver_mode,
        }
    }

    /// Takes over what applies to another device of the claim: containers that name the whole claim
    /// get the environment of both.
    pub(super) fn unite(&mut self, other: Applied<'a>) -> Result<(), Refusal> {
        let entries = [other.logical_neuron_core, other.ultraserver_mode];
        for entry in entries.into_iter().flatten() {
            self.slot(entry.config).agree(entry)?;
        }
        Ok(())
    }
}

/// One value for all, or a refusal that names both places.
trait Agree<'a> {
    fn agree(&mut self, entry: &'a Entry<'a>) -> Result<(), Refusal>;
}

impl<'a> Agree<'a> for Option<&'a Entry<'a>> {
    fn agree(&mut self, entry: &'a Entry<'a>) -> Result<(), Refusal> {
        let first = *self.get_or_insert(entry);
        if first.config == entry.config {
            return Ok(());
        }
        let message = format!(
            "{} contradicts {} at {}",
            entry.config.value(),
            first.config.value(),
            first.path
        );
        let refusal = Refusal::new(code::CONFIG_CONFLICT, message).at(entry.path.clone());
        Err(refusal
            .help("one claim has one value: its devices may meet in one container".to_owned()))
    }
}
