//! The port to files: exactly the steps between which a process or a machine can stop.
//!
//! The node half's journal and CDI files are written through these few primitives, so that a test can
//! stand in for the disk, stop between any two of them, lose what the machine had not written yet, or
//! run out of space.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use sha2::{Digest, Sha256};

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

/// A file that is open for writing.
pub trait Growing: Send {
    /// Writes behind what is there. Who is killed meanwhile leaves a part, and others may see one;
    /// after a power cut any part may be missing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Files as the node half uses them.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and those above it; one that exists is fine.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// The regular files of a folder at one moment, in no particular order. A missing folder has none.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>>;
    /// Renames, replacing what bears the new name: whoever looks there sees one of both. After a power
    /// cut too, but what was not synchronised may be torn.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a folder would survive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Waits for the lock of this name, which excludes other threads and other processes alike and
    /// ends with its holder. All locks of a file are apart; the file is made, stays, and is empty.
    fn lock(&self, file: &Path, name: &str) -> io::Result<Box<dyn Lock>>;
    /// Takes the lock if it is free.
    fn try_lock(&self, file: &Path, name: &str) -> io::Result<Option<Box<dyn Lock>>>;
}

/// A file that is not finished: gone when this is dropped, unless it was kept.
pub struct Draft {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Box<dyn Growing>,
    kept: bool,
}

impl Draft {
    /// An empty one.
    pub fn create(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let file = disk.create(&path)?;
        Ok(Draft {
            disk,
            path,
            file,
            kept: false,
        })
    }

    /// Writes behind what is there.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    /// From now on somebody else sees to its end.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Gives it its final name: whoever looks there sees what was there before, or all of it.
    pub fn publish(mut self, path: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, path)?;
        self.keep();
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What stays is removed at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// Replaces a file as a whole: after a power cut too it has its old or its new content, or is missing
/// if it was new. Two writers of one file must exclude each other.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        // A full disk leaves a part behind that would keep it full.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes a file; one that is gone already is fine. A power cut may bring it back.
pub fn discard(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the locks of a state folder are.
pub fn lock_folder(state: &Path) -> PathBuf {
    state.join("locks")
}

/// The file of all locks of a state folder.
pub fn locks(state: &Path) -> PathBuf {
    lock_folder(state).join("all")
}

/// Where a file is written before it is renamed, replacing what a crash left there. CDI readers skip
/// such names.
pub fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// The name of the file that is written under this name, if it is such a one.
pub fn final_name_of(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(".tmp")
}

/// The machine's own disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

/// An advisory lock of the kernel on a byte of a file, as long as the file is open.
struct ByteLock {
    _file: File,
}

impl Lock for ByteLock {}

impl LocalDisk {
    fn take(file: &Path, name: &str, wait: bool) -> io::Result<Option<ByteLock>> {
        // Opened for each lock: what is opened once excludes nobody who shares it. Made only if it is
        // missing, as the kernel locks the folder for whoever might make one.
        let open = |create| {
            let mut options = OpenOptions::new();
            options
                .create(create)
                .truncate(false)
                .write(true)
                .open(file)
        };
        let file = open(false).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => open(true),
            _ => Err(error),
        })?;
        let digest = Sha256::digest(name);
        let number = u64::from_be_bytes(std::array::from_fn(|index| digest[index]));
        let byte = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: (number >> 2) as i64,
            l_len: 1,
            l_pid: 0,
        };
        loop {
            let taken = match wait {
                true => fcntl(&file, FcntlArg::F_OFD_SETLKW(&byte)),
                false => fcntl(&file, FcntlArg::F_OFD_SETLK(&byte)),
            };
            match taken {
                Ok(_) => return Ok(Some(ByteLock { _file: file })),
                Err(nix::Error::EINTR) => {}
                Err(nix::Error::EAGAIN | nix::Error::EACCES) if !wait => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Growing for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
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

    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        Ok(Box::new(File::create(path)?))
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

    fn lock(&self, file: &Path, name: &str) -> io::Result<Box<dyn Lock>> {
        let lock = Self::take(file, name, true)?;
        Ok(Box::new(lock.expect("a lock that is waited for is taken")))
    }

    fn try_lock(&self, file: &Path, name: &str) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(Self::take(file, name, false)?.map(|lock| Box::new(lock) as Box<dyn Lock>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_lock_excludes_threads_but_not_from_other_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (path, inside) = (path.clone(), inside.clone());
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let lock = LocalDisk.lock(&path, "a").unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        assert!(LocalDisk.try_lock(&path, "a").unwrap().is_none());
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let (a, b) = (
            LocalDisk.try_lock(&path, "a"),
            LocalDisk.try_lock(&path, "b"),
        );
        assert!(a.unwrap().is_some() && b.unwrap().is_some());
    }

    #[test]
    fn a_replaced_file_has_no_temporary_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for content in [b"one", b"two"] {
            replace(&path, content).unwrap();
            assert_eq!(LocalDisk.read(&path).unwrap(), content);
            assert_eq!(LocalDisk.list(folder.path()).unwrap().len(), 1);
        }
        discard(&LocalDisk, &path).unwrap();
        discard(&LocalDisk, &path).unwrap();
        assert!(LocalDisk.list(folder.path()).unwrap().is_empty());
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"three").is_err());
        assert!(LocalDisk.list(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_draft_goes_unless_it_is_kept_or_published() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let draft = |name| Draft::create(Arc::new(LocalDisk), path(name)).unwrap();
        let names = || {
            let mut listed = LocalDisk.list(folder.path()).unwrap();
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            listed.into_iter().map(|entry| entry.name)
        };
        drop(draft("dropped"));
        let mut kept = draft("kept");
        kept.append(b"one").unwrap();
        let before = LocalDisk.list(folder.path()).unwrap();
        kept.append(b", two").unwrap();
        assert_ne!(LocalDisk.list(folder.path()).unwrap(), before);
        kept.keep();
        drop(kept);
        fs::write(path("name"), "old").unwrap();
        let mut published = draft("draft");
        published.append(b"new").unwrap();
        published.publish(&path("name")).unwrap();
        assert_eq!(names().collect::<Vec<_>>(), ["kept", "name"]);
        assert_eq!(LocalDisk.read(&path("kept")).unwrap(), b"one, two");
        assert_eq!(LocalDisk.read(&path("name")).unwrap(), b"new");
        assert!(draft("draft").publish(&path("nowhere/name")).is_err());
        let temporary = temporary_of(&path("a.json"));
        let name = temporary.file_name().unwrap().to_str().unwrap();
        assert_eq!(final_name_of(name), Some("a.json"));
        assert_eq!(final_name_of("a.json"), None);
        assert_eq!(names().count(), 2);
    }
}
