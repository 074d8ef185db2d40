//! Promise 5 for more than ten: those who wait do not stampede.

use whimbrel_tests::Proxy;
use whimbrel_tests::starters::Starters;

use crate::stories::world::World;

#[tokio::test]
async fn twenty_processes_do_not_stampede() {
    let Some(world) = World::postgres().await else { return };
    let proxy = Proxy::start(&world.url()).await;
    let url = proxy.url();
    let run = move || Starters::ready(env!("CARGO_BIN_EXE_starter"), 20, &url, None).run();
    let ended = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(ended.iter().all(|starter| starter.status.success()), "{ended:#?}");
    let applied = "SELECT version FROM whimbrel_events WHERE what = 'applied' ORDER BY id";
    let all: Vec<String> = (1..=13).map(|number| number.to_string()).collect();
    assert_eq!(world.texts(applied).await, all);
    // Each needs one at least. Without backoff it took 4,800.
    assert!((20..600).contains(&proxy.requests()), "{}", proxy.requests());
}
