//! The port to durable files: exactly the steps between which a machine can stop.
//!
//! Everything that the node half keeps (journal, CDI files) is written through these few primitives,
//! so that a test can stand in for the disk, stop between any two of them, lose what was not
//! synchronised, or run out of space.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something that a file had when it was listed: another stamp, another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which file: a replaced file is another one.
    pub inode: u64,
    /// When it was last written, in nanoseconds.
    pub modified: i128,
    /// How long it is.
    pub length: u64,
}

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the folder.
    pub name: String,
    /// What tells its content from another.
    pub stamp: Stamp,
}

/// Holds a lock until it is dropped.
pub trait Lock: Send {}

/// Files as the node half uses them.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and those above it; one that exists is fine.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// The regular files of a folder at one moment, in no particular order. A missing folder has none.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Writes a file as a whole; after a power cut it may be missing, empty or torn.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Returns when the content of a file would survive a power cut.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing what bears the new name: after a crash one of both is there, whole.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a folder would survive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Waits for the lock of this name, which excludes other threads and other processes alike and
    /// ends with its holder.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
    /// Takes the lock if it is free.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// What must survive a power cut when a write returns. The death of the process costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the file means nothing in another boot.
    ThisBoot,
    /// After a power cut the file has its old or its new content, or is missing if it was new.
    Content,
    /// Also the new name is there.
    ContentAndName,
    /// As before, for a file that nothing bears the name of: a power cut before the write returns
    /// may leave it torn. The name is given first, so that a file system with a journal (ext4, XFS)
    /// writes it along with the content, in one go instead of two.
    NewName,
}

/// Replaces a file as a whole: a reader sees the old or the new content, never a part.
///
/// The temporary file has a fixed name that begins with a dot (CDI readers and the journal skip
/// it), so a crash leaves at most one, which the next write of the file takes over. Two writers of
/// one file must exclude each other.
pub fn replace(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<()> {
    let temporary = temporary_of(path);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = disk
        .write(&temporary, bytes)
        .and_then(|()| match durability {
            Durability::ThisBoot | Durability::NewName => Ok(()),
            Durability::Content | Durability::ContentAndName => disk.sync(&temporary),
        })
        .and_then(|()| disk.rename(&temporary, path));
    if let Err(error) = written {
        // A full disk leaves a part behind that would keep it full.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    match durability {
        Durability::ThisBoot | Durability::Content => Ok(()),
        Durability::ContentAndName => disk.sync_folder(folder),
        Durability::NewName => disk.sync(path).and_then(|()| disk.sync_folder(folder)),
    }
}

/// Removes a file for good; one that is gone already is fine.
pub fn discard(disk: &dyn Disk, path: &Path, durability: Durability) -> io::Result<()> {
    match disk.remove(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match durability {
        Durability::ThisBoot | Durability::Content => Ok(()),
        Durability::ContentAndName | Durability::NewName => {
            disk.sync_folder(path.parent().unwrap_or(Path::new("/")))
        }
    }
}

fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// The machine's own disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

/// An advisory lock of the kernel on a file which exists only while somebody holds or wants it.
struct FileLock {
    path: PathBuf,
    _file: File,
}

impl Lock for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        // While the lock is still held: whoever waits for it finds that its file is no longer the
        // one of that name, and starts over.
        let _ = fs::remove_file(&self.path);
    }
}

impl LocalDisk {
    fn take(path: &Path, wait: bool) -> io::Result<Option<FileLock>> {
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            if wait {
                file.lock()?;
            } else {
                match file.try_lock() {
                    Ok(()) => {}
                    Err(fs::TryLockError::WouldBlock) => return Ok(None),
                    Err(fs::TryLockError::Error(error)) => return Err(error),
                }
            }
            let held = file.metadata()?;
            match fs::metadata(path) {
                Ok(named) if named.ino() == held.ino() && named.dev() == held.dev() => {
                    let path = path.to_owned();
                    return Ok(Some(FileLock { path, _file: file }));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Disk for LocalDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        'anew: loop {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry?;
                let metadata = match entry.metadata() {
                    Ok(metadata) => metadata,
                    // Removed since, or it has another name by now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue 'anew,
                    Err(error) => return Err(error),
                };
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if metadata.is_file() {
                    let modified = i128::from(metadata.mtime()) * 1_000_000_000
                        + i128::from(metadata.mtime_nsec());
                    let stamp = Stamp {
                        inode: metadata.ino(),
                        modified,
                        length: metadata.len(),
                    };
                    found.push(Entry { name, stamp });
                }
            }
            return Ok(found);
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create(path)?.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let lock = Self::take(path, true)?;
        Ok(Box::new(lock.expect("a lock that is waited for is taken")))
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(Self::take(path, false)?.map(|lock| Box::new(lock) as Box<dyn Lock>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_lock_excludes_threads_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (path, inside) = (path.clone(), inside.clone());
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let lock = LocalDisk.lock(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        assert!(LocalDisk.try_lock(&path).unwrap().is_none());
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_replaced_file_has_another_stamp_and_no_temporary_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let stamp = || LocalDisk.list(folder.path()).unwrap();
        replace(&LocalDisk, &path, b"one", Durability::ContentAndName).unwrap();
        let first = stamp();
        replace(&LocalDisk, &path, b"two", Durability::Content).unwrap();
        let second = stamp();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first[0].stamp, second[0].stamp);
        assert_eq!(LocalDisk.read(&path).unwrap(), b"two");
        discard(&LocalDisk, &path, Durability::ContentAndName).unwrap();
        discard(&LocalDisk, &path, Durability::ContentAndName).unwrap();
        assert!(stamp().is_empty());
    }
}
