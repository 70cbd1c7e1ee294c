//! A disk in memory that stops between any two writes or within one, forgets what was not
//! synchronised, or is full.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, Lock};

/// What a machine keeps: the files of a disk, and how many more steps it takes.
#[derive(Clone, Default)]
pub(crate) struct FakeDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    /// As processes see the folders.
    names: BTreeMap<PathBuf, u64>,
    /// As a power cut leaves them at worst.
    durable: BTreeMap<PathBuf, u64>,
    next: u64,
    steps: Steps,
    /// The process dies within a write, not before it.
    tears: bool,
    full: bool,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// What of that a power cut leaves at worst.
    synced: Vec<u8>,
    /// Whether it cannot be read any more.
    broken: bool,
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Steps {
    #[default]
    Unlimited,
    Left(usize),
    Dead,
}

/// What a power cut does to everything that was not synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PowerCut {
    /// Names and contents are as they were last synchronised; contents that never were are empty.
    LosesAll,
    /// Names are there, contents that were not synchronised are torn.
    TearsContents,
}

/// The first half of what was written over `before` since.
fn torn(before: &[u8], now: &[u8]) -> Vec<u8> {
    let changed = |at: &usize| before.get(*at) != now.get(*at);
    let Some(first) = (0..now.len()).find(changed) else {
        return now.to_vec();
    };
    let last = (0..now.len()).rfind(changed).unwrap_or(first);
    let middle = (first + last) / 2;
    let lost = before.iter().skip(middle);
    now[..middle].iter().chain(lost).copied().collect()
}

/// `errno` of a disk that cannot read.
const EIO: i32 = 5;

struct NoLock;
impl Lock for NoLock {}

impl FakeDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process dies before its n-th next step, counted from 0.
    pub(crate) fn die_after(&self, steps: usize) {
        self.die(steps, false);
    }

    /// The process dies before its n-th next step, or half-way if that is a write.
    pub(crate) fn die(&self, steps: usize, tears: bool) {
        let mut state = self.state();
        state.steps = Steps::Left(steps);
        state.tears = tears;
    }

    /// Takes one step that is not the disk's, such as of a device.
    pub(crate) fn step(&self) -> io::Result<()> {
        self.state().step()
    }

    /// Whether the process has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().steps == Steps::Dead
    }

    /// A new process on the same machine. Returns whether the last one had died.
    pub(crate) fn revive(&self) -> bool {
        let mut state = self.state();
        let dead = state.steps == Steps::Dead;
        state.steps = Steps::Unlimited;
        dead
    }

    /// The machine goes off and on.
    pub(crate) fn cut_power(&self, cut: PowerCut) {
        let mut state = self.state();
        if cut == PowerCut::LosesAll {
            state.names = state.durable.clone();
        }
        let used: Vec<u64> = state.names.values().copied().collect();
        for inode in used {
            let inode = state.inodes.get_mut(&inode).expect("a name has an inode");
            if cut == PowerCut::TearsContents {
                inode.synced = torn(&inode.synced, &inode.bytes);
            }
            inode.bytes = inode.synced.clone();
        }
        state.durable = state.names.clone();
        state.steps = Steps::Unlimited;
    }

    /// The kernel writes what it has, as it does every few seconds.
    pub(crate) fn settle(&self) {
        let mut state = self.state();
        for inode in state.inodes.values_mut() {
            inode.synced = inode.bytes.clone();
        }
        state.durable = state.names.clone();
    }

    /// From now on there is no space for another byte, or again some.
    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// Does something to the content of a file.
    pub(crate) fn damage(&self, path: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[path];
        damage(&mut state.inodes.get_mut(&inode).expect("an inode").bytes);
    }

    /// The disk can no longer read a file.
    pub(crate) fn lose(&self, path: &Path) {
        let mut state = self.state();
        let inode = state.names[path];
        state.inodes.get_mut(&inode).expect("an inode").broken = true;
    }

    /// The paths of all files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The content of a file, whatever the process's state.
    pub(crate) fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path)?;
        Some(state.inodes[inode].bytes.clone())
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match self.steps {
            Steps::Unlimited => Ok(()),
            Steps::Left(0) | Steps::Dead => {
                self.steps = Steps::Dead;
                Err(io::Error::other("the process is dead"))
            }
            Steps::Left(steps) => {
                self.steps = Steps::Left(steps - 1);
                Ok(())
            }
        }
    }

    fn alive(&self) -> io::Result<()> {
        match self.steps {
            Steps::Dead => Err(io::Error::other("the process is dead")),
            _ => Ok(()),
        }
    }

    /// The file of this name, which is made if it is missing.
    fn make(&mut self, path: &Path) -> u64 {
        if let Ok(inode) = self.inode(path) {
            return inode;
        }
        let inode = self.next;
        self.next += 1;
        self.inodes.insert(inode, Inode::default());
        self.names.insert(path.to_owned(), inode);
        inode
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for FakeDisk {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        self.state().alive()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let inside = state
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        let names = inside.map(|path| path.file_name().expect("a name").to_string_lossy());
        Ok(names.map(|name| name.into_owned()).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        state.alive()?;
        let inode = &state.inodes[&state.inode(path)?];
        match inode.broken {
            true => Err(io::Error::from_raw_os_error(EIO)),
            false => Ok(inode.bytes.clone()),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let step = state.step();
        if step.is_err() && !state.tears {
            return step;
        }
        let full = state.full;
        let number = state.make(path);
        let written = match (&step, full) {
            (Ok(()), false) => bytes.len(),
            _ => bytes.len() / 2,
        };
        let inode = state.inodes.get_mut(&number).expect("a file has an inode");
        inode.bytes = bytes[..written].to_vec();
        step?;
        match full {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let inode = state.inode(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.inode(path)?;
        state.names.remove(path);
        Ok(())
    }

    /// Everything here runs on one thread, so a lock is always free; but its file is a file.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state();
        state.alive()?;
        if state.inode(path).is_err() {
            state.step()?;
            state.make(path);
        }
        Ok(Some(Box::new(NoLock)))
    }
}
