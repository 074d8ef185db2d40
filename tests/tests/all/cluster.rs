//! The cluster itself: what tests may do to its nodes.

use std::time::Duration;

use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;
use whimbrel_tests::cluster::{Cluster, NODES};

#[tokio::test]
async fn a_node_that_is_cut_off_neither_hears_nor_is_heard_until_it_is_healed() {
    let Some(cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    cluster.cut_off(2);
    cluster.strings(2, &format!("CREATE TABLE {keyspace}.of_two (b int PRIMARY KEY)")).await;
    cluster.strings(1, &format!("CREATE TABLE {keyspace}.of_one (b int PRIMARY KEY)")).await;
    // Who may hear of a change does within 100 ms, and asks for it within two seconds.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tables = format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
    for (node, expected) in [(1, "of_one"), (2, "of_two"), (3, "of_one")] {
        assert_eq!(cluster.strings(node, &tables).await, [expected], "node {node}");
    }
    cluster.heal(2);
    cluster.is_whole().await;
    for node in 1..=NODES {
        assert_eq!(cluster.strings(node, &tables).await, ["of_one", "of_two"], "node {node}");
    }
}

#[tokio::test]
async fn a_killed_node_is_back_for_the_next_test_with_all_that_it_answered_for() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let keyspace = cluster.keyspace().await;
    let third = cluster.session_with(3).await;
    // Nobody but itself has these, and it is killed at once.
    cluster.cut_off(3);
    third.query_unpaged(format!("CREATE TABLE {keyspace}.a (b int PRIMARY KEY)"), ()).await.unwrap();
    let mut alone = Statement::new(format!("INSERT INTO {keyspace}.a (b) VALUES (1)"));
    alone.set_consistency(Consistency::One);
    third.query_unpaged(alone, ()).await.unwrap();
    cluster.kill(3);
    let tables = format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
    assert!(cluster.strings(1, &tables).await.is_empty());
    drop(cluster);

    let cluster = Cluster::get().await.unwrap();
    let mut mine = Statement::new(format!("SELECT b FROM {keyspace}.a WHERE b = 1"));
    mine.set_consistency(Consistency::All);
    let rows = cluster.session_with(3).await.query_unpaged(mine, ()).await.unwrap().into_rows_result().unwrap();
    assert_eq!(rows.rows_num(), 1);
}

#[tokio::test]
async fn a_paused_node_answers_when_it_is_resumed() {
    let Some(mut cluster) = Cluster::get().await else { return };
    let session = cluster.session_with(1).await;
    cluster.pause(1);
    let mut asked = Box::pin(session.query_unpaged("SELECT key FROM system.local", ()));
    tokio::time::timeout(Duration::from_secs(1), &mut asked).await.unwrap_err();
    cluster.resume(1);
    asked.await.unwrap();
}
