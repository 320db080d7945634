//! What was made of a piece of bytes that comes again and again, such as a tool list.

use super::walk::{Kind, Walk};
use std::rc::Rc;

/// Pieces that one worker remembers.
const REMEMBERED: usize = 4;

/// The last few pieces and what they came to; `None` is a doubt.
pub(crate) struct Memo<T> {
    known: Vec<(Vec<u8>, Option<Rc<T>>)>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<T> Memo<T> {
    /// The known piece that `rest` begins with: its length, and what it came to.
    pub(crate) fn prefix(&mut self, rest: &[u8]) -> Option<(usize, Option<Rc<T>>)> {
        let at = self.known.iter().position(|(bytes, _)| rest.starts_with(bytes))?;
        self.known[..=at].rotate_right(1);
        let (bytes, made) = &self.known[0];
        Some((bytes.len(), made.clone()))
    }

    /// What these bytes came to, or come to now.
    pub(crate) fn get(&mut self, bytes: &[u8], make: impl FnOnce() -> Option<T>) -> Option<Rc<T>> {
        if let Some((length, made)) = self.prefix(bytes)
            && length == bytes.len()
        {
            return made;
        }
        let made = make().map(Rc::new);
        self.known.truncate(REMEMBERED - 1);
        self.known.insert(0, (bytes.to_vec(), made.clone()));
        made
    }

    /// Walks over a list or null; a list that is known is passed over at once.
    pub(crate) fn list(
        &mut self,
        walk: &mut Walk<'_>,
        make: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<Option<Rc<T>>> {
        if let Some((length, made)) = self.prefix(walk.rest()) {
            walk.skip(length);
            return made.map(Some);
        }
        let rest = walk.rest();
        let from = walk.at();
        match walk.value()? {
            Kind::Null => Some(None),
            Kind::Array => {
                let list = &rest[..walk.at() - from];
                self.get(list, || make(list)).map(Some)
            }
            _ => None,
        }
    }
}
