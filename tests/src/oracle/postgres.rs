//! PostgreSQL's own `psql`, in front of a server that only listens: nothing is executed, whatever the script says.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::thread;

use whimbrel_core::Dialect;

/// The pieces of a script, as psql would send them one by one.
///
/// # Panics
/// When psql cannot be run or refuses the script.
pub fn split(script: &str) -> Vec<Range<usize>> {
    let mut from = 0;
    let pieces = requests(script).into_iter().map(|sent| {
        let length = length_of(sent.as_bytes(), &script.as_bytes()[from..]);
        let length = length.unwrap_or_else(|| panic!("psql sent what was not there: {sent}"));
        from += length;
        from - length..from
    });
    super::with_statements(script, Dialect::Postgres, pieces)
}

/// How many bytes of the script psql has read to send this text: it drops comments and white space before a statement,
/// and empty lines inside one; before version 15, comments inside as well.
fn length_of(sent: &[u8], script: &[u8]) -> Option<usize> {
    let line = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (mut sent, mut rest) = (sent.trim_ascii_start(), script.trim_ascii_start());
    while let Some((byte, after)) = sent.split_first() {
        if rest.starts_with(b"--") && rest[..line(rest)] != sent[..line(sent)] {
            rest = rest[line(rest)..].trim_ascii_start();
        } else {
            rest = rest.strip_prefix(&[*byte])?.trim_ascii_start();
            sent = after.trim_ascii_start();
        }
    }
    Some(script.len() - rest.len())
}

/// The texts that psql sends.
fn requests(script: &str) -> Vec<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let server = thread::spawn(move || listener.accept().and_then(|(client, _)| listen(client)));
    let mut psql = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--no-password", "--file=-"])
        .arg(format!("host=127.0.0.1 port={port} user=u dbname=d sslmode=disable gssencmode=disable"))
        .env("PGCLIENTENCODING", "UTF8")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql is installed (./test installs it)");
    psql.stdin.take().expect("piped").write_all(script.as_bytes()).expect("psql reads");
    assert!(psql.wait().expect("psql ends").success(), "psql failed");
    server.join().expect("the listening server does not panic").expect("psql speaks the protocol")
}

/// As much of a server as psql needs: it finds every query empty.
fn listen(mut client: TcpStream) -> io::Result<Vec<String>> {
    const ENCODING: &[u8] = b"client_encoding\0UTF8\0";
    const STRINGS: &[u8] = b"standard_conforming_strings\0on\0";
    const VERSION: &[u8] = b"server_version\x0018.0\0";
    client.set_nodelay(true)?;
    body(&mut client)?;
    for (tag, body) in [(b'R', [0; 4].as_slice()), (b'S', ENCODING), (b'S', STRINGS), (b'S', VERSION), (b'Z', b"I")] {
        answer(&mut client, tag, body)?;
    }
    let mut texts = Vec::new();
    loop {
        let mut tag = [0];
        client.read_exact(&mut tag)?;
        let body = body(&mut client)?;
        if tag != *b"Q" {
            return Ok(texts);
        }
        texts.push(String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(&body)).into_owned());
        answer(&mut client, b'I', &[])?;
        answer(&mut client, b'Z', b"I")?;
    }
}

fn body(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    client.read_exact(&mut body)?;
    Ok(body)
}

fn answer(client: &mut TcpStream, tag: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).expect("a short message");
    client.write_all(&[&[tag], length.to_be_bytes().as_slice(), body].concat())
}
