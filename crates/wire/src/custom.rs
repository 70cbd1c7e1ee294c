//! Kinds that are no part of Kubernetes itself: LeaderWorkerSet and JobSet, with all fields that
//! their published versions have, so that a misspelt one is noticed.
//!
//! Sources: `sigs.k8s.io/lws` v0.8.0 (`api/leaderworkerset/v1`), `sigs.k8s.io/jobset` v0.11.0
//! (`api/jobset/v1alpha2`).

use k8s_openapi::api::apps::v1::StatefulSetPersistentVolumeClaimRetentionPolicy;
use k8s_openapi::api::batch::v1::JobTemplateSpec;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

/// Structs whose fields are all optional, as the API's are to a reader; the field's documentation is
/// its name in the API.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$rename:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            pub struct $name {
                $(
                    #[doc = concat!("`", stringify!($field), "`, in camel case.")]
                    #[serde(skip_serializing_if = "Option::is_none")]
                    $(#[$rename])*
                    pub $field: Option<$type>,
                )*
            }
        )*
    };
}

objects! {
    /// `leaderworkerset.x-k8s.io/v1`: groups of one leader and its workers.
    LeaderWorkerSet {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: LeaderWorkerSetSpec,
        status: LeaderWorkerSetStatus,
    }
    /// `LeaderWorkerSet.spec`
    LeaderWorkerSetSpec {
        replicas: i32,
        leader_worker_template: LeaderWorkerTemplate,
        rollout_strategy: RolloutStrategy,
        startup_policy: String,
        network_config: NetworkConfig,
    }
    /// `LeaderWorkerSet.spec.leaderWorkerTemplate`
    LeaderWorkerTemplate {
        leader_template: PodTemplateSpec,
        worker_template: PodTemplateSpec,
        size: i32,
        restart_policy: String,
        sub_group_policy: SubGroupPolicy,
        volume_claim_templates: Vec<PersistentVolumeClaim>,
        persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy,
    }
    /// `LeaderWorkerSet.spec.rolloutStrategy`
    RolloutStrategy {
        #[serde(rename = "type")]
        kind: String,
        rolling_update_configuration: RollingUpdateConfiguration,
    }
    /// `LeaderWorkerSet.spec.rolloutStrategy.rollingUpdateConfiguration`
    RollingUpdateConfiguration {
        partition: i32,
        max_unavailable: IntOrString,
        max_surge: IntOrString,
    }
    /// `LeaderWorkerSet.spec.leaderWorkerTemplate.subGroupPolicy`
    SubGroupPolicy {
        sub_group_policy_type: String,
        sub_group_size: i32,
    }
    /// `LeaderWorkerSet.spec.networkConfig`
    NetworkConfig {
        subdomain_policy: String,
    }
    /// `LeaderWorkerSet.status`
    LeaderWorkerSetStatus {
        conditions: Vec<Condition>,
        ready_replicas: i32,
        updated_replicas: i32,
        replicas: i32,
        hpa_pod_selector: String,
        observed_generation: i64,
    }

    /// `jobset.x-k8s.io/v1alpha2`: several Jobs as one.
    JobSet {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: JobSetSpec,
        status: JobSetStatus,
    }
    /// `JobSet.spec`
    JobSetSpec {
        replicated_jobs: Vec<ReplicatedJob>,
        network: Network,
        success_policy: SuccessPolicy,
        failure_policy: FailurePolicy,
        startup_policy: StartupPolicy,
        suspend: bool,
        coordinator: Coordinator,
        managed_by: String,
        ttl_seconds_after_finished: i32,
        volume_claim_policies: Vec<VolumeClaimPolicy>,
    }
    /// `JobSet.spec.replicatedJobs[]`
    ReplicatedJob {
        name: String,
        group_name: String,
        template: JobTemplateSpec,
        replicas: i32,
        depends_on: Vec<DependsOn>,
    }
    /// `JobSet.spec.replicatedJobs[].dependsOn[]`
    DependsOn {
        name: String,
        status: String,
    }
    /// `JobSet.spec.network`
    Network {
        #[serde(rename = "enableDNSHostnames")]
        enable_dns_hostnames: bool,
        subdomain: String,
        publish_not_ready_addresses: bool,
    }
    /// `JobSet.spec.failurePolicy.rules[]`
    FailurePolicyRule {
        name: String,
        action: String,
        on_job_failure_reasons: Vec<String>,
        on_job_failure_message_patterns: Vec<String>,
        target_replicated_jobs: Vec<String>,
    }
    /// `JobSet.spec.failurePolicy`
    FailurePolicy {
        max_restarts: i32,
        restart_strategy: String,
        rules: Vec<FailurePolicyRule>,
    }
    /// `JobSet.spec.successPolicy`
    SuccessPolicy {
        operator: String,
        target_replicated_jobs: Vec<String>,
    }
    /// `JobSet.spec.startupPolicy`
    StartupPolicy {
        startup_policy_order: String,
    }
    /// `JobSet.spec.coordinator`
    Coordinator {
        replicated_job: String,
        job_index: i32,
        pod_index: i32,
    }
    /// `JobSet.spec.volumeClaimPolicies[]`
    VolumeClaimPolicy {
        templates: Vec<PersistentVolumeClaim>,
        retention_policy: VolumeRetentionPolicy,
    }
    /// `JobSet.spec.volumeClaimPolicies[].retentionPolicy`
    VolumeRetentionPolicy {
        when_deleted: String,
    }
    /// `JobSet.status`
    JobSetStatus {
        conditions: Vec<Condition>,
        restarts: i32,
        restarts_count_towards_max: i32,
        terminal_state: String,
        replicated_jobs_status: Vec<ReplicatedJobStatus>,
        previous_in_place_restart_attempt: i32,
        current_in_place_restart_attempt: i32,
    }
    /// `JobSet.status.replicatedJobsStatus[]`
    ReplicatedJobStatus {
        name: String,
        ready: i32,
        succeeded: i32,
        failed: i32,
        active: i32,
        suspended: i32,
    }
}
