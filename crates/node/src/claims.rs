//! From the kubelet's call to its answer: reads the claim, prepares it, and tries again what may
//! pass while the kubelet still waits. The kubelet itself would come back only at the pod's next
//! sync, a minute later.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use k8s_openapi::api::resource::v1::ResourceClaim;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use crate::claim::{NotReady, for_driver};
use crate::disk::Disk;
use crate::driver::{Claim, ClaimRef, Driver, PrepareError};
use crate::expected::Tickets;
use crate::metrics::{Calls, Outcome};
use crate::ports::{Api, ApiError, Event, Regarding, Severity};
use crate::prepare::{self, Begun, PreparedDevice, Preparer, with_causes};

/// How long one read of a claim may take.
const READ: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The claims of one driver on one node.
pub(crate) struct Claims<H, K> {
    driver: String,
    node: String,
    api: Arc<dyn Api>,
    preparer: Arc<Preparer<H, K>>,
    /// Pools that this node has or had in this life, beside the one of its name; `None` until the
    /// hardware was looked at.
    pools: Mutex<Option<BTreeSet<String>>>,
    calls: Arc<Mutex<Calls>>,
    tickets: Arc<Tickets>,
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
            tickets: Arc::default(),
        }
    }

    /// Pools from which a claim may be prepared here, from now on.
    pub(crate) fn own_pools<'a>(&self, names: impl Iterator<Item = &'a String>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.get_or_insert_default().extend(names.cloned());
    }

    /// Prepares a claim, trying until `deadline`. The error is for the pod's event.
    pub(crate) async fn prepare(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Vec<PreparedDevice>, String> {
        let started = Instant::now();
        self.tickets.end(&claim.uid);
        let mut pause = FIRST_PAUSE;
        let (counted, outcome) = loop {
            match self.attempt(claim, deadline).await {
                Ok(devices) => break (Outcome::Done, Ok(devices)),
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
        let seconds = took.as_secs_f64();
        self.count(|calls| calls.prepare.entry(counted).or_default().observe(took));
        let (driver, claim) = (self.driver.clone(), claim.clone());
        let result = outcome.as_ref().map(Vec::len).map_err(String::clone);
        later(move || match result {
            Ok(devices) => tracing::info!(
                driver,
                claim.ns = claim.namespace,
                claim.name = claim.name,
                claim.uid = claim.uid,
                devices,
                seconds,
                "prepared"
            ),
            Err(error) => tracing::warn!(
                driver,
                claim.ns = claim.namespace,
                claim.name = claim.name,
                claim.uid = claim.uid,
                error,
                seconds,
                "not prepared"
            ),
        });
        outcome
    }

    async fn attempt(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Vec<PreparedDevice>, PrepareError> {
        usable_as_file_name(&claim.uid).map_err(PrepareError::Refused)?;
        // What is not done in time goes on, and the next call finds what became of it.
        let late = |_| PrepareError::Transient(format!("claim {claim} is still being prepared"));
        let mut read = pin!(self.read(claim, deadline));
        let (read, begun) = match read.as_mut().now_or_never() {
            Some(read) => (read, timeout_at(deadline, self.begin(&claim.uid)).await),
            None => {
                let begin = async {
                    // The question goes out first, through the tasks of the client.
                    after_others().await;
                    timeout_at(deadline, self.make_ready(&claim.uid)).await
                };
                let read = async {
                    let read = read.await;
                    if let Ok(object) = &read {
                        let expected = self.api.expected();
                        if expected.tell_others(&self.driver, object, Instant::now().into()) {
                            // They start a thread, which works while this one does.
                            after_others().await;
                        }
                    }
                    read
                };
                tokio::join!(read, begin)
            }
        };
        // Nobody waits for a claim's lock on this thread: who has it may need it.
        let begun = begun.map_err(late)?;
        let preparer = self.preparer.clone();
        let object = read.as_ref().ok().cloned();
        let ours = match read {
            Ok(object) => self.ours(claim, &object),
            Err(ApiError::NotFound) => {
                let why = format!("claim {claim} does not exist");
                Err(PrepareError::Refused(why))
            }
            // Without the API server, a claim that was prepared before can still be confirmed.
            Err(error) => {
                let why = format!("cannot read claim {claim}: {error}");
                let recalled = on_a_thread(move || preparer.recall(begun?)).await?;
                return recalled.ok_or(PrepareError::Transient(why));
            }
        };
        // Whatever it is: who works gives the claim back.
        let work = self.work(move || preparer.prepare(begun?, &ours?));
        let prepared = timeout_at(deadline, work).await.map_err(late)?;
        // It has hundreds of parts, which can be freed when the kubelet has its answer.
        later(move || drop(object));
        prepared
    }

    /// Takes a claim and makes ready what it is prepared with.
    async fn make_ready(&self, uid: &str) -> Result<Begun, prepare::Error> {
        let mut begun = self.begin(uid).await?;
        self.preparer.make_ready(&mut begun)?;
        Ok(begun)
    }

    /// Takes a claim, as soon as nobody else has it.
    async fn begin(&self, uid: &str) -> Result<Begun, prepare::Error> {
        match self.preparer.begin_at_once(uid)? {
            Some(begun) => Ok(begun),
            None => {
                let (preparer, uid) = (self.preparer.clone(), uid.to_owned());
                on_a_thread(move || preparer.begin(&uid)).await
            }
        }
    }

    /// Runs here what is quick, and goes to a thread only if something is to be waited for.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.preparer.is_quick() {
            true => work(),
            false => on_a_thread(work).await,
        }
    }

    /// Prepares what other drivers tell of, before the kubelet asks. What fails is undone, and tried
    /// again when it does.
    pub(crate) async fn prepare_expected(&self) {
        let mut told = self.api.expected().by(&self.driver, &self.tickets);
        while let Some(object) = told.recv().await {
            let metadata = &object.metadata;
            let claim = ClaimRef {
                namespace: metadata.namespace.clone().unwrap_or_default(),
                name: metadata.name.clone().unwrap_or_default(),
                uid: metadata.uid.clone().unwrap_or_default(),
            };
            let Ok(ours) = self.ours(&claim, &object) else {
                continue;
            };
            if usable_as_file_name(&claim.uid).is_err() {
                continue;
            }
            let (preparer, tickets) = (self.preparer.clone(), self.tickets.clone());
            tokio::task::spawn_blocking(move || {
                let begun = preparer.begin(&claim.uid);
                if tickets.stands(&claim.uid, Instant::now().into()) {
                    let _ = begun.map(|begun| preparer.prepare(begun, &ours));
                }
            });
        }
    }

    async fn read(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<Arc<ResourceClaim>, ApiError> {
        let until = deadline.min(Instant::now() + READ);
        let read = timeout_at(until, self.api.claim(&self.driver, claim)).await;
        read.unwrap_or_else(|_| Err(ApiError::Unavailable("no answer".into())))
    }

    /// The claim as far as it concerns this driver.
    fn ours(&self, claim: &ClaimRef, object: &Arc<ResourceClaim>) -> Result<Claim, PrepareError> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = |pool: &str| {
            pool == self.node || pools.as_ref().is_some_and(|pools| pools.contains(pool))
        };
        for_driver(claim, object, &self.driver, owned).map_err(|error| match error {
            NotReady::OtherNode { .. } if pools.is_none() => PrepareError::Transient(format!(
                "the devices of this node were not looked at yet, and {error}"
            )),
            error if error.may_pass() => PrepareError::Transient(error.to_string()),
            error => PrepareError::Refused(error.to_string()),
        })
    }

    /// Undoes a claim, trying until `deadline`.
    pub(crate) async fn unprepare(
        &self,
        claim: &ClaimRef,
        deadline: Instant,
    ) -> Result<(), String> {
        usable_as_file_name(&claim.uid)?;
        let started = Instant::now();
        self.tickets.end(&claim.uid);
        let mut pause = FIRST_PAUSE;
        let outcome = loop {
            let undo = async {
                let begun = self.begin(&claim.uid).await?;
                let (preparer, undone) = (self.preparer.clone(), claim.clone());
                self.work(move || preparer.unprepare(begun, &undone)).await
            };
            match timeout_at(deadline, undo).await {
                Ok(Ok(())) => break Ok(()),
                Ok(Err(error)) if Instant::now() + pause >= deadline => {
                    break Err(with_causes(&error));
                }
                Ok(Err(_)) => {}
                Err(_) => break Err(format!("claim {claim} is still being undone")),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.report_moved_aside();
        let counted = match outcome {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::TimedOut,
        };
        let took = started.elapsed();
        self.count(|calls| calls.unprepare.entry(counted).or_default().observe(took));
        let (driver, claim, result) = (self.driver.clone(), claim.clone(), outcome.clone());
        later(move || match result {
            Ok(()) => tracing::info!(
                driver,
                claim.ns = claim.namespace,
                claim.name = claim.name,
                claim.uid = claim.uid,
                "unprepared"
            ),
            Err(error) => tracing::warn!(
                driver,
                claim.ns = claim.namespace,
                claim.name = claim.name,
                claim.uid = claim.uid,
                error,
                "not unprepared"
            ),
        });
        outcome
    }

    /// Puts right what earlier lives left on the disk. To be done before the kubelet calls.
    pub(crate) async fn reconcile(&self) {
        let preparer = self.preparer.clone();
        for problem in on_a_thread(move || preparer.reconcile()).await {
            let error = with_causes(&problem);
            tracing::warn!(driver = self.driver, error, "left for later");
        }
        self.report_moved_aside();
    }

    /// Undoes the claims that were deleted while nobody was here to be told, or whose kubelet lost
    /// its memory. Takes as long as the API server does.
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
            let gone = loop {
                match self.read(&claim, Instant::now() + READ).await {
                    Ok(object) => break object.metadata.uid.as_deref() != Some(&claim.uid),
                    Err(ApiError::NotFound) => break true,
                    Err(_) => sleep(pause).await,
                }
                pause = (pause * 2).min(Duration::from_secs(30));
            };
            if gone {
                // Failures are logged; the kubelet may still ask.
                let _ = self.unprepare(&claim, Instant::now() + READ).await;
            }
        }
    }

    fn count(&self, add: impl FnOnce(&mut Calls)) {
        add(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner));
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

/// UIDs become names of files.
fn usable_as_file_name(uid: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match !uid.is_empty() && uid.len() <= 128 && uid.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("claim uid {uid:?} is not a UID")),
    }
}

/// Says what became of a call after the kubelet has heard it.
fn later(say: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        after_others().await;
        say();
    });
}

/// Lets those tasks go first that what was just done has woken, and those that they wake.
async fn after_others() {
    for _ in 0..4 {
        yield_now().await;
    }
}

/// Runs to its end even if the kubelet stops waiting.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
