//! DeviceClasses: those of the input, those that the published charts would install, and the extended
//! resources that they stand for (KEP-5004).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::class::DeviceClass;
use trainyard_wire::convert;
use trainyard_wire::k8s::api::resource::v1 as api;

use super::claims::Claims;
use super::workloads;
use crate::pod::Pod;
use crate::pod::extended::IMPLICIT_PREFIX;
use crate::pod::resources::container_counts;

/// Classes that the published Helm charts install, with their selectors.
pub const SUPPLIED: [(&str, &str); 2] = [
    ("neuron.aws.com", "device.driver == 'neuron.aws.com'"),
    (
        "efa.networking.k8s.aws",
        "device.driver == 'dra.net' && device.attributes['dra.net'].pciDevice == 'Elastic Fabric Adapter (EFA)'",
    ),
];

/// A DeviceClass with its age: of several classes for one extended resource the newest is taken.
#[derive(Debug, Clone)]
pub struct Class {
    /// As the allocator takes it.
    pub class: Arc<DeviceClass>,
    created: Text,
    /// Manifest; `None`: supplied.
    source: Option<usize>,
}

/// All classes.
#[derive(Debug, Clone, Default)]
pub struct Classes {
    /// By name.
    pub by_name: BTreeMap<Text, Class>,
    /// Names of those that the input lacks.
    pub supplied: Vec<&'static str>,
    /// Names of those that a claim or a pod asks for.
    asked: BTreeSet<Text>,
}

impl Classes {
    /// Adds a class of the input.
    pub fn add(&mut self, at: usize, class: &api::DeviceClass) {
        let class = Class {
            class: Arc::new(convert::class(class)),
            created: workloads::time(class.metadata.creation_timestamp.as_ref()),
            source: Some(at),
        };
        self.by_name.insert(class.class.name.clone(), class);
    }

    /// Supplies the classes of [`SUPPLIED`] that the input lacks and something asks for.
    pub fn supply(&mut self, claims: &Claims, pods: &[Pod]) {
        let templates = claims.templates.values().map(|template| &template.spec);
        let specs = templates.chain(claims.claims.values().map(|claim| &claim.spec));
        let requests = specs.flat_map(|claim| &claim.requests);
        let queries = requests.flat_map(|r| r.exactly.iter().chain(&r.first_available));
        self.asked = queries.map(|query| query.class.clone()).collect();
        let resources: BTreeSet<Text> = pods.iter().flat_map(resources).collect();
        let implicit = resources
            .iter()
            .filter_map(|name| name.strip_prefix(IMPLICIT_PREFIX));
        self.asked.extend(implicit.map(Text::from));
        for (name, selector) in SUPPLIED {
            if !self.asked.contains(name) || self.by_name.contains_key(name) {
                continue;
            }
            let class = DeviceClass {
                name: name.into(),
                selectors: vec![Some(selector.into())],
                ..DeviceClass::default()
            };
            let class = Class {
                class: Arc::new(class),
                created: Text::default(),
                source: None,
            };
            self.by_name.insert(name.into(), class);
            self.supplied.push(name);
        }
        let named: Vec<Text> = resources
            .iter()
            .filter_map(|name| self.of_resource(name))
            .collect();
        self.asked.extend(named);
    }

    /// The class that an extended resource belongs to: the newest that names it, of equals the first
    /// by name; or the one whose implicit name it is.
    pub fn of_resource(&self, resource: &str) -> Option<Text> {
        if let Some(name) = resource.strip_prefix(IMPLICIT_PREFIX) {
            return self.by_name.contains_key(name).then(|| name.into());
        }
        let named = self
            .by_name
            .values()
            .filter(|class| class.class.extended_resource_name.as_deref() == Some(resource));
        let newest = named.reduce(|best, next| {
            if next.created > best.created {
                next
            } else {
                best
            }
        });
        newest.map(|class| class.class.name.clone())
    }

    /// All of them, by name, as the allocator takes them.
    pub fn converted(&self) -> Vec<Arc<DeviceClass>> {
        let classes = self.by_name.values();
        classes.map(|class| class.class.clone()).collect()
    }

    /// Manifests of the classes that nothing asks for.
    pub fn unused(&self) -> impl Iterator<Item = usize> {
        let classes = self.by_name.iter();
        let unused = classes.filter(|(name, _)| !self.asked.contains(*name));
        unused.filter_map(|(_, class)| class.source)
    }
}

/// The resources that a pod's containers ask for.
fn resources(pod: &Pod) -> impl Iterator<Item = Text> {
    let init = pod.spec.init_containers.iter().flatten();
    let containers = init.chain(&pod.spec.containers);
    containers.flat_map(container_counts).map(|(name, _)| name)
}
