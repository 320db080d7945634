//! Trajectory formats: detect, read, write. One file a format.
//!
//! Readers take bytes and give trajectories plus [`ReadError`]s: a bad record never loses the
//! good ones. Must not know: rules, runs, where the bytes came from (the caller opens files).
//!
//! [`plan()`] groups paths (a run folder is one input, a folder of prompt logs another),
//! [`read_files`] reads a group, [`read_bytes`] one file; [`decompress`] and [`Locator`] turn an
//! offset in a message into line and column of the decompressed file.

mod calls_as;
mod chat;
mod compress;
mod convert;
mod detect;
mod events;
mod facts;
mod fields;
mod json_out;
mod lines;
mod locate;
mod loss;
mod marks;
mod media;
mod openhands_events;
mod plan;
pub mod raw_chat;
mod record;
mod source;
mod text_calls;
mod turns;
mod unzip;

use crate::model::Trajectory;

pub use calls_as::{CallForm, calls_as};
pub use compress::{Decompressed, decompress};
pub use convert::{Output, convert, convert_all};
pub use detect::{By, DetectError, Told, format_of, read_bytes, read_files, read_group};
pub use facts::{Fact, facts};
pub use lines::{lines_format, long_line, read_lines};
pub use locate::Locator;
pub use loss::{Change, Changes, Loss, Lost, loss};
pub use plan::{Input, plan};
pub use source::{LINE_LIMIT, Shape, Source};

registry! {
    /// All formats, in the order of `list formats`.
    Format: openhands_prompt_log, openhands_completion_log, openai_chat, openai_completion_log, openai_responses,
    anthropic, gemini, atif, openhands_v0_events, openhands_eval_output, openhands_v1_events, sharegpt, adp, swe_agent,
    mini_swe_agent, tau_bench, tau2, bfcl, terminal_bench, verifiers, langchain, otel,
    inspect_eval, claude_code, codex, gemini_cli, rolltape_run
}

/// The blocks of a prompt log, before they become steps.
pub mod prompt_log {
    pub use super::openhands_prompt_log::{Block, Role, blocks};
}

/// ATIF lines for whoever writes them one by one.
pub mod atif_lines {
    pub use super::atif::{line, read_line, value};
}

/// What the OpenAI chat format makes of parts of a record.
pub mod openai {
    /// The tool definitions of a list in JSON, those that could be read; `None` for what is no list.
    pub fn tools(list: &[u8]) -> Option<Vec<crate::model::ToolDef>> {
        let node = crate::util::json::parse_at(list, 0, &mut Vec::new()).ok()?;
        super::chat::tools(crate::util::json::View::new(list, &node)).0
    }
}

/// The format of that name.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().copied().find(|format| format.name == name)
}

/// A record that could not be read, or that was read with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Path as the user gave it.
    pub path: String,
    /// Line in the decompressed file, from 1.
    pub line: u64,
    /// Byte offset in the decompressed file.
    pub offset: u64,
    /// One lower-case sentence.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {} (byte {})", self.path, self.line, self.message, self.offset)
    }
}

/// What a reader gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadOutput {
    /// Name of the format.
    pub format: &'static str,
    /// Trajectories in file order.
    pub trajectories: Vec<Trajectory>,
    /// Records that could not be read, in file order.
    pub errors: Vec<ReadError>,
    /// What was read all the same but deserves a word: repeated keys, lone surrogates, roles that
    /// could not be told for sure.
    pub warnings: Vec<ReadError>,
    /// Which format each file, or each group of files, was read in; empty where that was not asked.
    pub told: Vec<Told>,
    /// Files inside an archive that trajectories or places refer to, under the names that their origins have.
    pub members: Vec<(String, Vec<u8>)>,
}

impl ReadOutput {
    /// Adds what another input gave.
    pub fn append(&mut self, other: ReadOutput) {
        self.trajectories.extend(other.trajectories);
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
        self.told.extend(other.told);
        self.members.extend(other.members);
        if self.format.is_empty() {
            self.format = other.format;
        }
    }
}

