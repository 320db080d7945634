//! Members of an object, taken one by one: what nobody took, or what has another type than expected, is left over.

use super::chat::expected;
use super::source::Refusal;
use crate::model::Object;
use crate::util::json::View;

/// An object from which members are taken.
pub(super) struct Fields<'a> {
    object: View<'a>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Nothing is taken yet.
    pub(super) fn new(object: View<'a>) -> Self {
        Self { object, taken: Vec::new() }
    }

    /// Takes a member that `fits`; null is taken and is nothing.
    pub(super) fn take(&mut self, key: &'static str, fits: impl Fn(View<'a>) -> bool) -> Option<View<'a>> {
        let value = self.object.get(key)?;
        if value.is_null() {
            self.taken.push(key);
            return None;
        }
        fits(value).then(|| {
            self.taken.push(key);
            value
        })
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        Some(self.take(key, |value| value.text().is_some())?.text()?.into_owned())
    }

    /// Takes a list.
    pub(super) fn list(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, View::is_array)
    }

    /// Takes an object.
    pub(super) fn object(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, View::is_object)
    }

    /// Takes a text that must be one.
    pub(super) fn must_text(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        match self.text(key) {
            None => match self.object.some(key) {
                Some(value) => Err(expected(value, &format!("\"{key}\""), "a string")),
                None => Ok(None),
            },
            some => Ok(some),
        }
    }

    /// Marks a member as taken by other means.
    pub(super) fn mark(&mut self, key: &'static str) {
        self.taken.push(key);
    }

    /// What is left over.
    pub(super) fn rest(self) -> Object {
        let left = self.object.members().filter(|(key, _)| !self.taken.contains(&&**key));
        left.map(|(key, value)| (key.into_owned(), value.value())).collect()
    }
}
