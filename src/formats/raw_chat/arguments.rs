//! The arguments of a native call, which are JSON inside a string.

use super::text::unescape;
use super::walk::{Keys, Kind, Walk, no_controls, plain_escapes};

/// Arguments of a native call, member by member: name, kind and JSON text. `raw` is the string that holds them; it is decoded into `text`. The kinds of all values are known to be walked over
/// without a doubt once the iterator has ended without one.
pub(crate) fn arguments<'a>(
    raw: &[u8],
    text: &'a mut Vec<u8>,
) -> Option<impl Iterator<Item = Option<(&'a [u8], Kind, &'a [u8])>>> {
    unescape(raw, text);
    let text: &'a [u8] = text;
    // The watched characters matter in texts alone.
    if !no_controls(text) || !plain_escapes(text, &[]) {
        return None;
    }
    let mut walk = Walk::new(text);
    let mut keys = Keys::default();
    let mut open = true;
    let mut first = true;
    Some(std::iter::from_fn(move || {
        if !open {
            return None;
        }
        let mut next = || -> Option<Option<(&'a [u8], Kind, &'a [u8])>> {
            if first {
                first = false;
                walk.take(b'{')?;
                if walk.peek()? == b'}' {
                    walk.skip(1);
                    return walk.end().map(|()| None);
                }
            } else if !walk.more(b'}')? {
                return walk.end().map(|()| None);
            }
            walk.blanks();
            let key = walk.key()?;
            keys.add(key)?;
            let from = walk.at();
            let kind = walk.value()?;
            Some(Some((key, kind, &text[from..walk.at()])))
        };
        match next() {
            Some(Some(member)) => Some(Some(member)),
            Some(None) => {
                open = false;
                None
            }
            None => {
                open = false;
                Some(None)
            }
        }
    }))
}
