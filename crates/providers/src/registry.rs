//! Every dialect by the name configuration knows it by.

use crate::{
    compat::{self, Vendor},
    dialect::Dialect,
};

/// The dialect of this kind, if there is one.
pub fn dialect(kind: &str) -> Option<&'static dyn Dialect> {
    vendors().iter().find(|vendor| vendor.id == kind).map(|vendor| vendor as &dyn Dialect)
}

/// The vendors that speak OpenAI, in the order they are shown.
pub fn vendors() -> &'static [Vendor] {
    compat::VENDORS
}
