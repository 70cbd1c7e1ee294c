//! May this pod run on that node? kube-scheduler's filters, as far as files can tell.
//!
//! Each filter is a function of a [`Demand`] and a [`NodeInfo`] in a file of its own; the two that look
//! at other nodes ([`spread`], [`peers`]) take counts that PreFilter made. They are asked in the
//! scheduler's order, and the first that fails gives the [`Cause`].
//!
//! Source: `pkg/scheduler/framework/plugins` of Kubernetes 1.37.2.

pub(crate) mod cause;
mod node_affinity;
pub(crate) mod peers;
mod ports;
mod resources;
pub(crate) mod spread;
mod taints;
mod unschedulable;

use cause::Cause;

use super::node_info::NodeInfo;
use crate::pod::demand::Demand;

/// The filters that look at one node alone, in the scheduler's order.
pub(crate) fn check(demand: &Demand, info: NodeInfo<'_>) -> Result<(), Cause> {
    unschedulable::check(demand, info.node)?;
    taints::check(demand, info.node)?;
    node_affinity::check(demand, info.node)?;
    ports::check(demand, info.assigned)?;
    resources::check(demand, info)
}
