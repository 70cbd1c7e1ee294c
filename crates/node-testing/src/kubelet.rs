//! A kubelet as far as a driver sees it: it finds plugins by their sockets and calls them over gRPC.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::Request;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use trainyard_node::driver::ClaimRef;

use crate::proto::dra_v1::dra_plugin_client::DraPluginClient;
use crate::proto::dra_v1beta1::dra_plugin_client::DraPluginClient as DraPluginClientBeta;
use crate::proto::health_v1::dra_resource_health_client::DraResourceHealthClient;
use crate::proto::health_v1alpha1::dra_resource_health_client::DraResourceHealthClient as DraResourceHealthClientAlpha;
use crate::proto::registration::registration_client::RegistrationClient;
use crate::proto::registration::{InfoRequest, RegistrationStatus};
use crate::proto::{dra_v1, health_v1};

/// How often the folder of registration sockets is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(60);

/// Which API version the kubelet picks of those that a plugin offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// 1.34 and later.
    V1,
    /// 1.32 and 1.33.
    V1beta1,
}

/// A registration socket: a new file under the same name is another plugin.
type Socket = (PathBuf, u64, i128);

/// A plugin that introduced itself.
#[derive(Clone)]
struct Registered {
    driver: String,
    endpoint: String,
    /// In the order of registration.
    number: u64,
    refused: bool,
}

#[derive(Default)]
struct State {
    plugins: BTreeMap<Socket, Registered>,
    registrations: u64,
    refuse: Option<String>,
}

/// A running kubelet.
pub struct FakeKubelet {
    folder: PathBuf,
    speaks: Speaks,
    patience: Duration,
    state: Arc<Mutex<State>>,
    /// Anything at all, for those who wait.
    activity: watch::Sender<()>,
    watch: JoinHandle<()>,
}

/// The devices of a prepared claim, or the driver's error.
pub type Prepared = Result<Vec<dra_v1::Device>, String>;

