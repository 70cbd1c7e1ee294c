//! Keeps the API server's slices as they should be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::resource::v1::{
    Device, DeviceTaint, ResourcePool, ResourceSlice, ResourceSliceSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::driver::{Node, Pool};
use crate::ports::{Api, ApiError, Event, Regarding, Severity};
use crate::slices::diff::{Action, Desired, Settled, diff};
use crate::slices::layout::{Invalid, check, layout};

/// How long changes are gathered before a round: the kubelet deletes slices one by one.
const GATHER: Duration = Duration::from_millis(100);
/// The pause after a first failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the API server may take for one call.
const CALL: Duration = Duration::from_secs(30);
/// How many rounds may repair what others changed in [`REPAIR_WINDOW`]. A client that undoes every
/// repair would otherwise keep the API server busy for ever.
const REPAIRS: usize = 10;
const REPAIR_WINDOW: Duration = Duration::from_secs(60);

/// What became of the last round of publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There was none: the Node or the devices are not known yet.
    Waiting,
    /// Another instance of the driver publishes. This one takes over when the other has gone, so it is as
    /// ready as it can be.
    Standby,
    /// The API server has what it should.
    Published {
        /// Slices of the node.
        slices: usize,
        /// Devices in them.
        devices: usize,
    },
    /// It has not, for this reason; it will be tried again.
    Failing(String),
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot {action} resourceslices of {driver}")]
    Api {
        action: &'static str,
        driver: String,
        source: ApiError,
    },
    #[error("pool {pool} cannot be published: {why}")]
    Pool { pool: String, why: Invalid },
}

/// A round that did all it should.
struct Round {
    status: Status,
    writes: usize,
}

/// The answer to a call, or that there was none.
async fn answer<T>(call: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let answered = timeout(CALL, call).await;
    answered.unwrap_or_else(|_| Err(ApiError::Unavailable("no answer".into())))
}

fn is_hindered(device: &Device) -> bool {
    let mut taints = device.taints.iter().flatten();
    taints.any(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
}

fn hindered(slice: &ResourceSlice) -> usize {
    let devices = slice.spec.devices.iter().flatten();
    devices.filter(|device| is_hindered(device)).count()
}

/// When rounds repaired what others had changed.
#[derive(Default)]
struct Repairs(VecDeque<Instant>);

impl Repairs {
    fn note(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > REPAIRS {
            self.0.pop_front();
        }
    }

    /// When the next one may be made; `None`: at once.
    fn next(&self, now: Instant) -> Option<Instant> {
        let first = self.0.front().filter(|_| self.0.len() == REPAIRS)?;
        let next = *first + REPAIR_WINDOW;
        (next > now).then_some(next)
    }
}

/// Whether the API server stores device taints (feature gate DRADeviceTaints).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taints {
    /// Not needed so far, or it may have changed.
    Unknown,
    Stored,
    /// A tainted device would be published as a sound one, so it is withheld. Asked again in every
    /// round: the gate may be turned on.
    Dropped,
}

/// Publishes the pools of one driver on one node.
pub(crate) struct Publisher {
    driver: String,
    node: String,
    api: Arc<dyn Api>,
    status: watch::Sender<Status>,
    settled: Settled,
    taints: Taints,
}

/// The pools to publish; `None` until they are known.
pub(crate) type Pools = Option<Arc<BTreeMap<String, Pool>>>;

impl Publisher {
    pub(crate) fn new(driver: &str, node: &str, api: Arc<dyn Api>) -> Self {
        Publisher {
            driver: driver.to_owned(),
            node: node.to_owned(),
            api,
            status: watch::Sender::new(Status::Waiting),
            settled: Settled::default(),
            taints: Taints::Unknown,
        }
    }

