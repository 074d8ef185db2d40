//! Database migrations, embedded.
