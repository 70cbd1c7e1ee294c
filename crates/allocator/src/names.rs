//! Numbers for the texts that devices and questions repeat, so that a search compares integers.

use rustc_hash::FxHashMap;
use trainyard_model::Text;

/// A text's number.
pub(crate) type Name = u32;

/// Every text seen so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: FxHashMap<Text, Name>,
    texts: Vec<Text>,
}

impl Names {
    /// The number of `text`, new if need be.
    pub fn intern(&mut self, text: &Text) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.add(text.clone())
    }

    /// The text of a number.
    pub fn text(&self, name: Name) -> &Text {
        &self.texts[name as usize]
    }

    /// The number of `text` if it was ever seen.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    fn add(&mut self, text: Text) -> Name {
        let id = Name::try_from(self.ids.len()).expect("fewer than four billion names");
        self.texts.push(text.clone());
        self.ids.insert(text, id);
        id
    }
}
