//! What is built and what is deployed are the same functions.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sundial_devstack::HOSTED_FUNCTIONS;

use super::template::{Template, root};

#[test]
fn every_function_is_a_binary_of_the_workspace_and_every_function_package_is_deployed() {
    let template = Template::read();
    let deployed: BTreeSet<_> = template.functions().into_keys().map(str::to_owned).collect();
    assert_eq!(deployed, binaries_in("functions"));
    assert_eq!(deployed, HOSTED_FUNCTIONS.iter().map(|function| function.name.to_owned()).collect());
}

/// The binaries of the packages in a folder, as cargo knows them.
fn binaries_in(folder: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = Path::new(metadata["workspace_root"].as_str().unwrap()).join(folder);
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages =
        packages.filter(|package| Path::new(package["manifest_path"].as_str().unwrap()).starts_with(&folder));
    let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
    let binaries = targets.filter(|target| target["kind"].as_array().unwrap().iter().any(|kind| kind == "bin"));
    binaries.map(|binary| binary["name"].as_str().unwrap().to_owned()).collect()
}
