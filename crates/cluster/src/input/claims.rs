//! Which claims does a pod need, and which of them are there?

use std::collections::BTreeMap;
use std::sync::Arc;

use trainyard_model::Text;
use trainyard_model::claim::{AllocationResult, ResourceClaim};
use trainyard_model::plan::PodClaim;

use crate::pod::Pod;

/// How many pods may share a claim.
pub const MOST_CONSUMERS: usize = 256;

/// Namespace and name.
pub type Key = (Text, Text);

/// A ResourceClaim of the input, or one that the plan has made.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `spec`
    pub spec: Arc<ResourceClaim>,
    /// `status.allocation`
    pub allocation: Option<Arc<AllocationResult>>,
    /// `status.reservedFor`: UIDs of pods, or their names where they have none.
    pub consumers: Vec<Consumer>,
    /// UID of the pod that owns it.
    pub owner: Option<Text>,
    /// Annotation `resource.kubernetes.io/pod-claim-name`.
    pub pod_claim_name: Option<Text>,
    /// Being deleted: nobody new may use it.
    pub deleting: bool,
    /// Why it cannot be used, if it cannot.
    pub broken: Option<String>,
    /// Manifest.
    pub source: usize,
}

/// `status.reservedFor[]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// `resource`, usually `pods`.
    pub resource: Text,
    /// `name`
    pub name: Text,
    /// `uid`; empty for a pod that does not exist yet.
    pub uid: Text,
}

/// A ResourceClaimTemplate of the input.
#[derive(Debug, Clone)]
pub struct Template {
    /// `spec.spec`
    pub spec: Arc<ResourceClaim>,
    /// Why it cannot be used, if it cannot.
    pub broken: Option<String>,
    /// Manifest.
    pub source: usize,
}

/// All claims and templates.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// By namespace and name.
    pub claims: BTreeMap<Key, Claim>,
    /// Likewise.
    pub templates: BTreeMap<Key, Template>,
}

/// One claim that a pod needs.
#[derive(Debug, Clone)]
pub struct Need {
    /// What the pod calls it.
    pub pod_claim_name: Text,
    /// The claim's name.
    pub name: Text,
    /// The template it comes from.
    pub template: Option<Text>,
    /// What there is of it.
    pub found: Found,
}

/// What there is of a claim.
#[derive(Debug, Clone)]
pub enum Found {
    /// The claim itself.
    Claim,
    /// The template to make it from.
    Template,
}

/// Why a pod's claims cannot be had, whatever the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No such claim.
    #[error("claim {0} does not exist")]
    Claim(Text),
    /// No such template.
    #[error("template {template} for claim {claim} does not exist")]
    Template {
        /// The pod's name for the claim.
        claim: Text,
        /// The template.
        template: Text,
    },
    /// The claim or its template is not valid.
    #[error("{what} cannot be used: {why}")]
    Broken {
        /// `claim NAME` or `template NAME`.
        what: String,
        /// The first thing that is wrong with it.
        why: String,
    },
    /// The claim goes away.
    #[error("claim {0} is being deleted")]
    Deleting(Text),
    /// 256 others use it.
    #[error("claim {0} is used by 256 pods already, which is the most that may share one")]
    Crowded(Text),
    /// A generated claim of another pod of the same name.
    #[error("claim {0} was made for another pod")]
    Foreign(Text),
}

impl Missing {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Missing::Claim(_) => "claim/not-found",
            Missing::Template { .. } => "claim/template-not-found",
            Missing::Broken { .. } => "claim/invalid",
            Missing::Deleting(_) => "claim/deleting",
            Missing::Crowded(_) => "claim/too-many-pods",
            Missing::Foreign(_) => "claim/foreign",
        }
    }
}

impl Claims {
    /// What all claims and templates ask for.
    pub(crate) fn specs(&self) -> Vec<Arc<ResourceClaim>> {
        let templates = self.templates.values();
        let templates = templates.map(|template| &template.spec);
        let claims = self.claims.values().map(|claim| &claim.spec);
        templates.chain(claims).cloned().collect()
    }

    /// What a pod needs, in the order of `spec.resourceClaims`.
    pub fn needs(&self, pod: &Pod) -> Result<Vec<Need>, Missing> {
        let mut needs = Vec::new();
        for entry in pod.spec.resource_claims.iter().flatten() {
            let own: Text = entry.name.as_str().into();
            if let Some(name) = &entry.resource_claim_name {
                let name: Text = name.as_str().into();
                self.usable(pod, &name, None)?;
                needs.push(Need {
                    pod_claim_name: own,
                    name,
                    template: None,
                    found: Found::Claim,
                });
            } else if let Some(template) = &entry.resource_claim_template_name {
                let template: Text = template.as_str().into();
                needs.extend(self.generated(pod, own, template)?);
            }
        }
        Ok(needs)
    }

