//! Do the objects of an input go together? References that lead nowhere, what is left out, and what
//! is of no use.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_inventory::publish::{EFA_DRIVER, NEURON_DRIVER};
use trainyard_model::Text;
use trainyard_model::claim::ResourceClaim;
use trainyard_model::nearest::nearest;
use trainyard_model::plan::Warning;
use trainyard_wire::{Manifest, Problem};

use super::objects::{Input, Objects};
use crate::pod::Pod;

/// Faults and warnings, collected.
#[derive(Debug)]
pub struct Findings<'a> {
    input: &'a Input,
    /// Nothing can be said until they are mended.
    pub faults: Vec<Problem>,
    /// The answer stands.
    pub warnings: Vec<Warning>,
}

/// The label of namespaces whose claims may ask for admin access.
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";

impl<'a> Findings<'a> {
    /// Nothing found yet.
    pub fn new(input: &'a Input) -> Self {
        Findings {
            input,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn manifest(&self, at: usize) -> &'a Manifest {
        &self.input.manifests[at]
    }

    /// A warning about an object of the input.
    pub fn warn(&mut self, at: usize, code: &'static str, message: impl Into<String>) {
        let object = &self.manifest(at).object;
        let warning = Warning {
            code,
            object: Warning::title(object.kind(), object.namespace(), object.name()),
            message: message.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// A fault at a field; in an object out of a cluster a warning instead.
    fn fault(
        &mut self,
        at: usize,
        code: &'static str,
        path: &str,
        message: String,
        help: Option<String>,
    ) {
        let manifest = self.manifest(at);
        if manifest.object.is_fact() {
            self.warn(at, code, format!("{path}: {message}"));
            return;
        }
        let origin = &manifest.origin;
        let problem = Problem::fault(code, &origin.file, origin.line_of(path), message)
            .of(Some(manifest.object.title()))
            .at(path)
            .with_help(help);
        if !self.faults.contains(&problem) {
            self.faults.push(problem);
        }
    }

    fn missing<'n>(
        &mut self,
        at: usize,
        code: &'static str,
        path: &str,
        (what, name): (&str, &str),
        known: impl Iterator<Item = &'n Text>,
    ) {
        let near = nearest(name, known.map(|name| &**name));
        let help = near.map(|near| format!("did you mean {near:?}?"));
        self.fault(at, code, path, format!("no {what} {name:?}"), help);
    }
}

/// Everything about the input as a whole.
pub fn check(objects: &Objects, findings: &mut Findings<'_>) {
    for name in &objects.classes.supplied {
        findings.warnings.push(Warning {
            code: "class/supplied",
            object: Warning::title("DeviceClass", "", name),
            message: "not in the input: taken as the published Helm chart installs it".to_owned(),
        });
    }
    whole(objects, findings);
    for (at, code, message) in &objects.notes {
        findings.warn(*at, code, message.clone());
    }
    let mut seen = BTreeSet::new();
    for pod in &objects.pods {
        // What is said of a template is said once.
        if seen.insert((pod.source, pod.path.clone())) && pod.bound_to.is_none() {
            references(objects, pod, findings);
            left_out(pod, findings);
        }
    }
    for (key, template) in &objects.claims.templates {
        classes(
            objects,
            template.source,
            "spec.spec",
            &template.spec,
            findings,
        );
        admin(objects, template.source, &key.0, &template.spec, findings);
    }
    for (key, claim) in &objects.claims.claims {
        classes(objects, claim.source, "spec", &claim.spec, findings);
        admin(objects, claim.source, &key.0, &claim.spec, findings);
    }
    unused(objects, findings);
    device_plugins(objects, findings);
}

fn whole(objects: &Objects, findings: &mut Findings<'_>) {
    let mut fault = |code, message: &str, help: &str| {
        findings.faults.push(
            Problem::fault(code, &"".into(), 0, message.to_owned())
                .with_help(Some(help.to_owned())),
        );
    };
    let workloads = !objects.notes.is_empty();
    if objects.pods.is_empty() && !workloads {
        fault(
            "input/no-pod",
            "the input has no pod",
            "add a Pod, or a workload that makes pods, such as a Deployment or a Job",
        );
    }
    if objects.nodes.is_empty() {
        fault(
            "input/no-node",
            "the input has no node",
            "add nodes of the catalogue, such as --nodes trn2.48xlarge=2, or Node and ResourceSlice objects",
        );
    }
}

fn references(objects: &Objects, pod: &Pod, findings: &mut Findings<'_>) {
    let at = pod.source;
    let claims = &objects.claims;
    let near = |names: &BTreeMap<(Text, Text), ()>| -> Vec<Text> {
        let own = names
            .keys()
            .filter(|(namespace, _)| *namespace == pod.namespace);
        own.map(|(_, name)| name.clone()).collect()
    };
    let entries = pod.spec.resource_claims.as_deref().unwrap_or_default();
    let mut requests: BTreeMap<&str, BTreeSet<Text>> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        let path = format!("{}.resourceClaims[{i}]", pod.path);
        let spec = match (
            &entry.resource_claim_name,
            &entry.resource_claim_template_name,
        ) {
            (Some(name), None) => {
                let key = (pod.namespace.clone(), name.as_str().into());
                let found = claims.claims.get(&key).map(|claim| claim.spec.clone());
                if found.is_none() {
                    let names = near(&claims.claims.keys().map(|key| (key.clone(), ())).collect());
                    let path = format!("{path}.resourceClaimName");
                    let what = ("ResourceClaim", name.as_str());
                    findings.missing(at, "claim/not-found", &path, what, names.iter());
                }
                found
            }
            (None, Some(name)) => {
                let key = (pod.namespace.clone(), name.as_str().into());
                let found = claims
                    .templates
                    .get(&key)
                    .map(|template| template.spec.clone());
                let made = pod.claim_names.contains_key(entry.name.as_str());
                if found.is_none() && !made {
                    let names = near(
                        &claims
                            .templates
                            .keys()
                            .map(|key| (key.clone(), ()))
                            .collect(),
                    );
                    let path = format!("{path}.resourceClaimTemplateName");
                    let what = ("ResourceClaimTemplate", name.as_str());
                    findings.missing(at, "claim/template-not-found", &path, what, names.iter());
                }
                found
            }
            _ => {
                let message =
                    "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                findings.fault(at, "field/invalid", &path, message.to_owned(), None);
                None
            }
        };
        if requests.contains_key(entry.name.as_str()) {
            let message = format!("duplicate value: {:?}", entry.name);
            findings.fault(at, "field/invalid", &format!("{path}.name"), message, None);
        }
        let names = spec
            .iter()
            .flat_map(|spec| spec.requests.iter().map(|request| request.name.clone()));
        requests.insert(&entry.name, names.collect());
    }
    let init = pod
        .spec
        .init_containers
        .iter()
        .flatten()
        .map(|container| ("initContainers", container));
    let rest = pod
        .spec
        .containers
        .iter()
        .map(|container| ("containers", container));
    let mut place = BTreeMap::<&str, usize>::new();
    for (list, container) in init.chain(rest) {
        let i = place.entry(list).or_default();
        let path = format!("{}.{list}[{i}].resources.claims", pod.path);
        *i += 1;
        let used = container
            .resources
            .as_ref()
            .and_then(|resources| resources.claims.as_ref());
        for (j, claim) in used.into_iter().flatten().enumerate() {
            let Some(known) = requests.get(claim.name.as_str()) else {
                let names: Vec<Text> = requests.keys().map(|name| (*name).into()).collect();
                let path = format!("{path}[{j}].name");
                let what = ("claim of the pod is called", claim.name.as_str());
                findings.missing(at, "pod/claim-name", &path, what, names.iter());
                continue;
            };
            if let Some(request) = claim.request.as_deref().filter(|name| !name.is_empty())
                && !known.is_empty()
                && !known.contains(request)
            {
                let path = format!("{path}[{j}].request");
                let what = ("request of the claim is called", request);
                findings.missing(at, "pod/claim-request", &path, what, known.iter());
            }
        }
    }
    if let Some(name) = objects.priorities.missing(&pod.spec) {
        let path = format!("{}.priorityClassName", pod.path);
        let names: Vec<Text> = objects.priorities.names().cloned().collect();
        findings.missing(
            at,
            "pod/priority-class-not-found",
            &path,
            ("PriorityClass", name),
            names.iter(),
        );
    }
}

/// What a pod asks that nobody looks at.
fn left_out(pod: &Pod, findings: &mut Findings<'_>) {
    let spec = &pod.spec;
    let at = pod.source;
    if spec.scheduling_gates.iter().flatten().next().is_some() {
        let names: Vec<_> = spec
            .scheduling_gates
            .iter()
            .flatten()
            .map(|gate| &*gate.name)
            .collect();
        let message = format!(
            "scheduling gates {} hold it back: it is left out",
            names.join(", ")
        );
        findings.warn(at, "pod/gated", message);
    }
    for volume in spec.volumes.iter().flatten() {
        if volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some() {
            let message = format!(
                "volume {} is left out: where its storage can be attached is not looked at",
                volume.name
            );
            findings.warn(at, "pod/volumes", message);
        }
    }
    if let Some(class) = &spec.runtime_class_name {
        let message = format!(
            "runtimeClassName {class} is left out: its overhead and node selector are not looked at"
        );
        findings.warn(at, "pod/runtime-class", message);
    }
    if let Some(name) = spec
        .scheduler_name
        .as_deref()
        .filter(|name| *name != "default-scheduler")
    {
        let message = format!("schedulerName {name} is planned for as if it were kube-scheduler");
        findings.warn(at, "pod/scheduler", message);
    }
}

fn classes(
    objects: &Objects,
    at: usize,
    path: &str,
    claim: &ResourceClaim,
    findings: &mut Findings<'_>,
) {
    for (i, request) in claim.requests.iter().enumerate() {
        let exactly = request
            .exactly
            .iter()
            .map(|query| ("exactly".to_owned(), query));
        let rest = request.first_available.iter().enumerate();
        let rest = rest.map(|(j, query)| (format!("firstAvailable[{j}]"), query));
        for (field, query) in exactly.chain(rest) {
            if !query.class.is_empty() && !objects.classes.by_name.contains_key(&query.class) {
                let path = format!("{path}.devices.requests[{i}].{field}.deviceClassName");
                let names: Vec<Text> = objects.classes.by_name.keys().cloned().collect();
                let what = ("DeviceClass", &*query.class);
                findings.missing(at, "claim/class-not-found", &path, what, names.iter());
            }
        }
    }
}

/// Admin access is for labelled namespaces: the API server refuses the object elsewhere.
fn admin(
    objects: &Objects,
    at: usize,
    namespace: &Text,
    claim: &ResourceClaim,
    findings: &mut Findings<'_>,
) {
    let asked = claim.requests.iter().position(|request| {
        request
            .exactly
            .as_ref()
            .is_some_and(|query| query.admin_access == Some(true))
    });
    let Some(i) = asked else { return };
    let allowed = objects.namespaces.labels(namespace);
    if findings.manifest(at).object.is_fact()
        || allowed.get(ADMIN_LABEL).map(|value| &**value) == Some("true")
    {
        return;
    }
    let message = format!(
        "Forbidden: admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
    );
    let help = format!("add Namespace {namespace} with that label to the input");
    let path = format!("spec.devices.requests[{i}].adminAccess");
    findings.fault(at, "claim/admin-access", &path, message, Some(help));
}

/// Objects that change nothing.
fn unused(objects: &Objects, findings: &mut Findings<'_>) {
    let mut templates = BTreeSet::new();
    let mut claims = BTreeSet::new();
    for pod in &objects.pods {
        for entry in pod.spec.resource_claims.iter().flatten() {
            let key = |name: &String| (pod.namespace.clone(), Text::from(name.as_str()));
            templates.extend(entry.resource_claim_template_name.as_ref().map(key));
            claims.extend(entry.resource_claim_name.as_ref().map(key));
        }
    }
    let unused = objects
        .claims
        .templates
        .iter()
        .filter(|(key, _)| !templates.contains(*key));
    let unused = unused.map(|(_, template)| (template.source, "no pod uses it"));
    let idle = objects
        .claims
        .claims
        .iter()
        .filter(|(key, claim)| !claims.contains(*key) && claim.allocation.is_none());
    let idle = idle.map(|(_, claim)| (claim.source, "no pod uses it"));
    let classes = objects.classes.unused();
    let classes = classes.map(|source| (source, "no claim or pod asks for it"));
    let all: Vec<_> = unused.chain(idle).chain(classes).collect();
    for (at, message) in all {
        if !findings.manifest(at).object.is_fact() {
            findings.warn(at, "object/without-effect", message);
        }
    }
}

/// Nodes whose devices two parties hand out.
fn device_plugins(objects: &Objects, findings: &mut Findings<'_>) {
    let drivers: BTreeMap<&Text, BTreeSet<&Text>> = objects
        .slices
        .iter()
        .filter_map(|slice| Some((slice.node_name.as_ref()?, &slice.driver)))
        .fold(BTreeMap::new(), |mut all, (node, driver)| {
            all.entry(node).or_insert_with(BTreeSet::new).insert(driver);
            all
        });
    for node in &objects.nodes {
        let Some(drivers) = drivers.get(node.name()) else {
            continue;
        };
        for (driver, is_served) in SERVED {
            let amounts = node.allocatable.scalar.iter();
            let served = amounts.filter(|(name, amount)| **amount > 0 && is_served(name));
            let served: Vec<_> = served
                .map(|(name, amount)| format!("{name}: {amount}"))
                .collect();
            if served.is_empty() || !drivers.iter().any(|other| &***other == driver) {
                continue;
            }
            findings.warnings.push(Warning {
                code: "node/device-plugin-present",
                object: Warning::title("Node", "", node.name()),
                message: format!(
                    "a device plugin ({}) runs beside the DRA driver {driver}: both hand out the same devices, so two pods can get one; remove the device plugin from this node, or the DRA driver",
                    served.join(", "),
                ),
            });
        }
    }
}

/// The drivers, and the resources under which a device plugin hands out their devices.
const SERVED: [(&str, fn(&str) -> bool); 2] = [
    (NEURON_DRIVER, |name| {
        name.starts_with("aws.amazon.com/neuron")
    }),
    (EFA_DRIVER, |name| name == "vpc.amazonaws.com/efa"),
];
