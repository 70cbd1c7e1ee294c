//! The plan for a person: who goes where with which devices, the nodes in pictures, the reasons.

use std::collections::BTreeMap;
use std::sync::Arc;

use anstyle::AnsiColor;
use trainyard_model::Text;
use trainyard_model::plan::{Plan, PodPlan, PrepareRefusal, Refusal, Warning};

use crate::output::Look;
use crate::render::picture;
use crate::render::{count, ranges};

/// Shown of a longer list unless everything is asked for.
const MOST_PODS: usize = 12;
const MOST_NODES: usize = 6;
const MOST_WARNINGS: usize = 12;

/// The whole text.
pub fn render(plan: &Plan, warnings: &[Warning], verbose: bool, look: Look) -> String {
    let mut out = String::new();
    placed(plan, verbose, look, &mut out);
    pictures(plan, verbose, look, &mut out);
    refused(plan, verbose, look, &mut out);
    unprepared(plan, verbose, look, &mut out);
    warn(warnings, verbose, look, &mut out);
    summary(plan, look, &mut out);
    out
}

fn name(pod: &PodPlan) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn placed(plan: &Plan, verbose: bool, look: Look, out: &mut String) {
    let pods: Vec<&PodPlan> = plan.pods.iter().filter(|p| p.node.is_some()).collect();
    let shown = if verbose {
        pods.len()
    } else {
        pods.len().min(MOST_PODS)
    };
    for pod in &pods[..shown] {
        let node = pod.node.as_deref().unwrap_or_default();
        out.push_str(&format!("{} → {}\n", look.bold(name(pod)), look.bold(node)));
        for claim in &pod.claims {
            let from = match &claim.template {
                Some(template) => format!("{} (template {template})", claim.pod_claim_name),
                None if claim.pod_claim_name.is_empty() => claim.name.to_string(),
                None => format!("{} (claim {})", claim.pod_claim_name, claim.name),
            };
            out.push_str(&format!("  {from}\n"));
            let mut requests: Vec<(&str, Vec<&str>)> = Vec::new();
            for result in claim.allocation.iter().flat_map(|a| &a.results) {
                match requests.last_mut() {
                    Some((request, devices)) if *request == &*result.request => {
                        devices.push(&result.device);
                    }
                    _ => requests.push((&result.request, vec![&result.device])),
                }
            }
            for (request, devices) in requests {
                out.push_str(&format!("    {request}: {}\n", ranges(devices)));
            }
        }
    }
    if shown < pods.len() {
        let rest = count(pods.len() - shown, "more pod");
        out.push_str(&look.dim(format!("... and {rest} placed (all with --verbose)")));
        out.push('\n');
    }
    if !pods.is_empty() {
        out.push('\n');
    }
}

fn pictures(plan: &Plan, verbose: bool, look: Look, out: &mut String) {
    let owners = picture::Owners::of(plan);
    let used: Vec<_> = plan
        .nodes
        .iter()
        .filter(|node| owners.uses(&node.name))
        .collect();
    let shown = if verbose {
        used.len()
    } else {
        used.len().min(MOST_NODES)
    };
    for node in &used[..shown] {
        out.push_str(&picture::render(node, &owners, look));
        out.push('\n');
    }
    if shown < used.len() {
        let rest = count(used.len() - shown, "more node");
        out.push_str(&look.dim(format!("... and {rest} in use (all with --verbose)")));
        out.push_str("\n\n");
    }
}

