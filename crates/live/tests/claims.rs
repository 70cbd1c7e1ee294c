//! Claims are read from an API server: here one that knows one claim, and counts.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time;
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
async fn a_claim_of_two_drivers_is_read_once_for_both() {
    let server = Server::start();
    let cluster = server.connect().await;
    let requests = || server.requests().iter().sum::<usize>();
    // Never less often: no driver is given a read twice.
    for (driver, least) in [("a", 1), ("a", 2), ("b", 2), ("b", 3)] {
        let read = cluster.claim(driver, &claim()).await.unwrap();
        assert_eq!(read.metadata.uid.as_deref(), Some("u1"));
        assert!(requests() >= least, "{driver}");
    }
    // Unless the machine is so busy that no driver ever follows the other within that moment.
    let before = requests();
    for _ in 0..100 {
        cluster.claim("a", &claim()).await.unwrap();
        cluster.claim("b", &claim()).await.unwrap();
    }
    let reads = requests() - before;
    assert!((100..200).contains(&reads), "{reads} reads");
}

/// Lets time pass while nobody waits for an answer.
async fn pass(seconds: u64) {
    time::pause();
    time::advance(Duration::from_secs(seconds)).await;
    time::resume();
}

#[tokio::test]
async fn one_claim_at_a_time_is_read_over_a_connection_of_its_own() {
    let server = Server::start();
    let cluster = server.connect().await;
    let read = async || cluster.claim("a", &claim()).await.unwrap();
    let until = async |wanted: &[usize]| {
        while server.requests() != wanted {
            time::sleep(Duration::from_millis(1)).await;
        }
        // The client has the answer, too.
        time::sleep(Duration::from_millis(50)).await;
    };
    read().await;
    assert_eq!(server.requests(), [1], "nobody waits for a new connection");
    pass(1).await;
    until(&[1, 1]).await;
    read().await;
    read().await;
    assert_eq!(server.requests(), [1, 3]);
    tokio::join!(read(), read());
    assert_eq!(server.requests(), [2, 4], "it carries one at a time");
    pass(1).await;
    until(&[2, 4]).await;
    pass(45).await;
    read().await;
    assert_eq!(server.requests(), [3, 4], "it may be closed by now");
}
