//! From credentials to a client.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// Longer than the API server lets a watch last, so that only a dead connection meets it.
const SILENCE: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(10);

/// How to reach the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Those of the pod this process runs in: its service account, and `KUBERNETES_SERVICE_HOST` and
    /// `KUBERNETES_SERVICE_PORT`.
    InCluster,
    /// The current context of a kubeconfig file.
    Kubeconfig(PathBuf),
}

/// Why there is no client. The API server need not answer for there to be one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not in a pod, or its service account's files are missing.
    #[error("no credentials of a pod")]
    InCluster(#[source] kube::config::InClusterError),
    /// The file.
    #[error("cannot use kubeconfig {path}")]
    Kubeconfig {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// TLS, in most cases.
    #[error("cannot make a client of the credentials")]
    Client(#[source] kube::Error),
}

/// Reads the credentials. Tokens that are rotated are read again by the client.
pub(crate) async fn client(credentials: &Credentials) -> Result<kube::Client, Error> {
    let mut config = match credentials {
        Credentials::InCluster => kube::Config::incluster().map_err(Error::InCluster)?,
        Credentials::Kubeconfig(path) => {
            let unusable = |source| Error::Kubeconfig {
                path: path.clone(),
                source,
            };
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(unusable)?
        }
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    kube::Client::try_from(config).map_err(Error::Client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_none_is_named() {
        let path = PathBuf::from("no/such/kubeconfig");
        let error = match client(&Credentials::Kubeconfig(path)).await {
            Ok(_) => panic!("there is no such file"),
            Err(error) => error.to_string(),
        };
        assert_eq!(error, "cannot use kubeconfig no/such/kubeconfig");
    }
}
