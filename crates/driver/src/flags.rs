//! The flags of `trainyard-driver`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use glob::Pattern;
use tracing::level_filters::LevelFilter;
use trainyard_drivers::{Config, DriverConfig};
use trainyard_inventory::health::Policy;
use trainyard_inventory::publish::NeuronPublish;
use trainyard_inventory::rules::Hardware;
use trainyard_inventory::sysfs::Roots;
use trainyard_live::Credentials;
use trainyard_node::plugin::Instance;

use crate::address::Address;

/// Stands below the options in `--help`.
pub const EXAMPLES: &str = "\
What it serves: /healthz says that the process runs; /readyz that the kubelet has registered all
drivers and the API server takes their slices; /metrics is for Prometheus.

Health rules are FAULT=EFFECT[,after=SECONDS][,clear=SECONDS]. Faults are those of `trainyard
emulate`; effects are NoSchedule, NoExecute, None (a taint that hinders nobody) and Ignore. A fault
counts when it has lasted for `after`, and is over when it has been away for `clear`.

Stopped by SIGTERM or SIGINT, it finishes what the kubelet has asked for and removes its sockets.
What is prepared stays prepared. The slices stay too, for the next instance; without one the kubelet
deletes them after half a minute.

Examples:
  In a DaemonSet, with the pod's service account:
    trainyard-driver --node-name \"$NODE_NAME\" --http '[::]:8080'

  By hand, on an emulated machine:
    trainyard emulate trn2.48xlarge /tmp/node-0
    trainyard-driver --node-name node-0 --kubeconfig admin.kubeconfig \\
      --sysfs-root /tmp/node-0/sys --dev-root /tmp/node-0/dev

Exit code: 0 stopped as told, 2 it cannot run.";

/// Everything that can be said about how the drivers run.
#[derive(Debug, Args)]
pub struct Flags {
    /// Which drivers run in this process
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values_t = [Kind::Neuron, Kind::Efa],
        env = "TRAINYARD_DRIVERS",
        value_name = "KIND,..."
    )]
    drivers: Vec<Kind>,

    /// Name of the Node this runs on
    #[arg(long, env = "NODE_NAME", value_name = "NAME", required = true)]
    node_name: Option<String>,

    /// A kubeconfig file, instead of the credentials of the pod
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Where to serve /healthz, /readyz and /metrics; nowhere by default. `[::]` is every address, of
    /// IPv4 too; port 0 is a free one, see the log
    #[arg(long, env = "TRAINYARD_HTTP", value_name = "IP:PORT|unix:PATH")]
    pub(crate) http: Option<Address>,

    /// Delete the slices when stopped, because no other instance will follow
    #[arg(long, env = "TRAINYARD_WITHDRAW_ON_EXIT")]
    pub(crate) withdraw_on_exit: bool,

    /// Form of the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "TRAINYARD_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,

    /// How much is logged
    #[arg(long, value_enum, default_value_t = LogLevel::Info, env = "TRAINYARD_LOG_LEVEL")]
    pub(crate) log_level: LogLevel,

    /// UID of the pod, if another instance may run beside it during a rolling update: sockets bear
    /// it (kubelet 1.33 and later)
    #[arg(long, env = "POD_UID", value_name = "UID")]
    pod_uid: Option<String>,

    #[command(flatten)]
    places: Places,

    #[command(flatten)]
    hardware: HardwareFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Places")]
struct Places {
    /// The kubelet's folder. The same path inside and outside of a container
    #[arg(
        long,
        default_value = "/var/lib/kubelet",
        env = "TRAINYARD_KUBELET_ROOT",
        value_name = "DIR"
    )]
    kubelet_root: PathBuf,

    /// Where the container runtime reads CDI files
    #[arg(
        long,
        default_value = "/var/run/cdi",
        env = "TRAINYARD_CDI_ROOT",
        value_name = "DIR"
    )]
    cdi_root: PathBuf,

    /// Where the drivers keep what they have prepared; it must survive reboots. By default
    /// plugins/trainyard in the kubelet's folder
    #[arg(long, env = "TRAINYARD_STATE_ROOT", value_name = "DIR")]
    state_root: Option<PathBuf>,

    /// What stands for /sys
    #[arg(
        long,
        default_value = "/sys",
        env = "TRAINYARD_SYSFS_ROOT",
        value_name = "DIR"
    )]
    sysfs_root: PathBuf,

    /// What stands for /dev
    #[arg(
        long,
        default_value = "/dev",
        env = "TRAINYARD_DEV_ROOT",
        value_name = "DIR"
    )]
    dev_root: PathBuf,

    /// What that folder is called on the host, where the container runtime looks for devices; the
    /// same by default
    #[arg(long, env = "TRAINYARD_HOST_DEV_ROOT", value_name = "DIR")]
    host_dev_root: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Hardware")]
