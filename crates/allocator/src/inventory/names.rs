//! Interned texts: a number for each text that devices and questions repeat, so that a search compares integers.

use rustc_hash::FxHashMap;
use trainyard_model::Text;

/// A text's number.
pub(crate) type Name = u32;

/// The number of a pool: of a driver's name and a pool's.
pub(crate) type PoolId = u32;

/// Every text seen so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: FxHashMap<Text, Name>,
    texts: Vec<Text>,
    pool_ids: FxHashMap<(Name, Name), PoolId>,
    pools: Vec<(Name, Name)>,
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

    /// The number of a pool, new if need be.
    pub fn intern_pool(&mut self, driver: &Text, pool: &Text) -> PoolId {
        let pool = (self.intern(driver), self.intern(pool));
        let next = PoolId::try_from(self.pools.len()).expect("fewer than four billion pools");
        let id = *self.pool_ids.entry(pool).or_insert(next);
        if id == next {
            self.pools.push(pool);
        }
        id
    }

    /// Driver and name of a pool.
    pub fn pool(&self, id: PoolId) -> (&Text, &Text) {
        let (driver, pool) = self.pools[id as usize];
        (self.text(driver), self.text(pool))
    }

    /// The number of a pool if it was ever seen.
    pub fn find_pool(&self, driver: &str, pool: &str) -> Option<PoolId> {
        let pool = (self.find(driver)?, self.find(pool)?);
        self.pool_ids.get(&pool).copied()
    }

    fn add(&mut self, text: Text) -> Name {
        let id = Name::try_from(self.ids.len()).expect("fewer than four billion names");
        self.texts.push(text.clone());
        self.ids.insert(text, id);
        id
    }
}
