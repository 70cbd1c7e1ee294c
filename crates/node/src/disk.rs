//! The port to files: exactly the steps between which a process or a machine can stop.
//!
//! The journal and the CDI files are written through these few primitives, so that the tests can put a
//! disk in memory in their place that stops between any two steps, loses what was not yet synchronised,
//! or is full.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A lock. Dropping it releases it.
pub(crate) trait Lock: Send {}

impl Lock for File {}

/// Files as this crate uses them.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Makes a folder and those above it; one that exists is fine.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names of the regular files of a folder, in no particular order. A missing folder has none.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a file with this content, or replaces the content of the one that is there. A process that
    /// is killed meanwhile leaves a part of it.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file, replacing the one that has the new name: a reader sees one of both. A power cut
    /// may tear contents that the kernel had not yet written.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock that this file is; `None` while another holder has it. It excludes other threads and other
    /// processes, and ends with its holder. The file is made if it is missing; only the holder of the
    /// lock may remove it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// Replaces a file as a whole: a reader, or a process that starts after a crash, finds the old content
/// or the new one. Two writers of one file must exclude each other.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path);
    let written = disk
        .write(&temporary, bytes)
        .and_then(|()| disk.rename(&temporary, path));
    if written.is_err() {
        // A part that stays on a full disk would keep it full. What cannot be removed now is removed
        // at the next start.
        let _ = disk.remove(&temporary);
    }
    written
}

/// Removes a file; one that is gone already is fine. A power cut may bring it back.
pub(crate) fn discard(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where a file is written before it gets its name. CDI readers skip such names.
fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// The name that a temporary file was to get; `None` for any other file.
pub(crate) fn final_name_of(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(".tmp")
}

/// The machine's own disk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LocalDisk;

impl Disk for LocalDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        loop {
            let mut options = OpenOptions::new();
            let file = options
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its last holder may have removed the file after this thread opened it. A lock on a file
            // without a name excludes nobody, since the next caller makes a new file.
            let locked = file.metadata()?;
            match fs::metadata(path) {
                Ok(found) if (found.dev(), found.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Some(Box::new(file)));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "../tests/inside/disk.rs"]
mod tests;