struct HardwareFlags {
    /// Name of the Neuron driver, if not neuron.aws.com
    #[arg(long, env = "TRAINYARD_NEURON_DRIVER_NAME", value_name = "NAME")]
    neuron_driver_name: Option<String>,

    /// Name of the EFA driver, if not dra.net
    #[arg(long, env = "TRAINYARD_EFA_DRIVER_NAME", value_name = "NAME")]
    efa_driver_name: Option<String>,

    /// What a trn2u node publishes: its sixteen devices, or itself as one
    #[arg(long, value_enum, default_value_t = NeuronPublish::Devices, env = "TRAINYARD_NEURON_PUBLISH")]
    neuron_publish: NeuronPublish,

    /// How often the hardware is looked at: 5s, 500ms, 1m
    #[arg(
        long,
        value_parser = duration,
        default_value = "5s",
        env = "TRAINYARD_POLL_INTERVAL",
        value_name = "TIME"
    )]
    poll_interval: Duration,

    /// What a fault of a device does, see below. May be repeated (in the variable: with ; between)
    #[arg(
        long = "health-rule",
        env = "TRAINYARD_HEALTH_RULES",
        value_delimiter = ';',
        value_name = "RULE"
    )]
    health_rules: Vec<String>,

    /// Sockets of device plugins for Neuron devices, in the kubelet's device-plugins folder: patterns
    /// instead of neuron-devplugin.sock,neuroncore-devplugin.sock
    #[arg(
        long,
        env = "TRAINYARD_NEURON_PLUGIN_SOCKETS",
        value_delimiter = ',',
        value_name = "PATTERN,..."
    )]
    neuron_plugin_sockets: Option<Vec<Pattern>>,

    /// Extended resources of device plugins for Neuron devices: patterns instead of
    /// aws.amazon.com/neuron*
    #[arg(
        long,
        env = "TRAINYARD_NEURON_PLUGIN_RESOURCES",
        value_delimiter = ',',
        value_name = "PATTERN,..."
    )]
    neuron_plugin_resources: Option<Vec<Pattern>>,

    /// Sockets of device plugins for EFAs: patterns instead of aws-efa-device-plugin.sock
    #[arg(
        long,
        env = "TRAINYARD_EFA_PLUGIN_SOCKETS",
        value_delimiter = ',',
        value_name = "PATTERN,..."
    )]
    efa_plugin_sockets: Option<Vec<Pattern>>,

    /// Extended resources of device plugins for EFAs: patterns instead of vpc.amazonaws.com/efa
    #[arg(
        long,
        env = "TRAINYARD_EFA_PLUGIN_RESOURCES",
        value_delimiter = ',',
        value_name = "PATTERN,..."
    )]
    efa_plugin_resources: Option<Vec<Pattern>>,
}

/// `--drivers`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Neuron devices
    Neuron,
    /// Elastic Fabric Adapters
    Efa,
}

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person
    Text,
    /// An object a line
    Json,
}

/// `--log-level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What does not work
    Error,
    /// And what is wrong, but goes on
    Warn,
    /// And what is done
    Info,
    /// And why
    Debug,
    /// And everything
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

impl Flags {
    /// How the API server is reached.
    pub(crate) fn credentials(&self) -> Credentials {
        match &self.kubeconfig {
            Some(path) => Credentials::Kubeconfig(path.clone()),
            None => Credentials::InCluster,
        }
    }

    /// The node and the places on it.
    pub(crate) fn config(&self) -> Config {
        let places = &self.places;
        let state = || places.kubelet_root.join("plugins").join("trainyard");
        Config {
            kubelet: places.kubelet_root.clone(),
            cdi: places.cdi_root.clone(),
            state: places.state_root.clone().unwrap_or_else(state),
            roots: Roots {
                sys: places.sysfs_root.clone(),
                dev: places.dev_root.clone(),
            },
            host_dev: places.host_dev_root.clone(),
            instance: match &self.pod_uid {
                Some(uid) => Instance::Rolling(uid.clone()),
                None => Instance::Only,
            },
            poll: self.hardware.poll_interval,
            publish: self.hardware.neuron_publish,
            ..Config::new(self.node_name.as_deref().expect("clap requires the flag"))
        }
    }

