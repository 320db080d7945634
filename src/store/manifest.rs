//! `run.json`: the manifest of a run.

use super::error::StoreError;
use super::version::{SCHEMA, Version};
use super::wire::SubjectWire;
use crate::model::{LayerState, Object, RunId, RunManifest};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its name in the run folder.
pub(super) const FILE: &str = "run.json";

#[derive(Serialize, Deserialize)]
struct ManifestWire<'a> {
    schema_version: String,
    id: String,
    suites: Vec<NamedWire>,
    tasks: Vec<NamedWire>,
    #[serde(borrow)]
    subjects: Vec<SubjectWire<'a>>,
    attempts: u32,
    planned: u64,
    seed: u64,
    sandbox: String,
    layers: Vec<LayerWire>,
    policy: String,
    reading: String,
    versions: Object,
    invocation: Object,
    timing: Object,
}

#[derive(Serialize, Deserialize)]
struct NamedWire {
    name: String,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct LayerWire {
    name: String,
    on: bool,
    reason: Option<String>,
}

/// The bytes of `run.json`.
pub(super) fn encode(manifest: &RunManifest) -> Vec<u8> {
    let named = |list: &[(String, String)]| {
        list.iter().map(|(name, digest)| NamedWire { name: name.clone(), digest: digest.clone() }).collect()
    };
    let wire = ManifestWire {
        schema_version: SCHEMA.to_string(),
        id: manifest.id.0.clone(),
        suites: named(&manifest.suites),
        tasks: named(&manifest.tasks),
        subjects: manifest.subjects.iter().map(|subject| SubjectWire::new(subject, true)).collect(),
        attempts: manifest.attempts,
        planned: manifest.planned,
        seed: manifest.seed,
        sandbox: manifest.sandbox.clone(),
        layers: manifest
            .layers
            .iter()
            .map(|l| LayerWire { name: l.name.clone(), on: l.on, reason: l.reason.clone() })
            .collect(),
        policy: manifest.policy.clone(),
        reading: manifest.reading.clone(),
        versions: manifest.versions.clone(),
        invocation: manifest.invocation.clone(),
        timing: manifest.timing.clone(),
    };
    // Maps with text keys and plain numbers can't fail to serialise.
    let mut bytes = serde_json::to_vec_pretty(&wire).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads `run.json`; `path` names it in errors.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<(RunManifest, Version), StoreError> {
    let broken = |error: &dyn std::fmt::Display| {
        StoreError::input(format!("'{}' is no manifest of a run: {error}", path.display()))
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| broken(&error))?;
    let text = value.get("schema_version").and_then(serde_json::Value::as_str).unwrap_or_default();
    let version = Version::parse(text).ok_or_else(|| broken(&"it has no schema version"))?;
    if !version.readable() {
        return Err(StoreError::input(format!(
            "'{}' has schema version {version}; the newest known here is {SCHEMA}",
            path.display()
        ))
        .hint("use the rolltape that wrote it, or a newer one"));
    }
    let wire = ManifestWire::deserialize(&value).map_err(|error| broken(&error))?;
    let named = |list: Vec<NamedWire>| list.into_iter().map(|item| (item.name, item.digest)).collect();
    let manifest = RunManifest {
        id: RunId(wire.id),
        suites: named(wire.suites),
        tasks: named(wire.tasks),
        subjects: wire.subjects.into_iter().map(|subject| subject.into_subject(None)).collect(),
        attempts: wire.attempts,
        planned: wire.planned,
        seed: wire.seed,
        sandbox: wire.sandbox,
        layers: wire
            .layers
            .into_iter()
            .map(|l| LayerState { name: l.name, on: l.on, reason: l.reason })
            .collect(),
        policy: wire.policy,
        reading: wire.reading,
        versions: wire.versions,
        invocation: wire.invocation,
        timing: wire.timing,
    };
    Ok((manifest, version))
}
