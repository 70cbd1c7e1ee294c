//! The committed gRPC code is what the committed protos say. `TRAINYARD_UPDATE=1` writes it anew.

use std::fs;
use std::path::Path;

const PROTOS: [&str; 5] = [
    "registration",
    "dra_v1",
    "dra_v1beta1",
    "health_v1",
    "health_v1alpha1",
];

#[test]
fn generated_code_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for proto in PROTOS {
        let file = root.join("proto").join(proto).with_extension("proto");
        let descriptors =
            protox::compile([&file], [root.join("proto")]).expect("the proto compiles");
        let out = tempfile::tempdir().expect("a folder for the generated code");
        tonic_prost_build::configure()
            .btree_map(".")
            .emit_rerun_if_changed(false)
            .out_dir(out.path())
            .compile_fds(descriptors)
            .expect("code is generated");
        let mut files = fs::read_dir(out.path()).expect("the folder is readable");
        let only = files.next().expect("one file").expect("a readable entry");
        assert!(files.next().is_none(), "one package, one file");
        let fresh = format!(
            "//! Generated from `proto/{proto}.proto` by `tests/generated.rs`.\n{}",
            fs::read_to_string(only.path()).expect("generated code is text")
        );
        let committed = root.join("src/proto").join(proto).with_extension("rs");
        if std::env::var_os("TRAINYARD_UPDATE").is_some() {
            fs::create_dir_all(root.join("src/proto")).expect("src/proto can be made");
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
