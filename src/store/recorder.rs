//! The sink that keeps a run: a bounded channel to the one thread that does all its file work.
//!
//! Invariant: the first failure is told by the next event and by [`Recorder::finish`]; after it nothing
//! more is written, so what is on disk stays valid up to there.

use super::RunView;
use super::disk::Disk;
use super::error::{StoreError, StoreErrorKind};
use super::kept::Kept;
use super::lock::RunLock;
use super::manifest;
use super::tape;
use super::writer::{Attempt, Job, Writer};
use crate::engine::{Sink, SinkError};
use crate::model::Event;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// Jobs that may wait for the disk before the run waits too.
const QUEUE: usize = 4096;
/// The first job of a batch waits so long for others, and so often: an fsync is dear, and attempts that end soon
/// after each other share one. What is not on disk yet does not count yet. After each wait the lines of what has
/// come are made, so that not all is left to do when the batch is over.
const LOOK: Duration = Duration::from_millis(2);
/// See [`LOOK`].
const LOOKS: u32 = 5;

/// Writes a run folder as the run goes on. The run gets [`Recorder::sink`]; who made the recorder keeps
/// it, and calls [`Recorder::finish`] when the run is over.
#[derive(Debug)]
pub struct Recorder {
    sink: RecorderSink,
    thread: Option<JoinHandle<Option<Kept>>>,
    kept: Option<Kept>,
    /// Where the run comes before all of it is on disk.
    early: Option<Receiver<Kept>>,
}

/// The end of the channel that a run writes to.
#[derive(Debug, Clone)]
struct RecorderSink {
    dir: PathBuf,
    jobs: SyncSender<Job>,
    failure: Arc<OnceLock<StoreError>>,
}

