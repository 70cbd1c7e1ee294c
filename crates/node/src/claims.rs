//! From the kubelet's call to its answer: take the claim's lock, read the claim, check it, prepare it.
//! What may pass is tried again as long as the kubelet waits; the kubelet itself would come back only
//! at the pod's next sync, a minute later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::resource::v1::ResourceClaim;
use tokio::time::{Instant, sleep, timeout_at};

use crate::claim::{NotReady, for_driver};
use crate::disk::Disk;
use crate::driver::{Claim, ClaimRef, Driver, PrepareError};
use crate::metrics::{Calls, Histogram, Outcome};
use crate::ports::{Api, ApiError, Event, Regarding, Severity};
use crate::prepare::{ClaimLock, PreparedDevice, Preparer, with_causes};

/// How long one read of a claim may take.
const READ: Duration = Duration::from_secs(10);
/// How long the work may take that begins at the deadline, with what was read until then.
const LAST_WORK: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The claims of one driver on one node.
pub(crate) struct Claims<H, K> {
    driver: String,
    node: String,
    api: Arc<dyn Api>,
    preparer: Arc<Preparer<H, K>>,
    /// Pools that this process has published, beside the one that is called as the node; `None` before
    /// the first survey.
    pools: Mutex<Option<BTreeSet<String>>>,
    calls: Arc<Mutex<Calls>>,
}

impl<H: Driver, K: Disk> Claims<H, K> {
    pub(crate) fn new(
        driver: &str,
        node: &str,
        api: Arc<dyn Api>,
        preparer: Arc<Preparer<H, K>>,
        calls: Arc<Mutex<Calls>>,
    ) -> Self {
        Claims {
            driver: driver.to_owned(),
            node: node.to_owned(),
            api,
            preparer,
            pools: Mutex::default(),
            calls,
        }
    }

