//! `rolltape init DIR`: a working suite to start from.
//!
//! Invariant: no half-made folder. A new folder is made aside and renamed; in an empty one that was there, what
//! was written is removed again when the rest can't be.

use super::{CliError, Context, Exit, Verb, Verbosity};
use crate::store::io_text;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) static ITEM: Verb =
    Verb { name: "init", about: "Makes a working suite to start from", augment, run };

/// The files of the suite, by path. `@NAME@` is the suite's name, `@DIR@` its folder as the user named it.
static FILES: &[(&str, &str)] = &[
    ("suite.toml", include_str!("init/template/suite.toml")),
    ("README.md", include_str!("init/template/README.md")),
    ("replies.toml", include_str!("init/template/replies.toml")),
    (".gitignore", include_str!("init/template/gitignore")),
    ("tasks/total/task.toml", include_str!("init/template/tasks/total/task.toml")),
    ("tasks/total/instruction.md", include_str!("init/template/tasks/total/instruction.md")),
    ("tasks/total/environment/sales.csv", include_str!("init/template/tasks/total/environment/sales.csv")),
    ("tasks/total/tests/test.sh", include_str!("init/template/tasks/total/tests/test.sh")),
    ("tasks/total/solution/solve.sh", include_str!("init/template/tasks/total/solution/solve.sh")),
    ("tasks/total/cheats/only-talk.sh", include_str!("init/template/tasks/total/cheats/only-talk.sh")),
    ("tasks/total/cheats/known-answer.sh", include_str!("init/template/tasks/total/cheats/known-answer.sh")),
];

fn augment(command: Command) -> Command {
    command.arg(
        Arg::new("dir")
            .value_name("DIR")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("Folder to make, or an empty one; the suite gets its name"),
    )
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let Some(dir) = matches.get_one::<PathBuf>("dir") else {
        return Err(CliError::usage("no folder was named"));
    };
    let path = context.cwd.join(dir);
    let files = filled(&suite_name(&path), &quoted(dir));
    let done = match fs::read_dir(&path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(CliError::usage(format!("the folder '{}' is not empty", dir.display()))
                    .hint("name a new folder, or an empty one"));
            }
            fill(&path, &files)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => make(&path, &files),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(CliError::usage(format!("'{}' is no folder", dir.display()))
                .hint("name a new folder, or an empty one"));
        }
        Err(error) => Err(error),
    };
    done.map_err(|error| {
        CliError::harness(format!("can't make the suite '{}': {}", dir.display(), io_text(&error)))
            .hint("nothing is left of it; name a folder that can be written")
    })?;
    if context.verbosity > Verbosity::Quiet {
        let dir = quoted(dir);
        context.say(&format!("made a suite with two tasks in {dir}; now:"));
        context.say(&format!("  rolltape run {dir}"));
        context.say(&format!("  rolltape run {dir} --agent oracle"));
        context.say(&format!("  rolltape run {dir} --agent cheat:only-talk --fail-under 0"));
        context.say("README.md in it tells the rest");
    }
    Ok(Exit::Fine)
}

type Files = Vec<(&'static str, String)>;

fn filled(name: &str, dir: &str) -> Files {
    FILES.iter().map(|(path, text)| (*path, text.replace("@NAME@", name).replace("@DIR@", dir))).collect()
}

/// The name of the suite: that of its folder, with what no id may hold left out.
fn suite_name(path: &Path) -> String {
    let real = path.canonicalize();
    let last = real.as_deref().unwrap_or(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = last.chars().map(plain).collect();
    let name = name.trim_matches(['-', '.']).to_owned();
    if name.is_empty() { "suite".to_owned() } else { name }
}

/// The folder as a shell takes it.
fn quoted(dir: &Path) -> String {
    let text = dir.to_string_lossy().into_owned();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A new folder: made aside, renamed when it is whole.
fn make(path: &Path, files: &Files) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)?;
    let aside = tempfile::Builder::new().prefix(".rolltape-init-").tempdir_in(parent)?;
    let suite = aside.path().join("suite");
    fs::create_dir(&suite)?;
    write(&suite, files)?;
    fs::rename(&suite, path)
}

/// An empty folder that was there.
fn fill(path: &Path, files: &Files) -> io::Result<()> {
    write(path, files).inspect_err(|_| {
        for (name, _) in files {
            // What is left over is told as such: the folder is not empty the next time.
            let _ = fs::remove_file(path.join(name));
        }
        let _ = fs::remove_dir_all(path.join("tasks"));
    })
}

fn write(root: &Path, files: &Files) -> io::Result<()> {
    for (name, text) in files {
        let path = root.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{quoted, suite_name};
    use std::path::Path;

    #[test]
    fn any_folder_gives_a_name_and_a_word_of_the_shell() {
        assert_eq!(suite_name(Path::new("/nowhere/my suite")), "my-suite");
        assert_eq!(suite_name(Path::new("/nowhere/.中文!")), "中文");
        assert_eq!(suite_name(Path::new("/")), "suite");
        assert_eq!(quoted(Path::new("a/b-1")), "a/b-1");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
    }
}
