//! Syncs: plan the fewest writes, make them at the pace a store allows, and remember what was written.