    /// The drivers, each once, or what is wrong with a flag.
    pub(crate) fn driver_configs(&self) -> Result<Vec<DriverConfig>, String> {
        let flags = &self.hardware;
        let mut policy = Policy::default();
        for rule in &flags.health_rules {
            let wrong = |error| format!("--health-rule {rule}: {error}");
            policy.set(rule).map_err(wrong)?;
        }
        let mut drivers = Vec::new();
        for (kind, hardware, name, sockets, resources) in [
            (
                Kind::Neuron,
                Hardware::Neuron,
                &flags.neuron_driver_name,
                &flags.neuron_plugin_sockets,
                &flags.neuron_plugin_resources,
            ),
            (
                Kind::Efa,
                Hardware::Efa,
                &flags.efa_driver_name,
                &flags.efa_plugin_sockets,
                &flags.efa_plugin_resources,
            ),
        ] {
            if !self.drivers.contains(&kind) {
                continue;
            }
            let usual = DriverConfig::new(hardware);
            drivers.push(DriverConfig {
                name: name.clone().unwrap_or(usual.name),
                plugin_sockets: sockets.clone().unwrap_or(usual.plugin_sockets),
                plugin_resources: resources.clone().unwrap_or(usual.plugin_resources),
                policy: policy.clone(),
                ..usual
            });
        }
        match drivers.as_slice() {
            [one, other] if one.name == other.name => Err(format!(
                "--neuron-driver-name and --efa-driver-name are both {}",
                one.name
            )),
            _ => Ok(drivers),
        }
    }
}

/// A number with a unit, above zero.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("{text:?} is not a time such as 5s, 500ms or 1m");
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    let time = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number.into()),
        "s" => Duration::from_secs(number.into()),
        "m" => Duration::from_secs(60 * u64::from(number)),
        _ => return Err(wrong()),
    };
    match time.is_zero() {
        true => Err(wrong()),
        false => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn parsed(flags: &[&str]) -> Flags {
        let start = ["trainyard-driver", "--node-name", "n1"];
        let args = crate::args::Args::parse_from(start.iter().chain(flags));
        assert!(args.command.is_none());
        args.flags
    }

    #[test]
    fn without_flags_everything_is_where_it_usually_is() {
        let driver = parsed(&[]);
        let config = driver.config();
        assert_eq!(config.kubelet, PathBuf::from("/var/lib/kubelet"));
        let state = "/var/lib/kubelet/plugins/trainyard";
        assert_eq!(config.state, PathBuf::from(state));
        assert_eq!(config.roots.sys, PathBuf::from("/sys"));
        assert_eq!(config.host_dev, None);
        let drivers = driver.driver_configs().unwrap();
        let names: Vec<_> = drivers.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["neuron.aws.com", "dra.net"]);
        assert_eq!(drivers[0].plugin_sockets.len(), 2);
    }

    #[test]
    fn state_follows_the_kubelet_unless_it_is_told_otherwise() {
        let config = parsed(&["--kubelet-root", "/k"]).config();
        assert_eq!(config.state, PathBuf::from("/k/plugins/trainyard"));
        let config = parsed(&["--kubelet-root", "/k", "--state-root", "/s"]).config();
        assert_eq!(config.state, PathBuf::from("/s"));
    }

    #[test]
    fn a_kubeconfig_stands_in_for_the_pods_credentials() {
        let file = Credentials::Kubeconfig("admin.kubeconfig".into());
        let driver = parsed(&["--kubeconfig", "admin.kubeconfig"]);
        assert_eq!(driver.credentials(), file);
    }

    #[test]
    fn a_driver_is_started_once_and_named_as_told() {
        let driver = parsed(&["--drivers", "efa,efa", "--efa-driver-name", "efa.example"]);
        let drivers = driver.driver_configs().unwrap();
        assert_eq!(drivers.len(), 1);
        assert_eq!(drivers[0].name, "efa.example");
        let clash = parsed(&["--efa-driver-name", "neuron.aws.com"]);
        assert!(clash.driver_configs().unwrap_err().contains("both"));
    }

    #[test]
    fn health_rules_are_checked_before_the_start() {
        let rules = parsed(&["--health-rule", "gone=NoExecute,after=60"]);
        assert!(rules.driver_configs().is_ok());
        let wrong = parsed(&["--health-rule", "melted=NoExecute"]);
        let error = wrong.driver_configs().unwrap_err();
        assert!(
            error.starts_with("--health-rule melted=NoExecute: "),
            "{error}"
        );
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for text in ["5", "0s", "s", "-1s", "1h", "1.5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
