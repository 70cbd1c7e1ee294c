//! Where the kubelet finds a plugin: the names of its sockets, and files of sockets that are removed with
//! them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::claims::on_a_thread;

/// Longest path of a Unix socket, without the zero behind it.
const LONGEST: usize = 107;
/// How long a listener may take to be found alive.
const DIAL: Duration = Duration::from_secs(1);

/// Whether another instance of the driver may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instance {
    /// Never: sockets have fixed names, and a new process takes them over.
    Only,
    /// During a rolling update (kubelet 1.33 and later): the UID of the pod is in the sockets' names.
    Rolling(String),
}

/// The sockets of one instance of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sockets {
    pub(crate) dra: PathBuf,
    pub(crate) registration: PathBuf,
}

impl Sockets {
    /// `data` is the driver's own folder below the kubelet's `plugins`, `registry` the kubelet's
    /// `plugins_registry`. Names are upstream's as long as they fit, and digests where they do not.
    pub(crate) fn new(driver: &str, instance: &Instance, data: &Path, registry: &Path) -> Self {
        let (dra, registration) = match instance {
            Instance::Only => (
                vec!["dra.sock".to_owned()],
                vec![format!("{driver}-reg.sock")],
            ),
            Instance::Rolling(uid) => (
                vec![
                    format!("dra-{uid}.sock"),
                    format!("dra-{}.sock", digest(uid)),
                ],
                vec![
                    format!("{driver}-{uid}-reg.sock"),
                    format!("{driver}-{}-reg.sock", digest(uid)),
                    format!("dra-{}-reg.sock", digest(&format!("{driver}\0{uid}"))),
                ],
            ),
        };
        Sockets {
            dra: first_that_fits(data, dra),
            registration: first_that_fits(registry, registration),
        }
    }
}

/// Whether a process listens on this socket.
pub(crate) async fn is_alive(path: &Path) -> bool {
    let dialled = timeout(DIAL, UnixStream::connect(path)).await;
    // A process that does not answer in time may still be alive.
    dialled.is_err() || dialled.is_ok_and(|connected| connected.is_ok())
}

/// Removes the sockets of instances that were killed, on which no process listens any more: the kubelet
/// would dial them for ever. `data` and `registry` are as in [`Sockets::new`].
pub(crate) async fn sweep(driver: &str, data: PathBuf, registry: PathBuf) {
    let prefix = format!("{driver}-");
    let left = on_a_thread(move || {
        let of_driver = |name: &str| name.starts_with(&prefix) && name.ends_with("-reg.sock");
        let dra = |name: &str| name.starts_with("dra") && name.ends_with(".sock");
        let mut left = sockets_in(&registry, of_driver);
        left.extend(sockets_in(&data, dra));
        left
    });
    for path in left.await {
        let dialled = timeout(DIAL, UnixStream::connect(&path)).await;
        if let Ok(Err(error)) = dialled
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            let dead = path.clone();
            if on_a_thread(move || fs::remove_file(&dead)).await.is_ok() {
                tracing::info!(driver, path = %path.display(), "removed a dead socket");
            }
        }
    }
}

fn sockets_in(folder: &Path, is_ours: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_socket())
            && entry.file_name().to_str().is_some_and(&is_ours)
    });
    ours.map(|entry| entry.path()).collect()
}

fn first_that_fits(folder: &Path, names: Vec<String>) -> PathBuf {
    let mut path = PathBuf::new();
    for name in names {
        path = folder.join(name);
        if path.as_os_str().len() <= LONGEST {
            break;
        }
    }
    path
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The file of a listening socket. It is removed with this, unless another process has replaced it.
pub(crate) struct Socket {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    pub(crate) async fn listen(path: PathBuf) -> io::Result<(Socket, UnixListener)> {
        let (socket, listener) = on_a_thread(move || Socket::bind(path)).await?;
        Ok((socket, UnixListener::from_std(listener)?))
    }

    fn bind(path: PathBuf) -> io::Result<(Socket, StdListener)> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        let inode = fs::symlink_metadata(&path)?.ino();
        Ok((Socket { path, inode }, listener))
    }

    /// Whether the kubelet can still find it.
    pub(crate) async fn is_there(&self) -> bool {
        let (path, inode) = (self.path.clone(), self.inode);
        on_a_thread(move || is_file(&path, inode)).await
    }

    /// Removes the file without keeping other tasks waiting, as dropping it would.
    pub(crate) async fn remove(self) {
        on_a_thread(move || drop(self)).await;
    }
}

fn is_file(path: &Path, inode: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.ino() == inode)
}

impl Drop for Socket {
    fn drop(&mut self) {
        if is_file(&self.path, self.inode) {
            // A file that stays is removed by the next instance.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[path = "../tests/inside/sockets.rs"]
mod tests;
