//! The socket between the harness and an init: versions, and answers that would not fit.

use super::wire::{self, Dec, Spec, VERSION, kind};
use crate::sandbox::{choice, run, with_launcher};
use rolltape::sandbox::{Config, FileError};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The process of the built program that forks inits, and the line to it.
fn nursery() -> (Child, UnixStream) {
    let (line, end) = UnixStream::pair().expect("a socket pair");
    let nursery = Command::new(env!("CARGO_BIN_EXE_rolltape"))
        .arg0("rolltape: init")
        .env_clear()
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(end)))
        .spawn()
        .expect("a nursery");
    (nursery, line)
}

/// Asks for an init with that spec: what is answered, and the socket to the init.
fn bear(line: &mut UnixStream, spec: &[u8]) -> (wire::Frame, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    send(line, &wire::frame(1, 0, BEAR, spec), &theirs);
    drop(theirs);
    let mut bytes = vec![0; 4];
    line.read_exact(&mut bytes).expect("an answer");
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    bytes.resize(4 + length, 0);
    line.read_exact(&mut bytes[4..]).expect("a whole answer");
    (wire::next_frame(&mut bytes).expect("a frame").expect("a whole one"), ours)
}

/// Sends bytes to an init of the built program: its answers, and whether what forked it ended well.
fn told(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut nursery, mut line) = nursery();
    let (born, mut ours) = bear(&mut line, &Spec::default().encode());
    assert!(Dec(&born.fields).u32().expect("a process id") > 1);
    // An init that has refused and gone takes no more.
    let _ = ours.write_all(bytes);
    let _ = ours.shutdown(std::net::Shutdown::Write);
    let mut answers = Vec::new();
    let _ = ours.read_to_end(&mut answers);
    drop(line);
    (answers, nursery.wait().expect("an end").success())
}

/// The request for an init.
const BEAR: u8 = 1;

/// Sends bytes and a descriptor.
fn send(line: &UnixStream, bytes: &[u8], descriptor: &UnixStream) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = sendmsg(line, &[std::io::IoSlice::new(bytes)], &mut ancillary, SendFlags::empty());
    assert_eq!(sent.expect("sent"), bytes.len());
}

/// An init of another version says so in one sentence and does nothing.
#[test]
fn an_init_of_another_version_refuses() {
    let mut fields = Spec::default().encode();
    fields[..4].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let (mut answers, well) = told(&wire::frame(0, 7, kind::SPEC, &fields));
    let answer = wire::next_frame(&mut answers).expect("a frame").expect("a whole one");
    assert_eq!((answer.id, answer.kind, answers.len(), well), (7, kind::FAILED, 0, true));
    let mut from = Dec(&answer.fields);
    assert_eq!(from.u32().expect("an errno"), 0);
    let sentence = from.text().expect("a sentence").replace(&format!("{}", VERSION + 1), "NEW");
    assert_eq!(
        sentence.replace(&VERSION.to_string(), "OLD"),
        "the program was replaced while it ran (protocol NEW met OLD): start it again"
    );
}

/// What forks inits refuses what it does not understand, and what the machine does not give, in a sentence; then it
/// goes on.
#[test]
fn what_can_not_be_forked_is_refused_in_a_sentence() {
    let (mut nursery, mut line) = nursery();
    let mut newer = Spec::default().encode();
    newer[..4].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let groups = vec!["/proc/nothing/cgroup.procs".to_owned()];
    let groupless = Spec { level: 2, groups, ..Spec::default() }.encode();
    for (spec, expected) in [
        (&b""[..], "a frame ends too early"),
        (&newer[..], "start it again"),
        (&groupless[..], ": no such file or directory"),
    ] {
        let (answer, mut ours) = bear(&mut line, spec);
        let mut fields = Dec(&answer.fields);
        assert_eq!(fields.u32().expect("a process id"), 0);
        let sentence = fields.text().expect("a sentence");
        // Where there are no namespaces, that is said first.
        assert!(sentence.ends_with(expected) || sentence.starts_with("make namespaces"), "{sentence}");
        assert_eq!(ours.read(&mut [0]).expect("an end"), 0, "nobody holds the socket");
    }
    let (born, ours) = bear(&mut line, &Spec::default().encode());
    assert!(Dec(&born.fields).u32().expect("a process id") > 1);
    drop((ours, line));
    assert!(nursery.wait().expect("an end").success());
}

/// What is no frame, or ends in the middle of one, ends the init and nothing else.
#[test]
fn an_init_that_hears_nonsense_ends() {
    for bytes in [&b""[..], b"\x05\0\0\0hello", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(told(bytes).0, b"", "{bytes:?}");
    }
    let whole = wire::frame(0, 1, kind::SPEC, b"\x09");
    assert_eq!(told(&whole[..whole.len() - 1]).0, b"");
    let (mut answers, _) = told(&whole);
    let answer = wire::next_frame(&mut answers).expect("a frame").expect("a whole one");
    assert_eq!(answer.kind, kind::FAILED);
}

/// Names of the agent's making can't make an answer that is too large to be taken, which would end the sandbox.
#[test]
fn a_listing_over_the_limit_is_refused_and_the_sandbox_lives() {
    need!("sh");
    for backend in ["namespaces", "none"] {
        with_launcher(choice(backend, None), async |launcher| {
            let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
            // Each name is told with all folders before it: 3,600 bytes, 5,000 times.
            let script = "name=$(printf %0200d 0); i=0; while [ $i -lt 18 ]; do mkdir $name; cd $name; i=$((i+1)); \
                done; i=0; while [ $i -lt 5000 ]; do : > $i; i=$((i+1)); done; echo made";
            let (out, err, code) = run(&sandbox, script).await;
            assert_eq!((out.as_str(), code), ("made\n", 0), "{err}");
            let refused = sandbox.files().list("/workspace", 99).await.expect_err("too much");
            assert_eq!(
                refused,
                FileError::WrongKind {
                    path: "/workspace".into(),
                    what: "holds more than 200000 entries or 8 MiB of names".into()
                }
            );
            assert_eq!(sandbox.files().list("/workspace", 2).await.expect("a listing").len(), 2);
            assert_eq!(run(&sandbox, "echo alive").await.0, "alive\n");
            sandbox.close().await;
        });
    }
}
