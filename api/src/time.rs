//! Times as JSON has them.

pub(crate) use flowforge_engine::clock::iso;
