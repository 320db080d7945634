//! Bytes between the harness and the init of a sandbox.
//!
//! A frame is `length (u32 LE, of what follows), descriptors (u8), id (u32), kind (u8), fields`. Numbers
//! are little-endian, texts and byte strings have a u32 length before them. Descriptors travel as
//! SCM_RIGHTS with the frame that names their number. Both ends are the same binary; the version guards
//! against a program that was replaced while it ran.

use super::SandboxError;
use super::image::Image;
use std::io;

/// Version of everything below.
pub(super) const VERSION: u32 = 8;
/// The largest frame that is believed.
pub(super) const MAX_FRAME: usize = 16 << 20;

/// Kinds of frames.
pub(super) mod kind {
    pub(in super::super) const SPEC: u8 = 1;
    pub(in super::super) const SPAWN: u8 = 2;
    pub(in super::super) const SIGNAL: u8 = 3;
    pub(in super::super) const BUSY: u8 = 4;
    pub(in super::super) const READ: u8 = 5;
    pub(in super::super) const WRITE: u8 = 6;
    pub(in super::super) const STAT: u8 = 7;
    pub(in super::super) const LIST: u8 = 8;
    pub(in super::super) const REMOVE: u8 = 9;
    pub(in super::super) const LISTEN: u8 = 10;
    pub(in super::super) const FREEZE: u8 = 11;
    /// Notes how the files are.
    pub(in super::super) const MARK: u8 = 13;
    /// Tells what has become of them since.
    pub(in super::super) const CHANGES: u8 = 14;
    /// Writes the files into the descriptor that comes with it, at most so many bytes.
    pub(in super::super) const PACK: u8 = 15;
    /// Gives the file system away for a snapshot; nothing may change in it afterwards.
    pub(in super::super) const GIVE: u8 = 16;
    /// To the keeper of a snapshot: gives a clone of it.
    pub(in super::super) const SHARE: u8 = 17;
    /// Tells the CPU time of all programs in milliseconds.
    pub(in super::super) const CPU_TIME: u8 = 18;
    /// A reply that succeeded.
    pub(in super::super) const OK: u8 = 64;
    /// A reply that failed: errno, sentence.
    pub(in super::super) const FAILED: u8 = 65;
    /// A program ended: its number, whether by a signal, code.
    pub(in super::super) const EXITED: u8 = 66;
    /// A limit that ends all work was hit, and everything was killed: its bit.
    pub(in super::super) const BREACH: u8 = 67;
}

/// What an init is there for, beside sandboxes.
pub(super) mod hold {
    /// It is that of a sandbox.
    pub(in super::super) const NOTHING: u8 = 0;
    /// To keep the file system that comes with its spec.
    pub(in super::super) const TREE: u8 = 1;
    /// To keep the files of the stream that comes with its spec.
    pub(in super::super) const STREAM: u8 = 2;
}

/// Parts of the stream of a sandbox's files. Each begins with its number; fields are as in frames.
pub(super) mod part {
    /// The entries that follow are of this part of the root: its name.
    pub(in super::super) const SECTION: u8 = 1;
    /// Path, mode with kind, user, group, time of change (seconds, nanoseconds), extended attributes (number; name,
    /// value). A link's target, or a file's size and pieces (length, offset, bytes; then 0 and whether it is whole).
    pub(in super::super) const ENTRY: u8 = 2;
    /// Another name of a file that came before: path, path of the first name.
    pub(in super::super) const LINK: u8 = 3;
    /// The end: entries, bytes, entries left out, whether a limit was the reason. What has no end is torn.
    pub(in super::super) const END: u8 = 9;
}

/// What is said of a stream of files that is none, or ends too early.
pub const DAMAGED: &str = "the kept state is damaged";

/// Limits that an init saw hit, as bits.
pub(super) mod limit {
    pub(in super::super) const OOM: u8 = 1;
    pub(in super::super) const PIDS: u8 = 2;
    pub(in super::super) const DISK: u8 = 4;
    pub(in super::super) const CPU: u8 = 8;
}

/// Errno of a failure that is a wrong kind of file.
pub(super) const WRONG_KIND: u32 = u32::MAX;

/// Writes fields.
#[derive(Debug, Default)]
pub(super) struct Enc(pub(super) Vec<u8>);

impl Enc {
    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(value.len() as u32);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub(super) fn texts<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a String>) -> &mut Self {
        self.u32(values.len() as u32);
        for value in values {
            self.text(value);
        }
        self
    }

    pub(super) fn pairs<'a>(
        &mut self,
        values: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
    ) -> &mut Self {
        self.u32(values.len() as u32);
        for (name, value) in values {
            self.text(name).text(value);
        }
        self
    }
}

