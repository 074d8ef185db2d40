//! `scylla://user:password@host1,host2:9042/keyspace?…`

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::cluster::SerialLevel;
use crate::error::{Error, ErrorKind, Result};

/// What a URL says; it never goes into a message, since it may hold a password.
#[derive(Clone)]
pub(crate) struct Address {
    /// Each with its port.
    pub(crate) hosts: Vec<String>,
    pub(crate) user: Option<(String, String)>,
    pub(crate) keyspace: Option<String>,
    pub(crate) datacenter: Option<String>,
    pub(crate) replication: Option<String>,
    pub(crate) level: Option<SerialLevel>,
    /// The host ids of nodes that never come back.
    pub(crate) decommissioned: Vec<String>,
    /// Without it nothing is encrypted.
    pub(crate) tls: Option<Tls>,
}

/// How connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificates of the authorities that we trust; those that browsers trust without it.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) identity: Option<Identity>,
    pub(crate) name: Name,
}

/// Who we are, for servers that ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Whose a server's certificate must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Name {
    /// The node's, by its address, or by a name that the URL has.
    #[default]
    OfNode,
    Only(String),
    /// Anybody's whom the authority knows.
    Any,
}

const PORT: u16 = 9042;

fn refuse(message: impl Into<String>, help: &str) -> Error {
    Error::new(ErrorKind::Refused, message).help(help)
}

const SHAPE: &str = "write it as `scylla://user:password@host1,host2:9042/keyspace`, with `%2F`, `%3F` and `%40` for `/`, `?` \
                     and `@` in user and password";

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest = url.split_once("://").map(|(_, rest)| rest).ok_or_else(|| refuse("the URL names no host", SHAPE))?;
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if behind.contains('@') {
            // Else the end of a password would be taken for a keyspace or an option, and shown.
            let help = "in a password write `/` as `%2F`, `?` as `%3F`, `%` as `%25`; elsewhere write `@` as `%40`";
            return Err(refuse("the URL has an `@` behind the first `/` or `?`", help));
        }
        let (keyspace, query) = behind.split_once('?').unwrap_or((behind, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let user = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => Some((decoded(user, "user")?, decoded(password, "password")?)),
            None => None,
        };
        let keyspace = decoded(keyspace.trim_matches('/'), "keyspace")?;
        let mut address = Self {
            hosts: hosts_of(hosts)?,
            user,
            keyspace: (!keyspace.is_empty()).then_some(keyspace),
            datacenter: None,
            replication: None,
            level: None,
            decommissioned: Vec::new(),
            tls: None,
        };
        let mut tls = TlsOptions::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            address.take(option, &mut tls)?;
        }
        address.tls = tls.into_tls()?;
        Ok(address)
    }

    fn take(&mut self, option: &str, tls: &mut TlsOptions) -> Result<()> {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value = decoded(value, key)?;
        match key {
            "datacenter" => self.datacenter = Some(value),
            "create_keyspace" => self.replication = Some(value),
            "decommissioned" => self.decommissioned.extend(value.split(',').map(str::to_ascii_lowercase)),
            "serial_level" if value == "global" => self.level = Some(SerialLevel::Global),
            "serial_level" if value == "local" => self.level = Some(SerialLevel::Local),
            "serial_level" => {
                return Err(refuse("`serial_level` in the URL is neither `global` nor `local`", "correct it"));
            }
            "tls" if value == "on" => tls.is_on = true,
            "tls" if value == "off" => tls.is_on = false,
            "tls" => return Err(refuse("`tls` in the URL is neither `on` nor `off`", "correct it")),
            "tls_ca" => tls.ca = Some(value),
            "tls_cert" => tls.certificate = Some(value),
            "tls_key" => tls.key = Some(value),
            "tls_name" => tls.name = Some(value),
            _ => {
                // Its name may be a part of a password with `?` in it.
                let help = "it takes `datacenter`, `create_keyspace`, `serial_level`, `decommissioned`, `tls`, `tls_ca`, `tls_cert`, \
                            `tls_key` and `tls_name`; a `?` in a password is `%3F`";
                return Err(refuse("the URL has an option that is none of ours", help));
            }
        }
        Ok(())
    }
}

/// What the URL says of TLS, one by one.
#[derive(Default)]
struct TlsOptions {
    is_on: bool,
    ca: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    name: Option<String>,
}