    fn generated(&self, pod: &Pod, own: Text, template: Text) -> Result<Option<Need>, Missing> {
        let need = |name: Text, found| Need {
            pod_claim_name: own.clone(),
            name,
            template: Some(template.clone()),
            found,
        };
        let made = match pod.claim_names.get(&own) {
            // The controller has noted that this pod needs none.
            Some(None) => return Ok(None),
            Some(Some(name)) => Some(name.clone()),
            None => self.owned(pod, &own),
        };
        if let Some(name) = made.filter(|name| self.get(pod, name).is_some()) {
            self.usable(pod, &name, Some(&pod.uid))?;
            return Ok(Some(need(name, Found::Claim)));
        }
        let key = (pod.namespace.clone(), template.clone());
        match self.templates.get(&key) {
            None => Err(Missing::Template {
                claim: own,
                template,
            }),
            Some(Template {
                broken: Some(why), ..
            }) => Err(Missing::Broken {
                what: format!("template {template}"),
                why: why.clone(),
            }),
            Some(_) => Ok(Some(need(
                format!("{}-{own}", pod.name).into(),
                Found::Template,
            ))),
        }
    }

    /// A claim made for the pod whose name has not reached the pod's status.
    fn owned(&self, pod: &Pod, own: &Text) -> Option<Text> {
        if pod.uid.is_empty() {
            return None;
        }
        let mut claims = self.claims.iter();
        let found = claims.find(|((namespace, _), claim)| {
            *namespace == pod.namespace
                && claim.owner.as_ref() == Some(&pod.uid)
                && claim.pod_claim_name.as_ref() == Some(own)
        });
        found.map(|((_, name), _)| name.clone())
    }

    /// A claim in the pod's namespace.
    pub fn get(&self, pod: &Pod, name: &Text) -> Option<&Claim> {
        self.claims.get(&(pod.namespace.clone(), name.clone()))
    }

    fn usable(&self, pod: &Pod, name: &Text, owner: Option<&Text>) -> Result<(), Missing> {
        let Some(claim) = self.get(pod, name) else {
            return Err(Missing::Claim(name.clone()));
        };
        if let Some(why) = &claim.broken {
            return Err(Missing::Broken {
                what: format!("claim {name}"),
                why: why.clone(),
            });
        }
        if owner.is_some_and(|owner| claim.owner.as_ref() != Some(owner)) {
            return Err(Missing::Foreign(name.clone()));
        }
        let reserved = claim.consumers.iter().any(|consumer| consumer.is(pod));
        if reserved {
            return Ok(());
        }
        if claim.deleting {
            return Err(Missing::Deleting(name.clone()));
        }
        if claim.consumers.len() >= MOST_CONSUMERS {
            return Err(Missing::Crowded(name.clone()));
        }
        Ok(())
    }

    /// A pod's claim as it is now, or as its template would make it.
    pub(crate) fn planned(&self, pod: &Pod, need: &Need) -> Option<PodClaim> {
        let key = |name: &Text| (pod.namespace.clone(), name.clone());
        let (spec, allocation) = match (self.claims.get(&key(&need.name)), &need.template) {
            (Some(claim), _) => (claim.spec.clone(), claim.allocation.clone()),
            (None, Some(template)) => (self.templates.get(&key(template))?.spec.clone(), None),
            (None, None) => return None,
        };
        Some(PodClaim {
            namespace: pod.namespace.clone(),
            name: need.name.clone(),
            pod_claim_name: need.pod_claim_name.clone(),
            template: need.template.clone(),
            spec,
            allocation,
        })
    }

    /// Notes that a pod uses a claim: with the allocation that it has, or with the next of those
    /// `given`. A claim from a template belongs to one pod, so that it need not be kept for others.
    pub(crate) fn assume(
        &mut self,
        pod: &Pod,
        need: &Need,
        given: &mut impl Iterator<Item = (Arc<ResourceClaim>, Arc<AllocationResult>)>,
    ) -> PodClaim {
        let mut next = || given.next().expect("a result for every claim to allocate");
        let (spec, allocation) = match need.found {
            Found::Template => next(),
            Found::Claim => {
                let key = (pod.namespace.clone(), need.name.clone());
                let claim = self.claims.get_mut(&key);
                let claim = claim.expect("a claim that was found stays");
                let allocation = claim.allocation.clone();
                let allocation = allocation.unwrap_or_else(|| next().1);
                claim.allocation = Some(allocation.clone());
                claim.reserve(pod);
                (claim.spec.clone(), allocation)
            }
        };
        PodClaim {
            namespace: pod.namespace.clone(),
            name: need.name.clone(),
            pod_claim_name: need.pod_claim_name.clone(),
            template: need.template.clone(),
            spec,
            allocation: Some(allocation),
        }
    }
}

impl Consumer {
    fn is(&self, pod: &Pod) -> bool {
        &*self.resource == "pods" && self.name == pod.name && self.uid == pod.uid
    }
}

impl Claim {
    /// Adds a pod to those that use the claim.
    fn reserve(&mut self, pod: &Pod) {
        let mut consumers = self.consumers.iter();
        if !consumers.any(|consumer| consumer.is(pod)) {
            self.consumers.push(Consumer {
                resource: "pods".into(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
            });
        }
    }

    /// Whom to ask about it: the pods that use it, else the claim itself.
    pub fn holder(&self, key: &Key) -> Text {
        let (namespace, name) = key;
        let mut pods = self.consumers.iter().map(|consumer| {
            let kind = consumer.resource.trim_end_matches('s');
            format!("{kind} {namespace}/{}", consumer.name)
        });
        match (pods.next(), pods.count()) {
            (None, _) => format!("claim {namespace}/{name}").into(),
            (Some(one), 0) => one.into(),
            (Some(one), more) => format!("{one} and {more} more").into(),
        }
    }
}
