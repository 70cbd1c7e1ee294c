//! What the drivers count, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use trainyard_drivers::{DeviceState, Gauges, Running};
use trainyard_inventory::health::Fault;
use trainyard_node::metrics::{BOUNDS, Calls, Histogram, Outcome};
use trainyard_node::plugin::{Publishing, Registration};

/// The content type.
pub const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A driver at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its name.
    pub driver: String,
    /// What the kubelet says.
    pub registration: Registration,
    /// What the API server has.
    pub publishing: Publishing,
    /// What was asked of it.
    pub calls: Calls,
    /// What it found.
    pub gauges: Gauges,
}

impl Sample {
    /// How a driver is now.
    pub fn of(running: &Running) -> Sample {
        Sample {
            driver: running.hardware.name().to_owned(),
            registration: running.plugin.registration().borrow().clone(),
            publishing: running.plugin.publishing().borrow().clone(),
            calls: running.plugin.calls(),
            gauges: running.hardware.gauges(),
        }
    }

    /// A driver that has just been started.
    #[cfg(test)]
    pub fn new(driver: &str) -> Sample {
        Sample {
            driver: driver.to_owned(),
            registration: Registration::Pending,
            publishing: Publishing::Waiting,
            calls: Calls::default(),
            gauges: Gauges::default(),
        }
    }
}

/// All metrics of all drivers.
pub fn text(drivers: Vec<Sample>) -> String {
    let mut registry = Registry::with_prefix("trainyard_driver");
    registry.register_collector(Box::new(Samples(drivers)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("writing to a string does not fail");
    text
}

#[derive(Debug)]
struct Samples(Vec<Sample>);

/// Labels and a value for each of them.
type Rows<'a> = Vec<([(&'static str, &'a str); 2], i64)>;

impl Collector for Samples {
    fn encode(&self, mut out: DescriptorEncoder) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.encode_descriptor("build", "The program", None, MetricType::Info)?
            .encode_info(&version)?;
        self.gauge(
            &mut out,
            "registered",
            "Whether the kubelet has registered it",
            |it| Some(i64::from(it.registration == Registration::Registered)),
        )?;
        self.gauge(
            &mut out,
            "publishing_failed",
            "Whether the API server has other slices than it should, and writing them fails",
            |it| Some(i64::from(matches!(it.publishing, Publishing::Failing(_)))),
        )?;
        self.gauge(
            &mut out,
            "published_slices",
            "ResourceSlices on the API server",
            |it| match it.publishing {
                Publishing::Published { slices, .. } => Some(count(slices as u64)),
                Publishing::Waiting | Publishing::Standby | Publishing::Failing(_) => None,
            },
        )?;
        self.gauge(
            &mut out,
            "published_devices",
            "Devices in them",
            |it| match it.publishing {
                Publishing::Published { devices, .. } => Some(count(devices as u64)),
                Publishing::Waiting | Publishing::Standby | Publishing::Failing(_) => None,
            },
        )?;
        self.gauge(
            &mut out,
            "device_plugin_conflict",
            "Whether a device plugin serves the same hardware, so that nothing is published",
            |it| Some(i64::from(it.gauges.conflict.is_some())),
        )?;
        self.gauges(&mut out, "devices", "Devices found, by state", |it| {
            let devices = it.gauges.devices.iter();
            let row = |(state, n): (&DeviceState, &u64)| {
                (
                    [("driver", it.driver.as_str()), ("state", state.name())],
                    count(*n),
                )
            };
            devices.map(row).collect()
        })?;
        self.gauges(
            &mut out,
            "faults",
            "Devices by fault; one may have several",
            |it| {
                let faults = it.gauges.faults.iter();
                let row = |(fault, n): (&Fault, &u64)| {
                    (
                        [("driver", it.driver.as_str()), ("fault", fault.name())],
                        count(*n),
                    )
                };
                faults.map(row).collect()
            },
        )?;
        let prepare = "NodePrepareResources, from the kubelet's call to the answer for one claim";
        self.histogram(&mut out, "prepare_duration", prepare, |it| {
            &it.calls.prepare
        })?;
        let unprepare = "NodeUnprepareResources, likewise";
        self.histogram(&mut out, "unprepare_duration", unprepare, |it| {
            &it.calls.unprepare
        })
    }
}

impl Samples {
    /// Where there is no value, what the API server has is not known.
    fn gauge(
        &self,
        out: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&Sample) -> Option<i64>,
    ) -> fmt::Result {
        let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for it in &self.0 {
            let labels = [("driver", it.driver.as_str())];
            if let Some(value) = value(it) {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn gauges(
        &self,
        out: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        rows: impl Fn(&Sample) -> Rows<'_>,
    ) -> fmt::Result {
        let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for it in &self.0 {
            for (labels, value) in rows(it) {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn histogram(
        &self,
        out: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        of: impl Fn(&Sample) -> &BTreeMap<Outcome, Histogram>,
    ) -> fmt::Result {
        let mut family =
            out.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for it in &self.0 {
            for (outcome, histogram) in of(it) {
                let labels = [("driver", it.driver.as_str()), ("outcome", outcome.name())];
                write(family.encode_family(&labels)?, histogram)?;
            }
        }
        Ok(())
    }
}

fn write(mut out: MetricEncoder, histogram: &Histogram) -> fmt::Result {
    let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(histogram.buckets.iter().copied()).collect();
    out.encode_histogram::<NoLabelSet>(histogram.sum, histogram.count(), &buckets, None)
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn all_rows_are_there_from_the_start() {
        let text = text(vec![Sample::new("neuron.aws.com"), Sample::new("dra.net")]);
        for row in [
            r#"trainyard_driver_registered{driver="neuron.aws.com"} 0"#,
            r#"trainyard_driver_registered{driver="dra.net"} 0"#,
            r#"trainyard_driver_devices{driver="dra.net",state="withdrawn"} 0"#,
            r#"trainyard_driver_faults{driver="neuron.aws.com",fault="mem-ecc"} 0"#,
            r#"trainyard_driver_prepare_duration_seconds_count{driver="dra.net",outcome="refused"} 0"#,
            r#"trainyard_driver_device_plugin_conflict{driver="dra.net"} 0"#,
        ] {
            assert!(text.lines().any(|line| line == row), "{row} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_call_is_in_its_bucket_and_in_all_above() {
        let mut sample = Sample::new("dra.net");
        let done = sample.calls.prepare.get_mut(&Outcome::Done);
        done.expect("all are there")
            .observe(Duration::from_millis(3));
        sample.publishing = Publishing::Published {
            slices: 2,
            devices: 17,
        };
        let text = text(vec![sample]);
        let bucket = |bound: &str| {
            let start = format!(
                r#"trainyard_driver_prepare_duration_seconds_bucket{{le="{bound}",driver="dra.net",outcome="done"}} "#
            );
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("{start} in\n{text}"))
                .to_owned()
        };
        assert_eq!(bucket("0.002"), "0");
        assert_eq!(bucket("0.005"), "1");
        assert_eq!(bucket("+Inf"), "1");
        assert!(
            text.contains("published_devices{driver=\"dra.net\"} 17\n"),
            "{text}"
        );
    }
}
