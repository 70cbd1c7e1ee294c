//! Job and CronJob.

use std::collections::BTreeSet;

use trainyard_model::Text;

use super::{Factory, Item, Mould, name};
use crate::k8s::{self, JobSpec, ObjectMeta};
use crate::pod::labels::Labels;

/// Label and annotation of an Indexed Job's pods.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A job, as its parents see it.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// Where pods get their namespace from.
    pub meta: &'a ObjectMeta,
    /// Name of the Job.
    pub name: &'a str,
    /// What it says.
    pub spec: &'a JobSpec,
    /// Completions so far.
    pub succeeded: i64,
    /// Pods of the input that still run.
    pub alive: Vec<&'a k8s::Pod>,
    /// Manifest.
    pub at: usize,
    /// Path of the pod's spec in it.
    pub path: &'a str,
    /// Labels that the parent adds to pods.
    pub labels: Labels,
}

impl Factory<'_> {
    /// As many pods as run at one time: `parallelism`, but no more than completions are missing.
    pub fn job(&mut self, item: Item<'_, k8s::Job>) {
        let Item { at, object } = item;
        let Some(spec) = &object.spec else { return };
        let meta = &object.metadata;
        if self.owners.is_owned("Job", meta) {
            return;
        }
        let status = object.status.as_ref();
        let done = status.is_some_and(|status| {
            let conditions = status.conditions.iter().flatten();
            let mut ended =
                conditions.filter(|c| matches!(c.type_.as_str(), "Complete" | "Failed"));
            ended.any(|condition| condition.status == "True")
        });
        if done {
            return;
        }
        let run = Run {
            meta,
            name: &name(meta),
            spec,
            succeeded: status
                .and_then(|status| status.succeeded)
                .unwrap_or(0)
                .into(),
            alive: self.owners.alive("Job", meta).collect(),
            at,
            path: "spec.template.spec",
            labels: Labels::new(),
        };
        self.run(&run);
    }

    /// One run of its job.
    pub fn cron_job(&mut self, item: Item<'_, k8s::CronJob>) {
        let Item { at, object } = item;
        let spec = &object.spec;
        let meta = &object.metadata;
        if spec.suspend == Some(true) {
            self.note(at, "workload/suspended", "suspended: it makes no pods");
            return;
        }
        let alive: Vec<_> = self.owners.alive("CronJob", meta).collect();
        // A run that is under way is this run.
        let Some(job) = spec.job_template.spec.as_ref().filter(|_| alive.is_empty()) else {
            return;
        };
        let run = Run {
            meta,
            name: &name(meta),
            spec: job,
            succeeded: 0,
            alive,
            at,
            path: "spec.jobTemplate.spec.template.spec",
            labels: Labels::new(),
        };
        self.run(&run);
    }

    pub(super) fn run(&mut self, run: &Run<'_>) {
        let spec = run.spec;
        if spec.suspend == Some(true) {
            self.note(
                run.at,
                "workload/suspended",
                format!("job {} is suspended: it makes no pods", run.name),
            );
            return;
        }
        let mut mould = Mould::of(run.meta, &spec.template, run.at, run.path);
        for key in ["batch.kubernetes.io/job-name", "job-name"] {
            mould.label(key, run.name);
        }
        for (key, value) in &run.labels {
            mould.label(key, value);
        }
        let alive = run.alive.len() as i64;
        let parallelism = i64::from(spec.parallelism.unwrap_or(1));
        // Without completions, any pod that succeeds ends a job of several; one pod is the default.
        let completions = match (spec.completions, spec.parallelism) {
            (Some(completions), _) => Some(i64::from(completions)),
            (None, None) => Some(1),
            (None, Some(_)) => None,
        };
        let open = completions.map(|completions| completions - run.succeeded);
        let wanted = open.map_or(parallelism, |open| open.min(parallelism)) - alive;
        if wanted <= 0 && alive == 0 {
            self.note(
                run.at,
                "workload/no-replicas",
                format!("job {} makes no pods", run.name),
            );
        }
        if spec.completion_mode.as_deref() == Some("Indexed") {
            self.indexed(run, &mould, completions.unwrap_or(parallelism), wanted);
        } else {
            self.make_numbered(&mould, run.name, wanted);
        }
    }

    /// The lowest indices that neither run nor, as far as pods tell, have succeeded.
    fn indexed(&mut self, run: &Run<'_>, mould: &Mould, completions: i64, wanted: i64) {
        let index = |pod: &&k8s::Pod| -> Option<i64> {
            let annotations = pod.metadata.annotations.iter().flatten();
            let labels = pod.metadata.labels.iter().flatten();
            let mut all = annotations.chain(labels).filter(|(key, _)| *key == INDEX);
            all.find_map(|(_, value)| value.parse().ok())
        };
        let taken: BTreeSet<i64> = run.alive.iter().filter_map(index).collect();
        let free =
            (run.succeeded.min(completions)..completions).filter(|index| !taken.contains(index));
        for index in free.take(usize::try_from(wanted).unwrap_or(0)) {
            let name: Text = format!("{}-{index}", run.name).into();
            self.make(mould, name, &[(INDEX, &index.to_string())]);
        }
    }
}
