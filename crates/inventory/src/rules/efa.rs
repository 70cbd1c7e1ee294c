//! EFAs: a uverbs device each, and nothing to configure.
//!
//! libfabric's EFA provider opens `uverbsN` alone; `rdma_cm` goes along where the host has it, as
//! the published driver does. `FI_*` variables are the application's choice.

use std::collections::BTreeMap;

use super::config::paths;
use super::{DeviceEdits, DeviceNode, Edits, Question, Refusal, What, code, parts};

pub(super) fn check(question: &Question<'_>) -> Result<Edits, Refusal> {
    let entries = question.allocation.config.iter();
    for (entry, path) in entries.zip(paths(question.claim, question.allocation)) {
        let opaque = entry.opaque.as_ref();
        if opaque.is_some_and(|opaque| &*opaque.driver == question.driver) {
            let message = "EFAs take no configuration: they have no network interface";
            let refusal = Refusal::new(code::CONFIG_NOT_ALLOWED, message).at(path);
            return Err(refusal.help("leave it out"));
        }
    }
    let devices = parts(question)?.into_iter().map(|(result, part)| {
        let mut nodes: Vec<DeviceNode> = match part.what {
            What::Efa(Some(number)) => vec![DeviceNode::uverbs(number)],
            _ => Vec::new(),
        };
        if question.present.rdma_cm {
            nodes.push(DeviceNode::rdma_cm());
        }
        DeviceEdits {
            request: result.request.clone(),
            pool: result.pool.clone(),
            device: result.device.clone(),
            env: BTreeMap::new(),
            nodes,
        }
    });
    Ok(Edits {
        devices: devices.collect(),
        warnings: Vec::new(),
    })
}
