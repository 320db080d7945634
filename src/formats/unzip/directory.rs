//! Where the members of a zip archive stand: by the directory at its end, else by the headers of the members.

use super::{MEMBER_LIMIT, TOTAL_LIMIT, unpack};
use memchr::memmem;

/// Signature of a local header.
pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// A 32-bit field whose value stands in the Zip64 extra field.
const IN_EXTRA: u64 = 0xffff_ffff;

/// A member as headers describe it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// Checksum, size and packed size where they are known.
    pub(super) crc: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) packed: Option<u64>,
    /// Offset of the local header.
    pub(super) header: usize,
    /// Offset of the data.
    pub(super) data: usize,
    /// Attributes that the writer's system gave the file.
    attributes: u32,
}

impl Entry {
    /// Whether a Unix system said that it is a symbolic link.
    pub(super) fn is_link(&self) -> bool {
        self.attributes >> 16 & 0o170_000 == 0o120_000
    }
}

/// Members, and remarks with offsets.
#[derive(Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) errors: Vec<(usize, String)>,
    pub(super) warnings: Vec<(usize, String)>,
}

/// All members; whether a directory lists them.
pub(super) fn entries(bytes: &[u8]) -> (Found, bool) {
    match central(bytes) {
        Some(found) => (found, true),
        None => (walk(bytes), false),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The directory: where it starts and ends, and how many entries it has.
struct End {
    start: usize,
    end: usize,
    count: u64,
}

/// The last end record that fits the archive. One that does not is somebody's trick or a piece of data.
fn end_record(bytes: &[u8]) -> Option<End> {
    let from = bytes.len().saturating_sub(65_535 + 22);
    memmem::rfind_iter(&bytes[from..], END).map(|at| from + at).find_map(|at| {
        let mut count = u64::from(u16_at(bytes, at + 10)?);
        let mut size = u64::from(u32_at(bytes, at + 12)?);
        let mut start = u64::from(u32_at(bytes, at + 16)?);
        let comment = usize::from(u16_at(bytes, at + 20)?);
        let mut end = at;
        if at + 22 + comment != bytes.len() {
            return None;
        }
        if count == 0xffff || size == IN_EXTRA || start == IN_EXTRA {
            let locator = at.checked_sub(20).filter(|at| bytes[*at..].starts_with(LOCATOR64))?;
            let record = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
            if !bytes.get(record..)?.starts_with(END64) {
                return None;
            }
            count = u64_at(bytes, record + 32)?;
            size = u64_at(bytes, record + 40)?;
            start = u64_at(bytes, record + 48)?;
            end = record;
        }
        let start = usize::try_from(start).ok()?;
        let fits = start.checked_add(usize::try_from(size).ok()?) == Some(end);
        (fits && (count > 0 || end == 0)).then_some(End { start, end, count })
    })
}

/// The members that the directory lists; `None` without a directory that fits.
fn central(bytes: &[u8]) -> Option<Found> {
    let end = end_record(bytes)?;
    let mut found = Found::default();
    let mut at = end.start;
    while at < end.end {
        let (entry, next) = listed(bytes, at)?;
        if next > end.end {
            return None;
        }
        at = next;
        compare(bytes, entry, &mut found);
    }
    if found.entries.len() + found.errors.len() != usize::try_from(end.count).ok()? {
        let what = format!("the directory claims {} members and lists {}", end.count, found.entries.len());
        found.warnings.push((end.start, what));
    }
    gaps(bytes, end.start, &mut found);
    Some(found)
}

/// One entry of the directory, and where the next one starts. Its data is where the local header says.
fn listed(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    if !bytes.get(at..)?.starts_with(CENTRAL) {
        return None;
    }
    let name = usize::from(u16_at(bytes, at + 28)?);
    let extra = usize::from(u16_at(bytes, at + 30)?);
    let comment = usize::from(u16_at(bytes, at + 32)?);
    let name_at = at + 46;
    let extra_at = name_at + name;
    let fields = bytes.get(extra_at..extra_at + extra)?;
    let mut wide = [
        u64::from(u32_at(bytes, at + 24)?),
        u64::from(u32_at(bytes, at + 20)?),
        u64::from(u32_at(bytes, at + 42)?),
    ];
    widen(fields, &mut wide);
    let entry = Entry {
        name: String::from_utf8_lossy(bytes.get(name_at..extra_at)?).into_owned(),
        flags: u16_at(bytes, at + 8)?,
        method: u16_at(bytes, at + 10)?,
        crc: u32_at(bytes, at + 16),
        size: Some(wide[0]),
        packed: Some(wide[1]),
        header: usize::try_from(wide[2]).ok()?,
        data: 0,
        attributes: u32_at(bytes, at + 38)?,
    };
    Some((entry, extra_at + extra + comment))
}

/// Puts values of the Zip64 extra field in the place of those that do not fit 32 bits, in their fixed order.
fn widen(mut fields: &[u8], values: &mut [u64]) {
    while let (Some(kind), Some(length)) = (u16_at(fields, 0), u16_at(fields, 2)) {
        let end = fields.len().min(4 + usize::from(length));
        if kind == 1 {
            let mut at = 4;
            for value in values.iter_mut().filter(|value| **value == IN_EXTRA) {
                let Some(wide) = u64_at(&fields[..end], at) else { return };
                *value = wide;
                at += 8;
            }
            return;
        }
        fields = &fields[end..];
    }
}

/// Takes an entry of the directory if the local header tells of the same member.
fn compare(bytes: &[u8], mut entry: Entry, found: &mut Found) {
    let Some((own, _)) = local(bytes, entry.header) else {
        found.errors.push((entry.header, format!("member '{}' has no header at its place", entry.name)));
        return;
    };
    if own.name != entry.name || own.method != entry.method {
        let what = format!("member '{}' has another name or method in its own header", entry.name);
        found.errors.push((entry.header, what));
        return;
    }
    // Headers of a writer that can't go back hold no sizes.
    if own.packed.is_some() && (own.packed, own.size, own.crc) != (entry.packed, entry.size, entry.crc) {
        let what = format!("member '{}' has other sizes in its own header", entry.name);
        found.warnings.push((entry.header, what));
    }
    entry.data = own.data;
    found.entries.push(entry);
}

/// Tells of members that stand in the archive and not in its directory.
fn gaps(bytes: &[u8], end: usize, found: &mut Found) {
    let data = |entry: &Entry| {
        entry.data.saturating_add(usize::try_from(entry.packed.unwrap_or_default()).unwrap_or(usize::MAX))
    };
    let mut spans: Vec<(usize, usize)> =
        found.entries.iter().map(|entry| (entry.header, data(entry))).collect();
    spans.push((end, end));
    spans.sort_unstable();
    let mut behind = 0;
    for (start, stop) in spans {
        if let Some(at) = bytes.get(behind..start).and_then(|gap| memmem::find(gap, LOCAL)) {
            let what = match local(bytes, behind + at) {
                Some((entry, _)) => {
                    format!("the directory does not list member '{}'", entry.name.escape_debug())
                }
                None => "the directory does not list a member".to_owned(),
            };
            found.warnings.push((behind + at, what));
        }
        behind = behind.max(stop);
    }
}

/// The local header at a place, and where its data starts. Sizes are unknown if they follow the data, or if the
/// writer had no time to fill them in.
fn local(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    if !bytes.get(at..)?.starts_with(LOCAL) {
        return None;
    }
    let flags = u16_at(bytes, at + 6)?;
    let name = usize::from(u16_at(bytes, at + 26)?);
    let extra = usize::from(u16_at(bytes, at + 28)?);
    let name_at = at + 30;
    let extra_at = name_at + name;
    let data = extra_at + extra;
    let mut wide = [u64::from(u32_at(bytes, at + 22)?), u64::from(u32_at(bytes, at + 18)?)];
    widen(bytes.get(extra_at..data)?, &mut wide);
    let crc = u32_at(bytes, at + 14)?;
    let known = flags & 8 == 0 && !(wide == [0, 0] && crc == 0);
    let entry = Entry {
        name: String::from_utf8_lossy(bytes.get(name_at..extra_at)?).into_owned(),
        flags,
        method: u16_at(bytes, at + 8)?,
        crc: known.then_some(crc),
        size: known.then_some(wide[0]),
        packed: known.then_some(wide[1]),
        header: at,
        data,
        attributes: 0,
    };
    Some((entry, data))
}

/// Members by their own headers, one after the other.
fn walk(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut at = 0;
    let mut left = TOTAL_LIMIT;
    while let Some(next) = bytes.get(at..).and_then(|rest| memmem::find(rest, LOCAL)) {
        let header = at + next;
        let Some((mut entry, data)) = local(bytes, header) else {
            found.errors.push((header, "the last header of the archive is cut off".to_owned()));
            break;
        };
        at = match entry.packed {
            // A size that leads out of the archive belongs to the member that was cut.
            Some(packed) => {
                let end = usize::try_from(packed).ok().and_then(|packed| data.checked_add(packed));
                end.filter(|end| *end <= bytes.len()).unwrap_or(data)
            }
            None => follow(bytes, &mut entry, &mut left),
        };
        found.entries.push(entry);
    }
    found
}

/// Finds the end of data whose size is not known by unpacking it; the descriptor behind it tells the rest. `left`
/// bounds what is unpacked for that in all.
fn follow(bytes: &[u8], entry: &mut Entry, left: &mut u64) -> usize {
    let data = &bytes[entry.data..];
    if entry.method == 0 {
        // Stored data ends at its descriptor, or where the next header is.
        let signature = |at: &usize| data[*at..].starts_with(DESCRIPTOR) || data[*at..].starts_with(LOCAL);
        let end = memmem::find_iter(data, b"PK").find(signature).unwrap_or(data.len());
        entry.packed = Some(end as u64);
        return entry.data + end;
    }
    let mut content = Vec::new();
    let used = unpack(data, entry.method, MEMBER_LIMIT.min(*left), &mut content);
    *left = left.saturating_sub(content.len() as u64);
    let Ok(used) = used else { return entry.data };
    entry.packed = Some(used as u64);
    let end = entry.data + used;
    if bytes[end..].starts_with(DESCRIPTOR) {
        entry.crc = u32_at(bytes, end + 4);
    }
    end
}
