//! What of our program must be mounted into a container, so that it runs whatever libraries the image has.

use super::NAME;
use crate::sandbox::SandboxError;
use crate::sandbox::wire::failed;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where its libraries lie inside.
const LIBRARIES: &str = "/.rolltape/lib";
/// Where its loader lies inside.
const LOADER: &str = "/.rolltape/loader";

/// Files to mount, and how the program is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// File of the host, path inside.
    pub(super) files: Vec<(String, String)>,
    /// Program and arguments.
    pub(super) call: Vec<String>,
}

impl Parts {
    /// Of a program, the running one if `None`.
    pub(super) async fn of(program: Option<PathBuf>) -> Result<Self, SandboxError> {
        let found = match program {
            Some(program) => program.canonicalize(),
            None => std::env::current_exe(),
        };
        let program = found.map_err(|error| failed("find our own program", &error))?;
        let shown = path(&program)?;
        let mut files = vec![(shown.clone(), NAME.to_owned())];
        let loader = interpreter(&program).map_err(|error| failed(&format!("read {shown}"), &error))?;
        let Some(loader) = loader else { return Ok(Self { files, call: vec![NAME.to_owned()] }) };
        let output = tokio::process::Command::new(&loader).arg("--list").arg(&program).output().await;
        let output = output.map_err(|error| failed(&format!("start {loader}"), &error))?;
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in libraries(&list) {
            let name = library.rsplit('/').next().unwrap_or_default();
            files.push((library.to_owned(), format!("{LIBRARIES}/{name}")));
        }
        let real =
            Path::new(&loader).canonicalize().map_err(|error| failed(&format!("find {loader}"), &error))?;
        files.push((path(&real)?, LOADER.to_owned()));
        let call = [LOADER, "--library-path", LIBRARIES, NAME];
        Ok(Self { files, call: call.map(str::to_owned).to_vec() })
    }
}

fn path(path: &Path) -> Result<String, SandboxError> {
    let text = path.to_str().filter(|text| !text.contains([':', ',']));
    text.map(str::to_owned).ok_or_else(|| {
        SandboxError::new(format!("{} can't be mounted into a container by that path", path.display()))
    })
}

/// Paths of `LOADER --list`: `name => /path (address)`.
fn libraries(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| {
        let (_, path) = line.split_once(" => ")?;
        let path = path.rsplit_once(" (").map_or(path, |(path, _)| path).trim();
        (path.starts_with('/') && !path.contains([':', ','])).then_some(path)
    })
}

/// The loader that an ELF program of 64 bits names (System V ABI, program header `PT_INTERP`); none if it is static.
fn interpreter(program: &Path) -> std::io::Result<Option<String>> {
    const PT_INTERP: [u8; 4] = [3, 0, 0, 0];
    let file = File::open(program)?;
    let mut head = [0u8; 64];
    file.read_exact_at(&mut head, 0)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let (start, size, count) = (number(&head[32..40]), number(&head[54..56]), number(&head[56..58]));
    for index in 0..count {
        let mut entry = [0u8; 56];
        file.read_exact_at(&mut entry, start + index * size)?;
        if entry[..4] == PT_INTERP {
            let mut text = vec![0u8; number(&entry[32..40]).min(4096) as usize];
            file.read_exact_at(&mut text, number(&entry[8..16]))?;
            return Ok(Some(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_off_a_list() {
        let list = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n\tlibz => not found\n";
        assert_eq!(libraries(list).collect::<Vec<_>>(), ["/lib/x/libc.so.6"]);
    }
}
