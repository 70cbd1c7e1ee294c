//! The stream of the devices' health to the kubelet, in both versions of its service.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::driver::{DeviceHealth, Health};
use crate::proto::health_v1 as v1;
use crate::proto::health_v1::dra_resource_health_server::DraResourceHealth;
use crate::proto::health_v1alpha1::dra_resource_health_server::DraResourceHealth as DraResourceHealthAlpha;

/// How often a report is repeated when nothing has changed.
const REPEAT: Duration = Duration::from_secs(10);
/// After how long without a message the kubelet reports "unknown": some missed repetitions. It counts
/// from the arrival of the last message, not from the time of the survey that the message has.
const TIMEOUT: Duration = Duration::from_secs(45);

/// The health of all devices at the last survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// For the kubelet.
    pub(crate) taken: SystemTime,
    /// The same moment, for [`Service::trusted_for`].
    pub(crate) instant: Instant,
    pub(crate) devices: Vec<DeviceHealth>,
}

impl Report {
    /// The report as it is sent at this moment: what a survey found too long ago is not known any more.
    fn as_of_now(&self, trusted_for: Duration) -> Report {
        let age = self.instant.elapsed();
        let mut report = self.clone();
        if age > trusted_for {
            for device in &mut report.devices {
                device.health = Health::Unknown;
                device.message = format!("not looked at for {} seconds", age.as_secs());
            }
        }
        report
    }
}

/// Serves the health of a driver's devices.
#[derive(Clone)]
pub(crate) struct Service {
    /// `None` before the first survey.
    pub(crate) reports: watch::Receiver<Option<Report>>,
    /// How long a report is sent as it is while surveys fail.
    pub(crate) trusted_for: Duration,
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
                        changed = service.reports.changed() => changed.ok()?,
                        () = tokio::time::sleep(REPEAT) => {}
                    }
                    let last = service.reports.borrow_and_update().clone();
                    if let Some(last) = last {
                        let next = message(&last.as_of_now(service.trusted_for));
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

fn message(report: &Report) -> v1::NodeWatchResourcesResponse {
    let devices = report.devices.iter().map(|device| v1::DeviceHealth {
        device: Some(v1::DeviceIdentifier {
            pool_name: device.pool.clone(),
            device_name: device.device.clone(),
        }),
        health: match device.health {
            Health::Unknown => v1::HealthStatus::Unknown,
            Health::Healthy => v1::HealthStatus::Healthy,
            Health::Unhealthy => v1::HealthStatus::Unhealthy,
        }
        .into(),
        last_updated_time: seconds(report.taken),
        health_check_timeout_seconds: TIMEOUT.as_secs() as i64,
        message: device.message.clone(),
    });
    v1::NodeWatchResourcesResponse {
        devices: devices.collect(),
    }
}

/// Both versions have the same messages.
macro_rules! serve {
    ($service:ident) => {
        #[tonic::async_trait]
        impl $service for Service {
            type NodeWatchResourcesStream = Messages<v1::NodeWatchResourcesResponse>;

            async fn node_watch_resources(
                &self,
                _: Request<v1::NodeWatchResourcesRequest>,
            ) -> Result<Response<Self::NodeWatchResourcesStream>, Status> {
                Ok(Response::new(self.stream(message)))
            }
        }
    };
}

serve!(DraResourceHealth);
serve!(DraResourceHealthAlpha);

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    fn report(health: Health) -> Option<Report> {
        Some(Report {
            taken: UNIX_EPOCH,
            instant: Instant::now(),
            devices: vec![DeviceHealth {
                pool: "p".into(),
                device: "d".into(),
                health,
                message: "as it is".into(),
            }],
        })
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_sent_at_once_repetitions_later_and_old_reports_are_not_trusted() {
        let reports = watch::Sender::new(None);
        let hung_up = watch::Sender::new(false);
        let service = Service {
            reports: reports.subscribe(),
            trusted_for: Duration::from_secs(30),
            hung_up: hung_up.subscribe(),
        };
        let first = |report: &Report| (report.devices[0].health, report.devices[0].message.clone());
        let mut stream = service.stream(first);
        let start = Instant::now();
        let seconds = || start.elapsed().as_secs();
        reports.send_replace(report(Health::Healthy));
        let mut next = async || {
            stream
                .next()
                .await
                .map(|message| message.expect("no error"))
        };
        let healthy = Some((Health::Healthy, "as it is".to_owned()));
        assert_eq!((next().await, seconds()), (healthy.clone(), 0));
        for repeated in [10, 20, 30] {
            assert_eq!((next().await, seconds()), (healthy.clone(), repeated));
        }
        let unknown = (Health::Unknown, "not looked at for 40 seconds".to_owned());
        assert_eq!((next().await, seconds()), (Some(unknown), 40));
        reports.send_replace(report(Health::Unhealthy));
        let unhealthy = Some((Health::Unhealthy, "as it is".to_owned()));
        assert_eq!((next().await, seconds()), (unhealthy, 40));
        hung_up.send_replace(true);
        assert_eq!(next().await, None);
    }
}
