//! A keyspace beside the one that is migrated, replicated as that is.

use std::collections::{BTreeMap, HashMap};

use scylla::client::session::TlsContext;

use crate::cluster::Cluster;
use crate::driver::Answer;
use crate::driver::scylla::Scylla;
use crate::driver::scylla::answer::Fault;
use crate::driver::scylla::client::Request;
use crate::driver::scylla::link::{DDL_TIMEOUT, Link, Source};
use crate::driver::scylla::nodes::{Coordinator, Need, agree};
use crate::driver::scylla::url::Address;
use crate::error::{Error, Result};
use crate::literal::literal;
use crate::scratch::{Made, Scratch, name, told};
use whimbrel_core::Dialect;

/// `None` where a session was passed in: it cannot be led to another keyspace, and does not tell where it leads.
pub(crate) async fn create(link: &mut Link<'_>) -> Result<Option<Scratch>, String> {
    let Some((address, tls)) = link.address() else { return Ok(None) };
    let cluster = link.cluster.clone();
    let (client, table) = link.meet().await.map_err(|error| told(&error))?;
    let broken = |fault: Fault| told(&fault.into_error(table));
    let at = Coordinator::near(client).await.map_err(broken)?;
    let (own, all) = ("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ", KEYSPACES);
    let own = Request::own(format!("{own}{}", literal(Dialect::Cql, &*client.keyspace())), &at.node);
    let own: Vec<(HashMap<String, String>,)> = client.read(own).await.map_err(broken)?;
    let replication = own.into_iter().next().map_or_else(|| SIMPLE.to_owned(), |(map,)| options(map));
    let names = client.send(Request::own(all, &at.node)).await.map_err(broken)?;
    let leftovers = names.into_iter().flatten().flatten().filter(|name| name::is_left_over(name));
    let leftovers = leftovers.map(|name| format!("keyspace {name}, which a run that died has left")).collect();
    let name = name::random();
    let tablets = if at.server.must_avoid_tablets() { " AND tablets = {'enabled': false}" } else { "" };
    let create = format!("CREATE KEYSPACE \"{name}\" WITH replication = {replication}{tablets}");
    agree(client, &at, &cluster, Need::Additive).await.map_err(|error| told(&error))?;
    // Made before it is asked for: what becomes of an answer that is lost, nobody knows.
    let ending = Ending { name: name.clone(), address: address.clone(), tls: tls.clone(), cluster: cluster.clone() };
    let made = ending.made();
    match client.send(Request::new(create).to(&at.node).within(DDL_TIMEOUT)).await {
        Ok(_) => {}
        Err(Fault::Refused(cause)) => {
            let way = "name one with `--scratch-url` or grant CREATE ON ALL KEYSPACES";
            made.forget();
            return Err(format!("a keyspace may not be created ({cause}); {way}"));
        }
        Err(fault) => {
            let why = broken(fault);
            made.end().await;
            return Err(why);
        }
    }
    agree(client, &at, &cluster, Need::Additive).await.map_err(|error| told(&error))?;
    let address = Box::new(Address { keyspace: Some(name), replication: None, ..address });
    let mut driver = Scylla::new(Source::Address { address, tls }).map_err(|error| told(&error))?;
    driver.link.treat(Cluster { replication: None, ..cluster });
    Ok(Some(Scratch { driver: Box::new(driver), made: Some(made), leftovers }))
}

pub(crate) const KEYSPACES: &str = "SELECT keyspace_name FROM system_schema.keyspaces";

/// Where there is no keyspace yet to do as: one for a test.
const SIMPLE: &str = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

/// A map as CQL writes it.
fn options(map: HashMap<String, String>) -> String {
    let sorted: BTreeMap<_, _> = map.into_iter().collect();
    let text = |text: &str| literal(Dialect::Cql, text);
    let pairs: Vec<String> = sorted.iter().map(|(key, value)| format!("{}: {}", text(key), text(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// What it takes to drop a keyspace from anywhere.
struct Ending {
    name: String,
    address: Address,
    tls: Option<TlsContext>,
    cluster: Cluster,
}

impl Ending {
    fn made(self) -> Made {
        let name = format!("the scratch keyspace {}", self.name);
        Made::new(name, move || -> Answer<'static, Result<()>> { Box::pin(self.drop_keyspace()) })
    }

    async fn drop_keyspace(self) -> Result<()> {
        let mut link = Link::new(Source::Address { address: Box::new(self.address), tls: self.tls })?;
        link.treat(self.cluster.clone());
        let (client, table) = link.meet().await?;
        let broken = |fault: Fault| -> Error { fault.into_error(table) };
        let at = Coordinator::near(client).await.map_err(broken)?;
        agree(client, &at, &self.cluster, Need::Additive).await?;
        let drop = format!("DROP KEYSPACE IF EXISTS \"{}\"", self.name);
        client.send(Request::new(drop).to(&at.node).within(DDL_TIMEOUT)).await.map(std::mem::drop).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_is_written_as_it_was_read() {
        let map = [("class", "org.apache.cassandra.locator.SimpleStrategy"), ("replication_factor", "1")];
        let map = map.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expected = "{'class': 'org.apache.cassandra.locator.SimpleStrategy', 'replication_factor': '1'}";
        assert_eq!(options(HashMap::from(map)), expected);
    }
}