    /// Another instance publishes.
    pub(crate) fn stand_by(&self) {
        self.status.send_replace(Status::Standby);
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until the desired pools have no sender any more.
    pub(crate) async fn run(mut self, mut desired: watch::Receiver<Pools>) {
        let mut node = self.api.node(&self.node);
        let mut changes = self.api.changes(&self.driver, &self.node);
        let mut pause = FIRST_PAUSE;
        let mut repairs = Repairs::default();
        // Whether this round has no other cause than what others did to the slices.
        let mut repairing = false;
        loop {
            changes.borrow_and_update();
            let known = node.borrow_and_update().clone();
            let pools = desired.borrow_and_update().clone();
            let mut retry = None;
            if let (Some(node), Some(pools)) = (known, pools) {
                match self.round(&node, &pools).await {
                    Ok(round) => {
                        if repairing && round.writes > 0 {
                            repairs.note(Instant::now());
                        }
                        self.status.send_if_modified(|last| {
                            let news = *last != round.status;
                            *last = round.status;
                            news
                        });
                        pause = FIRST_PAUSE;
                    }
                    Err(error) => {
                        self.report(&error);
                        // A pool that cannot be published waits for the driver to change it.
                        retry = matches!(error, Error::Api { .. }).then_some(pause);
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
            repairing = tokio::select! {
                news = desired.changed() => match news {
                    Ok(()) => false,
                    Err(_) => return,
                },
                Ok(()) = node.changed() => false,
                () = sleep(retry.unwrap_or_default()), if retry.is_some() => false,
                Ok(()) = changes.changed() => true,
            };
            if repairing && let Some(next) = repairs.next(Instant::now()) {
                tracing::warn!(
                    driver = self.driver,
                    "another client keeps changing the resourceslices: repairing less often"
                );
                repairing = tokio::select! {
                    Ok(()) = desired.changed() => false,
                    Ok(()) = node.changed() => false,
                    () = sleep_until(next) => true,
                };
            }
            sleep(GATHER).await;
        }
    }

    async fn round(&mut self, node: &Node, pools: &BTreeMap<String, Pool>) -> Result<Round, Error> {
        let mut contents = BTreeMap::new();
        let (mut invalid, mut failure) = (None, None);
        for (name, pool) in pools {
            if let Err(why) = check(pool) {
                let pool = name.clone();
                invalid.get_or_insert(Error::Pool { pool, why });
                continue;
            }
            let pool = self.without_unstorable(node, pool).await?;
            contents.insert(name.clone(), layout(&pool));
        }
        let listed = answer(self.api.list(&self.driver, &self.node)).await;
        let mut existing = listed.map_err(|source| self.failed("list", source))?;
        self.settled.retain(&existing);
        // Of a pool that cannot be published, what is there stays.
        existing.retain(|slice| {
            let pool = &slice.spec.pool.name;
            contents.contains_key(pool) || !pools.contains_key(pool)
        });
        let driver = self.driver.clone();
        let desired = Desired {
            driver: &driver,
            node,
            pools: contents,
        };
        let mut writes = 0;
        // The first failure ends the round for its pool; a pool is never left in a worse state than
        // by the calls before.
        let mut given_up = BTreeSet::new();
        for action in diff(&desired, &existing, &self.settled) {
            let (Action::Delete(slice) | Action::Update(slice) | Action::Create(slice)) = &action;
            let pool = slice.spec.pool.name.clone();
            if given_up.contains(&pool) {
                continue;
            }
            match self.apply(action).await {
                Ok(()) => writes += 1,
                Err(error) => {
                    given_up.insert(pool);
                    failure.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failure.or(invalid) {
            return Err(error);
        }
        let slices = || desired.pools.values().flatten();
        let status = Status::Published {
            slices: slices().count(),
            devices: slices().map(|content| content.devices.len()).sum(),
        };
        Ok(Round { status, writes })
    }

    async fn apply(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::Delete(slice) => match answer(self.api.delete(slice)).await {
                Ok(()) | Err(ApiError::NotFound) => Ok(()),
                Err(source) => Err(self.failed("delete", source)),
            },
            Action::Update(slice) => {
                let stored = answer(self.api.update(slice.clone())).await;
                let stored = stored.map_err(|source| self.failed("update", source))?;
                self.compare(&slice, &stored);
                Ok(())
            }
            Action::Create(slice) => {
                let stored = answer(self.api.create(slice.clone())).await;
                let stored = stored.map_err(|source| self.failed("create", source))?;
                self.compare(&slice, &stored);
                Ok(())
            }
        }
    }

    fn compare(&mut self, sent: &ResourceSlice, stored: &ResourceSlice) {
        let name = stored.metadata.name.as_deref().unwrap_or_default();
        tracing::info!(
            driver = self.driver,
            node = self.node,
            pool = sent.spec.pool.name,
            generation = sent.spec.pool.generation,
            slice = name,
            "wrote a resourceslice"
        );
        if !self.settled.note(sent, stored) {
            tracing::warn!(
                driver = self.driver,
                slice = name,
                "the API server stored the slice with other content than it was sent: \
                 a feature gate may be off there"
            );
            if hindered(stored) < hindered(sent) {
                // What was written shows sound devices; its change starts another round.
                self.taints = Taints::Unknown;
            }
        }
    }

    /// The pool without the devices that this API server would publish as sound although they are
    /// not. Asked before the first taint is written, so that no moment is without it.
    async fn without_unstorable(&mut self, node: &Node, pool: &Pool) -> Result<Pool, Error> {
        if !pool.devices.iter().any(is_hindered) {
            return Ok(pool.clone());
        }
        if self.taints != Taints::Stored {
            let probe = answer(self.api.dry_run(self.probe(node))).await;
            let stored = probe.map_err(|source| self.failed("try out", source))?;
            let known = self.taints;
            self.taints = match hindered(&stored) {
                0 => Taints::Dropped,
                _ => Taints::Stored,
            };
            if self.taints == Taints::Dropped && known != Taints::Dropped {
                tracing::warn!(
                    driver = self.driver,
                    "the API server drops device taints: tainted devices are withheld"
                );
            }
        }
        let mut pool = pool.clone();
        if self.taints == Taints::Dropped {
            pool.devices.retain(|device| !is_hindered(device));
        }
        Ok(pool)
    }

    /// A slice that is never stored.
    fn probe(&self, node: &Node) -> ResourceSlice {
        ResourceSlice {
            metadata: ObjectMeta {
                generate_name: Some("probe-".into()),
                ..Default::default()
            },
            spec: ResourceSliceSpec {
                driver: self.driver.clone(),
                node_name: Some(node.name.clone()),
                pool: ResourcePool {
                    name: node.name.clone(),
                    generation: 0,
                    resource_slice_count: 1,
                },
                devices: Some(vec![Device {
                    name: "probe".into(),
                    taints: Some(vec![DeviceTaint {
                        key: format!("{}/probe", self.driver),
                        effect: "NoSchedule".into(),
                        ..Default::default()
                    }]),
                    ..Default::default()
                }]),
                ..Default::default()
            },
        }
    }

    fn failed(&self, action: &'static str, source: ApiError) -> Error {
        Error::Api {
            action,
            driver: self.driver.clone(),
            source,
        }
    }

    fn report(&self, error: &Error) {
        let text = crate::prepare::with_causes(error);
        // Another client wrote at the same moment: the next round starts from what is there.
        if matches!(
            error,
            Error::Api {
                source: ApiError::Conflict,
                ..
            }
        ) {
            tracing::debug!(driver = self.driver, error = text, "publishing again");
            return;
        }
        tracing::warn!(
            driver = self.driver,
            node = self.node,
            error = text,
            "not published"
        );
        let lasting = matches!(error, Error::Pool { .. })
            || matches!(
                error,
                Error::Api {
                    source: ApiError::Invalid(_),
                    ..
                }
            );
        let failing = Status::Failing(text.clone());
        let news = self.status.send_if_modified(|last| {
            let news = *last != failing;
            *last = failing;
            news
        });
        if lasting && news {
            self.api.emit(Event {
                regarding: Regarding::Node,
                severity: Severity::Warning,
                reason: "DevicesNotPublished",
                note: text,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_become_rare_when_they_are_undone_again_and_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut repairs = Repairs::default();
        for second in 0..9 {
            repairs.note(at(second));
            assert_eq!(repairs.next(at(second)), None);
        }
        repairs.note(at(9));
        assert_eq!(repairs.next(at(9)), Some(at(60)), "the first one is over");
        assert_eq!(repairs.next(at(60)), None);
        repairs.note(at(60));
        assert_eq!(repairs.next(at(60)), Some(at(61)));
        assert_eq!(repairs.next(at(200)), None);
    }
}