impl TlsOptions {
    fn into_tls(self) -> Result<Option<Tls>> {
        let given =
            [("tls_ca", &self.ca), ("tls_cert", &self.certificate), ("tls_key", &self.key), ("tls_name", &self.name)];
        let given = given.into_iter().find(|(_, value)| value.is_some());
        match given {
            // Whoever names an authority wants to be safe.
            Some((key, _)) if !self.is_on => {
                Err(refuse(format!("the URL has `{key}`, and not `tls=on`"), "write `tls=on` too"))
            }
            None if !self.is_on => Ok(None),
            _ => {
                let identity = match (self.certificate, self.key) {
                    (None, None) => None,
                    (Some(certificate), Some(key)) => {
                        Some(Identity { certificate: certificate.into(), key: key.into() })
                    }
                    _ => {
                        let message = "the URL has one of `tls_cert` and `tls_key`, and not the other";
                        return Err(refuse(message, "name both files: the certificate of this client, and its key"));
                    }
                };
                let name = match self.name {
                    None => Name::OfNode,
                    Some(name) if name == "*" => Name::Any,
                    Some(name) => Name::Only(name),
                };
                Ok(Some(Tls { ca: self.ca.map(Into::into), identity, name }))
            }
        }
    }
}

fn decoded(text: &str, what: &str) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into)
        .map_err(|_| refuse(format!("the {what} in the URL is not UTF-8"), "write `%` and two digits for each byte"))
}

/// Hosts without a port take that of the last one, or the usual one.
fn hosts_of(hosts: &str) -> Result<Vec<String>> {
    let split = |host: &str| -> Result<(String, Option<u16>)> {
        let bad_port = || refuse("a port in the URL is no number from 1 to 65535", SHAPE);
        // An IPv6 address stands in brackets (RFC 3986, 3.2.2).
        let end = host.rfind(']').map_or(0, |at| at + 1);
        match host[end..].rsplit_once(':') {
            Some((before, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(bad_port)?;
                Ok((format!("{}{before}", &host[..end]), Some(port)))
            }
            None => Ok((host.to_owned(), None)),
        }
    };
    let hosts: Vec<_> = hosts.split(',').map(split).collect::<Result<_>>()?;
    if hosts.iter().any(|(host, _)| host.is_empty()) {
        return Err(refuse("the URL names no host", SHAPE));
    }
    let last = hosts.last().and_then(|(_, port)| *port).unwrap_or(PORT);
    Ok(hosts.into_iter().map(|(host, port)| format!("{host}:{}", port.unwrap_or(last))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read() {
        let url = "scylla://deploy:p%40ss%2F@a,b:9043,c:9044/shop?datacenter=dc1&serial_level=local&decommissioned=AB-1,cd-2\
                   &create_keyspace=%7B'class':'SimpleStrategy'%7D";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.hosts, ["a:9044", "b:9043", "c:9044"]);
        assert_eq!(address.user, Some(("deploy".to_owned(), "p@ss/".to_owned())));
        assert_eq!(address.keyspace.as_deref(), Some("shop"));
        assert_eq!(address.datacenter.as_deref(), Some("dc1"));
        assert_eq!(address.replication.as_deref(), Some("{'class':'SimpleStrategy'}"));
        assert_eq!(address.level, Some(SerialLevel::Local));
        assert_eq!(address.decommissioned, ["ab-1", "cd-2"]);
        let address = Address::parse("cassandra://[::1]").unwrap();
        assert_eq!(address.hosts, ["[::1]:9042"]);
        assert!(address.user.is_none() && address.keyspace.is_none());
        assert_eq!(Address::parse("scylla://h?tls=off").unwrap().tls, None);
        assert_eq!(Address::parse("scylla://[::1]:1,h/ks/").unwrap().hosts, ["[::1]:1", "h:9042"]);
    }

    #[test]
    fn tls_is_as_the_url_says() {
        let cases = [
            ("tls=on", Tls::default()),
            ("tls_name=*&tls=on", Tls { name: Name::Any, ..Tls::default() }),
            (
                "tls=on&tls_ca=/a%20b.pem&tls_name=db.example&tls_cert=c&tls_key=k",
                Tls {
                    ca: Some("/a b.pem".into()),
                    identity: Some(Identity { certificate: "c".into(), key: "k".into() }),
                    name: Name::Only("db.example".to_owned()),
                },
            ),
        ];
        for (options, expected) in cases {
            assert_eq!(Address::parse(&format!("scylla://h/ks?{options}")).unwrap().tls, Some(expected), "{options}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        let urls = [
            "scylla:x",
            "scylla://",
            "scylla://secret@,b/",
            "scylla://h:0/",
            "scylla://h:secret/",
            "scylla://%ff@h/",
            "scylla://h/?serial_level=secret",
            "scylla://h/?secrets=1",
            "scylla://user:12/secret@h/ks",
            "scylla://user:12?secret@h/ks",
            "scylla://user:secret/more@h",
            "scylla://h/?tls=yes",
            "scylla://h/?tls_ca=/ca.pem",
            "scylla://h/?tls=off&tls_name=*",
            "scylla://h/?tls=on&tls_cert=/client.pem",
            "scylla://h/?tls=on&tls_key=/client.key",
        ];
        for url in urls {
            let error = Address::parse(url).err().map(|error| format!("{error:?}"));
            assert!(
                error.as_ref().is_some_and(|error| !error.contains("secret@") && error.contains("help:")),
                "{url}: {error:?}"
            );
        }
    }
}
