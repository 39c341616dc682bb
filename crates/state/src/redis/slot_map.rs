//! Which master owns which slot, as nodes of a cluster tell it.

use redis::{FromRedisValue, Value};

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::error::{RedisError, Result};
use super::reply::checked;
use super::request::{Batch, Request};
use super::slot::{SLOTS, Slot};

/// Stands for "no owner".
const NOBODY: u16 = u16::MAX;

/// Owners of all slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotMap {
    /// Masters that own slots, sorted.
    masters: Vec<Endpoint>,
    /// Every node that was named, replicas included, sorted.
    nodes: Vec<Endpoint>,
    /// For each slot the index of its owner among the masters.
    owners: Vec<u16>,
}

/// What one node says.
#[derive(Clone, Debug)]
pub(crate) struct View {
    map: SlotMap,
    /// The epoch of the cluster that it knows; 0 when it does not tell.
    epoch: u64,
}

impl View {
    /// Asks a node.
    pub(crate) async fn ask(connection: &Connection) -> Result<Self> {
        let cluster = |word: &str| redis::cmd("CLUSTER").arg(word).take();
        let questions = Batch::new().with(cluster("SLOTS")).with(cluster("INFO"));
        let mut replies = connection.send(&Request::batch(questions)).await?.into_iter();
        let mut next = || checked(replies.next().unwrap_or_default(), &connection.endpoint);
        let map = SlotMap::parse(&next()?, &connection.endpoint)?;
        // Services leave this command out, or users may not use it.
        let epoch = next().map_or(0, |info| epoch(&String::from_redis_value(info).unwrap_or_default()));
        Ok(Self { map, epoch })
    }
}

fn epoch(info: &str) -> u64 {
    info.lines()
        .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
        .and_then(|epoch| epoch.trim().parse().ok())
        .unwrap_or(0)
}

impl SlotMap {
    /// The map that most of those with the highest epoch agree on, one with more owners before one with fewer.
    pub(crate) fn best(views: &[View]) -> Option<Self> {
        let highest = views.iter().map(|view| view.epoch).max()?;
        let newest: Vec<&View> = views.iter().filter(|view| view.epoch == highest).collect();
        let votes = |map: &Self| newest.iter().filter(|view| view.map == *map).count();
        let best = newest.iter().max_by_key(|view| (votes(&view.map), view.map.owned()))?;
        (!best.map.masters.is_empty()).then(|| best.map.clone())
    }

    /// Reads the reply to `CLUSTER SLOTS` of one node.
    fn parse(reply: &Value, from: &Endpoint) -> Result<Self> {
        let wrong = || RedisError::Protocol {
            endpoint: from.clone(),
            reason: "its CLUSTER SLOTS cannot be read".into(),
        };
        let Value::Array(ranges) = reply else { return Err(wrong()) };
        let mut owned = Vec::with_capacity(ranges.len());
        let mut nodes = Vec::new();
        for range in ranges {
            let Value::Array(parts) = range else { return Err(wrong()) };
            let [Value::Int(begin), Value::Int(end), members @ ..] = parts.as_slice() else {
                return Err(wrong());
            };
            let (Ok(begin), Ok(end)) = (u16::try_from(*begin), u16::try_from(*end)) else {
                return Err(wrong());
            };
            if begin > end || end >= SLOTS {
                return Err(wrong());
            }
            let members: Vec<Endpoint> = members.iter().filter_map(|member| node(member, from)).collect();
            if let Some(master) = members.first() {
                owned.push((begin, end, master.clone()));
            }
            nodes.extend(members);
        }
        nodes.sort();
        nodes.dedup();
        let mut masters: Vec<Endpoint> = owned.iter().map(|(_, _, master)| master.clone()).collect();
        masters.sort();
        masters.dedup();
        let mut owners = vec![NOBODY; usize::from(SLOTS)];
        for (begin, end, master) in owned {
            let index = masters.binary_search(&master).ok().and_then(|index| u16::try_from(index).ok());
            owners[usize::from(begin)..=usize::from(end)].fill(index.unwrap_or(NOBODY));
        }
        Ok(Self { masters, nodes, owners })
    }

