//! Which files belong together: pure path arithmetic, before anything is opened.

use super::{ALL, Format};

/// Files that are read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Format whose names the files have; `None`: a file of its own, told by content.
    pub format: Option<&'static str>,
    /// Indices into the list that was planned, in its order.
    pub files: Vec<usize>,
}

/// Groups paths (with `/` between parts) as the formats claim them, in the order of the registry; every other
/// file is its own. What belongs to a group and holds no trajectory is left out.
///
/// Inputs come in the order of their first file.
pub fn plan(paths: &[String]) -> Vec<Input> {
    let mut free: Vec<usize> = (0..paths.len()).collect();
    let mut inputs = Vec::new();
    for format in ALL {
        claim(format, paths, &mut free, &mut inputs);
    }
    inputs.extend(free.into_iter().map(|index| Input { format: None, files: vec![index] }));
    inputs.sort_by_key(|input| input.files.first().copied());
    inputs
}

fn claim(format: &Format, paths: &[String], free: &mut Vec<usize>, inputs: &mut Vec<Input>) {
    let Some(folder) = &format.folder else { return };
    let left: Vec<&str> = free.iter().map(|&index| paths[index].as_str()).collect();
    let mut taken = vec![false; left.len()];
    for group in (folder.claim)(&left) {
        group.files.iter().chain(&group.beside).for_each(|&index| taken[index] = true);
        let files: Vec<usize> = group.files.iter().map(|&index| free[index]).collect();
        inputs.push(Input { format: Some(format.name), files });
    }
    let mut taken = taken.into_iter();
    free.retain(|_| !taken.next().unwrap_or(false));
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
