//! Taking a definition's octets apart, and putting them together.
//!
//! Strict: what is cut off or means nothing is an error. Knows no definition.

use std::sync::Arc;

use super::{BadDefinition, Half};
use crate::amqp::table::{Table, TableView};

/// Octets of which the front is taken bit by bit.
pub(super) struct Input<'a> {
    pub(super) octets: &'a [u8],
    pub(super) half: Half,
}

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], BadDefinition> {
        let taken = self.octets.split_at_checked(count);
        let (taken, rest) = taken.ok_or(BadDefinition::TooShort(self.half))?;
        self.octets = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadDefinition> {
        let (taken, rest) =
            self.octets.split_first_chunk().ok_or(BadDefinition::TooShort(self.half))?;
        self.octets = rest;
        Ok(*taken)
    }

    pub(super) fn octet(&mut self) -> Result<u8, BadDefinition> {
        self.array().map(|[octet]| octet)
    }

    pub(super) fn sized(&mut self) -> Result<&'a [u8], BadDefinition> {
        let size = u16::from_be_bytes(self.array()?);
        self.take(size.into())
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, BadDefinition> {
        let text = std::str::from_utf8(self.sized()?);
        text.map(Arc::from).map_err(|_| BadDefinition::NotText(self.half))
    }

    pub(super) fn flags(&mut self, known: u8) -> Result<u8, BadDefinition> {
        let flags = self.octet()?;
        if flags & !known == 0 { Ok(flags) } else { Err(BadDefinition::UnknownFlags(flags)) }
    }

    pub(super) fn table(&mut self) -> Result<Table, BadDefinition> {
        let view = TableView::take(&mut self.octets).map_err(|_| BadDefinition::BadArguments)?;
        Ok(view.to_table())
    }

    pub(super) fn list(&mut self) -> Result<Vec<Arc<str>>, BadDefinition> {
        let count = self.octet()?;
        (0..count).map(|_| self.text()).collect()
    }

    pub(super) fn limit(&mut self) -> Result<Option<i64>, BadDefinition> {
        match self.flags(1)? {
            0 => Ok(None),
            _ => Ok(Some(i64::from_be_bytes(self.array()?))),
        }
    }

    pub(super) fn end(&self) -> Result<(), BadDefinition> {
        if self.octets.is_empty() { Ok(()) } else { Err(BadDefinition::TooLong(self.half)) }
    }
}

/// Appends a text with its size in front. Names are short strings of at most 255 octets; what a
/// policy says is limited where it is read.
pub(super) fn put(out: &mut Vec<u8>, name: &[u8]) {
    debug_assert!(u16::try_from(name.len()).is_ok());
    let name = name.get(..usize::from(u16::MAX)).unwrap_or(name);
    out.extend_from_slice(&(name.len() as u16).to_be_bytes());
    out.extend_from_slice(name);
}

/// Appends a list of texts, at most 255, with their count in front.
pub(super) fn put_list(out: &mut Vec<u8>, texts: &[Arc<str>]) {
    debug_assert!(u8::try_from(texts.len()).is_ok());
    let texts = texts.get(..usize::from(u8::MAX)).unwrap_or(texts);
    out.push(texts.len() as u8);
    for text in texts {
        put(out, text.as_bytes());
    }
}

/// Appends a number that may be missing: an octet that says so, then its eight.
pub(super) fn put_limit(out: &mut Vec<u8>, limit: Option<i64>) {
    out.push(u8::from(limit.is_some()));
    out.extend(limit.iter().flat_map(|limit| limit.to_be_bytes()));
}
