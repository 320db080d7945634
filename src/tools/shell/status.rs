//! What the shell reports on the status pipe after each command.

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tools) struct Status {
    /// Exit code of the command.
    pub(in crate::tools) code: i32,
    /// Working folder as the shell sees it.
    pub(in crate::tools) cwd: String,
    /// `export -p`, to bring a new shell to the same environment.
    pub(in crate::tools) exports: String,
}

/// Most bytes of a report that are kept: a larger one is no report.
const MAX: usize = 4 << 20;

/// Finds the report for `nonce` in what came from the pipe. Reports with another nonce are dropped.
pub(super) fn find(bytes: &mut Vec<u8>, nonce: &str) -> Option<Status> {
    if nonce.is_empty() {
        bytes.clear();
        return None;
    }
    let head = format!("{nonce} ");
    let end = format!("\0{nonce}\n");
    let found = memchr::memmem::find(bytes, head.as_bytes()).and_then(|start| {
        let length = memchr::memmem::find(&bytes[start..], end.as_bytes())?;
        parse(&bytes[start + head.len()..start + length])
    });
    if found.is_some() || bytes.len() > MAX {
        bytes.clear();
    }
    found
}

fn parse(bytes: &[u8]) -> Option<Status> {
    let text = String::from_utf8_lossy(bytes);
    let mut fields = text.splitn(3, '\0');
    let code = fields.next()?.parse().ok()?;
    let line = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
    let cwd = line(fields.next()?);
    Some(Status { code, cwd, exports: fields.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_report_with_the_nonce_counts() {
        let report = b"junk old 0\0/\n\0\0old\nn1 3\0/a\nb\n\0declare -x A=\"1\"\n\0n1\n";
        for end in 0..report.len() {
            assert_eq!(find(&mut report[..end].to_vec(), "n1"), None, "cut at {end}");
        }
        let mut bytes = report.to_vec();
        let status = find(&mut bytes, "n1").unwrap();
        assert_eq!((status.code, status.cwd.as_str()), (3, "/a\nb"));
        assert_eq!(status.exports, "declare -x A=\"1\"\n");
        assert!(bytes.is_empty());
        assert_eq!(find(&mut b"n2 0\0/\n\0\0n2\n".to_vec(), "n2").unwrap().exports, "");
    }

    #[test]
    fn no_report_is_looked_for_without_a_nonce() {
        assert_eq!(find(&mut b" 0\0/\n\0\0\n".to_vec(), ""), None);
    }
}
