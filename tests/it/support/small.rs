//! A small suite in a folder of its own, and what its runs left.

use super::{Output, Rolltape, temp};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with a suite `own` and its scripts.
pub(crate) struct Small {
    folder: TempDir,
}

impl Small {
    /// A suite with these lines after its schema and name.
    pub(crate) fn new(suite: &str) -> Self {
        let small = Self { folder: temp() };
        small.write("own/suite.toml", &format!("schema = 1\nname = \"own\"\n{suite}"));
        small
    }

    /// Puts a file into the folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// A path in the folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// `rolltape run own --out OUT …` in the folder.
    pub(crate) fn program(&self, out: &str, more: &[&str]) -> Rolltape {
        let mut arguments = vec!["-q", "run", "own", "--out", out];
        arguments.extend(more);
        Rolltape::new(&arguments).cwd(self.folder.path())
    }

    /// The same, run to its end.
    pub(crate) fn run(&self, out: &str, more: &[&str]) -> Output {
        self.program(out, more).run()
    }

    /// Any other verb in the folder.
    pub(crate) fn rolltape(&self, arguments: &[&str]) -> Output {
        Rolltape::new(arguments).cwd(self.folder.path()).run()
    }

    /// The lines of a file of a run.
    pub(crate) fn lines(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(file)).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The records of a run, in plan order.
    pub(crate) fn records(&self, out: &str) -> Vec<Value> {
        let mut records = self.lines(&format!("{out}/attempts.jsonl"));
        records.sort_by_key(|record| record["seq"].as_u64());
        records
    }

    /// The steps of the only attempt of a run.
    pub(crate) fn steps(&self, out: &str) -> Vec<Value> {
        let trajectories = self.lines(&format!("{out}/trajectories.jsonl"));
        assert_eq!(trajectories.len(), 1);
        trajectories[0]["steps"].as_array().expect("steps").clone()
    }
}
