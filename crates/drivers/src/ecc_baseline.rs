//! The ECC baselines of a driver's devices, beyond a restart of the driver.
//!
//! The kernel's error counters only grow. A reset of a device repairs it but leaves its counters: what
//! they show at that moment is the baseline, and only errors above it are faults. A driver that has
//! just started could not know that, so baselines are kept in a file.
//!
//! The file counts in the boot in which it was written, as a reboot starts the counters anew. One that
//! cannot be read is moved aside; without it devices are tainted again, until their next reset.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trainyard_inventory::machine::Ecc;
use trainyard_model::Text;

const SCHEMA: u32 = 1;

/// The file of one driver.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    boot: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
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
    /// In this folder, which is made, in this boot of the machine.
    pub(crate) fn open(folder: &Path, boot: &str) -> io::Result<Store> {
        fs::create_dir_all(folder.join("locks"))?;
        Ok(Store {
            folder: folder.to_owned(),
            boot: boot.to_owned(),
        })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("ecc-baseline.json")
    }

    /// The baselines of this boot.
    pub(crate) fn load(&self) -> BTreeMap<Text, Ecc> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cannot read");
                }
                return BTreeMap::new();
            }
        };
        let content = match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.schema == SCHEMA => content,
            Ok(content) => {
                self.move_aside(&format!("schema {} is not known here", content.schema));
                return BTreeMap::new();
            }
            Err(error) => {
                self.move_aside(&error.to_string());
                return BTreeMap::new();
            }
        };
        if content.boot != self.boot {
            return BTreeMap::new();
        }
        let devices = content.devices.into_iter().map(|(name, counters)| {
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
        let (path, aside) = (self.path(), self.path().with_extension("json.unreadable"));
        let (shown, kept) = (path.display(), aside.display());
        match fs::rename(&path, &aside) {
            Ok(()) => tracing::error!(path = %shown, why, %kept, "cannot be read"),
            Err(error) => tracing::error!(path = %shown, why, %error, "cannot be read or moved"),
        }
    }

    /// Replaces what was kept. `false` if the other instance of a rolling update is writing at this
    /// moment: to be tried again later.
    pub(crate) fn save(&self, baselines: &BTreeMap<Text, Ecc>) -> io::Result<bool> {
        let devices = baselines.iter().map(|(name, ecc)| {
            let counters = Counters {
                sram: ecc.sram,
                memory: ecc.memory,
                repairable: ecc.repairable,
            };
            (name.to_string(), counters)
        });
        let content = Content {
            schema: SCHEMA,
            boot: self.boot.clone(),
            devices: devices.collect(),
        };
        let bytes = serde_json::to_vec(&content).expect("counters are plain data");
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(self.folder.join("locks/ecc-baseline"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let temporary = self.folder.join(".ecc-baseline.json.tmp");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            // Torn by a power cut, it would be taken for damaged.
            file.sync_data()?;
            fs::rename(&temporary, self.path())
        };
        let written = write();
        if written.is_err() {
            // A part that stays on a full disk would keep it full.
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_in_its_boot_and_is_never_overwritten_unread() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = |boot| Store::open(folder.path(), boot).expect("it opens");
        let ecc = Ecc {
            memory: 2,
            ..Ecc::default()
        };
        let baselines = BTreeMap::from([("neuron-device-3".into(), ecc)]);
        assert!(store("a").load().is_empty());
        assert!(store("a").save(&baselines).expect("saved"));
        assert_eq!(store("a").load(), baselines);
        assert!(store("b").load().is_empty());
        let path = folder.path().join("ecc-baseline.json");
        for text in ["{", r#"{"schema":2,"boot":"a","devices":{}}"#] {
            fs::write(&path, text).expect("written");
            assert!(store("a").load().is_empty());
            assert!(!path.exists());
            let aside = folder.path().join("ecc-baseline.json.unreadable");
            assert_eq!(fs::read_to_string(aside).expect("kept"), text);
        }
    }

    #[test]
    fn two_instances_do_not_write_at_the_same_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), "a").expect("it opens");
        let other = File::create(folder.path().join("locks/ecc-baseline")).expect("a lock");
        other.try_lock().expect("it is free");
        assert!(!store.save(&BTreeMap::new()).expect("it is not an error"));
        drop(other);
        assert!(store.save(&BTreeMap::new()).expect("saved"));
    }
}
