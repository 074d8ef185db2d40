//! Promise 5: processes that start together on an empty database.

use std::process::{Child, Command, Stdio};

use whimbrel_tests::{Proxy, starts};

use crate::stories::world::{World, stories};

stories! {
    ten_processes_start_together on sqlite, postgres
}

/// Starts them, lets them go at once, and gives what each of them applied.
fn start(number: usize, url: &str) -> Vec<usize> {
    let child = |_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_starter"));
        command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut children: Vec<Child> = (0..number).map(child).collect();
    // They wait for the end of their input.
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    let applied = |child: Child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse::<usize>().unwrap()
    };
    children.into_iter().map(applied).collect()
}

async fn ten_processes_start_together(world: World) {
    let url = world.url();
    let applied = tokio::task::spawn_blocking(move || start(10, &url)).await.unwrap();
    assert_eq!(applied.iter().sum::<usize>(), starts::MIGRATIONS, "{applied:?}");
    each_ran_once(&world).await;
}

async fn each_ran_once(world: &World) {
    let all: Vec<String> = (1..=starts::MIGRATIONS).map(|number| number.to_string()).collect();
    let counted = world.texts("SELECT CAST(version AS TEXT) FROM counted ORDER BY counted.version").await;
    assert_eq!(counted, all);
    assert_eq!(world.versions("completed").await, all);
    let applied = world.texts("SELECT version FROM whimbrel_events WHERE what = 'applied' ORDER BY id").await;
    assert_eq!(applied, all);
    assert!(world.up(&starts::set()).await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn twenty_processes_do_not_stampede() {
    let Some(world) = World::postgres().await else { return };
    let proxy = Proxy::start(&world.url()).await;
    let url = proxy.url();
    let applied = tokio::task::spawn_blocking(move || start(20, &url)).await.unwrap();
    assert_eq!(applied.iter().sum::<usize>(), starts::MIGRATIONS, "{applied:?}");
    each_ran_once(&world).await;
    // Without backoff it took 4,800.
    assert!(proxy.requests() < 600, "{}", proxy.requests());
    eprintln!("20 starters: {} requests", proxy.requests());
}