fn refused(plan: &Plan, verbose: bool, look: Look, out: &mut String) {
    // Pods that are refused alike share one refusal.
    let mut groups: Vec<(&Arc<Refusal>, Vec<&PodPlan>)> = Vec::new();
    let mut known: BTreeMap<*const Refusal, usize> = BTreeMap::new();
    for pod in &plan.pods {
        let Some(refusal) = &pod.refusal else {
            continue;
        };
        let index = *known.entry(Arc::as_ptr(refusal)).or_insert_with(|| {
            groups.push((refusal, Vec::new()));
            groups.len() - 1
        });
        groups[index].1.push(pod);
    }
    for (refusal, pods) in groups {
        let who = names(&pods, verbose, look);
        let word = look.colored(AnsiColor::Red, "refused");
        out.push_str(&format!("{who} {word}"));
        // One reason for all nodes is told once.
        match refusal.nodes.as_slice() {
            [] => out.push_str(&look.wrap(&format!(": {}", refusal.message), 2)),
            [one] => out.push_str(&format!(" on {}\n", nodes(&one.names, verbose))),
            more => {
                let groups = count(more.len(), "group");
                out.push_str(&format!(" by {groups} of nodes, each for its own reason\n"));
            }
        }
        for node in &refusal.nodes {
            let whose = if refusal.nodes.len() > 1 {
                format!("{}: ", nodes(&node.names, verbose))
            } else {
                String::new()
            };
            out.push_str(&look.wrap(&format!("  {whose}{}", node.reason.message), 4));
            if verbose {
                let details = node.reason.details.iter().map(String::as_str);
                let several = node.names.len() > 1 && !node.reason.details.is_empty();
                for detail in details.chain(several.then_some(ONE_OF_SEVERAL)) {
                    out.push_str(&look.wrap(&format!("    {detail}"), 6));
                }
            }
        }
        out.push('\n');
    }
}

/// What the details of a reason speak of where several nodes have it.
const ONE_OF_SEVERAL: &str =
    "devices named are those of one node; the others are in the same state";

/// Pods that have a node, and would not start there.
fn unprepared(plan: &Plan, verbose: bool, look: Look, out: &mut String) {
    let mut groups: Vec<(&PrepareRefusal, Vec<&PodPlan>)> = Vec::new();
    let mut known: BTreeMap<&PrepareRefusal, usize> = BTreeMap::new();
    for pod in &plan.pods {
        let Some(prepare) = &pod.prepare else {
            continue;
        };
        let index = *known.entry(prepare).or_insert_with(|| {
            groups.push((prepare, Vec::new()));
            groups.len() - 1
        });
        groups[index].1.push(pod);
    }
    for (prepare, pods) in groups {
        let word = look.colored(AnsiColor::Red, "would not start");
        let who = names(&pods, verbose, look);
        out.push_str(&format!("{who} {word}: preparing the devices is refused\n"));
        out.push_str(&look.wrap(&format!("  {}", prepare.message), 4));
        out.push('\n');
    }
}

/// Pods that share a fate.
fn names(pods: &[&PodPlan], verbose: bool, look: Look) -> String {
    let mut who = look.bold(name(pods[0]));
    match pods.len() {
        1 => {}
        _ if verbose => {
            for pod in &pods[1..] {
                who.push_str(&format!(", {}", look.bold(name(pod))));
            }
        }
        n => who.push_str(&format!(" and {}", count(n - 1, "more pod"))),
    }
    who
}

fn nodes(names: &[Text], verbose: bool) -> String {
    match names {
        [first, second, _, _, ..] if !verbose => {
            format!("{first} {second} ... ({})", count(names.len(), "node"))
        }
        _ => names.join(" "),
    }
}

fn warn(warnings: &[Warning], verbose: bool, look: Look, out: &mut String) {
    let shown = if verbose {
        warnings.len()
    } else {
        warnings.len().min(MOST_WARNINGS)
    };
    for warning in &warnings[..shown] {
        let mut line = look.colored(AnsiColor::Yellow, format!("warning[{}]", warning.code));
        if !warning.object.is_empty() {
            line.push_str(&format!(" {}", warning.object));
        }
        line.push_str(&format!(": {}", warning.message));
        out.push_str(&look.wrap(&line, 2));
    }
    if shown < warnings.len() {
        let rest = count(warnings.len() - shown, "more warning");
        out.push_str(&look.dim(format!("... and {rest} (all with --verbose)")));
        out.push('\n');
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
}

fn summary(plan: &Plan, look: Look, out: &mut String) {
    let summary = plan.summary();
    let unprepared = match plan.unprepared() {
        0 => String::new(),
        number => format!(" ({number} would not start)"),
    };
    let text = format!(
        "{}: {} placed{unprepared}, {} refused; {}",
        count(summary.pods, "pod"),
        summary.placed,
        summary.refused,
        count(summary.nodes, "node"),
    );
    let color = if summary.refused == 0 && unprepared.is_empty() {
        AnsiColor::Green
    } else {
        AnsiColor::Red
    };
    out.push_str(&look.colored(color, text));
    out.push('\n');
}
