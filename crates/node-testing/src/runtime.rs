//! A container runtime as far as a driver sees it: it reads CDI files and does what they say.
//!
//! Written from the CDI specification, version 0.5.0, not from the code that writes the files: what
//! a runtime would refuse is refused here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// What a container got of its CDI devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Host paths of its device nodes, by their path in the container.
    pub devices: BTreeMap<String, String>,
    /// Host paths of its mounts, by their path in the container.
    pub mounts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    cdi_version: String,
    kind: String,
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Device {
    name: String,
    container_edits: Edits,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Edits {
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    device_nodes: Vec<DeviceNode>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceNode {
    path: String,
    #[serde(default)]
    host_path: String,
    #[serde(default)]
    permissions: String,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mount {
    host_path: String,
    container_path: String,
    #[serde(default)]
    #[expect(dead_code, reason = "read so that its type is checked")]
    options: Vec<String>,
}

impl Container {
    /// The container that a runtime makes of CDI devices, in the order in which they were asked for.
    ///
    /// The error is what keeps the runtime from making it.
    pub fn with_devices<'a>(
        folder: &Path,
        ids: impl IntoIterator<Item = &'a String>,
    ) -> Result<Container, String> {
        let known = read(folder)?;
        let mut container = Container::default();
        for id in ids {
            let edits = known
                .get(id)
                .ok_or_else(|| format!("unresolvable CDI device {id}"))?;
            container.apply(edits)?;
        }
        Ok(container)
    }

    fn apply(&mut self, edits: &Edits) -> Result<(), String> {
        for variable in &edits.env {
            let (name, value) = variable
                .split_once('=')
                .ok_or_else(|| format!("env {variable} has no value"))?;
            self.env.insert(name.to_owned(), value.to_owned());
        }
        for node in &edits.device_nodes {
            if node.path.is_empty() || !node.permissions.chars().all(|c| "rwm".contains(c)) {
                return Err(format!("device node {} is not valid", node.path));
            }
            let host = match node.host_path.as_str() {
                "" => &node.path,
                host => host,
            };
            self.devices.insert(node.path.clone(), host.to_owned());
        }
        for mount in &edits.mounts {
            let (inside, outside) = (mount.container_path.clone(), mount.host_path.clone());
            self.mounts.insert(inside, outside);
        }
        Ok(())
    }
}

/// The edits of all devices of all files, by the devices' qualified names.
fn read(folder: &Path) -> Result<BTreeMap<String, Edits>, String> {
    let mut known = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let of_file = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| of_file(error.to_string()))?;
        let spec: Spec = serde_json::from_str(&text).map_err(|error| of_file(error.to_string()))?;
        check(&spec).map_err(of_file)?;
        for device in spec.devices {
            let mut edits = spec.container_edits.clone();
            edits.env.extend(device.container_edits.env);
            edits
                .device_nodes
                .extend(device.container_edits.device_nodes);
            edits.mounts.extend(device.container_edits.mounts);
            let id = format!("{}={}", spec.kind, device.name);
            if known.insert(id.clone(), edits).is_some() {
                return Err(format!("CDI device {id} is in two files"));
            }
        }
    }
    Ok(known)
}

fn check(spec: &Spec) -> Result<(), String> {
    if spec.cdi_version != "0.5.0" {
        return Err(format!("version {} is not read here", spec.cdi_version));
    }
    let (vendor, class) = spec
        .kind
        .split_once('/')
        .ok_or_else(|| format!("kind {} has no class", spec.kind))?;
    if !is_name(vendor, "_-.", char::is_alphabetic) || !is_name(class, "_-", char::is_alphabetic) {
        return Err(format!("kind {} is not valid", spec.kind));
    }
    if spec.devices.is_empty() {
        return Err("no devices".into());
    }
    for device in &spec.devices {
        if !is_name(&device.name, "_-.:", char::is_alphanumeric) {
            return Err(format!("device name {} is not valid", device.name));
        }
        let edits = &device.container_edits;
        if edits.env.is_empty() && edits.device_nodes.is_empty() && edits.mounts.is_empty() {
            return Err(format!("device {} changes nothing", device.name));
        }
    }
    Ok(())
}

fn is_name(name: &str, also: &str, first: impl Fn(char) -> bool) -> bool {
    name.is_ascii()
        && name.chars().next().is_some_and(first)
        && name.chars().last().is_some_and(char::is_alphanumeric)
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || also.contains(c))
}
