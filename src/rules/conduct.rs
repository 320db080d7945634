//! Files over a whole trajectory: which of them are the agent's own, and which were there before.

use super::acts::{Deed, Touch, Words, acts, file_name};
use super::view::{Message, View};
use std::collections::BTreeMap;

/// A part of the name of every file of tests.
pub(super) static TESTS: Words = Words::new(|| vec!["est", "spec"]);

/// Tells every touch of a file in calls that hold one of `words`, with whether the file is the agent's own: it made
/// it, and nothing before spoke of a file of that name. Only paths that are `wanted` are followed up.
pub(super) fn each_touch(
    view: &View,
    words: &Words,
    wanted: fn(&str) -> bool,
    tell: &mut dyn FnMut(&Message, &Touch<'_>, bool),
) {
    // By name: whether it is the agent's own, since its first creation.
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    for message in &view.messages {
        for act in acts(message, words) {
            for touch in act.touches() {
                let name = file_name(&touch.path);
                if touch.deed == Deed::Create && wanted(&touch.path) && !known.contains_key(name) {
                    known.insert(name.to_owned(), !was_there(view, message, name));
                }
                tell(message, &touch, known.get(name).copied().unwrap_or(false));
            }
        }
    }
}

/// Whether anything before the message speaks of a file of that name: the user, a listing, the agent itself.
fn was_there(view: &View, message: &Message, name: &str) -> bool {
    let holds = |text: &str| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
    view.trajectory.steps[..message.position].iter().any(|step| {
        let results = step.observation.iter().flat_map(|observation| &observation.results);
        let said = results.filter_map(|result| result.content.as_ref()).any(|content| holds(&content.text()));
        said || (step.source != crate::model::Source::Agent && holds(&step.message.text()))
    })
}
