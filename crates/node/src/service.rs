//! The gRPC services that the kubelet calls: registration, and DRA in both versions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::claims::Claims;
use crate::disk::Disk;
use crate::driver::{ClaimRef, Driver};
use crate::prepare::PreparedDevice;
use crate::proto::dra_v1::dra_plugin_server::DraPlugin;
use crate::proto::dra_v1beta1::dra_plugin_server::DraPlugin as DraPluginBeta;
use crate::proto::{dra_v1 as v1, registration};

/// The services of the DRA socket by the names that the kubelet has for them, the preferred ones first.
pub(crate) const VERSIONS: [&str; 4] = [
    "v1.DRAPlugin",
    "v1beta1.DRAPlugin",
    "v1.DRAResourceHealth",
    "v1alpha1.DRAResourceHealth",
];

/// How long the kubelet waits for a call that has no timeout.
const PATIENCE: Duration = Duration::from_secs(45);
/// What of that is left for the answer and for the pod's event.
const MARGIN: Duration = Duration::from_secs(3);

/// Whether the kubelet has registered this plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It has not answered yet.
    Pending,
    /// Yes.
    Registered,
    /// No, for this reason.
    Refused(String),
}

pub(crate) struct Registrar {
    pub(crate) driver: String,
    pub(crate) endpoint: String,
    pub(crate) status: watch::Sender<Registration>,
}

#[tonic::async_trait]
impl registration::registration_server::Registration for Arc<Registrar> {
    async fn get_info(
        &self,
        _: Request<registration::InfoRequest>,
    ) -> Result<Response<registration::PluginInfo>, Status> {
        Ok(Response::new(registration::PluginInfo {
            r#type: "DRAPlugin".into(),
            name: self.driver.clone(),
            endpoint: self.endpoint.clone(),
            supported_versions: VERSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<registration::RegistrationStatus>,
    ) -> Result<Response<registration::RegistrationStatusResponse>, Status> {
        let said = request.into_inner();
        let status = match said.plugin_registered {
            true => Registration::Registered,
            false => Registration::Refused(said.error),
        };
        match &status {
            Registration::Refused(why) => {
                tracing::error!(driver = self.driver, why, "the kubelet refused the plugin");
            }
            _ => tracing::info!(driver = self.driver, "registered with the kubelet"),
        }
        self.status.send_replace(status);
        Ok(Response::new(registration::RegistrationStatusResponse {}))
    }
}

/// Both versions of the DRA service.
pub(crate) struct Service<H, K>(pub(crate) Arc<Claims<H, K>>);

impl<H, K> Clone for Service<H, K> {
    fn clone(&self) -> Self {
        Service(self.0.clone())
    }
}

impl<H: Driver, K: Disk> Service<H, K> {
    /// Each claim in a task of its own, which goes on if the kubelet hangs up.
    async fn each<T, F>(
        &self,
        claims: Vec<ClaimRef>,
        work: impl Fn(Arc<Claims<H, K>>, ClaimRef) -> F,
    ) -> BTreeMap<String, Result<T, String>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let tasks: Vec<_> = claims
            .into_iter()
            .map(|claim| {
                let uid = claim.uid.clone();
                (uid, tokio::spawn(work(self.0.clone(), claim)))
            })
            .collect();
        let mut answers = BTreeMap::new();
        for (uid, task) in tasks {
            let answer = task.await.unwrap_or_else(|error| Err(error.to_string()));
            answers.insert(uid, answer);
        }
        answers
    }

    async fn prepare(
        &self,
        claims: Vec<ClaimRef>,
        metadata: &MetadataMap,
    ) -> BTreeMap<String, Result<Vec<PreparedDevice>, String>> {
        let deadline = deadline(metadata);
        self.each(claims, move |service, claim| async move {
            service.prepare(&claim, deadline).await
        })
        .await
    }

    async fn unprepare(
        &self,
        claims: Vec<ClaimRef>,
        metadata: &MetadataMap,
    ) -> BTreeMap<String, Result<(), String>> {
        let deadline = deadline(metadata);
        self.each(claims, move |service, claim| async move {
            service.unprepare(&claim, deadline).await
        })
        .await
    }
}

fn deadline(metadata: &MetadataMap) -> Instant {
    let header = metadata.get("grpc-timeout");
    let patience = header
        .and_then(|value| grpc_timeout(value.to_str().ok()?))
        .unwrap_or(PATIENCE);
    Instant::now() + patience.saturating_sub(MARGIN.min(patience / 4))
}

/// gRPC over HTTP/2: at most eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

impl From<v1::Claim> for ClaimRef {
    fn from(claim: v1::Claim) -> Self {
        ClaimRef {
            namespace: claim.namespace,
            name: claim.name,
            uid: claim.uid,
        }
    }
}

/// A device as v1 has it.
fn device(device: PreparedDevice) -> v1::Device {
    v1::Device {
        request_names: vec![device.request],
        pool_name: device.pool,
        device_name: device.device,
        cdi_device_ids: device.cdi_ids,
        share_id: device.share_id,
    }
}

/// A device as v1beta1 has it.
fn device_without_share(prepared: PreparedDevice) -> v1::Device {
    v1::Device {
        share_id: None,
        ..device(prepared)
    }
}

/// Both versions have the same messages, except for the share of a device.
macro_rules! serve {
    ($service:ident, $device:expr) => {
        #[tonic::async_trait]
        impl<H: Driver, K: Disk> $service for Service<H, K> {
            async fn node_prepare_resources(
                &self,
                request: Request<v1::NodePrepareResourcesRequest>,
            ) -> Result<Response<v1::NodePrepareResourcesResponse>, Status> {
                let (metadata, _, message) = request.into_parts();
                let claims = message.claims.into_iter().map(Into::into).collect();
                let answers = self.prepare(claims, &metadata).await.into_iter();
                let claims = answers.map(|(uid, answer)| {
                    let (devices, error) = match answer {
                        Ok(devices) => (devices, String::new()),
                        Err(error) => (Vec::new(), error),
                    };
                    let devices = devices.into_iter().map($device).collect();
                    (uid, v1::NodePrepareResourceResponse { devices, error })
                });
                let claims = claims.collect();
                Ok(Response::new(v1::NodePrepareResourcesResponse { claims }))
            }

            async fn node_unprepare_resources(
                &self,
                request: Request<v1::NodeUnprepareResourcesRequest>,
            ) -> Result<Response<v1::NodeUnprepareResourcesResponse>, Status> {
                let (metadata, _, message) = request.into_parts();
                let claims = message.claims.into_iter().map(Into::into).collect();
                let answers = self.unprepare(claims, &metadata).await.into_iter();
                let claims = answers.map(|(uid, answer)| {
                    let error = answer.err().unwrap_or_default();
                    (uid, v1::NodeUnprepareResourceResponse { error })
                });
                let claims = claims.collect();
                Ok(Response::new(v1::NodeUnprepareResourcesResponse { claims }))
            }
        }
    };
}

serve!(DraPlugin, device);
serve!(DraPluginBeta, device_without_share);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_patience_is_read_from_its_call() {
        assert_eq!(grpc_timeout("44999m"), Some(Duration::from_millis(44_999)));
        assert_eq!(grpc_timeout("45S"), Some(PATIENCE));
        assert_eq!(grpc_timeout("123456789S"), None);
        assert_eq!(grpc_timeout("1x"), None);
        assert_eq!(grpc_timeout(""), None);
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "1S".parse().unwrap());
        let left = deadline(&metadata) - Instant::now();
        assert!(left <= Duration::from_millis(750) && left > Duration::from_millis(500));
    }
}
