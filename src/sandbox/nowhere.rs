//! The place of an attempt that needs none: it has no files, runs no programs and costs nothing.
//!
//! Invariant: whatever is asked of it is refused with the same sentence, so that an agent which was taken for
//! one without tools ends in an error of the harness and never outside a sandbox.

use super::{Command, ExitReport, FileError, FileStat, Files, Level, Process, Sandbox, SandboxError, layout};
use crate::model::LayerState;
use async_trait::async_trait;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;

const REFUSAL: &str = "this attempt has no sandbox: its agent has no tools";

struct Nowhere;

/// A sandbox for attempts that run nothing and keep no file.
pub fn nowhere() -> Arc<dyn Sandbox> {
    Arc::new(Nowhere)
}

fn refused<T>() -> Result<T, FileError> {
    Err(FileError::Gone(REFUSAL.to_owned()))
}

#[async_trait]
impl Sandbox for Nowhere {
    fn level(&self) -> Level {
        Level::None
    }

    fn layers(&self) -> &[LayerState] {
        &[]
    }

    fn workspace(&self) -> &'static str {
        "/workspace"
    }

    fn resolve(&self, path: &str) -> String {
        layout::absolute(path)
    }

    async fn spawn(&self, _: Command) -> Result<Process, SandboxError> {
        Err(SandboxError::new(REFUSAL))
    }

    fn files(&self) -> &dyn Files {
        self
    }

    async fn listen_at(&self, _: SocketAddrV4) -> Result<(TcpListener, SocketAddr), SandboxError> {
        Err(SandboxError::new(REFUSAL))
    }

    async fn freeze(&self) -> Result<ExitReport, SandboxError> {
        Ok(ExitReport::default())
    }

    async fn close(&self) -> ExitReport {
        ExitReport::default()
    }

    fn set_env(&self, _: &str, _: &str) {}
}

#[async_trait]
impl Files for Nowhere {
    async fn read(&self, _: &str, _: u64) -> Result<Vec<u8>, FileError> {
        refused()
    }

    async fn write(&self, _: &str, _: &[u8], _: u32) -> Result<(), FileError> {
        refused()
    }

    async fn stat(&self, _: &str) -> Result<FileStat, FileError> {
        refused()
    }

    async fn list(&self, _: &str, _: u32) -> Result<Vec<FileStat>, FileError> {
        refused()
    }

    async fn remove(&self, _: &str) -> Result<(), FileError> {
        refused()
    }
}
