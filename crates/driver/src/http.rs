//! `/healthz`, `/readyz`, `/metrics`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::{TcpListener, UnixListener};
use trainyard_drivers::Running;
use trainyard_node::plugin::{Publishing, Registration};

use crate::address::{Address, ways};
use crate::metrics::{self, Sample};

/// The drivers at work: none before the start and after the stop.
pub type Shown = Arc<Mutex<Vec<Running>>>;

/// Where requests come from.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Requests are heard from now on. A socket file that an earlier process left is taken over.
pub async fn listen(address: &Address) -> io::Result<Listener> {
    let (listener, address) = match address {
        Address::Tcp(address) => {
            let listener = TcpListener::bind(ways(*address).as_slice()).await?;
            let address = Address::Tcp(listener.local_addr()?);
            (Listener::Tcp(listener), address)
        }
        Address::Unix(path) => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            (Listener::Unix(listener), address.clone())
        }
    };
    tracing::info!(%address, "serving /healthz, /readyz and /metrics");
    Ok(listener)
}

/// Serves until the process ends.
pub async fn serve(listener: Listener, drivers: Shown) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .with_state(drivers);
    let served = match listener {
        Listener::Tcp(listener) => axum::serve(listener, router).await,
        Listener::Unix(listener) => axum::serve(listener, router).await,
    };
    if let Err(error) = served {
        tracing::error!(%error, "HTTP is not served any more");
    }
}

async fn ready(State(drivers): State<Shown>) -> impl IntoResponse {
    let readiness = readiness(&samples(&drivers));
    match readiness {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn measured(State(drivers): State<Shown>) -> impl IntoResponse {
    let text = metrics::text(samples(&drivers));
    ([(CONTENT_TYPE, metrics::FORMAT)], text)
}

fn samples(drivers: &Shown) -> Vec<Sample> {
    let drivers = drivers.lock().unwrap_or_else(PoisonError::into_inner);
    drivers.iter().map(Sample::of).collect()
}

/// Whether all drivers serve the kubelet and have published. One that stands by for an older
/// instance to go is ready: the older one goes when this one is.
fn readiness(drivers: &[Sample]) -> Result<(), String> {
    let mut why = String::new();
    for driver in drivers {
        let missing = match (&driver.registration, &driver.publishing) {
            (Registration::Pending, _) => "the kubelet has not registered it yet".to_owned(),
            (Registration::Refused(why), _) => format!("the kubelet refused it: {why}"),
            (Registration::Registered, Publishing::Waiting) => {
                "its slices are not published yet".to_owned()
            }
            (Registration::Registered, Publishing::Failing(why)) => why.clone(),
            (Registration::Registered, Publishing::Published { .. } | Publishing::Standby) => {
                continue;
            }
        };
        why.push_str(&format!("{}: {missing}\n", driver.driver));
    }
    match (why.is_empty(), drivers.is_empty()) {
        (true, false) => Ok(()),
        (true, true) => Err("no driver runs\n".to_owned()),
        (false, _) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(registration: Registration, publishing: Publishing) -> Sample {
        Sample {
            registration,
            publishing,
            ..Sample::new("neuron.aws.com")
        }
    }

    #[test]
    fn ready_means_registered_and_published() {
        use Registration::{Pending, Refused, Registered};
        let why = |registration, publishing| readiness(&[sample(registration, publishing)]);
        assert_eq!(
            why(Registered, Publishing::Waiting),
            Err("neuron.aws.com: its slices are not published yet\n".into())
        );
        assert_eq!(why(Registered, Publishing::Standby), Ok(()));
        let published = Publishing::Published {
            slices: 1,
            devices: 0,
        };
        assert_eq!(why(Registered, published), Ok(()), "all withdrawn");
        assert_eq!(
            why(Pending, Publishing::Waiting),
            Err("neuron.aws.com: the kubelet has not registered it yet\n".into())
        );
        assert_eq!(
            why(Refused("no".into()), Publishing::Waiting),
            Err("neuron.aws.com: the kubelet refused it: no\n".into())
        );
        assert_eq!(
            why(Registered, Publishing::Failing("forbidden".into())),
            Err("neuron.aws.com: forbidden\n".into())
        );
        assert_eq!(readiness(&[]), Err("no driver runs\n".into()));
    }
}
