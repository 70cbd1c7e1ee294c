//! Claims are read from an API server: here one that knows one claim, and counts.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use trainyard_live::{Cluster, Credentials};
use trainyard_node::driver::ClaimRef;
use trainyard_node::ports::ClaimReader;

/// Answers every request with the claim, as long as somebody asks.
fn serve(mut connection: TcpStream, body: &str, requests: &AtomicUsize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            requests.fetch_add(1, Ordering::SeqCst);
            head.clear();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            connection.write_all(answer.as_bytes()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_claim_of_two_drivers_is_read_once_for_both() {
    let result =
        |driver| serde_json::json!({"driver": driver, "pool": "n1", "device": "d", "request": "r"});
    let body = serde_json::json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
        "metadata": {"namespace": "ns", "name": "c", "uid": "u1"}, "spec": {},
        "status": {"allocation": {"devices": {"results": [result("a"), result("b")]}}},
    })
    .to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            serve(connection, &body, &counted);
        }
    });
    let kubeconfig = serde_json::json!({
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    let cluster = Cluster::connect(&Credentials::Kubeconfig(path), "n1")
        .await
        .unwrap();
    let claim = ClaimRef {
        namespace: "ns".into(),
        name: "c".into(),
        uid: "u1".into(),
    };
    // Never less often: no driver is given a read twice.
    for (driver, least) in [("a", 1), ("a", 2), ("b", 2), ("b", 3)] {
        let read = cluster.claim(driver, &claim).await.unwrap();
        assert_eq!(read.metadata.uid.as_deref(), Some("u1"));
        assert!(requests.load(Ordering::SeqCst) >= least, "{driver}");
    }
    // Unless the machine is so busy that no driver ever follows the other within that moment.
    let before = requests.load(Ordering::SeqCst);
    for _ in 0..100 {
        cluster.claim("a", &claim).await.unwrap();
        cluster.claim("b", &claim).await.unwrap();
    }
    let reads = requests.load(Ordering::SeqCst) - before;
    assert!((100..200).contains(&reads), "{reads} reads");
}
