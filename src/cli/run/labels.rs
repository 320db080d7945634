//! What the back ends of one run are called in subject ids, so that each can be told from the others.

use crate::backend::BackendName;

/// Each back end with its label: its kind and the last part of its argument, or as many parts as it takes to
/// tell it from the others. The same back end twice has the same label.
pub(super) fn labelled(names: Vec<String>) -> Vec<(String, String)> {
    let parsed: Vec<BackendName> = names.iter().map(|name| BackendName::parse(name)).collect();
    let mut labels: Vec<String> = parsed.iter().map(BackendName::label).collect();
    let most = names.iter().map(|name| name.matches('/').count() + 1).max().unwrap_or(1);
    for parts in 2..=most {
        let shared: Vec<usize> = (0..names.len())
            .filter(|at| {
                (0..names.len())
                    .any(|other| parsed[other].arg != parsed[*at].arg && labels[other] == labels[*at])
            })
            .collect();
        for at in shared {
            labels[at] = longer(&parsed[at], parts);
        }
    }
    names.into_iter().zip(labels).collect()
}

/// The label with up to `parts` parts of the path; an id holds no slash.
fn longer(name: &BackendName, parts: usize) -> String {
    let Some(arg) = &name.arg else { return name.name.clone() };
    let all: Vec<&str> = arg.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{}:{}", name.name, all[all.len().saturating_sub(parts)..].join("_"))
}

#[cfg(test)]
mod tests {
    use super::labelled;

    fn labels(names: &[&str]) -> Vec<String> {
        labelled(names.iter().map(|name| (*name).to_owned()).collect())
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn a_label_says_what_tells_its_back_end_from_the_others() {
        assert_eq!(labels(&["cassette:tapes/a", "echo"]), ["cassette:a", "echo"]);
        assert_eq!(
            labels(&["cassette:old/tape", "cassette:./new/tape/", "cassette:other"]),
            ["cassette:old_tape", "cassette:new_tape", "cassette:other"]
        );
        assert_eq!(
            labels(&["scripted:/x/a/t.toml", "scripted:/y/a/t.toml"]),
            ["scripted:x_a_t.toml", "scripted:y_a_t.toml"]
        );
        assert_eq!(labels(&["openai:org/m", "openai:org/m"]), ["openai:m", "openai:m"], "the same one twice");
    }
}
