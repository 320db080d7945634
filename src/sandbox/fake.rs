//! A sandbox without programs: files in memory, for tests of what stands above.

use super::{
    Command, ExitReport, FileError, FileKind, FileStat, Files, Level, Process, Sandbox, SandboxError, layout,
};
use crate::model::LayerState;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Files by absolute path, with their modes.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) files: Mutex<BTreeMap<String, (Vec<u8>, u32)>>,
    pub(super) layers: Vec<LayerState>,
}

impl Fake {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Vec<u8>, u32)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sandbox for Fake {
    fn level(&self) -> Level {
        Level::None
    }

    fn layers(&self) -> &[LayerState] {
        &self.layers
    }

    fn workspace(&self) -> &'static str {
        "/workspace"
    }

    fn resolve(&self, path: &str) -> String {
        layout::absolute(path)
    }

    async fn spawn(&self, _: Command) -> Result<Process, SandboxError> {
        Err(SandboxError::new("the back end fake runs no programs"))
    }

    fn files(&self) -> &dyn Files {
        self
    }

    async fn listen_at(&self, _: SocketAddrV4) -> Result<(TcpListener, SocketAddr), SandboxError> {
        let bound = || {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        bound().map_err(|error: std::io::Error| super::wire::failed("listen on 127.0.0.1", &error))
    }

    async fn freeze(&self) -> Result<ExitReport, SandboxError> {
        Ok(ExitReport::default())
    }

    async fn close(&self) -> ExitReport {
        self.lock().clear();
        ExitReport::default()
    }

    fn set_env(&self, _: &str, _: &str) {}
}

#[async_trait]
impl Files for Fake {
    async fn read(&self, path: &str, max: u64) -> Result<Vec<u8>, FileError> {
        let files = self.lock();
        let Some((bytes, _)) = files.get(&layout::absolute(path)) else {
            return Err(FileError::NotFound(path.to_owned()));
        };
        let size = bytes.len() as u64;
        if size > max {
            return Err(FileError::TooLarge { path: path.to_owned(), size, max });
        }
        Ok(bytes.clone())
    }

    async fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.lock().insert(layout::absolute(path), (bytes.to_vec(), mode));
        Ok(())
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        let absolute = layout::absolute(path);
        let files = self.lock();
        let path = path.to_owned();
        if let Some((bytes, mode)) = files.get(&absolute) {
            return Ok(FileStat { path, kind: FileKind::File, size: bytes.len() as u64, mode: *mode });
        }
        let below = format!("{absolute}/");
        if absolute == "/workspace" || files.keys().any(|name| name.starts_with(&below)) {
            return Ok(FileStat { path, kind: FileKind::Folder, size: 0, mode: 0o755 });
        }
        Err(FileError::NotFound(path))
    }

    async fn list(&self, path: &str, depth: u32) -> Result<Vec<FileStat>, FileError> {
        let below = format!("{}/", layout::absolute(path).trim_end_matches('/'));
        let mut found = BTreeMap::new();
        for (name, (bytes, mode)) in self.lock().iter() {
            let Some(rest) = name.strip_prefix(&below) else { continue };
            let parts: Vec<&str> = rest.split('/').collect();
            for end in 1..=parts.len().min(depth as usize) {
                let path = parts[..end].join("/");
                let stat = if end == parts.len() {
                    FileStat { path, kind: FileKind::File, size: bytes.len() as u64, mode: *mode }
                } else {
                    FileStat { path, kind: FileKind::Folder, size: 0, mode: 0o755 }
                };
                found.insert(stat.path.clone(), stat);
            }
        }
        Ok(found.into_values().collect())
    }

    async fn remove(&self, path: &str) -> Result<(), FileError> {
        let removed = self.lock().remove(&layout::absolute(path));
        removed.map(drop).ok_or_else(|| FileError::NotFound(path.to_owned()))
    }
}
