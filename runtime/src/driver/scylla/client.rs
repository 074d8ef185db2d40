//! Requests, on the caller's session or one of our own: never prepared, never repeated behind our back.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::cluster::Node;
use scylla::deserialize::row::DeserializeRow;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::query_result::QueryResult;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::cluster::SerialLevel;
use crate::driver::scylla::answer::{self, Fault, Rows};

/// A session, and how we use it.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    session: Handle<'a>,
    profile: ExecutionProfileHandle,
    level: SerialLevel,
}

/// A session: borrowed from the caller, or shared.
#[derive(Clone)]
pub(crate) enum Handle<'a> {
    Borrowed(&'a Session),
    Shared(Arc<Session>),
}

impl std::ops::Deref for Handle<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Borrowed(session) => session,
            Self::Shared(session) => session,
        }
    }
}

/// One request.
pub(crate) struct Request<'n> {
    text: String,
    node: Option<&'n Arc<Node>>,
    timeout: Duration,
    timestamp: Option<i64>,
    reads: Reads,
}

/// What a read must have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// What a majority has.
    Majority,
    /// All conditional writes before it, also those whose answer was lost: they are completed by it, or never.
    Serial,
    /// What the node itself has.
    Own,
}

/// How long a request of ours may take: a conditional write takes five seconds when a replica has just died (tried).
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How often a node is asked for what it has.
const LOOKS: usize = 3;
const BETWEEN: Duration = Duration::from_millis(200);

impl<'n> Request<'n> {
    /// To whichever node is near.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), node: None, timeout: TIMEOUT, timestamp: None, reads: Reads::Majority }
    }

    /// Reads with all conditional writes before it settled.
    pub(crate) fn serial(text: impl Into<String>) -> Self {
        Self { reads: Reads::Serial, ..Self::new(text) }
    }

    /// Reads what a node keeps for itself.
    pub(crate) fn own(text: impl Into<String>, node: &'n Arc<Node>) -> Self {
        Self { reads: Reads::Own, ..Self::new(text).to(node) }
    }

    /// To that node only.
    pub(crate) fn to(self, node: &'n Arc<Node>) -> Self {
        Self { node: Some(node), ..self }
    }

    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// With that time for what it writes, in microseconds since 1970.
    pub(crate) fn at(self, timestamp: Option<i64>) -> Self {
        Self { timestamp, ..self }
    }
}

impl<'a> Client<'a> {
    pub(crate) fn new(session: Handle<'a>, level: SerialLevel) -> Self {
        let (regular, serial) = match level {
            SerialLevel::Global => (Consistency::Quorum, SerialConsistency::Serial),
            SerialLevel::Local => (Consistency::LocalQuorum, SerialConsistency::LocalSerial),
        };
        let policies = session.get_default_execution_profile_handle().to_profile();
        let profile = ExecutionProfile::builder()
            .consistency(regular)
            .serial_consistency(Some(serial))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .speculative_execution_policy(None)
            .load_balancing_policy(policies.get_load_balancing_policy().clone())
            .build()
            .into_handle();
        Self { session, profile, level }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The same, for whoever outlives the caller's borrow.
    pub(crate) fn to_shared(&self) -> Option<Client<'static>> {
        let Handle::Shared(session) = &self.session else { return None };
        let session = Handle::Shared(Arc::clone(session));
        Some(Client { session, profile: self.profile.clone(), level: self.level })
    }

    /// The keyspace of names without one.
    pub(crate) fn keyspace(&self) -> String {
        self.session.get_keyspace().map_or_else(String::new, |keyspace| keyspace.as_str().to_owned())
    }

    /// The rows of an answer, each value as text.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Rows, Fault> {
        self.ask(request).await?.map_or(Ok(Rows::new()), answer::rows)
    }

    /// The rows of an answer, as they are.
    pub(crate) async fn read<R>(&self, request: Request<'_>) -> Result<Vec<R>, Fault>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.ask(request).await?.map_or(Ok(Vec::new()), answer::typed)
    }

    /// `None` where the statement was done, but not all that the driver does afterwards.
    async fn ask(&self, request: Request<'_>) -> Result<Option<QueryResult>, Fault> {
        let mut tries = 1;
        loop {
            match self.ask_once(&request).await {
                // A whole run stops for one look that a busy node did not take.
                Err(Fault::Later(_)) if request.reads == Reads::Own && tries < LOOKS => tries += 1,
                answer => return answer,
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    async fn ask_once(&self, request: &Request<'_>) -> Result<Option<QueryResult>, Fault> {
        let mut statement = Statement::new(request.text.as_str());
        statement.set_execution_profile_handle(Some(self.profile.clone()));
        statement.set_request_timeout(Some(request.timeout));
        statement.set_timestamp(request.timestamp);
        statement.set_load_balancing_policy(
            request.node.map(|node| SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(Arc::clone(node)), None)),
        );
        match (request.reads, self.level) {
            (Reads::Majority, _) => {}
            (Reads::Serial, SerialLevel::Global) => statement.set_consistency(Consistency::Serial),
            (Reads::Serial, SerialLevel::Local) => statement.set_consistency(Consistency::LocalSerial),
            (Reads::Own, _) => statement.set_consistency(Consistency::One),
        }
        // The caller's session may wait for agreement by itself, which its timeout for requests does not cover.
        let limit = request.timeout + Duration::from_secs(1);
        // At the level TRACE the driver logs the text of each statement.
        let asked = self.session.query_unpaged(statement, &[]).with_subscriber(NoSubscriber::default());
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(result)) => Ok(Some(result)),
            Ok(Err(error)) => answer::fault_of(error).map_or(Ok(None), Err),
            // Its own limit would have come first: it has its answer, and waits for the nodes to agree.
            Err(_) => Ok(None),
        }
    }
}
