//! Events of `events.k8s.io/v1`: a repetition is counted in the event that was written first, and when
//! there are too many, further ones are not written. `docs/decisions/0008-events.md` says why this is not
//! kube's Recorder.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use trainyard_node::driver::ClaimRef;
use trainyard_node::ports::{ApiError, Event, Severity};

use crate::answer::within;
use crate::cluster::WRITER;

/// After how long without repetition the next one is an event of its own: the API server forgets
/// events after an hour.
const FORGET: Duration = Duration::from_secs(6 * 60);
/// How often a series is written, at most; its count is right all the same.
const REFRESH: Duration = Duration::from_secs(30);
/// Writes that may come at once, and how long one of them takes to be allowed again.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_secs(15);
/// How often a write is tried, with pauses that double.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The API server's limits, in bytes.
const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;
const LONGEST_NAME: usize = 253;

/// The object an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    api_version: &'static str,
    kind: &'static str,
    /// None for what is in no namespace.
    namespace: Option<String>,
    name: String,
    uid: Option<String>,
}

impl Subject {
    pub(crate) fn node(name: &str, uid: Option<String>) -> Subject {
        Subject {
            api_version: "v1",
            kind: "Node",
            namespace: None,
            name: name.to_owned(),
            uid,
        }
    }

    pub(crate) fn claim(claim: &ClaimRef) -> Subject {
        Subject {
            api_version: "resource.k8s.io/v1",
            kind: "ResourceClaim",
            namespace: Some(claim.namespace.clone()),
            name: claim.name.clone(),
            uid: Some(claim.uid.clone()),
        }
    }

    /// Where the API server wants events about it.
    fn event_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version.into()),
            kind: Some(self.kind.into()),
            namespace: self.namespace.clone(),
            name: Some(self.name.clone()),
            uid: self.uid.clone(),
            ..Default::default()
        }
    }
}

/// Object, reason and note: events with the same ones are repetitions.
type Key = (Subject, &'static str, String);

#[derive(Debug)]
struct Series {
    name: String,
    count: i32,
    last: Instant,
    written: Instant,
}

/// What is to be done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Write a new one.
    Create,
    /// Write into the one of this name how many times it came.
    Count { name: String, count: i32 },
    /// Only count it: the series was written a moment ago.
    Remember,
    /// Nothing is written: there are too many.
    Drop,
}

/// The series of the last minutes, and how many events may be written.
struct Book {
    series: BTreeMap<Key, Series>,
    left: u32,
    refilled: Instant,
}

impl Book {
    fn new(now: Instant) -> Book {
        Book {
            series: BTreeMap::new(),
            left: BURST,
            refilled: now,
        }
    }

    fn next(&mut self, key: &Key, now: Instant) -> Step {
        self.series.retain(|_, series| now - series.last < FORGET);
        if let Some(series) = self.series.get_mut(key) {
            series.count += 1;
            series.last = now;
            // The first repetition makes it a series, which is written at once.
            if series.count > 2 && now - series.written < REFRESH {
                return Step::Remember;
            }
        }
        if !self.allowed(now) {
            return Step::Drop;
        }
        match self.series.get_mut(key) {
            None => Step::Create,
            Some(series) => {
                series.written = now;
                let (name, count) = (series.name.clone(), series.count);
                Step::Count { name, count }
            }
        }
    }

