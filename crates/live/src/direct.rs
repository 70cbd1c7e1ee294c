//! A connection for one claim at a time.
//!
//! A pod waits for its claim to be read, and the API server answers sooner over HTTP/1.1: with HTTP/2
//! several tasks, on either side, hand a request on to each other. But such a connection carries one
//! request at a time, and kube-apiserver closes it after 90 s without one (`IdleTimeout`). So it is
//! used while it is there and free; otherwise a claim is read over the connection that carries all
//! else, which is always there, and this one is opened a moment later. In a quiet hour there is none.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::api::Api;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use trainyard_node::driver::ClaimRef;
use trainyard_node::ports::ApiError;

use crate::answer::within;

/// How long it is there after a request: half of what kube-apiserver grants, as load balancers may
/// grant less.
const OPEN: Duration = Duration::from_secs(45);
/// When it is opened: the pod that was waiting has started by then.
const LATER: Duration = Duration::from_secs(1);

/// The connection.
pub(crate) struct Direct {
    client: kube::Client,
    used: Arc<Mutex<Option<Instant>>>,
}

impl Direct {
    /// Not opened yet. The client is to speak HTTP/1.1.
    pub(crate) fn new(client: kube::Client) -> Direct {
        Direct {
            client,
            used: Arc::default(),
        }
    }

    /// Reads a claim over it; `None` if it is not there, or if another claim is being read.
    pub(crate) async fn read(&self, claim: &ClaimRef) -> Option<Result<ResourceClaim, ApiError>> {
        let mut used = self.used.try_lock().ok()?;
        // Gone with the request, should nobody wait for the answer.
        used.take().filter(|at| at.elapsed() < OPEN)?;
        let (read, now) = read_noting(&self.client, claim).await;
        *used = now;
        Some(read)
    }

    /// Opens it by reading a claim once more, unless it is there.
    pub(crate) fn open(&self, claim: &ClaimRef) -> impl Future<Output = ()> + Send + 'static {
        let (client, used, claim) = (self.client.clone(), self.used.clone(), claim.clone());
        async move {
            sleep(LATER).await;
            let Ok(mut used) = used.try_lock() else {
                return;
            };
            if used.is_none_or(|at| at.elapsed() >= OPEN) {
                *used = read_noting(&client, &claim).await.1;
            }
        }
    }
}

/// Reads a claim.
pub(crate) async fn read(
    client: &kube::Client,
    claim: &ClaimRef,
) -> Result<ResourceClaim, ApiError> {
    let claims: Api<ResourceClaim> = Api::namespaced(client.clone(), &claim.namespace);
    within(claims.get(&claim.name)).await
}

/// Reads a claim; with when, if the connection is there.
async fn read_noting(
    client: &kube::Client,
    claim: &ClaimRef,
) -> (Result<ResourceClaim, ApiError>, Option<Instant>) {
    let read = read(client, claim).await;
    let is_there = !matches!(read, Err(ApiError::Unavailable(_)));
    (read, is_there.then(Instant::now))
}