/// Reads fields; every method fails on bytes that end too early.
#[derive(Debug)]
pub(super) struct Dec<'a>(pub(super) &'a [u8]);

impl<'a> Dec<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let bytes: &'a [u8] = self.0;
        let Some((head, tail)) = bytes.split_at_checked(count) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame ends too early"));
        };
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    pub(super) fn texts(&mut self) -> io::Result<Vec<String>> {
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    pub(super) fn pairs(&mut self) -> io::Result<Vec<(String, String)>> {
        (0..self.u32()?).map(|_| Ok((self.text()?, self.text()?))).collect()
    }
}

/// A whole frame as bytes.
pub(super) fn frame(descriptors: usize, id: u32, kind: u8, fields: &[u8]) -> Vec<u8> {
    let mut out = Enc(Vec::with_capacity(fields.len() + 10));
    out.u32(fields.len() as u32 + 6).u8(descriptors as u8).u32(id).u8(kind);
    out.0.extend_from_slice(fields);
    out.0
}

/// A received frame without its descriptors.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) descriptors: usize,
    pub(super) id: u32,
    pub(super) kind: u8,
    pub(super) fields: Vec<u8>,
}

/// Takes the first whole frame off the front of `buffer`.
pub(super) fn next_frame(buffer: &mut Vec<u8>) -> io::Result<Option<Frame>> {
    let Some((length, _)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if !(6..=MAX_FRAME).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame has an impossible length"));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let mut head = Dec(&buffer[4..10]);
    let (descriptors, id, kind) = (usize::from(head.u8()?), head.u32()?, head.u8()?);
    let fields = buffer[10..4 + length].to_vec();
    buffer.drain(..4 + length);
    Ok(Some(Frame { descriptors, id, kind, fields }))
}

/// What an init is told first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spec {
    /// 0 none, 1 process, 2 user, 3 overlay, 4 container.
    pub(super) level: u8,
    /// Private folder of the attempt on the host.
    pub(super) folder: String,
    /// Host names and their addresses on the loopback.
    pub(super) hosts: Vec<(String, String)>,
    /// Certificate of an authority that is trusted inside; empty for none.
    pub(super) authority: String,
    /// Environment of every program.
    pub(super) env: Vec<(String, String)>,
    /// Read-only mounts: host folder, path inside.
    pub(super) mounts: Vec<(String, String)>,
    /// Memory in bytes, 0 for no limit.
    pub(super) memory: u64,
    /// Whether memory is left to the init, as no control group holds it.
    pub(super) watch_memory: bool,
    /// Processes, 0 for no limit.
    pub(super) pids: u64,
    /// Whether processes are left to the init.
    pub(super) watch_pids: bool,
    /// Disk in bytes, 0 for no limit.
    pub(super) disk: u64,
    /// Files, folders and links, 0 for no limit.
    pub(super) inodes: u64,
    /// Open files of one process, 0 for no limit.
    pub(super) open_files: u64,
    /// CPU time of all programs in milliseconds, 0 for no limit.
    pub(super) cpu_time: u64,
    /// Whether the host's network is shared.
    pub(super) host_network: bool,
    /// Whether changes of files will be asked for.
    pub(super) changes: bool,
    /// Whether the files may be asked for when all is over.
    pub(super) keep: bool,
    /// What it is there for, of [`hold`].
    pub(super) hold: u8,
    /// Where the parts of a snapshot lie in the file system that comes with it: name, path. Empty without a snapshot.
    pub(super) base: Vec<(String, String)>,
    /// First host id of the sandbox; 0 keeps the caller's.
    pub(super) uid: u32,
    /// `cgroup.procs` files to join.
    pub(super) groups: Vec<String>,
    /// Whether Landlock is used.
    pub(super) landlock: bool,
    /// Whether the seccomp filter is used.
    pub(super) seccomp: bool,
    /// The image that is shown in place of the host's system folders.
    pub(super) image: Option<Image>,
    /// Folders of the host that nobody inside may see, below those that are shared.
    pub(super) hide: Vec<String>,
}

