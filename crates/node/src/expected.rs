//! Claims that the kubelet will ask for next, told from one driver of a process to another.
//!
//! The running example: a claim has Neuron devices and EFAs. The kubelet asks one driver, waits for
//! its answer, and asks the other; which comes first is chance. The second driver prepares the claim
//! while the first one does, so that the pod waits for one of them and not for both.
//!
//! That is no more than the kubelet's own call a millisecond earlier: it has the claim with all its
//! drivers in its books by then, and has each of them undo it, whether it was asked to prepare or
//! not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::resource::v1::ResourceClaim;
use tokio::sync::mpsc;

use crate::claim;

/// Claims that may wait to be looked at.
const WAITING: usize = 16;
/// How long after it was told a claim may be begun. The kubelet cannot have prepared and undone it
/// with another instance of the driver since.
const MOMENT: Duration = Duration::from_millis(100);

/// The drivers of a process, which tell each other of claims.
#[derive(Default)]
pub struct Expected(Mutex<BTreeMap<String, Told>>);

/// What a driver hears.
struct Told {
    claims: mpsc::Sender<Arc<ResourceClaim>>,
    tickets: Arc<Tickets>,
}

impl Expected {
    /// What a driver is told from now on, with a ticket for each claim.
    pub(crate) fn by(
        &self,
        driver: &str,
        tickets: &Arc<Tickets>,
    ) -> mpsc::Receiver<Arc<ResourceClaim>> {
        let (claims, told) = mpsc::channel(WAITING);
        let tickets = tickets.clone();
        let mut drivers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drivers.insert(driver.to_owned(), Told { claims, tickets });
        told
    }

    /// Tells the other drivers of a claim, which `driver` was asked to prepare and has not answered
    /// for yet. Whether there are any.
    pub(crate) fn tell_others(
        &self,
        driver: &str,
        claim: &Arc<ResourceClaim>,
        now: Instant,
    ) -> bool {
        let Some(uid) = &claim.metadata.uid else {
            return false;
        };
        let mut told = false;
        let drivers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = claim::drivers(claim).into_iter();
        let others = of.filter(|other| *other != driver);
        for other in others.filter_map(|other| drivers.get(other)) {
            other.tickets.enter(uid, now);
            // What is too much is left to the kubelet's call.
            told |= other.claims.try_send(claim.clone()).is_ok();
        }
        told
    }
}

/// The claims, by UID, that one driver was told of and not asked for yet. A ticket is made before the
/// first driver answers, so before the kubelet asks the next. Whoever works on a claim has its lock: a
/// call of the kubelet ends the ticket and then takes the lock, work ahead takes the lock and then
/// looks for the ticket. So nothing is prepared after it was undone.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<BTreeMap<String, Instant>>);

impl Tickets {
    fn enter(&self, uid: &str, now: Instant) {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, told| now.duration_since(*told) < MOMENT);
        tickets.insert(uid.to_owned(), now);
    }

    /// The kubelet has asked.
    pub(crate) fn end(&self, uid: &str) {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.remove(uid);
    }

    pub(crate) fn stands(&self, uid: &str, now: Instant) -> bool {
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = tickets.get(uid);
        told.is_some_and(|told| now.duration_since(*told) < MOMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocated(drivers: &[&str]) -> Arc<ResourceClaim> {
        let results: Vec<_> = drivers
            .iter()
            .map(|driver| serde_json::json!({"driver": driver, "pool": "p", "device": "d", "request": "r"}))
            .collect();
        let claim = serde_json::json!({
            "metadata": {"uid": "u1"}, "spec": {},
            "status": {"allocation": {"devices": {"results": results}}},
        });
        Arc::new(serde_json::from_value(claim).unwrap())
    }

    #[test]
    fn each_other_driver_of_a_claim_is_told_once() {
        let (expected, now) = (Expected::default(), Instant::now());
        let tickets = ["a", "b", "c"].map(|_| Arc::<Tickets>::default());
        let by = |driver, number: usize| expected.by(driver, &tickets[number]);
        let (mut a, mut b, mut c) = (by("a", 0), by("b", 1), by("c", 2));
        expected.tell_others("a", &allocated(&["a", "b", "b", "elsewhere"]), now);
        assert!(b.try_recv().is_ok());
        assert!(b.try_recv().is_err() && a.try_recv().is_err() && c.try_recv().is_err());
        let stands = tickets.each_ref().map(|tickets| tickets.stands("u1", now));
        assert_eq!(stands, [false, true, false]);
        for _ in 0..2 * WAITING {
            expected.tell_others("a", &allocated(&["b"]), now);
        }
        assert_eq!(b.len(), WAITING);
    }

    #[test]
    fn a_ticket_ends_when_the_kubelet_asks_and_after_a_moment() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        assert!(!tickets.stands("a", now));
        tickets.enter("a", now);
        tickets.enter("b", now);
        assert!(tickets.stands("a", now) && tickets.stands("b", now));
        tickets.end("a");
        assert!(!tickets.stands("a", now) && tickets.stands("b", now));
        assert!(!tickets.stands("b", now + MOMENT));
        tickets.enter("c", now + MOMENT);
        assert_eq!(tickets.0.lock().unwrap().len(), 1);
    }
}
