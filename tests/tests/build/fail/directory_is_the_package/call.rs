{
    const _: whimbrel::Migrations = whimbrel::embed_migrations!("");
    const _: whimbrel::Migrations = whimbrel::embed_migrations!("./");
    whimbrel::embed_migrations!("src/../..")
}