impl FakeKubelet {
    /// A kubelet whose root folder this is.
    pub fn start(folder: &Path, speaks: Speaks) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let registry = folder.join("plugins_registry");
        let activity = watch::Sender::new(());
        let watching = watch_registry(registry, state.clone(), activity.clone());
        FakeKubelet {
            folder: folder.to_owned(),
            speaks,
            patience: Duration::from_secs(45),
            watch: tokio::spawn(watching),
            state,
            activity,
        }
    }

    /// With another patience than the usual 45 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The kubelet is down: it sees no plugin come or go until [`FakeKubelet::restart`].
    pub fn stop(&self) {
        self.watch.abort();
    }

    /// A kubelet that was restarted: it knows no plugin and finds them again.
    #[must_use]
    pub fn restart(self) -> Self {
        let (folder, speaks, patience) = (self.folder.clone(), self.speaks, self.patience);
        drop(self);
        FakeKubelet::start(&folder, speaks).with_patience(patience)
    }

    /// Refuses plugins that register from now on.
    pub fn refuse(&self, why: &str) {
        self.state().refuse = Some(why.to_owned());
    }

    /// How often a plugin introduced itself.
    pub fn registrations(&self) -> u64 {
        self.state().registrations
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many instances of a driver are registered.
    pub fn instances(&self, driver: &str) -> usize {
        self.plugins(driver).len()
    }

    fn plugins(&self, driver: &str) -> Vec<Registered> {
        let state = self.state();
        let plugins = state.plugins.values();
        let of_driver = plugins.filter(|plugin| plugin.driver == driver && !plugin.refused);
        of_driver.cloned().collect()
    }

    /// Waits until this many instances of a driver are registered.
    pub async fn wait_for(&self, driver: &str, instances: usize) {
        let what = format!("{instances} instances of {driver}");
        self.until(&what, |kubelet| kubelet.instances(driver) == instances)
            .await;
    }

    /// Waits until the kubelet is in this state.
    pub async fn until(&self, what: &str, condition: impl Fn(&FakeKubelet) -> bool) {
        let mut activity = self.activity.subscribe();
        let wait = async {
            while !condition(self) {
                activity.changed().await.expect("the sender is here");
            }
        };
        let waited = timeout(LIMIT, wait).await;
        assert!(waited.is_ok(), "waited in vain: {what}");
    }

    /// The newest instance of a driver that listens.
    async fn connect(&self, driver: &str) -> Channel {
        let mut instances = self.plugins(driver);
        instances.sort_by_key(|plugin| std::cmp::Reverse(plugin.number));
        for instance in &instances {
            if let Ok(channel) = dial(Path::new(&instance.endpoint)).await {
                return channel;
            }
        }
        panic!("none of {} instances of {driver} listens", instances.len());
    }

    /// NodePrepareResources for several claims at once.
    pub async fn prepare_all(
        &self,
        driver: &str,
        claims: &[&ClaimRef],
    ) -> BTreeMap<String, Prepared> {
        let channel = self.connect(driver).await;
        let mut request = Request::new(dra_v1::NodePrepareResourcesRequest {
            claims: claims.iter().map(|claim| message(claim)).collect(),
        });
        request.set_timeout(self.patience);
        let answer = match self.speaks {
            Speaks::V1 => {
                let mut client = DraPluginClient::new(channel);
                client.node_prepare_resources(request).await
            }
            Speaks::V1beta1 => {
                let mut client = DraPluginClientBeta::new(channel);
                client.node_prepare_resources(request).await
            }
        };
        let answers = answer.expect("the call succeeds").into_inner().claims;
        let answers = answers.into_iter().map(|(uid, answer)| {
            let prepared = match answer.error.is_empty() {
                true => Ok(answer.devices),
                false => Err(answer.error),
            };
            (uid, prepared)
        });
        answers.collect()
    }

    /// NodePrepareResources for one claim.
    pub async fn prepare(&self, driver: &str, claim: &ClaimRef) -> Prepared {
        let mut answers = self.prepare_all(driver, &[claim]).await;
        answers
            .remove(&claim.uid)
            .expect("every claim has an answer")
    }

    /// NodeUnprepareResources for one claim.
    pub async fn unprepare(&self, driver: &str, claim: &ClaimRef) -> Result<(), String> {
        let channel = self.connect(driver).await;
        let claims = vec![message(claim)];
        let mut request = Request::new(dra_v1::NodeUnprepareResourcesRequest { claims });
        request.set_timeout(self.patience);
        let answer = match self.speaks {
            Speaks::V1 => {
                let mut client = DraPluginClient::new(channel);
                client.node_unprepare_resources(request).await
            }
            Speaks::V1beta1 => {
                let mut client = DraPluginClientBeta::new(channel);
                client.node_unprepare_resources(request).await
            }
        };
        let mut answers = answer.expect("the call succeeds").into_inner().claims;
        let answer = answers.remove(&claim.uid);
        match answer.expect("every claim has an answer").error {
            error if error.is_empty() => Ok(()),
            error => Err(error),
        }
    }

    /// NodeWatchResources, v1.
    pub async fn health(&self, driver: &str) -> Streaming<health_v1::NodeWatchResourcesResponse> {
        let mut client = DraResourceHealthClient::new(self.connect(driver).await);
        let request = health_v1::NodeWatchResourcesRequest {};
        let answer = client.node_watch_resources(request).await;
        answer.expect("the call succeeds").into_inner()
    }

    /// NodeWatchResources, v1alpha1.
    pub async fn health_v1alpha1(
        &self,
        driver: &str,
    ) -> Streaming<health_v1::NodeWatchResourcesResponse> {
        let mut client = DraResourceHealthClientAlpha::new(self.connect(driver).await);
        let request = health_v1::NodeWatchResourcesRequest {};
        let answer = client.node_watch_resources(request).await;
        answer.expect("the call succeeds").into_inner()
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn message(claim: &ClaimRef) -> dra_v1::Claim {
    dra_v1::Claim {
        namespace: claim.namespace.clone(),
        uid: claim.uid.clone(),
        name: claim.name.clone(),
    }
}

async fn dial(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let address = format!("unix://{}", socket.display());
    Endpoint::try_from(address)?.connect().await
}

/// Registers what appears and forgets what disappears.
async fn watch_registry(registry: PathBuf, state: Arc<Mutex<State>>, activity: watch::Sender<()>) {
    loop {
        let found = sockets(&registry);
        let new: Vec<Socket> = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.plugins.retain(|socket, _| found.contains(socket));
            let known = |socket: &Socket| state.plugins.contains_key(socket);
            found.into_iter().filter(|socket| !known(socket)).collect()
        };
        for socket in new {
            // A socket on which no process listens is tried again at the next look.
            let Ok(channel) = dial(&socket.0).await else {
                continue;
            };
            let mut client = RegistrationClient::new(channel);
            let Ok(info) = client.get_info(InfoRequest {}).await else {
                continue;
            };
            let info = info.into_inner();
            assert_eq!(info.r#type, "DRAPlugin");
            let refused = {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.registrations += 1;
                let number = state.registrations;
                let refuse = state.refuse.clone();
                let plugin = Registered {
                    driver: info.name,
                    endpoint: info.endpoint,
                    number,
                    refused: refuse.is_some(),
                };
                state.plugins.insert(socket, plugin);
                refuse
            };
            let status = RegistrationStatus {
                plugin_registered: refused.is_none(),
                error: refused.unwrap_or_default(),
            };
            // A plugin that goes away meanwhile is forgotten at the next look.
            let _ = client.notify_registration_status(status).await;
        }
        activity.send_replace(());
        sleep(LOOK).await;
    }
}

fn sockets(registry: &Path) -> Vec<Socket> {
    let entries = std::fs::read_dir(registry).into_iter().flatten();
    let found = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let modified = i128::from(metadata.mtime()) * 1_000_000_000;
        let modified = modified + i128::from(metadata.mtime_nsec());
        Some((entry.path(), metadata.ino(), modified))
    });
    found.collect()
}
