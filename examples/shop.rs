//! A program with `migrate …` of its own: two lines, marked below.
//!
//! ```text
//! export DATABASE_URL=sqlite://shop.db
//! cargo run -p whimbrel-examples --example shop -- migrate status
//! cargo run -p whimbrel-examples --example shop -- migrate up 3
//! cargo run -p whimbrel-examples --example shop -- serve
//! SHOP_AUTO_MIGRATE=false cargo run -p whimbrel-examples --example shop -- serve
//! ```

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use whimbrel::{Migrations, Migrator, Settings, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("../migrations");

/// A shop.
#[derive(Parser)]
#[command(name = "shop", version, propagate_version = true)]
struct Shop {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves
    Serve,
    Migrate(whimbrel_cli::Migrate), // one
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Shop::parse().command {
        Command::Serve => match serve().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("Error: {error:?}");
                ExitCode::FAILURE
            }
        },
        Command::Migrate(migrate) => whimbrel_cli::run(&MIGRATIONS, migrate).await, // two
    }
}

/// Nobody is served by half a schema.
async fn serve() -> whimbrel::Result<()> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://shop.db".to_owned());
    let settings = Settings::from_env("SHOP")?;
    let ready = Migrator::connect(&MIGRATIONS, &url)?.settings(settings).ensure_ready().await?;
    println!("{ready}\nopen");
    Ok(())
}
