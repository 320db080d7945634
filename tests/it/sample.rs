//! `reports/sample/`: a committed run whose derived files are rendered again from its journal and compared.
//!
//! The journal is a real run's, with versions and timing masked: `ROLLTAPE_SAMPLE_FROM=RUN` makes it from a
//! run folder. `ROLLTAPE_UPDATE_SAMPLE=1` writes the derived files anew; the difference is then for the
//! reviewer of the commit.

use crate::support::root;
use rolltape::engine::Sink as _;
use rolltape::model::{Event, Finished, Object, RunId};
use rolltape::report::{self, Options};
use rolltape::store::{self, Recorder};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Writes a run again under the name `sample`, without what differs from machine to machine and day to day.
fn mask(from: &Path, to: &Path) {
    let view = store::open(from).unwrap();
    let _ = fs::remove_dir_all(to);
    let mut manifest = view.manifest.clone();
    manifest.id = RunId("sample".to_owned());
    manifest.timing = Object::new();
    manifest.invocation = Object::new();
    for (_, version) in &mut manifest.versions {
        *version = "masked".into();
    }
    let mut recorder = Recorder::create(to).unwrap();
    recorder.on(&Event::RunStarted(Box::new(manifest))).unwrap();
    for record in &view.records {
        let mut trajectory = view.trajectory(record).unwrap();
        for step in &mut trajectory.steps {
            step.timestamp = None;
        }
        let kept = |sha256: &str| (sha256.to_owned(), view.artefact(sha256).unwrap().into());
        let evidence = record.evidence.iter().map(|item| kept(&item.sha256)).collect();
        let mut record = record.clone();
        record.timing = Object::new();
        let finished = Finished { record, trajectory, evidence };
        recorder.on(&Event::AttemptFinished(Arc::new(finished))).unwrap();
    }
    recorder.finish().unwrap();
    fs::remove_file(to.join("cassette.jsonl")).unwrap();
}

#[test]
fn the_committed_sample_is_what_its_journal_renders_to() {
    let dir = root().join("reports/sample");
    let update = std::env::var_os("ROLLTAPE_UPDATE_SAMPLE").is_some();
    let from = std::env::var_os("ROLLTAPE_SAMPLE_FROM");
    if let Some(from) = &from {
        mask(&root().join(from), &dir);
    }
    let view = store::open(&dir).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(view.warnings, Vec::<String>::new());
    assert!(!view.records.is_empty(), "a sample shows something");
    let options = Options { timing: false, ..Options::file() };
    let mut seen = 0;
    for report in report::ALL {
        let Some(name) = report.file else { continue };
        let path = dir.join(name);
        let now = report::render(report, &report::Shown::new(&view), &options).expect("the report renders");
        if update || from.is_some() {
            fs::write(&path, &now).expect("the sample is written");
        }
        let stored = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            String::from_utf8_lossy(&stored),
            String::from_utf8_lossy(&now),
            "reports/sample/{name} is not what the journal renders to; ROLLTAPE_UPDATE_SAMPLE=1 makes it anew"
        );
        seen += 1;
    }
    assert_eq!(seen, 5);
}
