//! The port to durable files: exactly the steps between which a machine can stop.
//!
//! Everything that the node half keeps (journal, CDI files) is written through these few primitives,
//! so that a test can stand in for the disk, stop between any two of them, lose what was not
//! synchronised, or run out of space.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;
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

/// A file that has no name yet. Without a name there is nothing to clean after a crash.
pub trait Spare: Send {
    /// Gives it its content, behind its head, and then its name, which no other file may have: the
    /// file is seen whole. What the file had beyond the content stays behind it. A power cut may tear
    /// the content, but not the head.
    fn fill(self: Box<Self>, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

/// What every spare file of a stock has before it is filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blank {
    /// What a power cut must not take, in a block of its own, with spaces behind it.
    pub head: Vec<u8>,
    /// Spaces that have their blocks on the disk already.
    pub room: usize,
}

impl Blank {
    /// Where the content begins: a block that is not written again cannot be torn.
    pub fn start(&self) -> usize {
        self.head.len().next_multiple_of(BLOCK)
    }

    /// The bytes of a file that is not filled yet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.resize(self.start() + self.room, b' ');
        bytes
    }
}

/// Disks write at least so much at once, as a whole.
const BLOCK: usize = 4096;

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
    /// A file in this folder, without a name, whose bytes would survive a power cut once it has one.
    /// `None`: this file system has no such files.
    fn spare(&self, folder: &Path, blank: &Blank) -> io::Result<Option<Box<dyn Spare>>>;
    /// Renames, replacing what bears the new name: after a crash one of both is there, whole.
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

/// What must survive a power cut when a file is replaced. The death of the process costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the file means nothing in another boot, and says so if it must not be taken for whole.
    ThisBoot,
    /// After a power cut the file has its old or its new content, or is missing if it was new.
    Content,
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
    let written = disk
        .write(&temporary, bytes)
        .and_then(|()| match durability {
            Durability::ThisBoot => Ok(()),
            Durability::Content => disk.sync(&temporary),
        })
        .and_then(|()| disk.rename(&temporary, path));
    if written.is_err() {
        // A full disk leaves a part behind that would keep it full.
        let _ = disk.remove(&temporary);
    }
    written
}

/// Spare files of a folder, made while nobody waits: a file system needs a fraction of the time to
/// fill one, above all while a starting pod's layers are written. What they are filled with means
/// nothing in another boot; their head, which is on the disk before, may say so.
pub struct Stock<D> {
    disk: Arc<D>,
    folder: PathBuf,
    blank: Blank,
    spares: Mutex<Vec<Box<dyn Spare>>>,
}

/// How many spare files are kept at most: pods that start together need one each.
const SPARES: usize = 4;

impl<D: Disk> Stock<D> {
    /// An empty one.
    pub fn new(disk: Arc<D>, folder: &Path, blank: Blank) -> Self {
        Stock {
            disk,
            folder: folder.to_owned(),
            blank,
            spares: Mutex::default(),
        }
    }

    /// Makes the files that are missing. Without them a write takes longer.
    pub fn refill(&self) -> io::Result<()> {
        while self.spares().len() < SPARES {
            match self.disk.spare(&self.folder, &self.blank)? {
                Some(spare) => self.spares().push(spare),
                None => break,
            }
        }
        Ok(())
    }

    /// Whether a new file would be written without waiting for the disk.
    pub fn is_quick(&self) -> bool {
        self.blank.head.is_empty() || !self.spares().is_empty()
    }

    /// Makes or replaces a file of the folder as a whole: head and content.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let spare = self.spares().pop();
        match spare.map(|spare| spare.fill(path, bytes)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Some(filled) => return filled,
            None => {}
        }
        let durability = match self.blank.head.is_empty() {
            true => Durability::ThisBoot,
            false => Durability::Content,
        };
        let bytes = [&self.blank.head, bytes].concat();
        replace(&*self.disk, path, &bytes, durability)
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Box<dyn Spare>>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
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
        // Opened for each lock: what is opened once excludes nobody who shares it.
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(file)?;
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

struct LocalSpare {
    file: File,
    start: u64,
}

impl Spare for LocalSpare {
    fn fill(self: Box<Self>, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.start)?;
        // By its number: an empty path would need a capability.
        let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
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
        File::open(path)?.sync_data()
    }

