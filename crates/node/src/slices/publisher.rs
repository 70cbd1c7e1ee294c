//! Keeps the API server's slices as they should be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::resource::v1::{
    Device, DeviceTaint, ResourcePool, ResourceSlice, ResourceSliceSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::driver::{Node, Pool};
use crate::ports::{Api, ApiError, Event, Regarding, Severity};
use crate::slices::diff::{Action, Desired, Settled, diff};
use crate::slices::layout::{Invalid, check, layout};

/// How long changes are gathered before a round: the kubelet deletes slices one by one.
const GATHER: Duration = Duration::from_millis(100);
/// The pause after a first failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of the last round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There was none: the Node or the devices are not known yet.
    Waiting,
    /// The API server has what it should.
    Published {
        /// Slices of the node.
        slices: usize,
        /// Devices in them.
        devices: usize,
    },
    /// It has not; it will be tried again.
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

/// Whether the API server stores device taints (feature gate DRADeviceTaints).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taints {
    /// Nobody had to know yet.
    Unasked,
    Stored,
    /// A tainted device would be published as a sound one, so it is withheld.
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
            taints: Taints::Unasked,
        }
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until the desired pools have no sender any more.
    pub(crate) async fn run(mut self, mut desired: watch::Receiver<Pools>) {
        let mut node = self.api.node(&self.node);
        let mut changes = self.api.changes(&self.driver, &self.node);
        let mut pause = FIRST_PAUSE;
        loop {
            changes.borrow_and_update();
            let known = node.borrow_and_update().clone();
            let pools = desired.borrow_and_update().clone();
            let mut retry = LONGEST_PAUSE;
            let mut failed = false;
            if let (Some(node), Some(pools)) = (known, pools) {
                match self.round(&node, &pools).await {
                    Ok(status) => {
                        self.status.send_if_modified(|last| {
                            let news = *last != status;
                            *last = status;
                            news
                        });
                        pause = FIRST_PAUSE;
                    }
                    Err(error) => {
                        self.report(&error);
                        failed = true;
                        retry = pause;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
            tokio::select! {
                news = desired.changed() => if news.is_err() { return },
                Ok(()) = node.changed() => {}
                Ok(()) = changes.changed() => {}
                () = sleep(retry), if failed => {}
            }
            sleep(GATHER).await;
        }
    }

    async fn round(
        &mut self,
        node: &Node,
        pools: &BTreeMap<String, Pool>,
    ) -> Result<Status, Error> {
        let mut contents = BTreeMap::new();
        for (name, pool) in pools {
            check(pool).map_err(|why| Error::Pool {
                pool: name.clone(),
                why,
            })?;
            let pool = self.without_unstorable(node, pool).await?;
            contents.insert(name.clone(), layout(&pool));
        }
        let listed = self.api.list(&self.driver, &self.node).await;
        let existing = listed.map_err(|source| self.failed("list", source))?;
        self.settled.retain(&existing);
        let driver = self.driver.clone();
        let desired = Desired {
            driver: &driver,
            node,
            pools: contents,
        };
        for action in diff(&desired, &existing, &self.settled) {
            self.apply(action).await?;
        }
        let slices = || desired.pools.values().flatten();
        Ok(Status::Published {
            slices: slices().count(),
            devices: slices().map(|content| content.devices.len()).sum(),
        })
    }

    async fn apply(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::Delete(slice) => match self.api.delete(slice).await {
                Ok(()) | Err(ApiError::NotFound) => Ok(()),
                Err(source) => Err(self.failed("delete", source)),
            },
            Action::Update(slice) => {
                let stored = self.api.update(slice.clone()).await;
                let stored = stored.map_err(|source| self.failed("update", source))?;
                self.compare(&slice, &stored);
                Ok(())
            }
            Action::Create(slice) => {
                let stored = self.api.create(slice.clone()).await;
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
        }
    }

    /// The pool without the devices that this API server would publish as sound although they are
    /// not. Asked before the first taint is written, so that no moment is without it.
    async fn without_unstorable(&mut self, node: &Node, pool: &Pool) -> Result<Pool, Error> {
        let hindered = |device: &Device| {
            let mut taints = device.taints.iter().flatten();
            taints.any(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
        };
        if !pool.devices.iter().any(hindered) {
            return Ok(pool.clone());
        }
        if self.taints == Taints::Unasked {
            let probe = self.api.dry_run(self.probe(node)).await;
            let stored = probe.map_err(|source| self.failed("try out", source))?;
            self.taints = match stored.spec.devices.iter().flatten().any(hindered) {
                true => Taints::Stored,
                false => Taints::Dropped,
            };
            if self.taints == Taints::Dropped {
                tracing::warn!(
                    driver = self.driver,
                    "the API server drops device taints: tainted devices are withheld"
                );
            }
        }
        let mut pool = pool.clone();
        if self.taints == Taints::Dropped {
            pool.devices.retain(|device| !hindered(device));
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
        // Somebody else wrote at the same moment: the next round starts from what is there.
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
