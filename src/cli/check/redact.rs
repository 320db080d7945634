//! `--redact -o DIR`: copies of the checked files without secrets, in a folder of the same structure.
//!
//! Invariant: a folder that stands under its name checks clean of secrets; it appears whole or not at all. What can't be
//! copied clean (archives, files that are no text, damaged ones) is left out and said.

use super::{Plan, judge};
use crate::cli::input::{self, Found, Gathered};
use crate::cli::{CliError, Context};
use crate::rules;
use crate::util::plural::plural;
use crate::util::redact::redact_bytes;
use crate::util::text::{name, one_line, unmarked};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

/// What became of a file.
enum Copied {
    /// Written; how many secrets were taken out.
    Clean(usize),
    /// Left out, and why.
    Left(String),
}

/// Writes the copies and says what was done. `-o` names the folder.
pub(super) fn run(
    paths: &[PathBuf],
    files: &[Found],
    plan: &Plan,
    out: Option<&PathBuf>,
    context: &Context,
) -> Result<(), CliError> {
    let Some(out) = out else {
        return Err(CliError::usage("'--redact' writes copies, and no folder is named for them")
            .hint("add -o DIR, a folder that is not there yet"));
    };
    if files.iter().any(|file| file.name == "-") {
        return Err(CliError::usage("what comes from stdin can't be redacted: it is read only once")
            .hint("write it to a file first"));
    }
    empty(out)?;
    let names = names(paths, files, plan)?;
    let parent = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |what: &Path, error: &std::io::Error| {
        let text = crate::store::io_text(error);
        CliError::usage(format!("{} can't be written: {text}", what.display())).hint("name a folder with -o")
    };
    let stage = tempfile::Builder::new()
        .prefix(".rolltape-redact-")
        .tempdir_in(parent)
        .map_err(|error| failed(out, &error))?;
    let copied: Vec<Result<Copied, CliError>> = files
        .par_iter()
        .zip(&names)
        .map(|(file, name)| {
            copy(file, &stage.path().join(name), plan).map_err(|(path, error)| failed(&path, &error))
        })
        .collect();
    let mut secrets = 0;
    let mut touched = 0;
    let mut written = 0;
    for (file, copied) in files.iter().zip(copied) {
        match copied? {
            Copied::Clean(count) => {
                written += 1;
                secrets += count;
                touched += usize::from(count > 0);
            }
            Copied::Left(why) => {
                context.say(&format!("left out: {} {}", name(&file.name), unmarked(&one_line(&why))));
            }
        }
    }
    if written == 0 {
        return Err(CliError::usage("no file could be copied").hint("what is left out is said above"));
    }
    proven(stage.path(), plan, context)?;
    let stage = stage.keep();
    let placed = readable(&stage).and_then(|()| {
        // An empty folder may stand there already.
        let _ = fs::remove_dir(out);
        fs::rename(&stage, out)
    });
    if let Err(error) = placed {
        let _ = fs::remove_dir_all(&stage);
        return Err(failed(out, &error));
    }
    context.say(&format!(
        "redacted: {} in {} of {}, written to {}",
        plural(secrets, "secret"),
        plural(touched, "file"),
        written,
        name(&out.to_string_lossy())
    ));
    Ok(())
}

/// The folder as others may read it; a temporary one is its maker's alone.
fn readable(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// The target must not hold anything.
fn empty(out: &Path) -> Result<(), CliError> {
    let hint = "name a folder with -o that is not there yet";
    match fs::read_dir(out) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(CliError::usage(format!("{} is not empty", out.display())).hint(hint)),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let text = crate::store::io_text(&error);
            Err(CliError::usage(format!("{} can't be used: {text}", out.display())).hint(hint))
        }
    }
}