    fn allowed(&mut self, now: Instant) -> bool {
        while self.left < BURST && now - self.refilled >= REFILL {
            self.left += 1;
            self.refilled += REFILL;
        }
        if self.left == BURST {
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    fn created(&mut self, key: Key, name: String, now: Instant) {
        let series = Series {
            name,
            count: 1,
            last: now,
            written: now,
        };
        self.series.insert(key, series);
    }
}

/// Writes events until their sender is dropped.
pub(crate) async fn write(
    client: kube::Client,
    node: String,
    mut waiting: mpsc::Receiver<(Subject, Event)>,
) {
    let mut book = Book::new(Instant::now());
    while let Some((subject, event)) = waiting.recv().await {
        let events: Api<api::Event> = Api::namespaced(client.clone(), subject.event_namespace());
        let key = (subject, event.reason, event.note.clone());
        let mut step = book.next(&key, Instant::now());
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            let written = match &step {
                Step::Remember => Ok(()),
                Step::Drop => {
                    tracing::debug!(reason = event.reason, "too many events, not written");
                    Ok(())
                }
                Step::Create => {
                    let object = object(&key.0, &event, &node, Timestamp::now());
                    let name = object.metadata.name.clone().unwrap_or_default();
                    let params = PostParams {
                        dry_run: false,
                        field_manager: Some(WRITER.into()),
                    };
                    let created = within(events.create(&params, &object)).await;
                    created.map(|_| book.created(key.clone(), name, Instant::now()))
                }
                Step::Count { name, count } => {
                    let patch = Patch::Merge(counted(*count, Timestamp::now()));
                    let params = PatchParams::default();
                    within(events.patch(name, &params, &patch)).await.map(drop)
                }
            };
            match written {
                Ok(()) => break,
                // It was deleted.
                Err(ApiError::NotFound) => step = Step::Create,
                Err(error @ ApiError::Unavailable(_)) if attempt < TRIES => {
                    tracing::debug!(reason = event.reason, %error, "event not written yet");
                    sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => {
                    tracing::warn!(reason = event.reason, %error, "event not written");
                    break;
                }
            }
        }
    }
}

fn object(subject: &Subject, event: &Event, node: &str, now: Timestamp) -> api::Event {
    api::Event {
        metadata: ObjectMeta {
            namespace: Some(subject.event_namespace().to_owned()),
            name: Some(name(&subject.name, now)),
            ..Default::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some("Driving".into()),
        reason: Some(event.reason.into()),
        note: Some(cut(&event.note, LONGEST_NOTE)),
        regarding: Some(subject.reference()),
        reporting_controller: Some(WRITER.into()),
        reporting_instance: Some(cut(node, LONGEST_INSTANCE)),
        type_: Some(match event.severity {
            Severity::Normal => "Normal".into(),
            Severity::Warning => "Warning".into(),
        }),
        ..Default::default()
    }
}

fn counted(count: i32, now: Timestamp) -> serde_json::Value {
    let seen = serde_json::json!({"count": count, "lastObservedTime": MicroTime(now)});
    serde_json::json!({"series": seen})
}

/// As client-go names events: the object and the time.
fn name(object: &str, now: Timestamp) -> String {
    let time = format!(".{:x}", now.as_nanosecond());
    // Names of objects are ASCII.
    let kept: String = object.chars().take(LONGEST_NAME - time.len()).collect();
    let kept = kept.trim_end_matches(['.', '-']);
    format!("{kept}{time}")
}

fn cut(text: &str, longest: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut end = longest - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_node::ports::Regarding;

    fn key(note: &str) -> Key {
        (
            Subject::node("n1", None),
            "DevicePluginPresent",
            note.into(),
        )
    }

    #[test]
    fn a_repetition_is_counted() {
        let mut now = Instant::now();
        let mut book = Book::new(now);
        assert_eq!(book.next(&key("a"), now), Step::Create);
        book.created(key("a"), "n1.1".into(), now);
        let count = |count| Step::Count {
            name: "n1.1".into(),
            count,
        };
        assert_eq!(book.next(&key("a"), now), count(2));
        assert_eq!(book.next(&key("a"), now), Step::Remember);
        now += REFRESH;
        assert_eq!(book.next(&key("a"), now), count(4), "none is forgotten");
        assert_eq!(book.next(&key("b"), now), Step::Create, "another note");
        now += FORGET;
        assert_eq!(book.next(&key("a"), now), Step::Create, "long ago");
    }

    #[test]
    fn a_flood_is_stopped_and_passes() {
        let mut now = Instant::now();
        let mut book = Book::new(now);
        let mut say = |note: u32, now| book.next(&key(&note.to_string()), now);
        for note in 0..BURST {
            assert_eq!(say(note, now), Step::Create);
        }
        assert_eq!(say(100, now), Step::Drop);
        now += REFILL;
        assert_eq!(say(101, now), Step::Create);
        assert_eq!(say(102, now), Step::Drop);
    }

    #[test]
    fn names_stay_within_the_api_servers_limits() {
        let now = Timestamp::from_nanosecond(0x1234).unwrap();
        assert_eq!(name("pod-claim-x7", now), "pod-claim-x7.1234");
        let long = "a".repeat(247) + ".b.c.d";
        let named = name(&long, now);
        assert!(
            named.len() <= LONGEST_NAME && !named.contains(".."),
            "{named}"
        );
        assert!(named.ends_with("a.1234"), "{named}");
    }

    #[test]
    fn an_event_names_its_subject_and_its_reporter() {
        let claim = ClaimRef {
            namespace: "ml".into(),
            name: "c".into(),
            uid: "u".into(),
        };
        let event = Event {
            regarding: Regarding::Claim(claim.clone()),
            severity: Severity::Warning,
            reason: "PrepareRefused",
            note: "ä".repeat(600),
        };
        let node = "n".repeat(200);
        let object = object(
            &Subject::claim(&claim),
            &event,
            &node,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(object.metadata.namespace.as_deref(), Some("ml"));
        assert_eq!(object.type_.as_deref(), Some("Warning"));
        assert_eq!(object.reporting_instance.unwrap().len(), LONGEST_INSTANCE);
        let note = object.note.unwrap();
        assert!(note.len() <= LONGEST_NOTE && note.ends_with("ä…"), "{note}");
        let regarding = object.regarding.unwrap();
        assert_eq!(regarding.kind.as_deref(), Some("ResourceClaim"));
        assert_eq!(regarding.uid.as_deref(), Some("u"));
    }

    #[test]
    fn events_of_what_is_in_no_namespace_are_in_the_default_one() {
        let subject = Subject::node("n1", Some("u1".into()));
        assert_eq!(subject.event_namespace(), "default");
        assert_eq!(subject.reference().namespace, None);
    }
}
