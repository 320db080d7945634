//! Files over a whole trajectory: which of them are the agent's own, and which were there before.

use super::acts::{Deed, Touch, acts, file_name};
use super::view::{Message, View};
use std::collections::BTreeSet;

/// Tells every touch of a file in calls that hold one of `words`, with whether the file is the agent's own: it made
/// it, and nothing before spoke of a file of that name.
pub(super) fn each_touch(view: &View, words: &[&str], tell: &mut dyn FnMut(&Message, &Touch<'_>, bool)) {
    let mut own: BTreeSet<String> = BTreeSet::new();
    for message in &view.messages {
        for act in acts(message, words) {
            for touch in act.touches() {
                let name = file_name(&touch.path);
                if touch.deed == Deed::Create && !own.contains(name) && !was_there(view, message, name) {
                    own.insert(name.to_owned());
                }
                tell(message, &touch, own.contains(name));
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
