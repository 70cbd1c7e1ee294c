//! The Container Device Interface file of a claim: what the container runtime changes in a
//! container that gets one of its devices.
//!
//! One file per claim, one CDI device per allocated device, so a container that names one request of
//! the claim gets that request's devices and no other. The content is a function of the journal's
//! record: a lost or damaged file is written anew from there.

use serde::Serialize;

use crate::driver::{DeviceNode, Edits, Mount};

/// The oldest version that knows `hostPath` of a device node: containerd 1.7 and CRI-O read it.
const VERSION: &str = "0.5.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    cdi_version: &'static str,
    kind: &'a str,
    devices: Vec<Device<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device<'a> {
    name: &'a str,
    container_edits: ContainerEdits<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerEdits<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    device_nodes: &'a [DeviceNode],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mounts: &'a [Mount],
}

/// The kind of all CDI devices of a driver, such as `neuron.aws.com/claim`.
pub fn kind(driver: &str) -> String {
    format!("{driver}/claim")
}

/// The name of a claim's file, as CDI names transient specs.
pub fn file_name(driver: &str, claim_uid: &str) -> String {
    format!("{driver}-claim_{claim_uid}.json")
}

/// The UID of the claim whose file this is, if it is one of this driver's.
pub fn claim_of<'a>(driver: &str, file: &'a str) -> Option<&'a str> {
    file.strip_prefix(driver)?
        .strip_prefix("-claim_")?
        .strip_suffix(".json")
}

/// The name of a CDI device: unique among all claims, and a new one for each claim, because
/// runtimes may keep what they read under a name.
pub fn device_name(claim_uid: &str, index: usize) -> String {
    format!("{claim_uid}-{index}")
}

/// What the kubelet hands on to the runtime.
pub fn device_id(driver: &str, name: &str) -> String {
    format!("{}={name}", kind(driver))
}

/// The file's content; `None` when there is nothing to change in any container. A device without
/// edits is left out, because runtimes refuse such a device.
pub fn spec<'a>(
    driver: &str,
    devices: impl IntoIterator<Item = (&'a str, &'a Edits)>,
) -> Option<Vec<u8>> {
    let devices: Vec<_> = devices
        .into_iter()
        .filter(|(_, edits)| **edits != Edits::default())
        .map(|(name, edits)| Device {
            name,
            container_edits: ContainerEdits {
                env: edits.env.iter().map(|(k, v)| format!("{k}={v}")).collect(),
                device_nodes: &edits.device_nodes,
                mounts: &edits.mounts,
            },
        })
        .collect();
    if devices.is_empty() {
        return None;
    }
    let spec = Spec {
        cdi_version: VERSION,
        kind: &kind(driver),
        devices,
    };
    let mut bytes = serde_json::to_vec_pretty(&spec).expect("a CDI spec is plain data");
    bytes.push(b'\n');
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_has_the_fields_that_runtimes_read() {
        let edits = Edits {
            env: [("LNC".to_owned(), "1".to_owned())].into(),
            device_nodes: vec![DeviceNode {
                path: "/dev/neuron0".into(),
                host_path: "/tmp/x/dev/neuron0".into(),
                permissions: "rw".into(),
            }],
            mounts: Vec::new(),
        };
        let none = Edits::default();
        let bytes = spec("neuron.aws.com", [("u-0", &edits), ("u-1", &none)]).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "cdiVersion": "0.5.0",
                "kind": "neuron.aws.com/claim",
                "devices": [{
                    "name": "u-0",
                    "containerEdits": {
                        "env": ["LNC=1"],
                        "deviceNodes": [{"path": "/dev/neuron0", "hostPath": "/tmp/x/dev/neuron0", "permissions": "rw"}],
                    },
                }],
            })
        );
        assert_eq!(spec("neuron.aws.com", [("u-1", &none)]), None);
    }

    #[test]
    fn a_file_tells_its_claim_and_no_other_drivers() {
        let file = file_name("dra.net", "u-1");
        assert_eq!(claim_of("dra.net", &file), Some("u-1"));
        assert_eq!(claim_of("net", &file), None);
        assert_eq!(claim_of("dra.net", "dra.net-other.json"), None);
    }
}
