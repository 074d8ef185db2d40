//! Real migration directories, written by others; they are read where they lie.
