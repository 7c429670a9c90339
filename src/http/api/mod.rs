//! What the routes do, one file per kind of object.

pub(super) mod about;
pub(super) mod overview;
