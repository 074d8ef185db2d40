whimbrel::embed_migrations!("key_of_the_macro_is_unknown", dialekt = "postgres")
