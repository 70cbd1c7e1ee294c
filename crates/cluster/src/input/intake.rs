//! From manifests to pods in the order of their queue, with everything that they need.

use trainyard_model::Text;
use trainyard_model::gates::{self, Gates};
use trainyard_model::plan::Warning;
use trainyard_wire::Problem;

use super::check::{self, Findings};
use super::objects::{Input, Objects};
use super::{order, taint_rules};

/// What is wrong with an input as a whole.
pub fn faults(input: &Input) -> Vec<Problem> {
    let mut findings = Findings::new(input);
    check::check(&Objects::of(input), &mut findings);
    findings.faults
}

/// The objects of an input, its pods in the order in which they are looked at: first those that run,
/// with what they have. `Err`: the faults.
pub(crate) fn intake<'a>(
    input: &'a Input,
    gates: &Gates,
) -> Result<(Objects, Findings<'a>), Vec<Problem>> {
    let mut findings = Findings::new(input);
    let mut objects = Objects::of(input);
    check::check(&objects, &mut findings);
    if !findings.faults.is_empty() {
        return Err(findings.faults);
    }
    let (sources, rules): (Vec<_>, Vec<_>) = std::mem::take(&mut objects.rules).into_iter().unzip();
    let without_effect = if gates.applies_taint_rules() {
        let applied = taint_rules::apply(&rules, &mut objects.slices);
        let rules = sources.into_iter().zip(applied);
        let idle = rules.filter(|(_, applied)| !applied).map(|(at, _)| at);
        let message = "it matches no device".to_owned();
        (idle.collect(), message)
    } else {
        let version = gates.version();
        let message = format!("Kubernetes {version} does not apply DeviceTaintRules by default");
        (sources, message)
    };
    let (sources, message) = without_effect;
    for at in sources {
        findings.warn(at, "object/without-effect", message.as_str());
    }
    for difference in gates::differences(gates.version()) {
        findings.warnings.push(Warning {
            code: "kubernetes/version",
            object: Text::default(),
            message: (*difference).to_owned(),
        });
    }
    let pods = &mut objects.pods;
    pods.retain(|pod| !pod.is_gated());
    let running = pods.iter().filter(|pod| pod.bound_to.is_some()).count();
    pods.sort_by_key(|pod| pod.bound_to.is_none());
    order::queue(&mut pods[running..], &objects.priorities);
    Ok((objects, findings))
}
