//! Whose the files of images are. Root gives each file its owner; an ordinary user needs ids of its own for that,
//! which `newuidmap` lends (`subuid(5)`), or everything belongs to the one id that it has.

use std::path::Path;

/// The owners that files of an image can have here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Ids {
    /// Started by root: all.
    All,
    /// Root inside is the user outside, the others come from these ranges: first user id, first group id, how many.
    Range { users: u32, groups: u32, count: u32 },
    /// Root inside is the user outside, and there is nobody else; why there is no range.
    One(String),
}

impl Ids {
    /// What the user that runs this has.
    pub(super) fn look() -> Self {
        let user = rustix::process::getuid();
        if rustix::process::geteuid().is_root() {
            return Self::All;
        }
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        if !["newuidmap", "newgidmap"].iter().all(|name| find(name)) {
            return Self::One("newuidmap and newgidmap are not installed".to_owned());
        }
        let name = name_of(user.as_raw(), &read("/etc/passwd"));
        let first = |path: &str| range(&read(path), &name, user.as_raw());
        match (first("/etc/subuid"), first("/etc/subgid")) {
            (Some((users, of_users)), Some((groups, of_groups))) => {
                Self::Range { users, groups, count: of_users.min(of_groups).min(65535) }
            }
            _ => Self::One(format!("/etc/subuid and /etc/subgid lend no ids to {name}")),
        }
    }

    /// The part of an unpacked image's name that says how its files are owned.
    pub(super) fn word(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Range { users, groups, count } => format!("{users}-{groups}-{count}"),
            Self::One(_) => "one".to_owned(),
        }
    }
}

fn find(program: &str) -> bool {
    crate::sandbox::layout::PATH.split(':').any(|folder| Path::new(folder).join(program).is_file())
}

fn name_of(user: u32, passwd: &str) -> String {
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| user.to_string())
}

/// The first range of a user, by name or number.
fn range(text: &str, name: &str, user: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let who = fields.next()?;
        let (first, count) = (fields.next()?.trim().parse().ok()?, fields.next()?.trim().parse().ok()?);
        ((who == name || who.parse() == Ok(user)) && count > 0).then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let text = "other:100000:65536\n\nme:200000:65536\n1001:300000:10\nbad:x:y\n";
        assert_eq!(range(text, "me", 1000), Some((200000, 65536)));
        assert_eq!(range(text, "you", 1001), Some((300000, 10)));
        assert_eq!(range(text, "bad", 7), None);
        assert_eq!(name_of(7, "root:x:0:0\nme:x:7:7:\n"), "me");
        assert_eq!(name_of(8, ""), "8");
    }
}
