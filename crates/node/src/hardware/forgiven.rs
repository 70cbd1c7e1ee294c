//! Remembers beyond a restart which errors a reset has forgiven: the kernel's counters only grow, so
//! that a driver which finds one above zero could not tell an old error from a new one.
//!
//! The file counts in the boot in which it was written. One that cannot be read is moved aside;
//! without it devices are tainted again, which a reset clears.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trainyard_inventory::machine::Ecc;
use trainyard_model::Text;

use crate::disk::{self, Disk, LocalDisk};

const SCHEMA: u32 = 1;

/// The file of one driver.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    boot: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    schema: u32,
    boot: String,
    devices: BTreeMap<String, Counters>,
}

#[derive(Serialize, Deserialize)]
struct Counters {
    sram: u64,
    memory: u64,
    repairable: u64,
}

impl Store {
    /// In a folder that exists.
    pub(super) fn new(folder: &Path, boot: &str) -> Store {
        Store {
            folder: folder.to_owned(),
            boot: boot.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("forgiven.json")
    }

    /// What was forgiven in this boot.
    pub(super) fn load(&self) -> BTreeMap<Text, Ecc> {
        let path = self.path();
        let bytes = match LocalDisk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cannot read");
                }
                return BTreeMap::new();
            }
        };
        let file = match serde_json::from_slice::<File>(&bytes) {
            Ok(file) if file.schema == SCHEMA => file,
            Ok(file) => {
                self.move_aside(&format!("schema {} is not known here", file.schema));
                return BTreeMap::new();
            }
            Err(error) => {
                self.move_aside(&error.to_string());
                return BTreeMap::new();
            }
        };
        if file.boot != self.boot {
            return BTreeMap::new();
        }
        let devices = file.devices.into_iter().map(|(name, counters)| {
            let ecc = Ecc {
                sram: counters.sram,
                memory: counters.memory,
                repairable: counters.repairable,
            };
            (name.into(), ecc)
        });
        devices.collect()
    }

    fn move_aside(&self, why: &str) {
        let (path, aside) = (self.path(), self.folder.join("forgiven.json.unreadable"));
        let (shown, kept) = (path.display(), aside.display());
        match LocalDisk.rename(&path, &aside) {
            Ok(()) => tracing::error!(path = %shown, why, %kept, "cannot be read"),
            Err(error) => tracing::error!(path = %shown, why, %error, "cannot be read or moved"),
        }
    }

    /// Replaces what was kept. During a rolling update two processes may write: what the later one
    /// says counts.
    pub(super) fn save(&self, forgiven: &BTreeMap<Text, Ecc>) -> io::Result<()> {
        let devices = forgiven.iter().map(|(name, ecc)| {
            let counters = Counters {
                sram: ecc.sram,
                memory: ecc.memory,
                repairable: ecc.repairable,
            };
            (name.to_string(), counters)
        });
        let file = File {
            schema: SCHEMA,
            boot: self.boot.clone(),
            devices: devices.collect(),
        };
        let bytes = serde_json::to_vec(&file).expect("counters are plain data");
        LocalDisk.make_folder(&disk::lock_folder(&self.folder))?;
        let _writer = LocalDisk.lock(&disk::locks(&self.folder), ".forgiven")?;
        disk::replace(&self.path(), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_in_its_boot_and_is_never_overwritten_unread() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = |boot| Store::new(folder.path(), boot);
        let ecc = Ecc {
            memory: 2,
            ..Ecc::default()
        };
        let forgiven = BTreeMap::from([("neuron-device-3".into(), ecc)]);
        assert!(store("a").load().is_empty());
        store("a").save(&forgiven).expect("saved");
        assert_eq!(store("a").load(), forgiven);
        assert!(store("b").load().is_empty());
        let path = folder.path().join("forgiven.json");
        for text in ["{", r#"{"schema":2,"boot":"a","devices":{}}"#] {
            std::fs::write(&path, text).expect("written");
            assert!(store("a").load().is_empty());
            assert!(!path.exists());
            let aside = folder.path().join("forgiven.json.unreadable");
            assert_eq!(std::fs::read_to_string(aside).expect("kept"), text);
        }
    }
}
