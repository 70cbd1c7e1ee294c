//! Claims are read from an API server: here one that knows one claim, and counts.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use trainyard_live::{Cluster, Credentials};
use trainyard_node::driver::ClaimRef;
use trainyard_node::ports::ClaimReader;

/// An API server with claim `ns/c`, of drivers `a` and `b`.
struct Server {
    port: u16,
    /// Requests of each connection, as they came.
    requests: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    fn start() -> Server {
        let result = |driver| serde_json::json!({"driver": driver, "pool": "n1", "device": "d", "request": "r"});
        let body = serde_json::json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
            "metadata": {"namespace": "ns", "name": "c", "uid": "u1"}, "spec": {},
            "status": {"allocation": {"devices": {"results": [result("a"), result("b")]}}},
        })
        .to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let counted = requests.clone();
        thread::spawn(move || {
            for (index, connection) in listener.incoming().flatten().enumerate() {
                counted.lock().unwrap().push(0);
                let (body, counted) = (body.clone(), counted.clone());
                let count = move || counted.lock().unwrap()[index] += 1;
                thread::spawn(move || serve(connection, &body, count));
            }
        });
        Server { port, requests }
    }

    async fn connect(&self) -> Cluster {
        let kubeconfig = serde_json::json!({
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let cluster = Cluster::connect(&Credentials::Kubeconfig(path), "n1").await;
        cluster.unwrap()
    }

    fn requests(&self) -> Vec<usize> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers every request with the claim, as long as somebody asks.
fn serve(mut connection: TcpStream, body: &str, count: impl Fn()) {
    let mut head = Vec::new();
    let mut byte = [0];
    while connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            count();
            head.clear();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            connection.write_all(answer.as_bytes()).unwrap();
        }
    }
}

fn claim() -> ClaimRef {
    ClaimRef {
        namespace: "ns".into(),
        name: "c".into(),
        uid: "u1".into(),
    }
}

#[tokio::test]
async fn a_claim_is_read_anew_each_time_over_one_connection() {
    let server = Server::start();
    let cluster = server.connect().await;
    for reads in 1..=3 {
        let read = cluster.claim(&claim()).await.unwrap();
        assert_eq!(read.metadata.uid.as_deref(), Some("u1"));
        assert_eq!(server.requests(), [reads]);
    }
}
