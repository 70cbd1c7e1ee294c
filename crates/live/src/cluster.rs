//! The ports of the node half, on a client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{
    Api, ApiResource, DeleteParams, ListParams, NotUsed, Object, PartialObjectMeta, PostParams,
    Preconditions,
};
use kube::runtime::watcher::{self, watcher};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use trainyard_node::driver::{ClaimRef, Node};
use trainyard_node::ports::{
    ApiError, ClaimReader, Event, Events, NodeReader, Regarding, SliceClient,
};

use crate::answer::within;
use crate::connect::{self, Credentials, Error};
use crate::events::{self, Subject};
use crate::watching::{News, listen};

/// The name of this client in `managedFields` and in events.
pub(crate) const WRITER: &str = "trainyard-driver";
/// Events that may wait to be written; more are dropped.
const WAITING_EVENTS: usize = 64;

/// A cluster, seen from one node.
pub struct Cluster {
    client: kube::Client,
    node: String,
    nodes: Mutex<BTreeMap<String, watch::Sender<Option<Node>>>>,
    events: mpsc::Sender<(Subject, Event)>,
    /// Watches and the writer of events; they end with this.
    tasks: Mutex<JoinSet<()>>,
}

impl Cluster {
    /// Reads the credentials and makes a client. The API server need not answer yet.
    pub async fn connect(credentials: &Credentials, node: &str) -> Result<Cluster, Error> {
        let client = connect::client(credentials).await?;
        let (events, waiting) = mpsc::channel(WAITING_EVENTS);
        let mut tasks = JoinSet::new();
        tasks.spawn(events::write(client.clone(), node.to_owned(), waiting));
        Ok(Cluster {
            client,
            node: node.to_owned(),
            nodes: Mutex::default(),
            events,
            tasks: Mutex::new(tasks),
        })
    }

    fn slices(&self) -> Api<ResourceSlice> {
        Api::all(self.client.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are not kept.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn create_slice(
        &self,
        slice: ResourceSlice,
        dry_run: bool,
    ) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        async move {
            let slices = self.slices();
            let params = PostParams {
                dry_run,
                field_manager: Some(WRITER.into()),
            };
            within(slices.create(&params, &slice)).await
        }
        .boxed()
    }
}

impl ClaimReader for Cluster {
    fn claim<'a>(
        &'a self,
        claim: &'a ClaimRef,
    ) -> BoxFuture<'a, Result<Arc<ResourceClaim>, ApiError>> {
        async move {
            let claims: Api<ResourceClaim> = Api::namespaced(self.client.clone(), &claim.namespace);
            Ok(Arc::new(within(claims.get(&claim.name)).await?))
        }
        .boxed()
    }
}

impl SliceClient for Cluster {
    fn list<'a>(
        &'a self,
        driver: &'a str,
        node: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceSlice>, ApiError>> {
        async move {
            let params = ListParams::default().fields(&slices_of(driver, node));
            let list = within(self.slices().list(&params)).await?;
            Ok(list.items)
        }
        .boxed()
    }

    fn create(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        self.create_slice(slice, false)
    }

    fn dry_run(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        self.create_slice(slice, true)
    }

    fn update(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<ResourceSlice, ApiError>> {
        async move {
            let params = PostParams {
                dry_run: false,
                field_manager: Some(WRITER.into()),
            };
            let name = slice.metadata.name.clone().unwrap_or_default();
            within(self.slices().replace(&name, &params, &slice)).await
        }
        .boxed()
    }

    fn delete(&self, slice: ResourceSlice) -> BoxFuture<'_, Result<(), ApiError>> {
        async move {
            let name = slice.metadata.name.clone().unwrap_or_default();
            let params = DeleteParams::default().preconditions(Preconditions {
                uid: slice.metadata.uid,
                resource_version: slice.metadata.resource_version,
            });
            within(self.slices().delete(&name, &params)).await?;
            Ok(())
        }
        .boxed()
    }

    fn changes(&self, driver: &str, node: &str) -> watch::Receiver<u64> {
        let (count, receiver) = watch::channel(0);
        let fields = watcher::Config::default().fields(&slices_of(driver, node));
        let api: Api<PartialObjectMeta<ResourceSlice>> = Api::all(self.client.clone());
        let stream = watcher(api, fields);
        let what = format!("resourceslices of {driver} on {node}");
        self.spawn(async move {
            // Each of them is a change, or a change may have been missed before it.
            let listening = listen(&what, stream, |_| count.send_modify(|count| *count += 1));
            tokio::select! {
                () = listening => {}
                () = count.closed() => {}
            }
        });
        receiver
    }
}

fn slices_of(driver: &str, node: &str) -> String {
    format!("spec.driver={driver},spec.nodeName={node}")
}

/// A Node without what grows: images, conditions, volumes.
type Slim = Object<NotUsed, Status>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    allocatable: BTreeMap<String, Quantity>,
}

impl NodeReader for Cluster {
    fn node(&self, name: &str) -> watch::Receiver<Option<Node>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = nodes.get(name) {
            return known.subscribe();
        }
        let known = watch::Sender::new(None);
        nodes.insert(name.to_owned(), known.clone());
        let receiver = known.subscribe();
        let kind = ApiResource::erase::<NodeObject>(&());
        let api: Api<Slim> = Api::all_with(self.client.clone(), &kind);
        let fields = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let stream = watcher(api, fields);
        let what = format!("node {name}");
        self.spawn(async move {
            listen(&what, stream, |news| {
                // A Node that was deleted comes back with another UID, or takes this process along.
                if let News::Is(object) = news {
                    let now = Some(facts(object));
                    known.send_if_modified(|last| {
                        let is_changed = *last != now;
                        *last = now;
                        is_changed
                    });
                }
            })
            .await;
        });
        receiver
    }
}

fn facts(node: Slim) -> Node {
    let allocatable = node.status.unwrap_or_default().allocatable;
    Node {
        name: node.metadata.name.unwrap_or_default(),
        uid: node.metadata.uid.unwrap_or_default(),
        labels: node.metadata.labels.unwrap_or_default(),
        allocatable: allocatable.into_iter().map(|(k, v)| (k, v.0)).collect(),
    }
}

impl Events for Cluster {
    fn emit(&self, event: Event) {
        let subject = match &event.regarding {
            Regarding::Claim(claim) => Subject::claim(claim),
            Regarding::Node => {
                let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
                let known = nodes.get(&self.node).and_then(|node| node.borrow().clone());
                Subject::node(&self.node, known.map(|node| node.uid))
            }
        };
        if let Err(error) = self.events.try_send((subject, event)) {
            let (_, event) = error.into_inner();
            tracing::warn!(reason = event.reason, note = event.note, "event dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_node_only_what_drivers_need_is_kept() {
        let node: Slim = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n1", "uid": "u1", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]},
            "status": {
                "allocatable": {"cpu": "2", "aws.amazon.com/neuron": "16"},
                "capacity": {"cpu": "4"}, "images": [{"names": ["x"], "sizeBytes": 1}],
            },
        }))
        .unwrap();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let expected = Node {
            name: "n1".into(),
            uid: "u1".into(),
            labels: [pair("a", "b")].into(),
            allocatable: [pair("cpu", "2"), pair("aws.amazon.com/neuron", "16")].into(),
        };
        assert_eq!(facts(node), expected);
    }

    #[test]
    fn a_node_that_has_no_status_yet_is_one() {
        let node = serde_json::json!({"metadata": {"name": "n1"}, "spec": {}});
        let node = facts(serde_json::from_value(node).unwrap());
        assert_eq!((node.name.as_str(), node.allocatable.len()), ("n1", 0));
    }
}
