//! Makes a folder hold a tree and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;

use super::{Entry, Tree};

/// What marks a folder as ours, so that nobody's files are ever removed.
const MARK: &str = "emulated";

/// What stands for character devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// Character devices 1:3, which `/dev/null` is too: opened by anybody, and part of no hardware.
    Character,
    /// Empty files, where devices cannot be made.
    Plain,
}

/// Why a tree was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has other things.
    #[error("{} has a sys or dev that is no emulated tree", .0.display())]
    Foreign(PathBuf),
    /// An operation failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// How.
        #[source]
        error: io::Error,
    },
}

/// Says of an error which path it is about.
fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { path, error }
}

/// Writes a tree below a folder, removing what an earlier one had more. `nodes` is what is wanted;
/// the answer is what was possible. `kind` is noted in the folder.
pub fn write(folder: &Path, kind: &str, tree: &Tree, nodes: Nodes) -> Result<Nodes, Error> {
    let mark = folder.join(MARK);
    let roots = ["sys", "dev"].map(|name| folder.join(name));
    if !mark.exists() && roots.iter().any(|root| root.symlink_metadata().is_ok()) {
        return Err(Error::Foreign(folder.to_owned()));
    }
    fs::create_dir_all(folder).map_err(at(folder))?;
    fs::write(&mark, format!("{kind}\n")).map_err(at(&mark))?;
    let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
    for path in tree.keys() {
        wanted.extend(path.ancestors().map(Path::to_owned));
    }
    for root in &roots {
        fs::create_dir_all(root).map_err(at(root))?;
        sweep(folder, root, &wanted)?;
    }
    let mut made = nodes;
    for (path, entry) in tree {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        match entry {
            Entry::File { text, mode } => file(&path, text, *mode).map_err(at(&path))?,
            Entry::Link(target) => link(&path, target).map_err(at(&path))?,
            Entry::Node => made = node(&path, made).map_err(at(&path))?,
        }
    }
    Ok(made)
}

/// Removes what is not wanted below a folder.
fn sweep(root: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let path = entry.path();
        let is_folder = entry.file_type().map_err(at(&path))?.is_dir();
        let below = path.strip_prefix(root).unwrap_or(&path);
        match (wanted.contains(below), is_folder) {
            (true, true) => sweep(root, &path, wanted)?,
            (true, false) => {}
            (false, true) => fs::remove_dir_all(&path).map_err(at(&path))?,
            (false, false) => fs::remove_file(&path).map_err(at(&path))?,
        }
    }
    Ok(())
}

/// A file in whose place a reader sees the old text or the new one, never half of it.
fn file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let same = fs::read(path).is_ok_and(|old| old == text.as_bytes());
    if !same {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
        fs::rename(&beside, path)?;
    }
    Ok(())
}

fn link(path: &Path, target: &Path) -> io::Result<()> {
    match fs::read_link(path) {
        Ok(old) if old == target => return Ok(()),
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    symlink(target, path)
}

/// Makes a device, or a plain file where that is wanted or devices cannot be made.
fn node(path: &Path, nodes: Nodes) -> io::Result<Nodes> {
    let null = makedev(1, 3);
    if let Ok(old) = path.symlink_metadata() {
        let is_null = old.file_type().is_char_device() && old.rdev() == null;
        if is_null == (nodes == Nodes::Character) {
            return Ok(nodes);
        }
        fs::remove_file(path)?;
    }
    let made = if nodes == Nodes::Character {
        match mknodat(
            CWD,
            path,
            FileType::CharacterDevice,
            Mode::from(0o666),
            null,
        ) {
            Ok(()) => Nodes::Character,
            Err(Errno::PERM | Errno::ACCESS) => Nodes::Plain,
            Err(error) => return Err(error.into()),
        }
    } else {
        Nodes::Plain
    };
    if made == Nodes::Plain {
        fs::write(path, "")?;
    }
    // The umask may have taken bits away.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(made)
}
