//! A driver at work: its sockets, its surveys and its slices, from start to stop.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::authority::Localhost;
use crate::claims::{Claims, on_a_thread};
use crate::disk::{Disk, LocalDisk, Lock};
use crate::driver::{Driver, DriverError, Node};
use crate::health::{self, Report};
use crate::metrics::Calls;
use crate::ports::Api;
use crate::prepare::{self, Places, Preparer};
use crate::proto::{dra_v1, dra_v1beta1, health_v1, health_v1alpha1, registration};
use crate::service::{Registrar, Service};
use crate::slices::publisher::{Pools, Publisher};
use crate::sockets::{self, Socket, Sockets};

pub use crate::service::Registration;
pub use crate::slices::publisher::Status as Publishing;
pub use crate::sockets::Instance;

/// The names and folders of a driver, and its intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Name of the driver: a DNS name in lower case.
    pub driver: String,
    /// Name of the Node.
    pub node: String,
    /// The kubelet's folder, `/var/lib/kubelet`; the same path inside and outside of a container.
    pub kubelet: PathBuf,
    /// Where the container runtime reads CDI files, `/var/run/cdi`.
    pub cdi: PathBuf,
    /// Where the journal is; it must survive reboots and be the same for all instances.
    pub state: PathBuf,
    /// Whether another instance may run at the same time.
    pub instance: Instance,
    /// How often the hardware is looked at when nothing else asks for it.
    pub survey_every: Duration,
    /// How long after the start, and after each registration with the kubelet, claims that no longer
    /// exist are undone. The kubelet does so itself unless it lost its checkpoint, and only the kubelet
    /// knows whether a container is still running.
    pub forget_after: Duration,
}

impl Config {
    /// The conventional places.
    pub fn new(driver: &str, node: &str) -> Self {
        Config {
            driver: driver.to_owned(),
            node: node.to_owned(),
            kubelet: "/var/lib/kubelet".into(),
            cdi: "/var/run/cdi".into(),
            state: Path::new("/var/lib/kubelet/plugins").join(driver),
            instance: Instance::Only,
            survey_every: Duration::from_secs(5),
            forget_after: Duration::from_secs(180),
        }
    }

    fn data(&self) -> PathBuf {
        self.kubelet.join("plugins").join(&self.driver)
    }

    fn registry(&self) -> PathBuf {
        self.kubelet.join("plugins_registry")
    }
}

