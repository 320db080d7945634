//! Packs, version 2 of both files (gitformat-pack(5)): an index of names and offsets, and objects that may be written
//! as differences from others.

use super::Id;
use super::objects::{Budget, Kind, Object, Objects};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Differences that may stand one upon the other.
const MAX_CHAIN: usize = 5_000;
/// Objects that are read of one pack.
const MAX_OBJECTS: usize = 500_000;

const BROKEN: &str = "a pack is broken";

/// Reads all objects of a pack that its index names.
pub(super) fn read(
    pack: &[u8],
    index: &[u8],
    budget: &mut Budget,
    into: &mut Objects,
    tell: &mut dyn FnMut(String),
) {
    if !pack.starts_with(b"PACK") {
        return tell(BROKEN.to_owned());
    }
    let Some(names) = names(index) else { return tell("an index of a pack is broken".to_owned()) };
    if names.len() >= MAX_OBJECTS {
        tell(format!("a pack has more than {MAX_OBJECTS} objects"));
    }
    let mut reader = Reader { pack, offsets: &names, done: BTreeMap::new() };
    for (id, offset) in &names {
        match reader.object(*offset, budget) {
            Ok((kind, bytes)) => drop(into.all.insert(*id, Object { kind, bytes: bytes.to_vec() })),
            Err(trouble) => tell(trouble),
        }
    }
}

/// Names and offsets; `None` if this is no index of version 2.
fn names(index: &[u8]) -> Option<BTreeMap<Id, u64>> {
    if index.get(..8)? != b"\xfftOc\x00\x00\x00\x02" {
        return None;
    }
    let number =
        |at: usize| -> Option<u32> { Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?)) };
    let count = number(8 + 255 * 4)? as usize;
    let first: usize = 8 + 256 * 4;
    let offsets = first.checked_add(count.checked_mul(24)?)?;
    let large = offsets.checked_add(count.checked_mul(4)?)?;
    index.get(..large)?;
    let mut names = BTreeMap::new();
    for at in 0..count.min(MAX_OBJECTS) {
        let id: Id = index.get(first + at * 20..first + at * 20 + 20)?.try_into().ok()?;
        let offset = number(offsets + at * 4)?;
        let offset = if offset & 0x8000_0000 == 0 {
            u64::from(offset)
        } else {
            let at = large + (offset & 0x7fff_ffff) as usize * 8;
            u64::from_be_bytes(index.get(at..at + 8)?.try_into().ok()?)
        };
        names.insert(id, offset);
    }
    Some(names)
}

type Whole = (Kind, Rc<[u8]>);

struct Reader<'a> {
    pack: &'a [u8],
    offsets: &'a BTreeMap<Id, u64>,
    done: BTreeMap<u64, Whole>,
}

/// An entry as it stands in the pack.
enum Entry {
    Whole(Kind, Vec<u8>),
    /// A difference, and the offset of what it differs from.
    Delta(u64, Vec<u8>),
}

