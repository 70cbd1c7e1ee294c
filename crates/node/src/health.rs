//! The stream that tells the kubelet how the devices are, in both versions of its service.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::driver::{DeviceHealth, Health};
use crate::proto::{health_v1 as v1, health_v1alpha1 as v1alpha1};

/// How often the kubelet hears that nothing has changed.
const REPEAT: Duration = Duration::from_secs(10);
/// After how long without news the kubelet says "unknown": some missed repetitions.
const TIMEOUT: Duration = Duration::from_secs(45);

/// How all devices were when last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) taken: SystemTime,
    pub(crate) devices: Vec<DeviceHealth>,
}

/// Serves the health of a driver's devices.
#[derive(Clone)]
pub(crate) struct Service {
    /// `None` until they were looked at.
    pub(crate) reports: watch::Receiver<Option<Report>>,
    /// True when the streams shall end.
    pub(crate) hung_up: watch::Receiver<bool>,
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    /// A report at once, at every change, and again after a while.
    fn stream<T: 'static>(&self, message: impl Fn(&Report) -> T + Send + 'static) -> Messages<T> {
        let mut service = self.clone();
        service.reports.mark_changed();
        Box::pin(stream::unfold(
            (service, message),
            |(mut service, message)| async move {
                loop {
                    tokio::select! {
                        _ = service.hung_up.wait_for(|up| *up) => return None,
                        news = service.reports.changed() => news.ok()?,
                        () = tokio::time::sleep(REPEAT) => {}
                    }
                    let next = service.reports.borrow_and_update().as_ref().map(&message);
                    if let Some(next) = next {
                        return Some((Ok(next), (service, message)));
                    }
                }
            },
        ))
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Both versions have the same messages under different names.
macro_rules! serve {
    ($version:ident) => {
        #[tonic::async_trait]
        impl $version::dra_resource_health_server::DraResourceHealth for Service {
            type NodeWatchResourcesStream = Messages<$version::NodeWatchResourcesResponse>;

            async fn node_watch_resources(
                &self,
                _: Request<$version::NodeWatchResourcesRequest>,
            ) -> Result<Response<Self::NodeWatchResourcesStream>, Status> {
                let message = |report: &Report| $version::NodeWatchResourcesResponse {
                    devices: report
                        .devices
                        .iter()
                        .map(|device| $version::DeviceHealth {
                            device: Some($version::DeviceIdentifier {
                                pool_name: device.pool.clone(),
                                device_name: device.device.clone(),
                            }),
                            health: match device.health {
                                Health::Unknown => $version::HealthStatus::Unknown,
                                Health::Healthy => $version::HealthStatus::Healthy,
                                Health::Unhealthy => $version::HealthStatus::Unhealthy,
                            }
                            .into(),
                            last_updated_time: seconds(report.taken),
                            health_check_timeout_seconds: TIMEOUT.as_secs() as i64,
                            message: device.message.clone(),
                        })
                        .collect(),
                };
                Ok(Response::new(self.stream(message)))
            }
        }
    };
}

serve!(v1);
serve!(v1alpha1);
