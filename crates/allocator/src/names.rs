//! Numbers for the texts that devices and questions repeat, so that a search compares integers.

use rustc_hash::FxHashMap;
use trainyard_model::Text;

/// A text's number.
pub(crate) type Name = u32;

/// Every text seen so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: FxHashMap<Text, Name>,
}

impl Names {
    /// The number of `text`, new if need be.
    pub fn intern(&mut self, text: &Text) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.add(text.clone())
    }

    /// As [`Names::intern`], for a part of a text.
    pub fn intern_str(&mut self, text: &str) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.add(text.into())
    }

    /// The number of `text` if it was ever seen.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    fn add(&mut self, text: Text) -> Name {
        let id = Name::try_from(self.ids.len()).expect("fewer than four billion names");
        self.ids.insert(text, id);
        id
    }
}
