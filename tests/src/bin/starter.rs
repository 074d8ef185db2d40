//! One of several processes that start together: waits until its input ends, brings the database at a URL to the
//! version of [`whimbrel_tests::starts`], then prints how many migrations it applied. `starter <url>`.

use std::io::Read;

#[tokio::main(flavor = "current_thread")]
async fn main() -> whimbrel::Result<()> {
    let url = std::env::args().nth(1).expect("usage: starter <url>");
    let set = whimbrel_tests::starts::set();
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the input can be read");
    let report = whimbrel::Migrator::connect(&set, &url)?.up().await?;
    println!("{}", report.steps().len());
    Ok(())
}
