//! Runs the drivers of a node until a signal ends them.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use trainyard_drivers::{Config, DriverConfig};
use trainyard_live::Cluster;
use trainyard_node::ports::{Api, ApiError, SliceClient as _};

use crate::flags::Flags;
use crate::http::{self, Shown};
use crate::{address, logs};

/// How long a thread waits for more work: each has a stack and a part of the heap.
const IDLE: Duration = Duration::from_millis(200);

/// Runs until it is told to stop.
pub fn run(arguments: &Flags) -> ExitCode {
    let drivers = match arguments.driver_configs() {
        Ok(drivers) => drivers,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    logs::start(arguments.log_format, arguments.log_level);
    // One thread for what waits; hardware and disk are asked on threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(32)
        .thread_keep_alive(IDLE)
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(drive(arguments, &arguments.config(), drivers)),
        Err(source) => Err(Error::Runtime(source)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = with_causes(&error);
            tracing::error!(error, "stopped");
            ExitCode::from(2)
        }
    }
}

/// Why the drivers do not run.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot hear signals")]
    Signals(#[source] std::io::Error),
    #[error("cannot listen on {address}")]
    Listen {
        address: address::Address,
        source: std::io::Error,
    },
    #[error(transparent)]
    Cluster(#[from] trainyard_live::Error),
    #[error("cannot start driver {driver}")]
    Start {
        driver: String,
        source: trainyard_drivers::StartError,
    },
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

async fn drive(
    arguments: &Flags,
    config: &Config,
    drivers: Vec<DriverConfig>,
) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Signals)?;
    let running: Shown = Arc::new(Mutex::default());
    if let Some(address) = &arguments.http {
        let listening = http::listen(address).await;
        let listener = listening.map_err(|source| Error::Listen {
            address: address.clone(),
            source,
        })?;
        tokio::spawn(http::serve(listener, running.clone()));
    }
    let cluster = Cluster::connect(&arguments.credentials(), &config.node).await?;
    let cluster = Arc::new(cluster);
    let names: Vec<String> = drivers.iter().map(|own| own.name.clone()).collect();
    let started = tokio::select! {
        started = start(config, drivers, &cluster, &running) => started.map(|()| Start::Complete),
        () = signals.next() => Ok(Start::Interrupted),
    };
    if let Ok(Start::Complete) = started {
        tracing::info!(
            node = config.node,
            version = env!("CARGO_PKG_VERSION"),
            "started"
        );
        signals.next().await;
    }
    tracing::info!("stopping");
    let drivers = std::mem::take(&mut *running.lock().unwrap_or_else(PoisonError::into_inner));
    let stopped = async {
        futures_util::future::join_all(drivers.into_iter().map(|it| it.plugin.stop())).await;
        if arguments.withdraw_on_exit {
            for name in &names {
                withdraw(&cluster, name, &config.node).await;
            }
        }
    };
    tokio::select! {
        () = stopped => tracing::info!("stopped"),
        // Whoever asks twice does not want to wait.
        () = signals.next() => tracing::warn!("stopped at once"),
    }
    started.map(drop)
}

/// How far the start got.
enum Start {
    Complete,
    Interrupted,
}

async fn start(
    config: &Config,
    drivers: Vec<DriverConfig>,
    cluster: &Arc<Cluster>,
    running: &Shown,
) -> Result<(), Error> {
    for own in drivers {
        let driver = own.name.clone();
        let api: Arc<dyn Api> = cluster.clone();
        let started = trainyard_drivers::start(config, own, api).await;
        let started = started.map_err(|source| Error::Start { driver, source })?;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        running.push(started);
    }
    Ok(())
}

/// Deletes the driver's slices: nobody comes after this one.
async fn withdraw(cluster: &Cluster, driver: &str, node: &str) {
    let slices = match cluster.list(driver, node).await {
        Ok(slices) => slices,
        Err(error) => {
            tracing::warn!(driver, node, %error, "resourceslices are not withdrawn");
            return;
        }
    };
    for slice in slices {
        let name = slice.metadata.name.clone().unwrap_or_default();
        match cluster.delete(slice).await {
            Ok(()) | Err(ApiError::NotFound) => tracing::info!(driver, slice = name, "withdrawn"),
            Err(error) => tracing::warn!(driver, slice = name, %error, "not withdrawn"),
        }
    }
}

/// What tells this process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
