//! What becomes of a pod? Workloads, node filters and scoring, claims, the plan.