/// Where each file goes below the folder: a file under its name; what a folder holds under its path there, below the
/// folder's own name where several arguments were given.
fn names(paths: &[PathBuf], files: &[Found], plan: &Plan) -> Result<Vec<PathBuf>, CliError> {
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut out = Vec::new();
    for file in files {
        let path = Path::new(&file.name);
        let root = paths
            .iter()
            .filter(|root| file.walked && path.starts_with(root))
            .max_by_key(|root| root.as_os_str().len());
        let relative = match root {
            Some(root) => {
                let below = path.strip_prefix(root).unwrap_or(path);
                match root.file_name().filter(|_| paths.len() > 1) {
                    Some(name) => Path::new(name).join(below),
                    None => below.to_path_buf(),
                }
            }
            None => PathBuf::from(path.file_name().unwrap_or(path.as_os_str())),
        };
        // Names may hold secrets as well as texts.
        let clean: PathBuf = relative
            .components()
            .filter_map(|part| match part {
                Component::Normal(part) => {
                    let text = part.to_string_lossy();
                    let clean = plan.redactor.redact(&text);
                    Some(if clean == text {
                        part.to_owned()
                    } else {
                        clean.replace(['<', '>', ':'], "_").into()
                    })
                }
                _ => None,
            })
            .collect();
        if !seen.insert(clean.clone()) {
            return Err(CliError::usage(format!("two files would be written to '{}'", clean.display()))
                .hint("redact them one after another, each with a folder of its own"));
        }
        out.push(clean);
    }
    Ok(out)
}

/// How a file was compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

fn copy(file: &Found, target: &Path, plan: &Plan) -> Result<Copied, (PathBuf, std::io::Error)> {
    let raw = match input::raw(file) {
        Ok(raw) => raw,
        Err(error) => return Ok(Copied::Left(error.message)),
    };
    let packing = match raw.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        _ => Packing::None,
    };
    let (bytes, trouble) = input::unpack(file, raw);
    if let Some(trouble) = trouble {
        return Ok(Copied::Left(format!("is damaged: {}", trouble.message)));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Ok(Copied::Left("is an archive: unpack it, or convert it first".to_owned()));
    }
    if memchr::memchr(0, &bytes).is_some() && !judge::is_json_lines(&bytes) {
        return Ok(Copied::Left("is no text".to_owned()));
    }
    let (bytes, count) = redact_bytes(&bytes, &plan.redactor, &plan.allowed).unwrap_or((bytes, 0));
    let packed = match packing {
        Packing::None => Ok(bytes),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).and_then(|()| encoder.finish())
        }
        Packing::Zstd => zstd::stream::encode_all(bytes.as_slice(), 3),
    };
    let written = packed.and_then(|bytes| {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(target, bytes)
    });
    written.map(|()| Copied::Clean(count)).map_err(|error| (target.to_path_buf(), error))
}

/// Checks the copies for secrets as any file is checked.
fn proven(stage: &Path, plan: &Plan, context: &Context) -> Result<(), CliError> {
    let quiet = Context { verbosity: crate::cli::Verbosity::Quiet, ..context.clone() };
    let Gathered { files, .. } = input::gather(&[stage.to_path_buf()], &quiet);
    let off = rules::ALL.iter().filter(|rule| rule.family() != "SE").map(|rule| rule.id).collect();
    let only = Plan { off, statistics: false, baseline: None, write_baseline: None, ..plan.clone() };
    let left = judge::judge("", &files, Vec::new(), &only).map_err(|error| super::aside(&error))?;
    let Some(item) = left.items.iter().next() else { return Ok(()) };
    let item = item.map_err(|error| super::aside(&error))?;
    let below = item.path.strip_prefix(&*stage.to_string_lossy()).unwrap_or(&item.path);
    let line = item.finding.location.as_ref().map_or(0, |location| location.line);
    let more =
        if left.items.len() > 1 { format!(", and {} more", left.items.len() - 1) } else { String::new() };
    let place = name(below.trim_start_matches('/'));
    Err(CliError::usage(format!(
        "{place}:{line}: {} that can't be taken out of the file's bytes{more}; nothing was written",
        item.finding.text
    ))
    .hint("a secret that is spread over several texts has to be taken out by hand"))
}
