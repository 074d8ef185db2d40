//! An HTTP service that brings its own schema, on PostgreSQL or SQLite: it migrates before it listens, however many
//! instances of it start at once; `/health` tells how well that is, and `/metrics` tells Prometheus.
//!
//! ```text
//! DATABASE_URL=sqlite://service.db?mode=rwc cargo run -p whimbrel-examples --example axum_service
//! curl localhost:8080/health
//! curl localhost:8080/metrics
//! curl localhost:8080/users -H 'content-type: application/json' -d '{"email": "ada@example.org", "name": "Ada"}'
//! curl localhost:8080/rooms/general/messages
//! ```
//!
//! `DATABASE_URL` is required, `LISTEN` defaults to `127.0.0.1:8080`. Ctrl-C lets requests under way end.

use std::env;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyPool, FromRow};
use uuid::Uuid;
use whimbrel::{Migrations, Migrator, Settings, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("../migrations");

struct Service {
    url: String,
    pool: AnyPool,
    metrics: PrometheusHandle,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL, to sqlite://service.db?mode=rwc for instance")?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());

    // Before the first migration, so that it is counted.
    let metrics = PrometheusBuilder::new().install_recorder()?;

    // Nobody is served by half a schema: a failure ends the program here, and says what to do.
    // `SERVICE_AUTO_MIGRATE=false` leaves it to an operator, and only looks.
    let mut migrator = Migrator::connect(&MIGRATIONS, &url)?.settings(Settings::from_env("SERVICE")?);
    println!("{}", migrator.ensure_ready().await?);

    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&url).await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = Arc::new(Service { url, pool: pool.clone(), metrics });
    axum::serve(listener, routes(service)).with_graceful_shutdown(interrupted()).await?;
    pool.close().await;
    println!("bye");
    Ok(())
}

fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/users", get(users).post(add_user))
        .route("/rooms/{room}/messages", get(messages).post(add_message))
        .with_state(service)
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No such signal here: serve until somebody ends the process.
        std::future::pending::<()>().await;
    }
}

/// A load balancer's question: 503 when something is wrong that somebody must mend, else 200; and what it is. What a
/// newer release has added is no reason to stop the older one.
///
/// It only reads, and connects for itself: it must answer also when the pool is exhausted. It names hosts and accounts:
/// let in who may read the logs.
async fn health(State(service): State<Arc<Service>>) -> Result<Response, Failure> {
    let health = Migrator::connect(&MIGRATIONS, &service.url)?.health().await;
    let code = StatusCode::from_u16(health.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    Ok((code, Json(health)).into_response())
}

/// What Prometheus scrapes; a look at the health brings what it shows up to date.
async fn metrics(State(service): State<Arc<Service>>) -> Result<String, Failure> {
    Migrator::connect(&MIGRATIONS, &service.url)?.health().await;
    Ok(service.metrics.render())
}

#[derive(Serialize, FromRow)]
struct User {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct NewUser {
    email: String,
    name: String,
}

async fn users(State(service): State<Arc<Service>>) -> Result<Json<Vec<User>>, Failure> {
    let sql = "SELECT id, coalesce(display_name, email) AS name FROM users ORDER BY created_at, id";
    Ok(Json(sqlx::query_as(sql).fetch_all(&service.pool).await?))
}

/// Adds a user and lets them into `general`; 409 for an address that is taken.
async fn add_user(State(service): State<Arc<Service>>, Json(new): Json<NewUser>) -> Result<Response, Failure> {
    let id = Uuid::new_v4().to_string();
    let mut transaction = service.pool.begin().await?;
    sqlx::query("INSERT INTO users (id, email, password_hash, display_name) VALUES ($1, $2, '!', $3)")
        .bind(&id)
        .bind(new.email.to_lowercase())
        .bind(&new.name)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO members (room_id, user_id) SELECT id, $1 FROM rooms WHERE name = 'general'")
        .bind(&id)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO account_events (id, user_id, what) VALUES ($1, $2, 'created')")
        .bind(Uuid::new_v4().to_string())
        .bind(&id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(User { id, name: new.name })).into_response())
}

#[derive(Serialize, FromRow)]
struct Message {
    id: String,
    author: Option<String>,
    body: String,
    sent_at: String,
}

#[derive(Deserialize)]
struct NewMessage {
    author_id: String,
    body: String,
}

async fn messages(
    State(service): State<Arc<Service>>,
    Path(room): Path<String>,
) -> Result<Json<Vec<Message>>, Failure> {
    // A time has another type in each database; as text they agree.
    let sql =
        "SELECT messages.id, users.display_name AS author, messages.body, CAST(messages.sent_at AS TEXT) AS sent_at
               FROM messages
               JOIN rooms ON rooms.id = messages.room_id
               LEFT JOIN users ON users.id = messages.author_id
               WHERE rooms.name = $1
               ORDER BY messages.sent_at DESC
               LIMIT 100";
    Ok(Json(sqlx::query_as(sql).bind(room).fetch_all(&service.pool).await?))
}

/// Adds a message; 404 unless the author is in the room.
async fn add_message(
    State(service): State<Arc<Service>>,
    Path(room): Path<String>,
    Json(new): Json<NewMessage>,
) -> Result<Response, Failure> {
    let id = Uuid::new_v4().to_string();
    let sql = "INSERT INTO messages (id, room_id, author_id, body)
               SELECT $1, rooms.id, members.user_id, $2
               FROM rooms JOIN members ON members.room_id = rooms.id
               WHERE rooms.name = $3 AND members.user_id = $4";
    let added = sqlx::query(sql).bind(&id).bind(new.body).bind(room).bind(new.author_id).execute(&service.pool).await?;
    if added.rows_affected() == 0 {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

/// What a handler could not do; details go to the log, not to strangers.
enum Failure {
    Schema(whimbrel::Error),
    Data(sqlx::Error),
}

impl From<whimbrel::Error> for Failure {
    fn from(error: whimbrel::Error) -> Self {
        Self::Schema(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Data(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, problem) = match &self {
            Self::Schema(error) => {
                eprintln!("{error:?}");
                (StatusCode::SERVICE_UNAVAILABLE, "the schema cannot be read")
            }
            Self::Data(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                (StatusCode::CONFLICT, "it is there already")
            }
            Self::Data(sqlx::Error::Database(error)) if error.is_check_violation() => {
                (StatusCode::UNPROCESSABLE_ENTITY, "the schema does not allow it")
            }
            Self::Data(error) => {
                eprintln!("{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "the database did not do it")
            }
        };
        (code, Json(json!({ "error": problem }))).into_response()
    }
}
