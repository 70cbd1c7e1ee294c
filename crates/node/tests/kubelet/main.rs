//! A whole driver between a kubelet on real sockets and an API server in memory.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod behaviours;
mod hardware;
mod prepare;
mod restart;
mod rolling;
mod slices;

use std::path::Path;
use std::sync::Arc;

use hardware::Hardware;
use tempfile::TempDir;
use trainyard_node::driver::ClaimRef;
use trainyard_node::plugin::{Config, Instance, Plugin};
use trainyard_node_testing::api::FakeApi;
use trainyard_node_testing::kubelet::{FakeKubelet, Speaks};

const DRIVER: &str = "a.example";
const NODE: &str = "n1";

/// A machine, and all that is around it.
struct Machine {
    folder: TempDir,
    hardware: Arc<Hardware>,
    api: Arc<FakeApi>,
    kubelet: FakeKubelet,
}

impl Machine {
    fn new() -> Self {
        Machine::speaking(Speaks::V1)
    }

    fn speaking(speaks: Speaks) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Machine {
            hardware: Arc::default(),
            api: Arc::new(FakeApi::new(NODE)),
            kubelet: FakeKubelet::start(folder.path(), speaks),
            folder,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self) -> Config {
        let mut config = Config::new(DRIVER, NODE);
        config.kubelet = self.path().to_owned();
        config.cdi = self.path().join("cdi");
        config.state = self.path().join("state");
        config
    }

    async fn start_with(&self, config: Config) -> Plugin {
        Plugin::start(config, self.hardware.clone(), self.api.clone())
            .await
            .unwrap()
    }

    /// Starts the driver and waits until the kubelet knows it.
    async fn start(&self) -> Plugin {
        let plugin = self.start_with(self.config()).await;
        self.kubelet.wait_for(DRIVER, 1).await;
        plugin
    }

    /// Starts an instance of a rolling update.
    async fn start_instance(&self, uid: &str) -> Plugin {
        let mut config = self.config();
        config.instance = Instance::Rolling(uid.into());
        self.start_with(config).await
    }

    /// The names of the files in a folder below the machine's.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The name of a claim's intent in the journal.
fn intent_of(uid: &str) -> String {
    record_of(uid).replace(".record", ".intent")
}

/// The name of a claim's record in the journal.
fn record_of(uid: &str) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    format!("{uid}.{}.record", boot.trim())
}

fn claim(uid: &str) -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: format!("c-{uid}"),
        uid: uid.into(),
    }
}
