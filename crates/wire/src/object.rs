//! Which kinds are read, and where an object came from.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate,
};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use trainyard_model::slice::ResourceSlice;

use crate::custom::{JobSet, LeaderWorkerSet};
use crate::lines::Lines;
use crate::problem::Problem;

/// One object of an input, in the version that is worked with.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Object {
    ResourceClaimTemplate(Box<ResourceClaimTemplate>),
    ResourceClaim(Box<ResourceClaim>),
    DeviceClass(Box<DeviceClass>),
    ResourceSlice(Box<Published>),
    DeviceTaintRule(Box<DeviceTaintRule>),
    Node(Box<Node>),
    Namespace(Box<Namespace>),
    PriorityClass(Box<PriorityClass>),
    Pod(Box<Pod>),
    Deployment(Box<Deployment>),
    ReplicaSet(Box<ReplicaSet>),
    StatefulSet(Box<StatefulSet>),
    DaemonSet(Box<DaemonSet>),
    Job(Box<Job>),
    CronJob(Box<CronJob>),
    LeaderWorkerSet(Box<LeaderWorkerSet>),
    JobSet(Box<JobSet>),
}

/// A ResourceSlice, converted where it is read: dumps of clusters consist of them, and Kubernetes'
/// own type takes many times the memory.
#[derive(Debug, Clone)]
pub struct Published {
    /// `metadata`
    pub metadata: ObjectMeta,
    /// All of it that an answer can depend on.
    pub slice: Arc<ResourceSlice>,
}

macro_rules! each {
    ($object:expr, $inner:ident => $do:expr, $custom:ident => $do_custom:expr) => {
        match $object {
            Object::ResourceClaimTemplate($inner) => $do,
            Object::ResourceClaim($inner) => $do,
            Object::DeviceClass($inner) => $do,
            Object::ResourceSlice($inner) => $do,
            Object::DeviceTaintRule($inner) => $do,
            Object::Node($inner) => $do,
            Object::Namespace($inner) => $do,
            Object::PriorityClass($inner) => $do,
            Object::Pod($inner) => $do,
            Object::Deployment($inner) => $do,
            Object::ReplicaSet($inner) => $do,
            Object::StatefulSet($inner) => $do,
            Object::DaemonSet($inner) => $do,
            Object::Job($inner) => $do,
            Object::CronJob($inner) => $do,
            Object::LeaderWorkerSet($custom) => $do_custom,
            Object::JobSet($custom) => $do_custom,
        }
    };
}

/// Kinds that belong to no namespace.
pub(crate) const CLUSTER_SCOPED: [&str; 6] = [
    "DeviceClass",
    "ResourceSlice",
    "DeviceTaintRule",
    "Node",
    "Namespace",
    "PriorityClass",
];

impl Object {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Object::ResourceClaimTemplate(_) => "ResourceClaimTemplate",
            Object::ResourceClaim(_) => "ResourceClaim",
            Object::DeviceClass(_) => "DeviceClass",
            Object::ResourceSlice(_) => "ResourceSlice",
            Object::DeviceTaintRule(_) => "DeviceTaintRule",
            Object::Node(_) => "Node",
            Object::Namespace(_) => "Namespace",
            Object::PriorityClass(_) => "PriorityClass",
            Object::Pod(_) => "Pod",
            Object::Deployment(_) => "Deployment",
            Object::ReplicaSet(_) => "ReplicaSet",
            Object::StatefulSet(_) => "StatefulSet",
            Object::DaemonSet(_) => "DaemonSet",
            Object::Job(_) => "Job",
            Object::CronJob(_) => "CronJob",
            Object::LeaderWorkerSet(_) => "LeaderWorkerSet",
            Object::JobSet(_) => "JobSet",
        }
    }

    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        static NONE: ObjectMeta = ObjectMeta {
            annotations: None,
            creation_timestamp: None,
            deletion_grace_period_seconds: None,
            deletion_timestamp: None,
            finalizers: None,
            generate_name: None,
            generation: None,
            labels: None,
            managed_fields: None,
            name: None,
            namespace: None,
            owner_references: None,
            resource_version: None,
            self_link: None,
            uid: None,
        };
        each!(self, o => &o.metadata, o => o.metadata.as_ref().unwrap_or(&NONE))
    }

    pub(crate) fn meta_mut(&mut self) -> &mut ObjectMeta {
        each!(self, o => &mut o.metadata, o => o.metadata.get_or_insert_default())
    }

    /// `metadata.name`, empty where there is none.
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace`, empty for kinds without one.
    pub fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    /// Whether the object comes out of a cluster (it has a `metadata.uid`): a fact, not a wish.
    pub fn is_fact(&self) -> bool {
        self.meta()
            .uid
            .as_deref()
            .is_some_and(|uid| !uid.is_empty())
    }

    /// What messages call it: `KIND NAMESPACE/NAME` or `KIND NAME`.
    pub fn title(&self) -> String {
        title(self.kind(), self.namespace(), self.name())
    }
}

/// `KIND NAMESPACE/NAME`, or `KIND NAME` without a namespace.
pub(crate) fn title(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// An object, where it stands, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The object.
    pub object: Object,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong with an object out of a cluster: its problems are warnings, and refuse only
    /// those pods that need it. Always empty for other objects, whose problems are faults.
    pub defects: Vec<Problem>,
}

/// Where an object stands.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Name of the source.
    pub file: Arc<str>,
    /// Line of its first field, from 1; 0 for objects that no source holds.
    pub line: u32,
    /// Of all its fields; not kept for objects out of a cluster.
    lines: Option<Lines>,
}

impl Origin {
    /// Of an object that no source holds.
    pub fn made(by: &str) -> Self {
        Origin {
            file: by.into(),
            line: 0,
            lines: None,
        }
    }

    pub(crate) fn new(file: Arc<str>, line: u32, lines: Option<Lines>) -> Self {
        Origin { file, line, lines }
    }

    /// The line of a field such as `spec.containers[0].resources.claims[1].name`, or of the nearest
    /// one around it that is written.
    pub fn line_of(&self, path: &str) -> u32 {
        self.lines
            .as_ref()
            .map_or(self.line, |lines| lines.line_of(path))
    }
}