impl Recorder {
    /// Makes the run folder (and its parents) and takes its lock. Files appear with the first event,
    /// [`Event::RunStarted`].
    ///
    /// # Errors
    /// The folder can't be made or is locked; it already holds a run.
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        Self::create_on(dir, &Disk::real())
    }

    /// [`Recorder::create`] on a disk that a test may have prepared.
    pub fn create_on(dir: &Path, disk: &Disk) -> Result<Self, StoreError> {
        disk.create_dir_all(dir).map_err(|error| StoreError::disk("create", dir, &error))?;
        let lock = RunLock::take(dir, disk)?;
        if dir.join(manifest::FILE).exists() {
            return Err(StoreError::input(format!("'{}' already holds a run", dir.display())).hint(format!(
                "go on with it by 'rolltape resume {}', or name another folder",
                dir.display()
            )));
        }
        Self::start(dir, Writer::fresh(dir, disk), lock)
    }

    /// Starts the thread; the lock lives in it and is freed after the last write.
    pub(super) fn start(dir: &Path, writer: Writer, lock: RunLock) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let told = Arc::clone(&failure);
        let (soon, early) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(writer, lock, &queue, &told, &soon))
            .map_err(|error: io::Error| StoreError::disk("start the store thread for", dir, &error))?;
        Ok(Self {
            sink: RecorderSink { dir: dir.to_owned(), jobs, failure },
            thread: Some(thread),
            kept: None,
            early: Some(early),
        })
    }

    /// What the run tells its events to. After [`Recorder::finish`] it refuses them.
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.sink.clone())
    }

    /// The run folder.
    pub fn dir(&self) -> &Path {
        &self.sink.dir
    }

    /// Ends the run, and gives it as [`super::open`] will read it, before all of it is on disk: what is made of it must
    /// not be shown before [`Recorder::finish`] has said that it is. `None` where only the files can tell.
    pub fn end(&mut self) -> Option<RunView> {
        let early = self.early.take()?;
        self.tell_the_end();
        early.recv().ok()?.into_view(&self.sink.dir)
    }

    fn tell_the_end(&self) {
        // A thread that has died takes no message; joining it tells.
        let _ = self.sink.jobs.send(Job::End);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Waits until everything is on disk, frees the lock and tells the first failure, if any.
    /// A second call tells the same.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        self.tell_the_end();
        if let Some(thread) = self.thread.take() {
            match thread.join() {
                Ok(kept) => {
                    let early = self.early.take().and_then(|early| early.try_recv().ok());
                    self.kept = kept.or(early).filter(|_| self.sink.failure.get().is_none());
                }
                Err(_) => drop(self.sink.failure.set(self.sink.thread_died())),
            }
        }
        match self.sink.failure.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl Recorder {
    /// The run as [`super::open`] reads it, if it is over, began here, and nothing of it failed: who has just
    /// written a run need not read it. Its files are not looked at again.
    pub fn take_view(&mut self) -> Option<RunView> {
        let kept = self.kept.take()?;
        kept.into_view(&self.sink.dir)
    }
}

impl RecorderSink {
    fn thread_died(&self) -> StoreError {
        StoreError::new(
            StoreErrorKind::Bug,
            format!("the store thread of '{}' ended before the run did", self.dir.display()),
        )
        .hint("what was finished before is kept; go on with 'rolltape resume'")
    }
}

impl Sink for Recorder {
    fn on(&mut self, event: &Event) -> Result<(), SinkError> {
        self.sink.on(event)
    }
}

impl Sink for RecorderSink {
    fn on(&mut self, event: &Event) -> Result<(), SinkError> {
        if let Some(error) = self.failure.get() {
            return Err(error.clone().into());
        }
        let job = match event {
            // Lines are made here: what they are made of was made on this core, and goes away on it.
            Event::RunStarted(manifest) => Job::Manifest(manifest.clone()),
            Event::Exchanged(exchange) => Job::Exchange(tape::cassette_line(&exchange.line)),
            Event::AttemptFinished(finished) => Job::Finished(Box::new(Attempt::new(finished))),
            Event::AttemptStarted(_)
            | Event::StepAdded { .. }
            | Event::Warning(_)
            | Event::RunFinished(_) => return Ok(()),
        };
        self.jobs.send(job).map_err(|_| self.thread_died().into())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whoever cares for the result has called `finish`.
        let _ = self.finish();
    }
}

/// The thread: takes what comes soon after each other as one batch, so that attempts which end together share an
/// fsync.
fn work(
    mut writer: Writer,
    lock: RunLock,
    queue: &Receiver<Job>,
    failure: &OnceLock<StoreError>,
    soon: &SyncSender<Kept>,
) -> Option<Kept> {
    let mut ended = false;
    let gathers = writer.gathers();
    while !ended && let Ok(first) = queue.recv() {
        let waits = gathers && matches!(first, Job::Exchange(_) | Job::Finished(_));
        let mut first = Some(first);
        // Senders must not block for ever on a disk that is gone: after a failure jobs are taken and dropped.
        let mut taken = failure.get().map_or(Ok(()), |error| Err(error.clone()));
        for look in 0.. {
            let jobs: Vec<Job> = first.take().into_iter().chain(queue.try_iter().take(QUEUE)).collect();
            ended |= jobs.iter().any(|job| matches!(job, Job::End));
            taken = taken.and_then(|()| writer.take(jobs));
            if !waits || ended || look == LOOKS || writer.has_enough() {
                break;
            }
            std::thread::park_timeout(LOOK);
        }
        if ended
            && taken.is_ok()
            && let Some(kept) = writer.give_early()
        {
            // Who does not ask for it reads the files.
            let _ = soon.try_send(kept);
        }
        if let Err(error) = taken.and_then(|()| writer.commit())
            && failure.get().is_none()
        {
            writer.cut_to_valid();
            let _ = failure.set(error);
        }
    }
    if failure.get().is_none()
        && let Err(error) = writer.close()
    {
        let _ = failure.set(error);
    }
    let empty = writer.is_untouched();
    drop(lock);
    if empty {
        writer.remove_empty_folder();
    }
    failure.get().is_none().then(|| writer.into_kept()).flatten()
}
