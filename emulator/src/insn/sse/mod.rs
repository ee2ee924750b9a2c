//! SSE.
use crate::dispatch::lower::Family;
/// Instructions of this family.
pub(crate) const FAMILY: Family = &[];
