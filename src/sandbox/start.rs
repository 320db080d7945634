//! What programs of an image start with: environment, user, groups, working folder. Names of users and groups are
//! those of the image's own files.

use super::image::Image;
use super::layout;

/// Largest `/etc/passwd` or `/etc/group` that is read.
pub(super) const MAX_NAMES: u64 = 1 << 20;

/// What an image says of its programs, and its own files that say what that means.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// `NAME=VALUE`.
    pub(super) env: &'a [String],
    /// `USER[:GROUP]`, names or numbers; empty for root.
    pub(super) user: &'a str,
    pub(super) workdir: &'a str,
    /// Text of its `/etc/passwd`.
    pub(super) passwd: &'a str,
    /// Text of its `/etc/group`.
    pub(super) group: &'a str,
    /// Whether it has `/bin/bash`.
    pub(super) bash: bool,
}

/// What a sandbox is told of its image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) env: Vec<(String, String)>,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) groups: Vec<u32>,
    /// Empty where the image names none.
    pub(super) workdir: String,
}

impl Start {
    /// What an init is told of an image whose root is there already.
    pub(super) fn image(&self) -> Image {
        Image {
            user: self.user,
            group: self.group,
            groups: self.groups.clone(),
            workdir: self.workdir.clone(),
            ..Image::default()
        }
    }

    /// Half a sentence, to go on after the image's name, where it can't be.
    pub(super) fn of(said: &Said<'_>) -> Result<Self, String> {
        let mut start = Self { workdir: workdir(said.workdir)?, ..Self::default() };
        let name = start.users(said.user, said.passwd, said.group)?;
        let home = said.passwd.lines().map(fields).find(|fields| number(fields, 2) == Some(start.user));
        let home = home.and_then(|fields| fields.get(5).filter(|home| home.starts_with('/')).copied());
        let home = home.unwrap_or(if start.user == 0 { "/root" } else { "/" });
        start.env = layout::environment(home, "/tmp", &name);
        if !said.bash {
            set(&mut start.env, "SHELL", "/bin/sh");
        }
        for line in said.env {
            if let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.is_empty()) {
                set(&mut start.env, name, value);
            }
        }
        Ok(start)
    }

    /// Finds `USER[:GROUP]`; the user's name comes back.
    fn users(&mut self, text: &str, passwd: &str, group: &str) -> Result<String, String> {
        let (user, own) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let user = if user.is_empty() { "0" } else { user };
        let entry = passwd.lines().map(fields).find(|fields| {
            fields.first() == Some(&user)
                || (number(fields, 2).is_some() && number(fields, 2) == user.parse().ok())
        });
        let unknown = |kind: &str, name: &str| {
            format!("its programs run as the {kind} '{name}', which it does not have")
        };
        let id = entry.as_ref().and_then(|fields| number(fields, 2)).or_else(|| user.parse().ok());
        self.user = id.filter(|id| *id < 65536).ok_or_else(|| unknown("user", user))?;
        self.group = entry.as_ref().and_then(|fields| number(fields, 3)).unwrap_or(0);
        let name = entry.as_ref().and_then(|fields| fields.first().copied()).unwrap_or(user).to_owned();
        let name = if name == "0" { "root".to_owned() } else { name };
        let groups = || group.lines().map(fields);
        if let Some(own) = own {
            let found =
                groups().find(|fields| fields.first() == Some(&own)).and_then(|fields| number(&fields, 2));
            let id = found.or_else(|| own.parse().ok());
            self.group = id.filter(|id| *id < 65536).ok_or_else(|| unknown("group", own))?;
        } else if entry.is_some() {
            let member =
                |fields: &Vec<&str>| fields.get(3).is_some_and(|all| all.split(',').any(|one| one == name));
            self.groups = groups().filter(member).filter_map(|fields| number(&fields, 2)).take(64).collect();
        }
        Ok(name)
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

fn number(fields: &[&str], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    env.retain(|(old, _)| old != name);
    env.push((name.to_owned(), value.to_owned()));
}

fn workdir(text: &str) -> Result<String, String> {
    match text.trim_end_matches('/') {
        "" => Ok(String::new()),
        path if path.starts_with('/') && !path.split('/').any(|part| part == "..") => Ok(path.to_owned()),
        path => Err(format!("its working folder '{path}' is no absolute path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(user: &str) -> Result<Start, String> {
        Start::of(&Said {
            env: &["PATH=/x".to_owned(), "A=b=c".to_owned()],
            user,
            workdir: "/app/",
            passwd: "root:x:0:0::/root:/bin/sh\nme:x:7:8::/home/me:\n",
            group: "root:x:0:\nmine:x:8:\nothers:x:9:you,me\n",
            bash: false,
        })
    }

    #[test]
    fn users_are_those_of_the_image() {
        let me = start("me").unwrap();
        assert_eq!(
            (me.user, me.group, me.groups.as_slice(), me.workdir.as_str()),
            (7, 8, [9].as_slice(), "/app")
        );
        let has =
            |start: &Start, name: &str, value: &str| start.env.contains(&(name.to_owned(), value.to_owned()));
        assert!(
            has(&me, "HOME", "/home/me") && has(&me, "PATH", "/x") && has(&me, "A", "b=c"),
            "{:?}",
            me.env
        );
        assert!(has(&me, "USER", "me") && has(&me, "SHELL", "/bin/sh"), "{:?}", me.env);
        let other = start("12:others").unwrap();
        assert_eq!((other.user, other.group, other.groups.len()), (12, 9, 0));
        assert!(has(&other, "HOME", "/"), "{:?}", other.env);
        assert_eq!((start("").unwrap().user, start("7").unwrap().group), (0, 8));
        for bad in ["nobody", "me:none", "70000", "-1"] {
            assert!(start(bad).is_err(), "{bad}");
        }
    }
}
