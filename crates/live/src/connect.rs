//! From credentials to a client.

use std::path::PathBuf;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{BoxError, ServiceBuilder};

/// How long the API server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it still lives, and how long it may take to say
/// so: as the kubelet has it.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(15);

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
    /// Not supported: between a node and its API server there is none.
    #[error(
        "cannot reach the API server through proxy {0}: proxies are not supported, remove proxy-url or unset HTTPS_PROXY"
    )]
    Proxy(String),
    /// TLS, in most cases.
    #[error("cannot make a client of the credentials")]
    Client(#[source] kube::Error),
}

/// Reads the credentials, and makes a client like kube's own, but with pings and without trying again
/// what is answered 429 or 5xx: the callers do that. Tokens that are rotated are read again by it.
///
/// It speaks HTTP/2 where the server does, so that one connection carries the watches and all else.
pub(crate) async fn client(credentials: &Credentials) -> Result<kube::Client, Error> {
    let config = match credentials {
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
    of(&config)
}

fn of(config: &kube::Config) -> Result<kube::Client, Error> {
    if let Some(proxy) = &config.proxy_url {
        return Err(Error::Proxy(proxy.to_string()));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(PING));
    let tls = config.rustls_client_config().map_err(Error::Client)?;
    let mut https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name = name.map_err(|error| Error::Client(kube::Error::Service(Box::new(error))))?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .build(https.enable_all_versions().wrap_connector(tcp));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(Error::Client)?)
        .layer(config.extra_headers_layer().map_err(Error::Client)?)
        .map_err(BoxError::from)
        .service(client);
    let namespace = config.default_namespace.clone();
    Ok(kube::Client::new(service, namespace))
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

    #[tokio::test]
    async fn a_proxy_is_named_and_not_passed_over() {
        let kubeconfig = serde_json::json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "proxy-url": "http://proxy:3128"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let error = match client(&Credentials::Kubeconfig(path)).await {
            Ok(_) => panic!("it would not reach the API server"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("through proxy http://proxy:3128"), "{error}");
    }
}
