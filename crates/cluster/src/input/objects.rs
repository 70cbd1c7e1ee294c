//! What an input holds, sorted by what it is for.

use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::slice::ResourceSlice;
use trainyard_wire::k8s::api::resource::v1 as api;
use trainyard_wire::{Manifest, Object, convert};

use super::claims::{Claim, Claims, Consumer, Template};
use super::classes::Classes;
use super::natural;
use super::node::Node;
use super::order::Priorities;
use super::taint_rules;
use super::workloads::{self, Factory, Groups, Item, Note, Owners, ReplicatedJob};
use crate::pod::Pod;
use crate::pod::demand::Namespaces;
use crate::pod::labels::Selector;

/// Manifests, and nodes from the catalogue.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// As [`trainyard_wire::read`](fn@trainyard_wire::read) gives them.
    pub manifests: Vec<Manifest>,
    /// Nodes beside those of the manifests.
    pub hardware: Vec<trainyard_inventory::node::Node>,
}

/// The objects of an input by kind.
#[derive(Debug, Default)]
pub struct Objects {
    /// In natural order of their names.
    pub nodes: Vec<Node>,
    /// In the order of the input; taint rules not applied.
    pub slices: Vec<Arc<ResourceSlice>>,
    /// DeviceClasses.
    pub classes: Classes,
    /// With their manifests.
    pub rules: Vec<(usize, taint_rules::Rule)>,
    /// PriorityClasses.
    pub priorities: Priorities,
    /// Labels of namespaces.
    pub namespaces: Namespaces,
    /// Claims and templates.
    pub claims: Claims,
    /// Pods, made and found.
    pub pods: Vec<Pod>,
    /// What to say of workloads.
    pub notes: Vec<Note>,
}

impl Objects {
    /// Sorts an input.
    pub fn of(input: &Input) -> Objects {
        let mut objects = Objects::default();
        let mut first_default = true;
        for (at, manifest) in input.manifests.iter().enumerate() {
            let broken = manifest.defects.first().map(ToString::to_string);
            match &manifest.object {
                Object::Node(node) => objects.nodes.push(Node::of(node)),
                Object::ResourceSlice(published) => {
                    objects.slices.push(published.slice.clone());
                }
                Object::DeviceClass(class) => objects.classes.add(at, class),
                Object::DeviceTaintRule(rule) => objects.rules.push((at, taint_rule(rule))),
                Object::Namespace(namespace) => {
                    let meta = &namespace.metadata;
                    let labels = workloads::labels(meta);
                    objects.namespaces.0.insert(workloads::name(meta), labels);
                }
                Object::PriorityClass(class) => {
                    let default = class.global_default == Some(true);
                    let name = workloads::name(&class.metadata);
                    let value = class.value.unwrap_or_default();
                    objects
                        .priorities
                        .add(name, value.into(), default, first_default);
                    first_default &= !default;
                }
                Object::ResourceClaim(object) => objects.claim(at, object, broken),
                Object::ResourceClaimTemplate(template) => {
                    let meta = &template.metadata;
                    let spec = template.spec.as_ref().and_then(|spec| spec.spec.as_ref());
                    let spec = Arc::new(convert::claim_of(meta, spec));
                    let key = (workloads::namespace(meta), workloads::name(meta));
                    let source = at;
                    objects.claims.templates.insert(
                        key,
                        Template {
                            spec,
                            broken,
                            source,
                        },
                    );
                }
                _ => {}
            }
        }
        for node in &input.hardware {
            objects.nodes.push(Node::of_hardware(node));
            let slices = node.slices.iter().cloned().map(Arc::new);
            objects.slices.extend(slices);
        }
        let nodes = &mut objects.nodes;
        nodes.sort_by(|a, b| natural::compare(a.name(), b.name()));
        (objects.pods, objects.notes) = pods(input, &objects.nodes);
        objects.classes.supply(&objects.claims, &objects.pods);
        objects
    }

