//! Output of unknown size in flat memory: the head and the tail are kept, the middle is counted.

use std::collections::VecDeque;

/// Bytes as they came, at most `2 * side` of them.
#[derive(Debug)]
pub(crate) struct Clip {
    side: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Clip {
    /// For texts that are shown with at most `max` characters.
    pub(crate) fn new(max: usize) -> Self {
        // A character has at most four bytes.
        Self { side: max.max(1) * 4, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.side - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        let bytes = &bytes[bytes.len().saturating_sub(self.side)..];
        let over = (self.tail.len() + bytes.len()).saturating_sub(self.side);
        self.tail.drain(..over);
        self.tail.extend(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub(super) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.total = 0;
    }

    /// Text of at most `max` characters and a note. Invalid UTF-8 becomes U+FFFD. Empties the clip.
    pub(crate) fn render(&mut self, max: usize) -> String {
        let total = std::mem::take(&mut self.total);
        let mut head = std::mem::take(&mut self.head);
        let tail = Vec::from(std::mem::take(&mut self.tail));
        if total == (head.len() + tail.len()) as u64 {
            head.extend_from_slice(&tail);
            let count = characters(&head);
            if count <= max {
                return String::from_utf8_lossy(&head).into_owned();
            }
            let (end, start) = (prefix(&head, max - max / 2), prefix(&head, count - max / 2));
            return join(&head[..end], &head[start..], total);
        }
        // The tail may begin inside a character.
        let torn = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let tail = &tail[torn..];
        let end = prefix(&head, max - max / 2);
        let start = prefix(tail, characters(tail).saturating_sub(max / 2));
        join(&head[..end], &tail[start..], total)
    }
}

fn join(head: &[u8], tail: &[u8], total: u64) -> String {
    let left = total - (head.len() + tail.len()) as u64;
    format!(
        "{}\n[... Observation truncated due to length ...]\n[{left} of {total} bytes are left out here; write long \
         output to a file and look at parts of it.]\n{}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    )
}

/// Characters after lossy decoding.
fn characters(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()))
        .sum()
}

/// Bytes of the first `count` characters after lossy decoding.
fn prefix(bytes: &[u8], mut count: usize) -> usize {
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if count == 0 {
                return used;
            }
            count -= 1;
            used += c.len_utf8();
        }
        if count == 0 {
            return used;
        }
        count -= usize::from(!chunk.invalid().is_empty());
        used += chunk.invalid().len();
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(max: usize, pieces: &[&[u8]]) -> String {
        let mut clip = Clip::new(max);
        for piece in pieces {
            clip.push(piece);
        }
        clip.render(max)
    }

    #[test]
    fn short_output_is_whole() {
        assert_eq!(shown(10, &[b"abc", b"", b"defghij"]), "abcdefghij");
        assert_eq!(shown(4, &["日本語だ".as_bytes()]), "日本語だ");
        assert_eq!(shown(4, &[b"a\xff\xfeb"]), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn the_middle_is_left_out_and_counted() {
        let text = shown(10, &[b"0123456789", b"abcdefghij"]);
        assert!(
            text.starts_with("01234\n[... Observation truncated due to length ...]\n[10 of 20 bytes"),
            "{text}"
        );
        assert!(text.ends_with("]\nfghij"), "{text}");
        let text = shown(4, &["é".repeat(3).as_bytes(), &vec![b'x'; 100_000], "é".repeat(9).as_bytes()]);
        assert!(
            text.starts_with("éé\n") && text.ends_with("\néé") && text.contains("100016 of 100024"),
            "{text}"
        );
    }

    #[test]
    fn memory_stays_flat() {
        let mut clip = Clip::new(100);
        for _ in 0..1_000 {
            clip.push(&[0x80; 10_000]);
        }
        assert!(clip.head.len() + clip.tail.len() <= 800 && clip.tail.capacity() < 4_000);
        assert!(clip.render(100).contains(" of 10000000 bytes"));
        assert!(clip.is_empty());
    }
}
