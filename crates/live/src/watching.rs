//! Watches: they begin again, with growing pauses, until they are dropped.

use std::fmt::Debug;
use std::pin::pin;

use futures_util::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Error, Event};

/// What a watch reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News<K> {
    /// An object as it is now.
    Is(K),
    /// An object was deleted.
    Gone,
    /// All objects were reported; changes before that may have been missed.
    Complete,
}

/// Reports what a watch sees, until it is dropped. `what` names it in the log.
pub(crate) async fn listen<K: Clone + Debug>(
    what: &str,
    stream: impl Stream<Item = Result<Event<K>, Error>>,
    mut report: impl FnMut(News<K>),
) {
    let mut stream = pin!(stream.default_backoff());
    let mut failing = None;
    while let Some(event) = stream.next().await {
        let news = match event {
            Err(error) => {
                // Tried again by itself; the same error is logged once.
                let error = worded(&error);
                if failing.as_ref() != Some(&error) {
                    tracing::warn!(what, error, "cannot watch");
                    failing = Some(error);
                }
                continue;
            }
            Ok(event) => event,
        };
        if failing.take().is_some() {
            tracing::info!(what, "watching again");
        }
        match news {
            Event::Init => {}
            Event::InitApply(object) | Event::Apply(object) => report(News::Is(object)),
            Event::Delete(_) => report(News::Gone),
            Event::InitDone => report(News::Complete),
        }
    }
}

fn worded(error: &Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test(start_paused = true)]
    async fn a_broken_watch_is_taken_up_again() {
        let events = stream::iter([
            Ok(Event::Init),
            Ok(Event::InitApply(1)),
            Ok(Event::InitDone),
            Err(Error::NoResourceVersion),
            Err(Error::NoResourceVersion),
            Ok(Event::Init),
            Ok(Event::InitDone),
            Ok(Event::Apply(2)),
            Ok(Event::Delete(2)),
        ]);
        let mut heard = Vec::new();
        listen("numbers", events, |news| heard.push(news)).await;
        let expected = [
            News::Is(1),
            News::Complete,
            News::Complete,
            News::Is(2),
            News::Gone,
        ];
        assert_eq!(heard, expected);
    }
}
