//! Which files belong together: pure path arithmetic, before anything is opened.

use super::openhands_prompt_log::log_name;
use super::{openhands_prompt_log, rolltape_run};
use std::collections::BTreeMap;

/// Files that are read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Format that the file names imply; `None`: told by content.
    pub format: Option<&'static str>,
    /// Indices into the list that was planned, in its order.
    pub files: Vec<usize>,
}

/// Groups paths (with `/` between parts). What lies in a run folder beside `trajectories.jsonl` is
/// left out; prompt and response logs of one folder form one input; every other file is its own.
///
/// Inputs come in the order of their first file.
pub fn plan(paths: &[String]) -> Vec<Input> {
    let runs = run_folders(paths);
    let mut inputs: Vec<Input> = Vec::new();
    let mut logs: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        if let Some(run) = runs.iter().find(|run| under(path, run)) {
            if path.len() == run.len() + TRAJECTORIES.len() && path.ends_with(TRAJECTORIES) {
                inputs.push(Input { format: Some(rolltape_run::NAME), files: vec![index] });
            }
            continue;
        }
        if log_name(path).is_some() {
            match logs.get(folder(path)) {
                Some(&input) => inputs[input].files.push(index),
                None => {
                    logs.insert(folder(path), inputs.len());
                    inputs.push(Input { format: Some(openhands_prompt_log::NAME), files: vec![index] });
                }
            }
            continue;
        }
        inputs.push(Input { format: None, files: vec![index] });
    }
    inputs
}

const TRAJECTORIES: &str = "trajectories.jsonl";

/// The folder part of a path, its last slash included.
fn folder(path: &str) -> &str {
    &path[..path.rfind('/').map_or(0, |at| at + 1)]
}

fn run_folders(paths: &[String]) -> Vec<&str> {
    let mut marks: BTreeMap<&str, u8> = BTreeMap::new();
    for path in paths {
        let folder = folder(path);
        match &path[folder.len()..] {
            "run.json" => *marks.entry(folder).or_default() |= 1,
            TRAJECTORIES => *marks.entry(folder).or_default() |= 2,
            _ => {}
        }
    }
    marks.into_iter().filter(|(_, mark)| *mark == 3).map(|(folder, _)| folder).collect()
}

fn under(path: &str, folder: &str) -> bool {
    path.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(paths: &[&str]) -> Vec<(Option<&'static str>, Vec<usize>)> {
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        plan(&paths).into_iter().map(|input| (input.format, input.files)).collect()
    }

    #[test]
    fn a_run_folder_is_its_trajectories() {
        let paths = ["a.jsonl", "r/attempts.jsonl", "r/artefacts/ab", "r/run.json", "r/trajectories.jsonl"];
        assert_eq!(planned(&paths), [(None, vec![0]), (Some("rolltape-run"), vec![4])]);
        assert_eq!(planned(&["r/trajectories.jsonl"]), [(None, vec![0])]);
    }

    #[test]
    fn logs_of_one_folder_belong_together() {
        let paths =
            ["x/prompt_001.log", "x/notes.txt", "x/response_001.log", "y/prompt_1.log", "prompt_x.log"];
        let log = Some("openhands-prompt-log");
        assert_eq!(planned(&paths), [(log, vec![0, 2]), (None, vec![1]), (log, vec![3]), (None, vec![4])]);
    }
}