/// How sure a format is that an input is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniff {
    /// 0 (no) to 100 (certain); from 50 on it counts as a yes.
    pub confidence: u8,
    /// Why not more: a sentence without a subject, for example `has no "messages"`.
    pub why: String,
}

impl Sniff {
    /// A verdict.
    pub fn new(confidence: u8, why: impl Into<String>) -> Self {
        Self { confidence, why: why.into() }
    }
}

/// How a format is read.
#[derive(Clone, Copy)]
pub enum Reader {
    /// Each record is a trajectory: a JSON document, an element of a list of records, a line. Such files are
    /// read in pieces and in parallel.
    Records(RecordReader),
    /// A decompressed file as a whole.
    Whole(fn(&Source<'_>) -> ReadOutput),
}

/// Turns one JSON value into one trajectory; remarks go to the second argument. A refusal is the offset of what
/// is wrong in the file, and a clause about it.
pub type RecordReader =
    fn(crate::util::json::View<'_>, &mut Vec<(usize, String)>) -> Result<Trajectory, (usize, String)>;

/// How a format that spreads a trajectory over several files finds and reads them.
pub struct Folder {
    /// Groups paths (with `/` between parts) that may belong together, by their names alone. A path in no
    /// group is a file of its own.
    pub claim: fn(paths: &[&str]) -> Vec<Group>,
    /// Whether the content bears it out; if not, the files are read each for itself.
    pub confirm: fn(&[Source<'_>]) -> bool,
    /// Reads the decompressed files of a group, in the order of their paths.
    pub read: fn(&[Source<'_>]) -> ReadOutput,
}

/// Files that belong together: indices into the list of paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Files that are read, one at least.
    pub files: Vec<usize>,
    /// Files that belong to the group and hold no trajectory: they are never opened.
    pub beside: Vec<usize>,
}

/// A file that a writer made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Path inside the trajectory's folder, for example `events/event-00000.json`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// How a format is written. What a writer has to change is told to [`Changes`]; what it has no place for it
/// leaves out, and the loss report finds it by reading back.
#[derive(Clone, Copy)]
pub enum Writer {
    /// One trajectory a line: the line without its end.
    Lines(fn(&Trajectory, &mut Changes) -> Vec<u8>),
    /// One trajectory a file.
    Document {
        /// Ending of the file's name, without a dot.
        extension: &'static str,
        /// Writes one file.
        write: fn(&Trajectory, &mut Changes) -> Vec<u8>,
    },
    /// All trajectories in one file.
    Collection {
        /// Ending of the file's name, without a dot.
        extension: &'static str,
        /// Writes the file; one entry of changes a trajectory.
        write: fn(&[Trajectory], &mut [Changes]) -> Vec<u8>,
    },
    /// One trajectory a folder.
    Folder(fn(&Trajectory, &mut Changes) -> Vec<Written>),
}

/// A trajectory format.
pub struct Format {
    /// Name as in `--from NAME`.
    pub name: &'static str,
    /// One line for `list formats`.
    pub about: &'static str,
    /// How sure it is that the file is its own, by content alone.
    pub sniff: fn(&Source<'_>) -> Sniff,
    /// What its records have, one list a kind of record, as `marks.rs` reads it: how near a file is that no format
    /// fits.
    pub marks: &'static [&'static [&'static str]],
    /// How a file is read.
    pub read: Reader,
    /// How files that belong together are found and read, where the format has such.
    pub folder: Option<Folder>,
    /// How trajectories are written, where the format can be written.
    pub write: Option<Writer>,
}

impl Format {
    /// Reads a decompressed file.
    pub fn read(&self, source: &Source<'_>) -> ReadOutput {
        match self.read {
            Reader::Records(convert) => record::read(source, self.name, convert),
            Reader::Whole(read) => read(source),
        }
    }
}
