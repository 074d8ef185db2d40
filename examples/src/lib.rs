//! Programs that use whimbrel.
