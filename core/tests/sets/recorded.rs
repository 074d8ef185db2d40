//! The sum file: what is changed, removed, inserted or merged is named exactly.
