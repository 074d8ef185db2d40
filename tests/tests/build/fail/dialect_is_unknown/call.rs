whimbrel::embed_migrations!("dialect_is_unknown", dialect = "postgress")