    fn spare(&self, folder: &Path, blank: &Blank) -> io::Result<Option<Box<dyn Spare>>> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let file = match openat(CWD, folder, flags, mode) {
            Ok(file) => File::from(file),
            // The latter from what does not know the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = blank.bytes();
        if !bytes.is_empty() {
            // Written, as blocks that are only promised would be booked when it is filled.
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
        }
        let start = blank.start() as u64;
        Ok(Some(Box::new(LocalSpare { file, start })))
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
    fn a_replaced_file_has_another_stamp_and_no_temporary_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let stamp = || LocalDisk.list(folder.path()).unwrap();
        replace(&LocalDisk, &path, b"one", Durability::Content).unwrap();
        let first = stamp();
        replace(&LocalDisk, &path, b"two", Durability::ThisBoot).unwrap();
        let second = stamp();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first[0].stamp, second[0].stamp);
        assert_eq!(LocalDisk.read(&path).unwrap(), b"two");
        discard(&LocalDisk, &path).unwrap();
        discard(&LocalDisk, &path).unwrap();
        assert!(stamp().is_empty());
    }

    #[test]
    fn a_spare_is_seen_when_it_has_its_content_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let spare = |head: &str, room| {
            let head = head.as_bytes().to_vec();
            LocalDisk.spare(folder.path(), &Blank { head, room })
        };
        let Some(first) = spare("", 8).unwrap() else {
            // Nothing is promised where the file system has none.
            return;
        };
        let names = || LocalDisk.list(folder.path()).unwrap().len();
        drop(spare("head", 8));
        assert_eq!(names(), 0, "unused ones leave nothing");
        first.fill(&path("a"), b"one").unwrap();
        assert_eq!(LocalDisk.read(&path("a")).unwrap(), b"one     ");
        let again = spare("", 0).unwrap().unwrap();
        let taken = again.fill(&path("a"), b"two").unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        let headed = spare("head", 8).unwrap().unwrap();
        headed.fill(&path("b"), b"one").unwrap();
        let read = LocalDisk.read(&path("b")).unwrap();
        assert_eq!(read[..5], *b"head ");
        assert_eq!(read[BLOCK - 1..], *b" one     ");
        for (name, room) in [("c", 8), ("d", 0)] {
            let bytes = b"longer than that";
            let spare = spare("", room).unwrap().unwrap();
            spare.fill(&path(name), bytes).unwrap();
            assert_eq!(LocalDisk.read(&path(name)).unwrap(), bytes);
        }
        assert_eq!(names(), 4);
    }

    #[test]
    fn a_stock_writes_files_that_are_new_and_files_that_are_not() {
        for head in ["", "head"] {
            let folder = tempfile::tempdir().unwrap();
            let blank = Blank {
                head: head.into(),
                room: 0,
            };
            let stock = Stock::new(Arc::new(LocalDisk), folder.path(), blank);
            stock.refill().unwrap();
            let stocked = stock.spares().len();
            // None where the file system has no such files.
            assert!(stocked == SPARES || stocked == 0, "{stocked}");
            for number in 0..=SPARES {
                let path = folder.path().join(format!("{number}"));
                for content in ["one", "more"] {
                    stock.write(&path, content.as_bytes()).unwrap();
                    let read = String::from_utf8(LocalDisk.read(&path).unwrap()).unwrap();
                    let read = read.strip_prefix(head).unwrap();
                    assert_eq!(read.trim_start(), content);
                }
                assert_eq!(stock.spares().len(), stocked.saturating_sub(2 * number + 2));
            }
            assert_eq!(LocalDisk.list(folder.path()).unwrap().len(), SPARES + 1);
            stock.refill().unwrap();
            assert_eq!(stock.spares().len(), stocked);
        }
    }
}
