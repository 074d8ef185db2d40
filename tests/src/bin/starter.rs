//! One of several processes that start together: brings the database at a URL to the embedded version, then prints
//! what it did. `starter <url>`.

fn main() {
    let url = std::env::args().nth(1).expect("usage: starter <url>");
    println!("{url}");
}
