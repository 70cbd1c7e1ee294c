//! Does a device plugin hand out the same hardware? Then the kubelet would give one device to two pods:
//! device plugins and DRA do not know of each other's allocations.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use glob::Pattern;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use trainyard_model::quantity::Quantity;

use trainyard_node::driver::Node;

/// How a device plugin was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// A socket that accepts connections.
    Socket(PathBuf),
    /// `status.allocatable` of the Node has more than none of an extended resource.
    Allocatable {
        /// The resource.
        name: String,
        /// As written.
        quantity: String,
    },
}

impl fmt::Display for Sign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::Socket(path) => write!(out, "{} accepts connections", path.display()),
            Sign::Allocatable { name, quantity } => {
                write!(out, "the Node's status.allocatable has {name}: {quantity}")
            }
        }
    }
}

/// Looks for the device plugins of one kind of hardware.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Where device plugins have their sockets.
    pub(crate) folder: PathBuf,
    pub(crate) sockets: Vec<Pattern>,
    pub(crate) resources: Vec<Pattern>,
}

impl Guard {
    /// The first sign of a device plugin. The socket is looked at before the Node, whose status follows
    /// a plugin's start and end with a delay.
    pub(crate) fn look(&self, node: &Node) -> Option<Sign> {
        self.socket().or_else(|| self.allocatable(node))
    }

    fn socket(&self) -> Option<Sign> {
        let mut names: Vec<String> = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| self.sockets.iter().any(|pattern| pattern.matches(name)))
                .collect(),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    let path = self.folder.display();
                    tracing::warn!(%path, %error, "cannot look for device plugins");
                }
                return None;
            }
        };
        names.sort_unstable();
        let mut paths = names.into_iter().map(|name| self.folder.join(name));
        paths.find(|path| is_served(path)).map(Sign::Socket)
    }

    fn allocatable(&self, node: &Node) -> Option<Sign> {
        let mut resources = node.allocatable.iter();
        let found = resources.find(|(name, quantity)| {
            self.resources.iter().any(|pattern| pattern.matches(name))
                && quantity
                    .parse()
                    .is_ok_and(|quantity: Quantity| quantity.sign() > 0)
        });
        found.map(|(name, quantity)| Sign::Allocatable {
            name: name.clone(),
            quantity: quantity.clone(),
        })
    }
}

/// Whether a process listens on a socket. A file that a plugin left behind refuses the connection. A
/// plugin that is too busy to accept one is there all the same, and is not waited for.
fn is_served(path: &Path) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let connected = SocketAddrUnix::new(path).and_then(|address| {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &address)
    });
    matches!(connected, Ok(()) | Err(Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn guard(folder: &Path) -> Guard {
        let patterns = |texts: &[&str]| {
            let patterns = texts.iter().map(|text| Pattern::new(text));
            patterns.collect::<Result<_, _>>().expect("well-formed")
        };
        Guard {
            folder: folder.to_owned(),
            sockets: patterns(&["neuron*.sock"]),
            resources: patterns(&["aws.amazon.com/neuron*"]),
        }
    }

    #[test]
    fn only_a_socket_that_is_served_is_a_plugin() {
        let folder = tempfile::tempdir().expect("a folder");
        let guard = guard(folder.path());
        let look = || guard.look(&Node::default());
        assert_eq!(look(), None);
        let path = folder.path().join("neuron-devplugin.sock");
        let other = UnixListener::bind(folder.path().join("kubelet.sock")).expect("a socket");
        std::fs::write(folder.path().join("neuron.sock"), "").expect("a file");
        assert_eq!(look(), None, "others' sockets, and no sockets at all");
        let plugin = UnixListener::bind(&path).expect("a socket");
        assert_eq!(look(), Some(Sign::Socket(path.clone())));
        drop((plugin, other));
        assert!(path.exists());
        assert_eq!(look(), None, "dead");
    }

    #[test]
    fn a_plugin_that_takes_no_more_connections_is_seen_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("neuron.sock");
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("a socket");
        let address = SocketAddrUnix::new(&path).expect("a short path");
        rustix::net::bind(&socket, &address).expect("a name");
        rustix::net::listen(&socket, 0).expect("a listener");
        let mut waiting = Vec::new();
        // The last one here would wait for ever if it were not for the flag.
        for _ in 0..3 {
            assert!(is_served(&path));
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let client = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
            let client = client.expect("a socket");
            let _ = connect(&client, &address);
            waiting.push(client);
        }
    }

    #[test]
    fn a_resource_of_the_node_is_a_sign_only_above_zero() {
        let folder = tempfile::tempdir().expect("a folder");
        let guard = guard(folder.path());
        let look = |resources: &[(&str, &str)]| {
            let resources = resources.iter();
            let allocatable = resources.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            guard.look(&Node {
                allocatable: allocatable.collect(),
                ..Default::default()
            })
        };
        assert_eq!(look(&[("vpc.amazonaws.com/efa", "8")]), None);
        assert_eq!(look(&[("aws.amazon.com/neuron", "0")]), None, "it has left");
        let sign = look(&[
            ("aws.amazon.com/neuron", "0"),
            ("aws.amazon.com/neuroncore", "32"),
        ]);
        assert_eq!(
            sign.expect("a plugin").to_string(),
            "the Node's status.allocatable has aws.amazon.com/neuroncore: 32"
        );
    }
}
