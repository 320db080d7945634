//! The records of a session, put together as the program does when it resumes one.

use crate::model::Object;
use crate::util::json::View;
use serde_json::Value;
use std::collections::HashMap;

/// A message, and what its record said before.
pub(super) struct Entry<'a> {
    /// The record that counts.
    pub(super) view: View<'a>,
    /// Members that an earlier record had otherwise, or that a later update gave.
    pub(super) earlier: Vec<Value>,
    pub(super) updates: Vec<View<'a>>,
}

/// A session.
#[derive(Default)]
pub(super) struct Record<'a> {
    /// Members of the session.
    pub(super) session: Object,
    /// What its first lines said otherwise.
    pub(super) header: Object,
    pub(super) messages: Vec<Entry<'a>>,
    /// Messages that were taken back, each time a list.
    pub(super) rewound: Vec<Vec<Entry<'a>>>,
    /// Records of no known kind.
    pub(super) meta: Vec<Value>,
}

impl<'a> Record<'a> {
    /// Puts the records together; remarks go to the second argument.
    pub(super) fn of(records: &[View<'a>], remarks: &mut Vec<(usize, String)>) -> Self {
        let mut session = Self::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        for record in records {
            session.add(*record, &mut known, remarks);
        }
        session
    }

    fn add(
        &mut self,
        record: View<'a>,
        known: &mut HashMap<String, usize>,
        remarks: &mut Vec<(usize, String)>,
    ) {
        let update = record.text_at("type").as_deref() == Some("message_update");
        if let Some(set) = record.get("$set").filter(|set| set.is_object()) {
            self.beside(record, "$set");
            if let Some(list) = set.get("messages").filter(|list| list.is_array()) {
                self.anew(list, known);
            }
            let rest = set.members().filter(|(key, value)| key != "messages" || !value.is_array());
            let rest: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
            self.session.extend(rest.clone());
            self.meta.push(Object::from_iter([("$set".to_owned(), rest.into())]).into());
        } else if let Some(id) = record.text_at("$rewindTo") {
            self.meta.push(record.value());
            // An id that is not there takes all back, as the program reads it.
            let from = known.get(&id).copied().unwrap_or(0);
            let back = self.messages.split_off(from);
            for id in back.iter().filter_map(|entry| entry.view.text_at("id")) {
                known.remove(&id);
            }
            if !back.is_empty() {
                self.rewound.push(back);
            }
        } else if update && record.text_at("id").is_some_and(|id| known.contains_key(&id)) {
            let index = record.text_at("id").and_then(|id| known.get(&id).copied());
            if let Some(entry) = index.and_then(|index| self.messages.get_mut(index)) {
                entry.updates.push(record);
            }
        } else if record.get("sessionId").is_some() && record.get("id").is_none() {
            let messages = record.get("messages").filter(|list| list.is_array());
            messages.into_iter().flat_map(View::items).for_each(|item| self.message(item, known));
            let rest = record.members().filter(|(key, value)| key != "messages" || !value.is_array());
            let rest: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
            if !self.header.is_empty() {
                self.meta.push(rest.clone().into());
            }
            self.session.extend(rest.clone());
            self.header.extend(rest);
        } else if record.is_object() && record.text_at("id").is_some() && !update {
            self.message(record, known);
        } else {
            remarks.push((record.offset(), "a record of no known kind is kept in \"meta\"".to_owned()));
            self.meta.push(record.value());
        }
    }

    /// What else stands beside the one member of a record.
    fn beside(&mut self, record: View<'a>, own: &str) {
        let rest = record.members().filter(|(key, _)| key != own);
        let rest: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
        if !rest.is_empty() {
            self.meta.push(rest.into());
        }
    }

    /// All messages anew; those that are gone were taken back.
    fn anew(&mut self, list: View<'a>, known: &mut HashMap<String, usize>) {
        let before = std::mem::take(&mut self.messages);
        known.clear();
        list.items().for_each(|item| self.message(item, known));
        let mut left = Vec::new();
        for entry in before {
            let index = entry.view.text_at("id").and_then(|id| known.get(&id).copied());
            match index.and_then(|index| self.messages.get_mut(index)) {
                Some(now) => now.replaces(entry),
                None => left.push(entry),
            }
        }
        if !left.is_empty() {
            self.rewound.push(left);
        }
    }

    fn message(&mut self, view: View<'a>, known: &mut HashMap<String, usize>) {
        let id = view.text_at("id");
        let old = id.as_ref().and_then(|id| known.get(id)).and_then(|index| self.messages.get_mut(*index));
        let entry = Entry { view, earlier: Vec::new(), updates: Vec::new() };
        if let Some(old) = old {
            let before = std::mem::replace(old, entry);
            old.replaces(before);
            return;
        }
        known.extend(id.map(|id| (id, self.messages.len())));
        self.messages.push(entry);
    }
}

impl Entry<'_> {
    /// Keeps what an earlier record of this message said otherwise.
    fn replaces(&mut self, before: Self) {
        let same = |key: &str, value: View<'_>| self.view.get(key).map(View::value) == Some(value.value());
        let other = before.view.members().filter(|(key, value)| !same(key, *value));
        let other: Object = other.map(|(key, value)| (key.into_owned(), value.value())).collect();
        let mut earlier = before.earlier;
        if !other.is_empty() {
            earlier.push(other.into());
        }
        earlier.extend(before.updates.iter().map(|update| update.value()));
        earlier.append(&mut self.earlier);
        self.earlier = earlier;
    }
}
