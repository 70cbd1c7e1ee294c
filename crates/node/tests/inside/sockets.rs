//! Tests of the sockets: their names, and which files are removed.

use super::*;

#[test]
fn names_are_upstreams_as_long_as_they_fit() {
    let rolling = Instance::Rolling("0c8d1f6e-8a57-4a6e-9d1c-3a1f0a2b4c5d".into());
    let at = |data: &str, registry: &str, instance| {
        let sockets = Sockets::new(
            "neuron.aws.com",
            instance,
            Path::new(data),
            Path::new(registry),
        );
        let name = |path: PathBuf| {
            assert!(path.as_os_str().len() <= LONGEST, "{}", path.display());
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        (name(sockets.dra), name(sockets.registration))
    };
    let (data, registry) = (
        "/var/lib/kubelet/plugins/neuron.aws.com",
        "/var/lib/kubelet/plugins_registry",
    );
    assert_eq!(
        at(data, registry, &Instance::Only),
        ("dra.sock".into(), "neuron.aws.com-reg.sock".into())
    );
    assert_eq!(
        at(data, registry, &rolling),
        (
            "dra-0c8d1f6e-8a57-4a6e-9d1c-3a1f0a2b4c5d.sock".into(),
            "neuron.aws.com-0c8d1f6e-8a57-4a6e-9d1c-3a1f0a2b4c5d-reg.sock".into()
        )
    );
    let deep = format!("/{}", "d".repeat(60));
    let (dra, registration) = at(&deep, &deep, &rolling);
    assert!(dra.len() == 45 || dra.len() == 25);
    assert_eq!(
        registration.len(),
        "neuron.aws.com-".len() + 16 + "-reg.sock".len()
    );
    let deeper = format!("/{}", "d".repeat(75));
    let (_, registration) = at(&deeper, &deeper, &rolling);
    assert_eq!(registration.len(), "dra-".len() + 16 + "-reg.sock".len());
}

#[tokio::test]
async fn sockets_of_the_dead_are_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let dead = ["a.example-one-reg.sock", "dra-one.sock"];
    let others = ["b.example-one-reg.sock", "a.example.sock"];
    for name in dead.iter().chain(&others) {
        // Dropped without removing its file, as by a kill.
        drop(UnixListener::bind(at(name)).unwrap());
    }
    fs::write(at("a.example-file-reg.sock"), "").unwrap();
    let alive = UnixListener::bind(at("a.example-two-reg.sock")).unwrap();
    sweep("a.example", folder.path().into(), folder.path().into()).await;
    for name in dead {
        assert!(!at(name).exists(), "{name}");
    }
    for name in others {
        assert!(at(name).exists(), "{name}");
    }
    assert!(at("a.example-file-reg.sock").exists());
    assert!(at("a.example-two-reg.sock").exists());
    drop(alive);
}

#[tokio::test]
async fn a_socket_that_was_taken_over_is_left_to_its_new_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let (old, _old) = Socket::listen(path.clone()).await.unwrap();
    let (new, _new) = Socket::listen(path.clone()).await.unwrap();
    assert!(!old.is_there().await && new.is_there().await);
    drop(old);
    assert!(path.exists());
    drop(new);
    assert!(!path.exists());
}