impl Reader<'_> {
    /// The object at this offset, its differences applied.
    fn object(&mut self, offset: u64, budget: &mut Budget) -> Result<Whole, String> {
        let mut chain = Vec::new();
        let mut at = offset;
        let (kind, mut bytes) = loop {
            if let Some(whole) = self.done.get(&at) {
                break whole.clone();
            }
            match self.entry(at, budget)? {
                Entry::Whole(kind, bytes) => {
                    let whole = (kind, Rc::from(bytes));
                    self.done.insert(at, whole.clone());
                    break whole;
                }
                Entry::Delta(base, delta) => {
                    chain.push((at, delta));
                    at = base;
                }
            }
            if chain.len() > MAX_CHAIN {
                return Err(BROKEN.to_owned());
            }
        };
        for (at, delta) in chain.into_iter().rev() {
            bytes = Rc::from(apply(&bytes, &delta, budget)?);
            self.done.insert(at, (kind, bytes.clone()));
        }
        Ok((kind, bytes))
    }

    fn entry(&self, offset: u64, budget: &mut Budget) -> Result<Entry, String> {
        let broken = || BROKEN.to_owned();
        let start = usize::try_from(offset).map_err(|_| broken())?;
        let mut rest = self.pack.get(start..).ok_or_else(broken)?;
        let first = take(&mut rest).ok_or_else(broken)?;
        let mut size = u64::from(first & 15);
        let mut byte = first;
        let mut shift = 4;
        while byte & 0x80 != 0 {
            byte = take(&mut rest).ok_or_else(broken)?;
            size |= u64::from(byte & 0x7f).checked_shl(shift).ok_or_else(broken)?;
            shift += 7;
        }
        let kind = match (first >> 4) & 7 {
            1 => Kind::Commit,
            2 => Kind::Tree,
            3 => Kind::Blob,
            4 => Kind::Tag,
            6 => {
                let mut byte = take(&mut rest).ok_or_else(broken)?;
                let mut back = u64::from(byte & 0x7f);
                while byte & 0x80 != 0 {
                    byte = take(&mut rest).ok_or_else(broken)?;
                    let high =
                        back.checked_add(1).and_then(|back| back.checked_mul(128)).ok_or_else(broken)?;
                    back = high | u64::from(byte & 0x7f);
                }
                let base = offset.checked_sub(back).filter(|_| back > 0).ok_or_else(broken)?;
                return Ok(Entry::Delta(base, budget.inflate(rest, Some(size))?));
            }
            7 => {
                let (id, rest) = rest.split_at_checked(20).ok_or_else(broken)?;
                let id: Id = id.try_into().map_err(|_| broken())?;
                // A thin pack stands upon objects elsewhere; no repository keeps one.
                let base = *self.offsets.get(&id).ok_or_else(broken)?;
                return Ok(Entry::Delta(base, budget.inflate(rest, Some(size))?));
            }
            _ => return Err(broken()),
        };
        Ok(Entry::Whole(kind, budget.inflate(rest, Some(size))?))
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, more) = rest.split_first()?;
    *rest = more;
    Some(*first)
}

/// A size as differences begin with.
fn size(rest: &mut &[u8]) -> Option<u64> {
    let (mut size, mut shift) = (0u64, 0u32);
    loop {
        let byte = take(rest)?;
        size |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
}

/// What a difference makes of its base.
fn apply(base: &[u8], delta: &[u8], budget: &mut Budget) -> Result<Vec<u8>, String> {
    let broken = || BROKEN.to_owned();
    let mut rest = delta;
    let from = size(&mut rest).ok_or_else(broken)?;
    let to = size(&mut rest).ok_or_else(broken)?;
    if from != base.len() as u64 {
        return Err(broken());
    }
    budget.spend(to)?;
    let mut out = Vec::with_capacity(usize::try_from(to).map_err(|_| broken())?);
    while let Some(op) = take(&mut rest) {
        let piece = if op & 0x80 == 0 {
            let (piece, more) = rest.split_at_checked(usize::from(op)).ok_or_else(broken)?;
            rest = more;
            if op == 0 { None } else { Some(piece) }
        } else {
            let mut numbers = [0usize; 7];
            for (bit, number) in numbers.iter_mut().enumerate() {
                if op & (1 << bit) != 0 {
                    *number = usize::from(take(&mut rest).ok_or_else(broken)?);
                }
            }
            let bytes = |from: usize, count: usize| {
                numbers[from..from + count].iter().rev().fold(0, |number, byte| number << 8 | byte)
            };
            let start: usize = bytes(0, 4);
            let length = bytes(4, 3);
            let length = if length == 0 { 0x1_0000 } else { length };
            base.get(start..start.saturating_add(length))
        };
        let piece = piece.ok_or_else(broken)?;
        if (out.len() + piece.len()) as u64 > to {
            return Err(broken());
        }
        out.extend_from_slice(piece);
    }
    if out.len() as u64 == to { Ok(out) } else { Err(broken()) }
}
