whimbrel::embed_migrations!(concat!("migra", "tions"))
