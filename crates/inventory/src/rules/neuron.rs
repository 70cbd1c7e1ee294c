//! Chips, and whole nodes of an UltraServer.
//!
//! Sources: Neuron SDK documentation (`neuron-runtime/guides/configuration-guide.rst`,
//! `logical-neuroncore-config.rst`) and its UltraServer init script, whose choice of a mode is kept.

use std::collections::BTreeMap;

use super::config::{Applied, Entry, applied, decode, words};
use super::{
    DeviceEdits, DeviceNode, Edits, Group, Part, Place, Question, Refusal, What, code, parts, set,
};

type Env = BTreeMap<&'static str, String>;

pub(super) fn check(question: &Question<'_>) -> Result<Edits, Refusal> {
    let entries = decode(question.driver, question.claim, question.allocation)?;
    let given = parts(question)?;
    let mut whole = Applied::default();
    let mut devices = Vec::with_capacity(given.len());
    for (result, part) in &given {
        let applied = applied(&entries, result)?;
        whole.unite(applied)?;
        devices.push(DeviceEdits {
            request: result.request.clone(),
            pool: result.pool.clone(),
            device: result.device.clone(),
            env: environment(question, applied, part)?,
            nodes: nodes(part),
        });
    }
    let warnings = set::judge(question, &given)?;
    Ok(Edits { devices, warnings })
}

fn nodes(part: &Part) -> Vec<DeviceNode> {
    match &part.what {
        What::Chip(id) => vec![DeviceNode::neuron(*id)],
        What::Node(ids) => ids.iter().copied().map(DeviceNode::neuron).collect(),
        What::Efa(_) | What::Unknown => Vec::new(),
    }
}

/// Without a config none: what the image or the pod says stands, and after it the runtime's default.
fn environment(question: &Question<'_>, applied: Applied<'_>, part: &Part) -> Result<Env, Refusal> {
    let mut env = Env::new();
    if let Some(entry) = applied.logical_neuron_core {
        logical_neuron_core(question, entry, &mut env)?;
    }
    if let Some(entry) = applied.ultraserver_mode {
        ultraserver(question, entry, part, &mut env)?;
    }
    Ok(env)
}

fn logical_neuron_core(
    question: &Question<'_>,
    entry: &Entry<'_>,
    env: &mut Env,
) -> Result<(), Refusal> {
    let value = entry.config.value();
    if let Some(kind) = question.present.instance_type
        && !kind.logical_neuron_cores.contains(&value)
    {
        let message = format!("the size of a logical NeuronCore is fixed on {}", kind.name);
        let refusal = Refusal::new(code::CONFIG_NOT_ALLOWED, message).at(entry.path.clone());
        return Err(refusal.help("leave the NeuronConfig out, or ask for trn2 or trn3"));
    }
    env.insert("NEURON_LOGICAL_NC_CONFIG", value.to_string());
    // The older name of the same setting, which the runtime still reads.
    env.insert("NEURON_RT_VIRTUAL_CORE_SIZE", value.to_string());
    Ok(())
}

fn ultraserver(
    question: &Question<'_>,
    entry: &Entry<'_>,
    part: &Part,
    env: &mut Env,
) -> Result<(), Refusal> {
    let refuse =
        |message: String| Refusal::new(code::CONFIG_NOT_ALLOWED, message).at(entry.path.clone());
    if !matches!(part.what, What::Node(_)) {
        let message = "an UltraServerConfig is for whole nodes, and this is a single chip";
        return Err(refuse(message.to_owned()).help(
            "ask for a device with resourceType neuron_node, which trn2u nodes have if their driver publishes nodes",
        ));
    }
    let nodes = entry.config.value();
    let place = match &question.present.ultraserver {
        None => return Ok(()),
        Some(Group::Electing) => {
            let message = "the nodes of the UltraServer are still finding each other";
            return Err(Refusal::new(code::DEVICE_ELECTION, message).passing());
        }
        Some(Group::Elected(place)) => place,
    };
    let Some(mode) = mode(place, nodes) else {
        let possible: Vec<String> = [1, 2, 4]
            .into_iter()
            .filter(|nodes| mode(place, *nodes).is_some())
            .map(|nodes| nodes.to_string())
            .collect();
        let refusal = refuse(format!("the node is in no group of {nodes}"));
        return Err(if possible.is_empty() {
            refusal.help("leave the UltraServerConfig out")
        } else {
            refusal.help(format!("write {}", words(&possible)))
        });
    };
    env.insert("NEURON_RT_ULTRASERVER_MODE", mode.to_string());
    if let Some((server, node)) = place.groups.get(&nodes) {
        env.insert("NEURON_RT_ULTRASERVER_SERVER_ID", server.clone());
        env.insert("NEURON_RT_ULTRASERVER_NODE_ID", node.to_string());
    }
    Ok(())
}

/// The runtime's mode for so many nodes: of two, those above each other before those side by side.
fn mode(place: &Place, nodes: u32) -> Option<u32> {
    let wanted: &[u32] = match nodes {
        4 => &[1],
        2 => &[3, 2],
        _ => &[4],
    };
    wanted
        .iter()
        .copied()
        .find(|mode| place.modes.contains(mode))
}