    /// The owner of a slot.
    pub(crate) fn owner(&self, slot: Slot) -> Option<&Endpoint> {
        let index = *self.owners.get(usize::from(slot.0))?;
        self.masters.get(usize::from(index))
    }

    /// Masters that own slots.
    pub(crate) fn masters(&self) -> &[Endpoint] {
        &self.masters
    }

    /// All nodes that were named.
    pub(crate) fn nodes(&self) -> &[Endpoint] {
        &self.nodes
    }

    /// The first slot that nobody owns.
    pub(crate) fn first_without_owner(&self) -> Option<u16> {
        self.owners.iter().position(|owner| *owner == NOBODY).and_then(|slot| u16::try_from(slot).ok())
    }

    fn owned(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }
}

/// The address of a node in `CLUSTER SLOTS`: its preferred endpoint, where empty means the node that was asked, and `?` one that
/// is not known. With a preferred endpoint that is not given, the metadata may have another name.
fn node(member: &Value, from: &Endpoint) -> Option<Endpoint> {
    let Value::Array(parts) = member else { return None };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let Some(Value::Int(port)) = parts.get(1) else { return None };
    let port = u16::try_from(*port).ok().filter(|port| *port != 0)?;
    let host = match parts.first().and_then(text) {
        Some(host) if host == "?" => {
            let names: Vec<String> = match parts.get(3) {
                Some(Value::Array(list)) => list.iter().filter_map(text).collect(),
                Some(Value::Map(pairs)) => {
                    pairs.iter().flat_map(|(key, value)| [text(key), text(value)]).flatten().collect()
                }
                _ => Vec::new(),
            };
            names
                .chunks_exact(2)
                .find(|pair| pair[0] == "hostname" || pair[0] == "ip")
                .map(|pair| pair[1].clone())?
        }
        Some(host) if !host.is_empty() => host,
        _ => from.host.to_string(),
    };
    Some(Endpoint::new(&host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SlotMap {
        let reply = redis::parse_redis_value(text.as_bytes()).expect("a reply");
        SlotMap::parse(&reply, &Endpoint::new("asked", 7000)).expect("a map")
    }

    #[test]
    fn maps_are_read_in_the_forms_of_all_versions() {
        let map = parse(
            "*3\r\n*4\r\n:0\r\n:9\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n*3\r\n$1\r\nr\r\n:2\r\n$2\r\nid\r\n\
             *3\r\n:10\r\n:10\r\n*3\r\n$0\r\n\r\n:3\r\n$2\r\nid\r\n\
             *3\r\n:11\r\n:16383\r\n*4\r\n$1\r\n?\r\n:4\r\n$2\r\nid\r\n*2\r\n$8\r\nhostname\r\n$4\r\nname\r\n",
        );
        assert_eq!(map.owner(Slot(9)), Some(&Endpoint::new("a", 1)));
        assert_eq!(map.owner(Slot(10)), Some(&Endpoint::new("asked", 3)));
        assert_eq!(map.owner(Slot(16383)), Some(&Endpoint::new("name", 4)));
        assert_eq!((map.masters().len(), map.nodes().len(), map.first_without_owner()), (3, 4, None));
    }

    #[test]
    fn the_newest_view_wins_and_then_the_majority() {
        let old = parse("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n");
        let new = parse("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\nb\r\n:1\r\n$2\r\nid\r\n");
        let view = |map: &SlotMap, epoch| View { map: map.clone(), epoch };
        let best = SlotMap::best(&[view(&old, 1), view(&old, 1), view(&new, 2)]);
        assert_eq!(best, Some(new.clone()));
        let best = SlotMap::best(&[view(&old, 2), view(&new, 2), view(&new, 2)]);
        assert_eq!(best, Some(new));
        assert_eq!(SlotMap::best(&[view(&parse("*0\r\n"), 1)]), None);
        assert_eq!(epoch("cluster_size:3\r\ncluster_current_epoch:17\r\n"), 17);
    }
}