    /// Adds pools from which a claim may be prepared here.
    pub(crate) fn add_pools<'a>(&self, names: impl Iterator<Item = &'a String>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.get_or_insert_default().extend(names.cloned());
    }

    /// Prepares a claim, trying until `deadline`. The error is for the pod's event.
    pub(crate) async fn prepare(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Vec<PreparedDevice>, String> {
        let attempt = || self.try_prepare(claim, deadline);
        let (prepared, took) = self
            .retry(claim, deadline, attempt, |calls| &mut calls.prepare)
            .await;
        let (driver, seconds) = (&self.driver, took.as_secs_f64());
        let (ns, name, uid) = (&claim.namespace, &claim.name, &claim.uid);
        match &prepared {
            Ok(devices) => {
                let devices = devices.len();
                tracing::info!(
                    driver,
                    claim.ns = ns,
                    claim.name = name,
                    claim.uid = uid,
                    devices,
                    seconds,
                    "prepared"
                );
            }
            Err(error) => {
                tracing::warn!(
                    driver,
                    claim.ns = ns,
                    claim.name = name,
                    claim.uid = uid,
                    error,
                    seconds,
                    "not prepared"
                );
            }
        }
        prepared
    }

    async fn try_prepare(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Vec<PreparedDevice>, PrepareError> {
        let lock = self.lock(claim, deadline).await?;
        let read = self.read(claim, deadline).await;
        let checked = read.map(|object| self.check(claim, &object));
        let (preparer, reference) = (self.preparer.clone(), claim.clone());
        // Whatever became of it, the thread that may block gives the lock back.
        let prepare = move || match checked {
            Ok(claim) => preparer.prepare(&lock, &claim?, deadline.into_std()),
            Err(ApiError::NotFound) => {
                let why = format!("claim {reference} does not exist");
                Err(PrepareError::Refused(why))
            }
            // Without the API server, a claim that was prepared before can still be confirmed.
            Err(error) => preparer.recall(&lock)?.ok_or_else(|| {
                PrepareError::Transient(format!("cannot read claim {reference}: {error}"))
            }),
        };
        self.work(claim, deadline, prepare).await
    }

    /// Undoes a claim, trying until `deadline`.
    pub(crate) async fn unprepare(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<(), String> {
        let attempt = || self.try_unprepare(claim, deadline);
        let (undone, _) = self
            .retry(claim, deadline, attempt, |calls| &mut calls.unprepare)
            .await;
        let driver = &self.driver;
        let (ns, name, uid) = (&claim.namespace, &claim.name, &claim.uid);
        match &undone {
            Ok(()) => {
                tracing::info!(
                    driver,
                    claim.ns = ns,
                    claim.name = name,
                    claim.uid = uid,
                    "unprepared"
                );
            }
            Err(error) => {
                tracing::warn!(
                    driver,
                    claim.ns = ns,
                    claim.name = name,
                    claim.uid = uid,
                    error,
                    "not unprepared"
                );
            }
        }
        undone
    }

    async fn try_unprepare(&self, claim: &ClaimRef, deadline: Instant) -> Result<(), PrepareError> {
        let lock = self.lock(claim, deadline).await?;
        let (preparer, undone) = (self.preparer.clone(), claim.clone());
        let undo = move || Ok(preparer.unprepare(&lock, &undone)?);
        self.work(claim, deadline, undo).await
    }

    /// Repeats what fails for a reason that may pass, with growing pauses, until `deadline`. Counts the
    /// outcome and how long it took.
    async fn retry<T, F: Future<Output = Result<T, PrepareError>>>(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
        attempt: impl Fn() -> F,
        histograms: impl Fn(&mut Calls) -> &mut BTreeMap<Outcome, Histogram>,
    ) -> (Result<T, String>, Duration) {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let (counted, outcome) = loop {
            match attempt().await {
                Ok(done) => break (Outcome::Done, Ok(done)),
                Err(PrepareError::Refused(why)) => break (Outcome::Refused, Err(why)),
                Err(PrepareError::Transient(why)) if Instant::now() + pause >= deadline => {
                    let why = format!("{why} (still so when the kubelet's patience ended)");
                    break (Outcome::TimedOut, Err(why));
                }
                Err(PrepareError::Transient(why)) => {
                    tracing::info!(driver = self.driver, claim.uid = claim.uid, why, "waiting");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.report_moved_aside();
        let took = started.elapsed();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        histograms(&mut calls)
            .entry(counted)
            .or_default()
            .observe(took);
        (outcome, took)
    }

    async fn lock(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<ClaimLock<K>, PrepareError> {
        usable_as_file_name(&claim.uid).map_err(PrepareError::Refused)?;
        let (preparer, uid) = (self.preparer.clone(), claim.uid.clone());
        let lock = self.work(claim, deadline, move || Ok(preparer.lock(&uid)?));
        lock.await?.ok_or_else(|| still_at_work(claim))
    }

    /// Runs on a thread what may block. It runs to its end even if that is after `deadline`, and keeps
    /// the claim's lock until then; the kubelet's next call finds what became of it.
    async fn work<T: Send + 'static>(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
        work: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
    ) -> Result<T, PrepareError> {
        let until = deadline.max(Instant::now() + LAST_WORK);
        let done = timeout_at(until, on_a_thread(work)).await;
        done.unwrap_or_else(|_| Err(still_at_work(claim)))
    }

    async fn read(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Arc<ResourceClaim>, ApiError> {
        let until = deadline.min(Instant::now() + READ);
        let read = timeout_at(until, self.api.claim(claim)).await;
        read.unwrap_or_else(|_| Err(ApiError::Unavailable("no answer".into())))
    }

    /// The claim as far as it concerns this driver.
    fn check(&self, claim: &ClaimRef, object: &Arc<ResourceClaim>) -> Result<Claim, PrepareError> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |pool: &str| {
            pool == self.node || pools.as_ref().is_some_and(|pools| pools.contains(pool))
        };
        for_driver(claim, object, &self.driver, is_own).map_err(|error| match error {
            NotReady::OtherNode { .. } if pools.is_none() => PrepareError::Transient(format!(
                "the devices of this node were not looked at yet, and {error}"
            )),
            error if error.may_pass() => PrepareError::Transient(error.to_string()),
            error => PrepareError::Refused(error.to_string()),
        })
    }

    /// Repairs what earlier processes left on the disk. To be done before the kubelet calls.
    pub(crate) async fn reconcile(&self) {
        let preparer = self.preparer.clone();
        for problem in on_a_thread(move || preparer.reconcile()).await {
            let error = with_causes(&problem);
            tracing::warn!(driver = self.driver, error, "left for later");
        }
        self.report_moved_aside();
    }

    /// Undoes the claims that were deleted while no driver was running, or whose kubelet lost its
    /// checkpoint. Takes as long as the API server does.
    pub(crate) async fn forget_deleted(&self) {
        let preparer = self.preparer.clone();
        let claims = match on_a_thread(move || preparer.claims()).await {
            Ok(claims) => claims,
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(driver = self.driver, error, "left for later");
                return;
            }
        };
        for claim in claims {
            let mut pause = FIRST_PAUSE;
            let is_gone = loop {
                match self.read(&claim, Instant::now() + READ).await {
                    Ok(object) => break object.metadata.uid.as_deref() != Some(&claim.uid),
                    Err(ApiError::NotFound) => break true,
                    Err(_) => sleep(pause).await,
                }
                pause = (pause * 2).min(Duration::from_secs(30));
            };
            if is_gone {
                // Failures are logged; the kubelet may still ask.
                let _ = self.unprepare(&claim, Instant::now() + READ).await;
            }
        }
    }

    fn report_moved_aside(&self) {
        for moved in self.preparer.take_moved_aside() {
            let note = format!(
                "journal record of claim {} cannot be used ({}), its bytes are kept in {}",
                moved.uid,
                moved.why,
                moved.path.display()
            );
            tracing::error!(driver = self.driver, claim.uid = moved.uid, "{note}");
            self.api.emit(Event {
                regarding: Regarding::Node,
                severity: Severity::Warning,
                reason: "JournalUnreadable",
                note,
            });
        }
    }
}

fn still_at_work(claim: &ClaimRef) -> PrepareError {
    PrepareError::Transient(format!(
        "claim {claim} is still being prepared, or still being undone, by an earlier call"
    ))
}

/// UIDs become names of files.
fn usable_as_file_name(uid: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match !uid.is_empty() && uid.len() <= 128 && uid.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("claim uid {uid:?} is not a UID")),
    }
}

/// Runs on a thread that may block, to its end even if nobody waits for it any more.
pub(crate) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