/// Why a driver does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its name.
    #[error("driver name {0:?} is not a DNS name in lower case of at most 63 characters")]
    Name(String),
    /// A folder.
    #[error("cannot make folder {path}")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A socket.
    #[error("cannot listen on {path}")]
    Socket {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that has another content after each reboot.
    #[error("cannot read {path}")]
    BootId {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A running driver.
pub struct Plugin {
    registration: watch::Receiver<Registration>,
    publishing: watch::Receiver<Publishing>,
    refresh: Arc<Notify>,
    calls: Arc<Mutex<Calls>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Plugin {
    /// Puts right what earlier lives left, then serves the kubelet, and publishes once the kubelet
    /// has registered the driver.
    pub async fn start<H: Driver>(
        config: Config,
        driver: Arc<H>,
        api: Arc<dyn Api>,
    ) -> Result<Plugin, StartError> {
        if !is_driver_name(&config.driver) {
            return Err(StartError::Name(config.driver));
        }
        let (opened, hardware) = (config.clone(), driver.clone());
        let preparer = on_a_thread(move || open(&opened, hardware)).await?;
        let calls = Arc::default();
        let claims = Arc::new(Claims::new(
            &config.driver,
            &config.node,
            api.clone(),
            Arc::new(preparer),
            Arc::clone(&calls),
        ));
        claims.reconcile().await;
        sockets::sweep(&config.driver, config.data(), config.registry()).await;
        let (stop, _) = watch::channel(false);
        let health = watch::Sender::new(None);
        let sockets = Sockets::new(
            &config.driver,
            &config.instance,
            &config.data(),
            &config.registry(),
        );
        let registrar = Registrar {
            driver: config.driver.clone(),
            endpoint: sockets.dra.to_string_lossy().into_owned(),
            status: watch::Sender::new(Registration::Pending),
        };
        let registration = registrar.status.subscribe();
        let servers = Servers {
            sockets,
            claims: claims.clone(),
            health: health.subscribe(),
            trusted_for: TRUSTED_FOR.max(config.survey_every * 3),
            registrar: Arc::new(registrar),
        };
        let listening = servers.listen().await?;

        let mut tasks = JoinSet::new();
        tasks.spawn(servers.run(listening, stop.subscribe()));
        let refresh = Arc::new(Notify::new());
        let desired = watch::Sender::new(None);
        let publisher = Publisher::new(&config.driver, &config.node, api.clone());
        let publishing = publisher.status();
        tasks.spawn(publish(
            publisher,
            desired.subscribe(),
            prepare::publisher_lock(&config.state),
            registration.clone(),
            stop.subscribe(),
        ));
        let surveyor = Surveyor {
            name: config.driver.clone(),
            every: config.survey_every,
            node: api.node(&config.node),
            survey: Arc::new(Surveys {
                driver,
                claims: claims.clone(),
                desired,
                health,
            }),
            refresh: refresh.clone(),
        };
        tasks.spawn(until(stop.subscribe(), surveyor.run()));
        let mut restarts = registration.clone();
        tasks.spawn(until(stop.subscribe(), async move {
            loop {
                restarts.borrow_and_update();
                sleep(config.forget_after).await;
                claims.forget_deleted().await;
                if restarts.changed().await.is_err() {
                    return;
                }
            }
        }));
        Ok(Plugin {
            registration,
            publishing,
            refresh,
            calls,
            stop,
            tasks,
        })
    }

    /// The kubelet's last answer to the registration.
    pub fn registration(&self) -> watch::Receiver<Registration> {
        self.registration.clone()
    }

    /// Whether the API server has the slices.
    pub fn publishing(&self) -> watch::Receiver<Publishing> {
        self.publishing.clone()
    }

    /// The kubelet's calls so far.
    pub fn calls(&self) -> Calls {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    /// Asks for a survey now.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }

    /// Finishes the calls that are under way and removes the sockets. Slices stay: the kubelet
    /// deletes them after half a minute, unless another instance takes over.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Makes the folders of a driver, and opens its journal. May block.
fn open<H: Driver>(config: &Config, driver: Arc<H>) -> Result<Preparer<H, LocalDisk>, StartError> {
    let cannot_make = |(path, source)| StartError::Folder { path, source };
    for folder in [config.data(), config.registry()] {
        std::fs::create_dir_all(&folder).map_err(|error| cannot_make((folder, error)))?;
    }
    let places = Places {
        state: config.state.clone(),
        cdi: config.cdi.clone(),
    };
    let (disk, boot) = (Arc::new(LocalDisk), boot_id()?);
    Preparer::open(&config.driver, driver, disk, places, &boot).map_err(cannot_make)
}

/// It becomes a name of files, sockets, CDI kinds and slices.
fn is_driver_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Names the boot of the machine: another one after each reboot.
pub fn boot_id() -> Result<String, StartError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).map_err(|source| StartError::BootId {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// Ends the work when it is time to stop.
async fn until(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = work => {}
    }
}

/// What the kubelet talks to.
struct Servers<H, K> {
    sockets: Sockets,
    claims: Arc<Claims<H, K>>,
    health: watch::Receiver<Option<Report>>,
    trusted_for: Duration,
    registrar: Arc<Registrar>,
}

/// For how long at least the kubelet gets the result of a survey when later ones fail.
const TRUSTED_FOR: Duration = Duration::from_secs(30);

type Listening = [(Socket, tokio::net::UnixListener); 2];

/// How often it is checked that the sockets' files are there.
const LOOK: Duration = Duration::from_secs(2);

impl<H: Driver, K: Disk> Servers<H, K> {
    /// The DRA socket first: the kubelet calls it as soon as it sees the other.
    async fn listen(&self) -> Result<Listening, StartError> {
        let listen = async |path: &PathBuf| {
            let listening = Socket::listen(path.clone()).await;
            listening.map_err(|source| StartError::Socket {
                path: path.clone(),
                source,
            })
        };
        Ok([
            listen(&self.sockets.dra).await?,
            listen(&self.sockets.registration).await?,
        ])
    }

    /// Serves until the end. When a socket's file was removed, the kubelet can no longer find the driver:
    /// then both sockets are made anew. While another process listens on a socket of the same name it is
    /// left alone, or the two would take the sockets from each other for ever.
    async fn run(self, mut listening: Listening, mut stop: watch::Receiver<bool>) {
        loop {
            let [(dra, dra_listener), (registration, registration_listener)] = listening;
            let (hang_up, hung_up) = watch::channel(false);
            let ended = |mut hung_up: watch::Receiver<bool>| async move {
                let _ = hung_up.wait_for(|up| *up).await;
            };
            let service = Service(self.claims.clone());
            let health = health::Service {
                reports: self.health.clone(),
                trusted_for: self.trusted_for,
                hung_up: hung_up.clone(),
            };
            let serve_dra = Server::builder()
                .add_service(dra_v1::dra_plugin_server::DraPluginServer::new(
                    service.clone(),
                ))
                .add_service(dra_v1beta1::dra_plugin_server::DraPluginServer::new(
                    service,
                ))
                .add_service(
                    health_v1::dra_resource_health_server::DraResourceHealthServer::new(
                        health.clone(),
                    ),
                )
                .add_service(
                    health_v1alpha1::dra_resource_health_server::DraResourceHealthServer::new(
                        health,
                    ),
                )
                .serve_with_incoming_shutdown(
                    UnixListenerStream::new(dra_listener).map_ok(Localhost::from),
                    ended(hung_up.clone()),
                );
            let serve_registration = Server::builder()
                .add_service(registration::registration_server::RegistrationServer::new(
                    self.registrar.clone(),
                ))
                .serve_with_incoming_shutdown(
                    UnixListenerStream::new(registration_listener).map_ok(Localhost::from),
                    ended(hung_up),
                );
            let watch_files = async {
                let lost = loop {
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => break false,
                        () = sleep(LOOK) => {}
                    }
                    if !dra.is_there().await || !registration.is_there().await {
                        break true;
                    }
                };
                // Hidden from the kubelet first; calls under way are finished.
                registration.remove().await;
                dra.remove().await;
                hang_up.send_replace(true);
                lost
            };
            let (dra, registration, lost) =
                tokio::join!(serve_dra, serve_registration, watch_files);
            for error in [dra.err(), registration.err()].into_iter().flatten() {
                tracing::error!(driver = self.registrar.driver, %error, "a socket failed");
            }
            if !lost {
                return;
            }
            tracing::warn!(
                driver = self.registrar.driver,
                "sockets were removed or replaced"
            );
            self.registrar.status.send_replace(Registration::Pending);
            let taken = async || {
                sockets::is_alive(&self.sockets.dra).await
                    || sockets::is_alive(&self.sockets.registration).await
            };
            listening = loop {
                if !taken().await {
                    match self.listen().await {
                        Ok(listening) => break listening,
                        Err(error) => {
                            let error = prepare::with_causes(&error);
                            tracing::error!(driver = self.registrar.driver, error);
                        }
                    }
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = sleep(LOOK) => {}
                }
            };
        }
    }
}

/// Publishes after registration, and only while no other instance does: two with different versions
/// would undo each other's slices for ever. The newer one takes over when the older one has gone.
async fn publish(
    publisher: Publisher,
    desired: watch::Receiver<Pools>,
    lock: PathBuf,
    mut registration: watch::Receiver<Registration>,
    stop: watch::Receiver<bool>,
) {
    until(stop, async move {
        let registered = registration.wait_for(|status| *status == Registration::Registered);
        if registered.await.is_err() {
            return;
        }
        let _lock = alone(lock, &publisher).await;
        publisher.run(desired).await;
    })
    .await;
}

/// Waits until no other instance publishes.
async fn alone(path: PathBuf, publisher: &Publisher) -> Box<dyn Lock> {
    loop {
        let taken = path.clone();
        match on_a_thread(move || LocalDisk.try_lock(&taken)).await {
            Ok(Some(lock)) => return lock,
            Ok(None) => publisher.stand_by(),
            Err(error) => tracing::warn!(path = %path.display(), %error, "cannot lock"),
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Repeats the surveys.
struct Surveyor<H, K> {
    name: String,
    every: Duration,
    node: watch::Receiver<Option<Node>>,
    survey: Arc<Surveys<H, K>>,
    refresh: Arc<Notify>,
}

impl<H: Driver, K: Disk> Surveyor<H, K> {
    async fn run(mut self) {
        let mut last_error = None;
        loop {
            let known = self.node.borrow_and_update().clone();
            if let Some(node) = known {
                let survey = self.survey.clone();
                let error = match tokio::task::spawn_blocking(move || survey.take(&node)).await {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(panic) => Some(panic.to_string()),
                };
                if error != last_error
                    && let Some(error) = &error
                {
                    tracing::error!(driver = self.name, error, "cannot survey the devices");
                }
                last_error = error;
            }
            tokio::select! {
                Ok(()) = self.node.changed() => {}
                () = self.refresh.notified() => {}
                () = sleep(self.every) => {}
            }
        }
    }
}

/// Surveys the hardware, and passes on what has changed.
struct Surveys<H, K> {
    driver: Arc<H>,
    claims: Arc<Claims<H, K>>,
    desired: watch::Sender<Pools>,
    health: watch::Sender<Option<Report>>,
}

impl<H: Driver, K: Disk> Surveys<H, K> {
    fn take(&self, node: &Node) -> Result<(), DriverError> {
        let survey = self.driver.survey(node)?;
        let health_pools: BTreeSet<_> = survey.health.iter().map(|h| h.pool.clone()).collect();
        self.claims
            .add_pools(survey.pools.keys().chain(&health_pools));
        self.desired.send_if_modified(|last| {
            let is_changed = last.as_deref() != Some(&survey.pools);
            if is_changed {
                *last = Some(Arc::new(survey.pools));
            }
            is_changed
        });
        self.health.send_if_modified(|last| {
            let (taken, instant) = (SystemTime::now(), Instant::now());
            match last {
                Some(last) if last.devices == survey.health => {
                    (last.taken, last.instant) = (taken, instant);
                    false
                }
                _ => {
                    let devices = survey.health;
                    *last = Some(Report {
                        taken,
                        instant,
                        devices,
                    });
                    true
                }
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_name_is_a_dns_name() {
        for name in ["neuron.aws.com", "efa.networking.k8s.aws", "a", "a-1.b"] {
            assert!(is_driver_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in [
            "", "A.b", "a..b", ".a", "a.", "-a", "a-.b", "a/b", "a_b", &long,
        ] {
            assert!(!is_driver_name(name), "{name}");
        }
    }
}
