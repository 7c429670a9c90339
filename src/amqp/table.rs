//! Field tables: checked once at the door, then read in place.
//!
//! A [`TableView`] is a promise that its bytes were walked through and found sound, so reading
//! entries later can neither fail nor panic and allocates nothing. The bytes are never changed or
//! re-ordered: what a peer sent is what the next peer gets. Knows nothing of what entries mean.

mod builder;
mod value;
mod walk;

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

pub use self::builder::{ArrayBuilder, TableBuilder};
pub use self::value::{ArrayView, Elements, Value};

/// Levels of tables and arrays inside a table; deeper ones are refused. Real ones nest three or
/// four levels, and every reader recurses, so without a limit one frame could overflow the stack.
pub const TABLE_DEPTH_MAX: u8 = 64;

/// The bytes are not what they claim to be: a size that does not fit, an unknown type tag, too
/// many levels. What that means to the peer is for the caller to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed table or property")
    }
}

impl std::error::Error for Malformed {}

/// The checked contents of a table, without the length in front.
#[derive(Clone, Copy, Default)]
pub struct TableView<'a>(&'a [u8]);

impl<'a> TableView<'a> {
    /// Walks through everything once.
    pub fn check(contents: &'a [u8]) -> Result<Self, Malformed> {
        walk::check_fields(contents, TABLE_DEPTH_MAX).ok_or(Malformed)?;
        Ok(Self(contents))
    }

    /// Takes a table with its 32-bit length off the input, and checks it.
    pub fn take(input: &mut &'a [u8]) -> Result<Self, Malformed> {
        Self::check(walk::take_sized(input).ok_or(Malformed)?)
    }

    /// For contents that lie within checked ones.
    fn trusted(contents: &'a [u8]) -> Self {
        Self(contents)
    }

    /// The value under this name; the first one if the name is repeated.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.get_bytes(name.as_bytes())
    }

    /// As [`Self::get`], for a name that came off the wire.
    pub fn get_bytes(&self, name: &[u8]) -> Option<Value<'a>> {
        let (_, mut value) = self.raw_fields().find(|(found, _)| *found == name)?;
        Value::take(&mut value)
    }

    /// Names and values in the order of the wire.
    pub fn iter(&self) -> Fields<'a> {
        Fields { rest: self.0 }
    }

    /// The contents as they came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy that owns its bytes.
    pub fn to_table(&self) -> Table {
        Table(Bytes::copy_from_slice(self.0))
    }

    /// A copy with every entry of this name cut out and all other bytes as they were. `None` if
    /// there is no such entry.
    pub fn without(&self, name: &str) -> Option<Table> {
        let name = name.as_bytes();
        self.raw_fields().find(|(found, _)| *found == name)?;
        Some(self.filtered(|found| found != name).build())
    }

    /// Begins a table with the entries whose names pass, byte for byte.
    pub fn filtered(&self, passes: impl Fn(&[u8]) -> bool) -> TableBuilder {
        let mut kept = Vec::with_capacity(self.0.len());
        for (name, value) in self.raw_fields().filter(|(name, _)| passes(name)) {
            kept.push(name.len() as u8);
            kept.extend_from_slice(name);
            kept.extend_from_slice(value);
        }
        TableBuilder::from_view(TableView::trusted(&kept))
    }

    /// Names and values, the latter still with their type tag in front.
    fn raw_fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let name = walk::take_name(&mut rest)?;
            let value = walk::take_raw_value(&mut rest)?;
            Some((name, value))
        })
    }
}

impl<'a> IntoIterator for &TableView<'a> {
    type Item = (&'a [u8], Value<'a>);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

impl fmt::Debug for TableView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(n, v)| (String::from_utf8_lossy(n), v))).finish()
    }
}

/// Iterates over the entries of a table.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = walk::take_name(&mut self.rest)?;
        let value = Value::take(&mut self.rest)?;
        Some((name, value))
    }
}

/// A table that owns its checked contents; a clone shares them.
///
/// Equality is that of bindings: the same names with the same types and value bytes, in any order
/// of names. To compare what values mean, use [`Value::equals`].
#[derive(Clone, Default)]
pub struct Table(Bytes);

impl Table {
    /// The contents, for reading.
    pub fn view(&self) -> TableView<'_> {
        TableView::trusted(&self.0)
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the table as it goes over the wire: its 32-bit length, then its contents.
    pub fn write_prefixed(&self, out: &mut Vec<u8>) {
        write_sized(out, &self.0);
    }

    /// The same entries sorted by name.
    #[must_use]
    pub fn sorted_by_name(&self) -> Self {
        Self(self.sorted_bytes().into())
    }

    /// The contents with the entries sorted by name: equal tables give equal octets.
    pub fn sorted_bytes(&self) -> Vec<u8> {
        let mut sorted = Vec::with_capacity(self.0.len());
        for (name, value) in self.sorted() {
            sorted.push(name.len() as u8);
            sorted.extend_from_slice(name);
            sorted.extend_from_slice(value);
        }
        sorted
    }

    /// Entries sorted by name; repeated names keep their order, because the first one wins.
    fn sorted(&self) -> Vec<(&[u8], &[u8])> {
        let mut fields: Vec<_> = self.view().raw_fields().collect();
        fields.sort_by_key(|(name, _)| *name);
        fields
    }
}

impl From<TableView<'_>> for Table {
    fn from(view: TableView<'_>) -> Self {
        view.to_table()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        // Clients send the same arguments in the same order nearly always, and none mostly.
        self.0 == other.0 || (self.0.len() == other.0.len() && self.sorted() == other.sorted())
    }
}

impl Eq for Table {}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.0.len());
        if !self.is_empty() {
            self.sorted().hash(state);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

fn write_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