    fn claim(&mut self, at: usize, object: &api::ResourceClaim, broken: Option<String>) {
        let meta = &object.metadata;
        let status = object.status.as_ref();
        let owners = meta.owner_references.iter().flatten();
        let mut pods = owners.filter(|owner| owner.controller == Some(true) && owner.kind == "Pod");
        let annotations = meta.annotations.as_ref();
        let own_name = annotations
            .and_then(|annotations| annotations.get("resource.kubernetes.io/pod-claim-name"));
        let reserved = status.and_then(|status| status.reserved_for.as_ref());
        let claim = Claim {
            spec: Arc::new(convert::claim(object)),
            allocation: status
                .and_then(|status| status.allocation.as_ref())
                .map(|allocation| Arc::new(convert::allocation(allocation))),
            consumers: reserved
                .into_iter()
                .flatten()
                .map(|consumer| Consumer {
                    resource: consumer.resource.as_str().into(),
                    name: consumer.name.as_str().into(),
                    uid: consumer.uid.as_str().into(),
                })
                .collect(),
            owner: pods.next().map(|owner| owner.uid.as_str().into()),
            pod_claim_name: own_name.map(|name| name.as_str().into()),
            deleting: meta.deletion_timestamp.is_some(),
            broken,
            source: at,
        };
        let key = (workloads::namespace(meta), workloads::name(meta));
        self.claims.claims.insert(key, claim);
    }
}

fn taint_rule(rule: &api::DeviceTaintRule) -> taint_rules::Rule {
    let text = |text: &Option<String>| text.as_deref().map(Text::from);
    let selector = rule.spec.device_selector.as_ref();
    taint_rules::Rule {
        selector: selector.map(|selector| taint_rules::Selector {
            driver: text(&selector.driver),
            pool: text(&selector.pool),
            device: text(&selector.device),
        }),
        taint: convert::taint(&rule.spec.taint),
    }
}

fn pods(input: &Input, nodes: &[Node]) -> (Vec<Pod>, Vec<Note>) {
    let mut owners = Owners::default();
    let mut found = Vec::new();
    for (at, manifest) in input.manifests.iter().enumerate() {
        let (kind, meta) = (manifest.object.kind(), manifest.object.meta());
        match &manifest.object {
            Object::Pod(object) => found.push(Item {
                at,
                object: &**object,
            }),
            Object::ReplicaSet(set) => {
                owners.workload(kind, meta, Some(Selector::of(Some(&set.spec.selector))));
            }
            Object::StatefulSet(set) => {
                owners.workload(kind, meta, Some(Selector::of(Some(&set.spec.selector))));
            }
            Object::Deployment(_)
            | Object::DaemonSet(_)
            | Object::Job(_)
            | Object::CronJob(_)
            | Object::LeaderWorkerSet(_)
            | Object::JobSet(_) => owners.workload(kind, meta, None),
            _ => {}
        }
    }
    owners.pods(&found);
    let mut factory = Factory::new(nodes, owners, &found);
    for (at, manifest) in input.manifests.iter().enumerate() {
        match &manifest.object {
            Object::Pod(object) => factory.found(Item {
                at,
                object: &**object,
            }),
            Object::Deployment(object) => factory.deployment(Item {
                at,
                object: &**object,
            }),
            Object::ReplicaSet(object) => factory.replica_set(Item {
                at,
                object: &**object,
            }),
            Object::StatefulSet(object) => factory.stateful_set(Item {
                at,
                object: &**object,
            }),
            Object::DaemonSet(object) => factory.daemon_set(Item {
                at,
                object: &**object,
            }),
            Object::Job(object) => factory.job(Item {
                at,
                object: &**object,
            }),
            Object::CronJob(object) => factory.cron_job(Item {
                at,
                object: &**object,
            }),
            Object::LeaderWorkerSet(set) => {
                let spec = set.spec.clone().unwrap_or_default();
                let template = spec.leader_worker_template.unwrap_or_default();
                factory.leader_worker_set(&Groups {
                    meta: manifest.object.meta(),
                    replicas: spec.replicas.unwrap_or(1).into(),
                    size: template.size.unwrap_or(1).into(),
                    leader: template.leader_template.as_ref(),
                    worker: &template.worker_template.unwrap_or_default(),
                    at,
                });
            }
            Object::JobSet(set) => {
                let spec = set.spec.clone().unwrap_or_default();
                let jobs = spec.replicated_jobs.unwrap_or_default();
                let template = |place: usize| jobs[place].template.as_ref();
                let jobs: Vec<ReplicatedJob<'_>> = jobs
                    .iter()
                    .enumerate()
                    .filter_map(|(place, job)| {
                        Some(ReplicatedJob {
                            name: job.name.as_deref().unwrap_or_default(),
                            replicas: job.replicas.unwrap_or(1).into(),
                            template_meta: template(place)?.metadata.as_ref(),
                            spec: template(place)?.spec.as_ref()?,
                            place,
                        })
                    })
                    .collect();
                let suspended = spec.suspend == Some(true);
                factory.job_set(manifest.object.meta(), at, suspended, &jobs);
            }
            _ => {}
        }
    }
    factory.finish()
}
