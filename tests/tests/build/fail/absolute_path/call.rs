whimbrel::embed_migrations!("/srv/migrations")