impl Spec {
    /// Whether it is a sandbox as most are: root inside, on the host's system, with nothing hung in and nothing to begin
    /// with. Of two such specs of one run that agree in `changes` either fits what was laid out for the other.
    pub(super) fn is_plain(&self) -> bool {
        let own = self.level == 3 && !self.host_network && self.hold == hold::NOTHING && self.image.is_none();
        own && !self.keep && self.mounts.is_empty() && self.base.is_empty()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Enc::default();
        out.u32(VERSION).u8(self.level).text(&self.folder).pairs(self.hosts.iter().map(|(a, b)| (a, b)));
        out.text(&self.authority)
            .pairs(self.env.iter().map(|(a, b)| (a, b)))
            .pairs(self.mounts.iter().map(|(a, b)| (a, b)));
        out.u64(self.memory).u8(self.watch_memory.into()).u64(self.pids).u8(self.watch_pids.into());
        out.u64(self.disk).u64(self.inodes).u64(self.open_files).u64(self.cpu_time);
        out.u8(self.host_network.into()).u8(self.changes.into());
        out.u8(self.keep.into()).u8(self.hold).pairs(self.base.iter().map(|(a, b)| (a, b)));
        out.u32(self.uid).texts(self.groups.iter());
        out.u8(self.landlock.into()).u8(self.seccomp.into()).texts(self.hide.iter());
        out.u8(self.image.is_some().into());
        if let Some(image) = &self.image {
            image.encode(&mut out);
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Dec(bytes);
        let version = from.u32()?;
        if version != VERSION {
            // One program is both ends, unless it was replaced between two starts of it.
            return Err(io::Error::other(format!(
                "the program was replaced while it ran (protocol {version} met {VERSION}): start it again"
            )));
        }
        Ok(Self {
            level: from.u8()?,
            folder: from.text()?,
            hosts: from.pairs()?,
            authority: from.text()?,
            env: from.pairs()?,
            mounts: from.pairs()?,
            memory: from.u64()?,
            watch_memory: from.u8()? == 1,
            pids: from.u64()?,
            watch_pids: from.u8()? == 1,
            disk: from.u64()?,
            inodes: from.u64()?,
            open_files: from.u64()?,
            cpu_time: from.u64()?,
            host_network: from.u8()? == 1,
            changes: from.u8()? == 1,
            keep: from.u8()? == 1,
            hold: from.u8()?,
            base: from.pairs()?,
            uid: from.u32()?,
            groups: from.texts()?,
            landlock: from.u8()? == 1,
            seccomp: from.u8()? == 1,
            hide: from.texts()?,
            image: if from.u8()? == 1 { Some(Image::decode(&mut from)?) } else { None },
        })
    }
}

impl Spec {
    /// Whether root inside is somebody: with it come its powers over the sandbox's own files.
    pub(super) fn has_root(&self) -> bool {
        self.level >= 3 || self.image.is_some()
    }

    /// Whether there are users beside root inside.
    pub(super) fn has_users(&self) -> bool {
        self.level >= 3 || self.image.as_ref().is_some_and(|image| image.lent.2 > 0)
    }

    /// As whom an image's programs run, where that is not root and there are others: user, group, other groups.
    pub(super) fn image_user(&self) -> Option<(u32, u32, Vec<u32>)> {
        let image =
            self.image.as_ref().filter(|image| self.has_users() && (image.user, image.group) != (0, 0))?;
        Some((image.user, image.group, image.groups.clone()))
    }
}

/// The words of an errno, without its number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// An error that names what was tried.
pub(super) fn failed(what: &str, error: &io::Error) -> SandboxError {
    SandboxError::new(format!("{what}: {}", words(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_the_wire() {
        let spec = Spec {
            level: 3,
            folder: "/a".into(),
            hosts: vec![("api.example".into(), "127.0.0.1".into())],
            authority: "pem".into(),
            env: vec![("A".into(), "1".into())],
            mounts: vec![("/x".into(), "/y".into())],
            memory: 5,
            watch_memory: true,
            pids: 9,
            inodes: 11,
            open_files: 12,
            cpu_time: 13,
            host_network: true,
            keep: true,
            hold: hold::STREAM,
            base: vec![("usr".into(), "store/1/u".into())],
            uid: 7,
            groups: vec!["g".into()],
            seccomp: true,
            image: Some(Image {
                root: "/r".into(),
                groups: vec![4, 5],
                workdir: "/w".into(),
                ..Image::default()
            }),
            hide: vec!["/opt/x".into()],
            ..Spec::default()
        };
        assert_eq!(Spec::decode(&spec.encode()).unwrap(), spec);
        let bytes = spec.encode();
        for end in 0..bytes.len() {
            assert!(Spec::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn frames_are_taken_one_by_one() {
        let mut buffer = frame(2, 7, kind::OK, b"abc");
        buffer.extend(frame(0, 8, kind::FAILED, b""));
        let rest = buffer.split_off(5);
        assert!(next_frame(&mut buffer).unwrap().is_none());
        buffer.extend(rest);
        let first = next_frame(&mut buffer).unwrap().unwrap();
        assert_eq!(
            (first.descriptors, first.id, first.kind, first.fields),
            (2, 7, kind::OK, b"abc".to_vec())
        );
        assert_eq!(next_frame(&mut buffer).unwrap().unwrap().id, 8);
        assert!(buffer.is_empty());
        assert!(next_frame(&mut vec![0xff; 8]).is_err());
    }
}
