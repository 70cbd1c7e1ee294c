//! The committed gRPC code, of the driver's side in `trainyard-node` and of the kubelet's side here, is
//! what the committed protos say. `TRAINYARD_UPDATE=1` writes it anew.

use std::fs;
use std::path::Path;

/// Each proto, and the older or newer one whose messages it shares: the same fields under the same
/// numbers.
const PROTOS: [(&str, Option<(&str, &str)>); 5] = [
    ("registration", None),
    ("dra_v1", None),
    (
        "dra_v1beta1",
        Some((
            ".k8s.io.kubelet.pkg.apis.dra.v1beta1",
            "crate::proto::dra_v1",
        )),
    ),
    ("health_v1", None),
    (
        "health_v1alpha1",
        Some((".v1alpha1", "crate::proto::health_v1")),
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

#[test]
fn generated_code_is_up_to_date() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let node = here.join("../node");
    for (proto, shared) in PROTOS {
        for (side, folder) in [(Side::Server, &*node), (Side::Client, here)] {
            let file = node.join("proto").join(proto).with_extension("proto");
            let descriptors =
                protox::compile([&file], [node.join("proto")]).expect("the proto compiles");
            let out = tempfile::tempdir().expect("a folder for the generated code");
            let mut builder = tonic_prost_build::configure()
                .btree_map(".")
                .emit_rerun_if_changed(false)
                .build_server(side == Side::Server)
                .build_client(side == Side::Client)
                .out_dir(out.path());
            if let Some((package, messages)) = shared {
                builder = builder.extern_path(package, messages);
            }
            builder.compile_fds(descriptors).expect("code is generated");
            let mut files = fs::read_dir(out.path()).expect("the folder is readable");
            let only = files.next().expect("one file").expect("a readable entry");
            assert!(files.next().is_none(), "one package, one file");
            let fresh = format!(
                "//! Generated from `proto/{proto}.proto` of trainyard-node by the test `generated`\n//! of trainyard-node-testing.\n{}",
                fs::read_to_string(only.path()).expect("generated code is text")
            );
            let committed = folder.join("src/proto").join(proto).with_extension("rs");
            if std::env::var_os("TRAINYARD_UPDATE").is_some() {
                fs::write(&committed, &fresh).expect("generated code can be written");
            }
            let kept = fs::read_to_string(&committed).unwrap_or_default();
            assert!(
                fresh == kept,
                "{} is stale: run this test with TRAINYARD_UPDATE=1",
                committed.display()
            );
        }
    }
}
