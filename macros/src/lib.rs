//! `embed_migrations!`; users meet it through the crate `whimbrel`.
