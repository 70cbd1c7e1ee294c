//! One read of a claim for all drivers of a process.
//!
//! The running example: a claim has Neuron devices and EFAs. The kubelet reads it, then asks both
//! drivers, one right after the other, to prepare it. What was read for the first is given to the
//! second: a pod starts a millisecond or two earlier, and the API server is asked once.
//!
//! That is as good as another read: the kubelet had seen the claim reserved for its pod before the
//! first call, and an allocation stands as long as it is reserved. A read is given to each driver of
//! its allocation at most once, so that whoever tries again reads anew, and only for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::resource::v1::ResourceClaim;
use trainyard_node::claim::drivers;
use trainyard_node::driver::ClaimRef;

/// How long the first driver may take. One that takes longer costs the second a read.
const MOMENT: Duration = Duration::from_millis(100);

/// Claims that were read a moment ago, by UID.
#[derive(Default)]
pub(crate) struct Recent(Mutex<BTreeMap<String, Read>>);

struct Read {
    at: Instant,
    claim: Arc<ResourceClaim>,
    /// The drivers that it may still be given to.
    due: BTreeSet<String>,
}

impl Recent {
    /// Keeps what was just read for a driver, if it concerns others too.
    pub(crate) fn keep(&self, driver: &str, claim: &Arc<ResourceClaim>, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, read| now.duration_since(read.at) < MOMENT);
        let due: BTreeSet<String> = drivers(claim)
            .into_iter()
            .filter(|other| *other != driver)
            .map(str::to_owned)
            .collect();
        let Some(uid) = claim.metadata.uid.clone().filter(|_| !due.is_empty()) else {
            return;
        };
        let (at, claim) = (now, claim.clone());
        kept.insert(uid, Read { at, claim, due });
    }

    /// What was read for another driver a moment ago.
    pub(crate) fn take(
        &self,
        driver: &str,
        claim: &ClaimRef,
        now: Instant,
    ) -> Option<Arc<ResourceClaim>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, read| now.duration_since(read.at) < MOMENT);
        let read = kept.get_mut(&claim.uid)?;
        let found = read.due.remove(driver).then(|| read.claim.clone());
        if read.due.is_empty() {
            kept.remove(&claim.uid);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_millis(99);

    fn reference() -> ClaimRef {
        ClaimRef {
            namespace: "ns".into(),
            name: "c".into(),
            uid: "u1".into(),
        }
    }

    fn allocated(drivers: &[&str]) -> Arc<ResourceClaim> {
        let results: Vec<_> = drivers
            .iter()
            .map(|driver| serde_json::json!({"driver": driver, "pool": "p", "device": "d", "request": "r"}))
            .collect();
        let claim = serde_json::json!({
            "metadata": {"namespace": "ns", "name": "c", "uid": "u1"}, "spec": {},
            "status": {"allocation": {"devices": {"results": results}}},
        });
        Arc::new(serde_json::from_value(claim).unwrap())
    }

    #[test]
    fn each_other_driver_is_given_a_read_once_and_for_a_moment() {
        let (recent, claim, now) = (Recent::default(), reference(), Instant::now());
        let read = allocated(&["a", "b", "c", "b"]);
        recent.keep("a", &read, now);
        assert!(recent.take("a", &claim, now).is_none(), "who read it");
        let Some(given) = recent.take("b", &claim, now + LATER) else {
            panic!("it was read a moment ago");
        };
        assert!(Arc::ptr_eq(&given, &read));
        assert!(recent.take("b", &claim, now + LATER).is_none(), "twice");
        assert!(recent.take("c", &claim, now + MOMENT).is_none(), "late");
        assert!(recent.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_claim_of_the_same_name_is_another_one() {
        let (recent, now) = (Recent::default(), Instant::now());
        recent.keep("a", &allocated(&["a", "b"]), now);
        let uid = "u2".to_owned();
        let other = ClaimRef { uid, ..reference() };
        assert!(recent.take("b", &other, now).is_none());
        assert!(recent.take("b", &reference(), now).is_some());
    }

    #[test]
    fn nothing_is_kept_that_nobody_will_ask_for() {
        let (recent, now) = (Recent::default(), Instant::now());
        let kept = || recent.0.lock().unwrap().len();
        recent.keep("a", &allocated(&["a"]), now);
        recent.keep("a", &allocated(&[]), now);
        assert_eq!(kept(), 0);
        recent.keep("a", &allocated(&["a", "b"]), now);
        assert!(recent.take("b", &reference(), now).is_some());
        assert_eq!(kept(), 0);
        recent.keep("a", &allocated(&["a", "b"]), now);
        recent.keep("a", &allocated(&["a"]), now + MOMENT);
        assert_eq!(kept(), 0);
    }
}
