//! Extended resources that come from DRA (KEP-5004): a container asks for `example.com/gpu: 2`, a
//! DeviceClass stands for that name, and on a node without a device plugin for it the scheduler makes
//! a claim.
//!
//! Source: `plugins/dynamicresources/extendeddynamicresources.go` of Kubernetes 1.37.2.

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::claim::{DeviceQuery, DeviceRequest, ResourceClaim};

use super::resources::{Resources, container_counts, is_sidecar};
use crate::k8s::{Container, PodSpec};

/// The prefix of the resource name that every DeviceClass has without asking.
pub const IMPLICIT_PREFIX: &str = "deviceclass.resource.kubernetes.io/";

/// The name of the claim as long as nobody has written it down.
pub const IN_MEMORY: &str = "<extended-resources>";

/// What a pod's containers ask for by resource name, with the classes that stand for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extended {
    /// Class by resource name.
    classes: BTreeMap<Text, Text>,
    /// Init containers first.
    containers: Vec<Ask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Ask {
    /// Every resource the container asks for, by name; `None`: not a whole number.
    amounts: BTreeMap<Text, Option<i64>>,
    /// An init container that ends before the next starts.
    short_lived: bool,
}

impl Extended {
    /// `None`: the pod asks for nothing that a class stands for.
    pub fn of(spec: &PodSpec, class_of: impl Fn(&str) -> Option<Text>) -> Option<Extended> {
        let init = spec.init_containers.iter().flatten();
        let init = init.map(|container| ask(container, !is_sidecar(container)));
        let rest = spec
            .containers
            .iter()
            .map(|container| ask(container, false));
        let containers: Vec<Ask> = init.chain(rest).collect();
        let classes: BTreeMap<Text, Text> = containers
            .iter()
            .flat_map(|container| &container.amounts)
            .filter(|(_, amount)| **amount != Some(0))
            .filter_map(|(name, _)| Some((name.clone(), class_of(name)?)))
            .collect();
        (!classes.is_empty()).then_some(Extended {
            classes,
            containers,
        })
    }

    /// The resources that classes stand for.
    pub fn resources(&self) -> impl Iterator<Item = &Text> {
        self.classes.keys()
    }

    /// The claim that a node needs: for the resources that no device plugin brings there.
    pub fn claim(&self, allocatable: &Resources) -> Option<Arc<ResourceClaim>> {
        let by_class = self.classes.iter();
        let by_class = by_class.filter(|(name, _)| allocatable.scalar(name) == 0);
        let mut requests: Vec<DeviceRequest> = by_class
            .flat_map(|(name, class)| self.requests(name, class))
            .collect();
        requests.sort_by(|a, b| a.name.cmp(&b.name));
        (!requests.is_empty()).then(|| {
            Arc::new(ResourceClaim {
                name: IN_MEMORY.into(),
                requests,
                ..ResourceClaim::default()
            })
        })
    }

    /// One request for each container that keeps running, and one more for what the greediest of
    /// the short-lived ones needs beyond the devices of those that start after it.
    fn requests(&self, resource: &Text, class: &Text) -> Vec<DeviceRequest> {
        let containers = self.containers.iter().enumerate();
        let lasting: Vec<Option<DeviceRequest>> = containers
            .clone()
            .map(|(i, container)| {
                let wanted = (!container.short_lived).then(|| container.wanted(resource))??;
                Some(container.request(i, resource, class, wanted))
            })
            .collect();
        let mut greediest: Option<DeviceRequest> = None;
        for (i, container) in containers.filter(|(_, container)| container.short_lived) {
            let reused: i64 = lasting[i..].iter().flatten().map(count).sum();
            let Some(missing) = container.wanted(resource).map(|wanted| wanted - reused) else {
                continue;
            };
            if missing > 0
                && greediest
                    .as_ref()
                    .is_none_or(|request| count(request) < missing)
            {
                greediest = Some(container.request(i, resource, class, missing));
            }
        }
        greediest
            .into_iter()
            .chain(lasting.into_iter().flatten())
            .collect()
    }
}

fn count(request: &DeviceRequest) -> i64 {
    request.exactly.as_ref().map_or(0, |query| query.count)
}

impl Ask {
    fn wanted(&self, resource: &Text) -> Option<i64> {
        let amount = self.amounts.get(resource).copied().flatten();
        amount.filter(|amount| *amount != 0)
    }

    fn request(
        &self,
        container: usize,
        resource: &Text,
        class: &Text,
        count: i64,
    ) -> DeviceRequest {
        let place = self.amounts.keys().position(|name| name == resource);
        let place = place.unwrap_or_default();
        DeviceRequest {
            name: format!("container-{container}-request-{place}").into(),
            exactly: Some(DeviceQuery {
                class: class.clone(),
                count,
                ..DeviceQuery::default()
            }),
            first_available: Vec::new(),
        }
    }
}

fn ask(container: &Container, short_lived: bool) -> Ask {
    Ask {
        amounts: container_counts(container),
        short_lived,
    }
}
