//! What the drivers say of themselves, on standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::flags::{LogFormat, LogLevel};

/// From now on events are logged. Other people's libraries are heard when something is wrong.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = LevelFilter::from(level);
    let others = level.min(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(others)
        .with_target("trainyard", level);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_target(false).with_ansi(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // There is one already only where this is called twice.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
}
