//! LeaderWorkerSet and JobSet: groups of pods that start together.

use std::sync::Arc;

use trainyard_model::Text;

use super::batch::Run;
use super::{Factory, Mould, name};
use crate::k8s::{self, JobSpec, ObjectMeta, PodTemplateSpec};
use crate::pod::labels::Labels;

/// Label of a LeaderWorkerSet's pods: its name.
pub(super) const LWS_NAME: &str = "leaderworkerset.sigs.k8s.io/name";
const LWS_GROUP_INDEX: &str = "leaderworkerset.sigs.k8s.io/group-index";
const LWS_GROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
const LWS_WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";
/// Annotation: a topology of which a group has one domain to itself.
pub const LWS_EXCLUSIVE: &str = "leaderworkerset.sigs.k8s.io/exclusive-topology";
/// Likewise, for the jobs of a JobSet.
pub const JOBSET_EXCLUSIVE: &str = "alpha.jobset.sigs.k8s.io/exclusive-topology";
const JOBSET_NAME: &str = "jobset.sigs.k8s.io/jobset-name";
const JOBSET_JOB: &str = "jobset.sigs.k8s.io/replicatedjob-name";
const JOBSET_INDEX: &str = "jobset.sigs.k8s.io/job-index";
const JOBSET_KEY: &str = "jobset.sigs.k8s.io/job-key";

/// The part of a LeaderWorkerSet that makes pods.
#[derive(Debug)]
pub struct Groups<'a> {
    /// `metadata`
    pub meta: &'a ObjectMeta,
    /// `spec.replicas`
    pub replicas: i64,
    /// `spec.leaderWorkerTemplate.size`
    pub size: i64,
    /// `spec.leaderWorkerTemplate.leaderTemplate`
    pub leader: Option<&'a PodTemplateSpec>,
    /// `spec.leaderWorkerTemplate.workerTemplate`
    pub worker: &'a PodTemplateSpec,
    /// Manifest.
    pub at: usize,
}

/// One entry of a JobSet's `spec.replicatedJobs`.
#[derive(Debug)]
pub struct ReplicatedJob<'a> {
    /// `name`
    pub name: &'a str,
    /// `replicas`
    pub replicas: i64,
    /// `template.metadata`
    pub template_meta: Option<&'a ObjectMeta>,
    /// `template.spec`
    pub spec: &'a JobSpec,
    /// Index in the list.
    pub place: usize,
}

impl Factory<'_> {
    /// Groups of one leader `NAME-GROUP` and workers `NAME-GROUP-1`, `NAME-GROUP-2`...
    pub fn leader_worker_set(&mut self, groups: &Groups<'_>) {
        let Groups { meta, at, .. } = groups;
        let base = name(meta);
        if groups.replicas <= 0 {
            self.note(
                *at,
                "workload/no-replicas",
                "replicas is 0: it makes no pods",
            );
        }
        let worker = Mould::of(
            meta,
            groups.worker,
            *at,
            "spec.leaderWorkerTemplate.workerTemplate.spec",
        );
        let leader = groups.leader.map_or_else(
            || worker.clone(),
            |leader| {
                Mould::of(
                    meta,
                    leader,
                    *at,
                    "spec.leaderWorkerTemplate.leaderTemplate.spec",
                )
            },
        );
        let exclusive = annotation(meta, LWS_EXCLUSIVE);
        for group in 0..groups.replicas {
            let key = format!("{base}-{group}");
            for place in 0..groups.size {
                let mut mould = if place == 0 {
                    leader.clone()
                } else {
                    worker.clone()
                };
                let pod: Text = if place == 0 {
                    key.as_str().into()
                } else {
                    format!("{base}-{group}-{place}").into()
                };
                if self.taken(&mould.namespace, &pod) {
                    continue;
                }
                if let Some(topology) = exclusive {
                    mould.spec = Arc::new(apart(&mould.spec, topology, LWS_GROUP_KEY, &key));
                }
                let own = [
                    (LWS_NAME, &*base),
                    (LWS_GROUP_INDEX, &group.to_string()),
                    (LWS_GROUP_KEY, &key),
                    (LWS_WORKER_INDEX, &place.to_string()),
                ];
                self.make(&mould, pod, &own);
            }
        }
    }

    /// Jobs `NAME-JOB-INDEX`, each as a Job would; JobSet makes them Indexed unless they say
    /// otherwise.
    pub fn job_set(
        &mut self,
        meta: &ObjectMeta,
        at: usize,
        suspended: bool,
        jobs: &[ReplicatedJob<'_>],
    ) {
        if suspended {
            self.note(at, "workload/suspended", "suspended: it makes no pods");
            return;
        }
        let base = name(meta);
        for job in jobs {
            let path = format!(
                "spec.replicatedJobs[{}].template.spec.template.spec",
                job.place
            );
            let exclusive = job
                .template_meta
                .and_then(|meta| annotation(meta, JOBSET_EXCLUSIVE))
                .or_else(|| annotation(meta, JOBSET_EXCLUSIVE));
            for index in 0..job.replicas {
                let run_name = format!("{base}-{}-{index}", job.name);
                let mut spec = job.spec.clone();
                spec.completion_mode
                    .get_or_insert_with(|| "Indexed".to_owned());
                let key = format!("{}/{run_name}", super::namespace(meta));
                if let Some(topology) = exclusive {
                    let pod = spec.template.spec.get_or_insert_default();
                    *pod = apart(pod, topology, JOBSET_KEY, &key);
                }
                let labels: Labels = [
                    (JOBSET_NAME, &*base),
                    (JOBSET_JOB, job.name),
                    (JOBSET_INDEX, &index.to_string()),
                    (JOBSET_KEY, &key),
                ]
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect();
                let of_run = |pod: &&k8s::Pod| {
                    let labels = pod.metadata.labels.as_ref();
                    labels.and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
                        == Some(&run_name)
                };
                let alive = self.owners.alive("JobSet", meta).filter(of_run).collect();
                self.run(&Run {
                    meta,
                    name: &run_name,
                    spec: &spec,
                    succeeded: 0,
                    alive,
                    at,
                    path: &path,
                    labels,
                });
            }
        }
    }
}

fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let annotations = meta.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// The spec of a pod that shares its domain with the pods of its own group and with no other's.
fn apart(spec: &k8s::PodSpec, topology: &str, label: &str, key: &str) -> k8s::PodSpec {
    let term = |requirements: Vec<k8s::LabelSelectorRequirement>| k8s::PodAffinityTerm {
        label_selector: Some(k8s::LabelSelector {
            match_expressions: Some(requirements),
            match_labels: None,
        }),
        topology_key: topology.to_owned(),
        namespace_selector: Some(k8s::LabelSelector::default()),
        ..k8s::PodAffinityTerm::default()
    };
    let requirement = |operator: &str, values: Option<Vec<String>>| k8s::LabelSelectorRequirement {
        key: label.to_owned(),
        operator: operator.to_owned(),
        values,
    };
    let own = || Some(vec![key.to_owned()]);
    let mut spec = spec.clone();
    let affinity = spec.affinity.get_or_insert_default();
    let near = affinity.pod_affinity.get_or_insert_default();
    near.required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .push(term(vec![requirement("In", own())]));
    let far = affinity.pod_anti_affinity.get_or_insert_default();
    far.required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .push(term(vec![
            requirement("Exists", None),
            requirement("NotIn", own()),
        ]));
    spec
}
