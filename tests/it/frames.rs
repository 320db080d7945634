//! What holds for any bytes on the socket between the harness and an init: used by quick property tests and by the
//! fuzz target `frames`. It looks at the protocol's own code, which the library keeps to itself.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the fuzz target and the tests each use a part of what is the library's own"
)]

#[path = "../../src/sandbox/image.rs"]
mod image;
#[path = "../../src/sandbox/wire.rs"]
mod wire;

#[cfg(test)]
#[path = "frames/init.rs"]
mod init;
#[cfg(test)]
#[path = "frames/quick.rs"]
mod quick;

// What `wire` asks its parent for.
use rolltape::sandbox::SandboxError;
use std::io;
use wire::{Dec, Frame, MAX_FRAME, Spec, VERSION};

/// All of it: frames, fields, specs.
pub(crate) fn any(bytes: &[u8]) {
    frames(bytes);
    fields(bytes);
    spec(bytes);
    spec(&[&VERSION.to_le_bytes(), bytes].concat());
}

/// Frames come out as they went in, however the bytes were cut, and none that is impossible is waited for.
fn frames(bytes: &[u8]) {
    let (all, end) = taken(bytes, bytes.len().max(1));
    let mut again = Vec::new();
    for frame in &all {
        assert!(frame.fields.len() + 6 <= MAX_FRAME);
        again.extend(wire::frame(frame.descriptors, frame.id, frame.kind, &frame.fields));
    }
    assert_eq!(bytes.get(..again.len()), Some(again.as_slice()), "a frame is what it was made of");
    let rest = &bytes[again.len()..];
    match &end {
        Ok(left) => assert_eq!(left, rest),
        Err(_) => {
            let length = rest.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
            assert!(length.is_some_and(|length| !(6..=MAX_FRAME).contains(&length)), "{rest:?}");
        }
    }
    for step in [1, 7] {
        let (same, told) = taken(bytes, step);
        assert_eq!(
            (format!("{all:?}"), end.is_ok()),
            (format!("{same:?}"), told.is_ok()),
            "{step} at a time"
        );
    }
}

/// The frames of bytes that come `step` at a time, and what is left of them.
fn taken(bytes: &[u8], step: usize) -> (Vec<Frame>, io::Result<Vec<u8>>) {
    let (mut buffer, mut frames) = (Vec::new(), Vec::new());
    for some in bytes.chunks(step) {
        buffer.extend_from_slice(some);
        loop {
            match wire::next_frame(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(buffer))
}

/// Fields of every kind, in an order that the bytes themselves choose: what is read was there.
fn fields(bytes: &[u8]) {
    let mut from = Dec(bytes);
    while let Ok(kind) = from.u8() {
        let before = from.0.len();
        let (read, least) = match kind % 7 {
            0 => (from.u8().map(drop), 1),
            1 => (from.u32().map(drop), 4),
            2 => (from.u64().map(drop), 8),
            3 => sized(from.bytes(), |bytes| 4 + bytes.len()),
            // What is not UTF-8 becomes up to three times as long.
            4 => sized(from.text(), |text| 4 + text.len().div_ceil(3)),
            5 => sized(from.texts(), |texts| 4 + 4 * texts.len()),
            _ => sized(from.pairs(), |pairs| 4 + 8 * pairs.len()),
        };
        if read.is_err() {
            return;
        }
        assert!(before - from.0.len() >= least, "more was read than was there");
    }
}

fn sized<T>(value: io::Result<T>, size: impl Fn(&T) -> usize) -> (io::Result<()>, usize) {
    let least = value.as_ref().map_or(0, size);
    (value.map(drop), least)
}

/// What is taken for a spec is the same once it was sent on; another version is named.
fn spec(bytes: &[u8]) {
    match Spec::decode(bytes) {
        Ok(spec) => comes_back(&spec),
        Err(error) => {
            let version = bytes.first_chunk::<4>().map(|version| u32::from_le_bytes(*version));
            let other = version.filter(|version| *version != VERSION);
            let named = other.is_none_or(|other| error.to_string().contains(&other.to_string()));
            assert!(named, "{error}");
        }
    }
}

/// A spec that is encoded is decoded to itself; cut anywhere, it is refused.
fn comes_back(spec: &Spec) {
    let bytes = spec.encode();
    assert_eq!(Spec::decode(&bytes).ok().as_ref(), Some(spec));
    for end in [0, 3, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        assert!(Spec::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}
