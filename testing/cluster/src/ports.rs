//! Ports to listen on.
//!
//! They lie outside the range from which the system gives ports to outgoing connections. Otherwise such a connection could hold
//! the port of a server that is down for a moment; and a client that tries again and again to reach that server would at last be
//! given the very port that it connects to, be connected to itself, and read its own words.

use crate::error::{Error, Result};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Where the kernel says which ports outgoing connections get, see ip(7): two numbers.
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// What the kernel does unless it is told otherwise.
const USUAL_OUTGOING: (u16, u16) = (32_768, 60_999);

/// Below are ports that services are known by.
const LOWEST: u16 = 10_000;

/// A range smaller than this is no choice, and the range above the outgoing ports is taken.
const ENOUGH: u16 = 2_000;

/// How many ports are tried for each that is wanted.
const TRIES: usize = 1_000;

/// What a node of a cluster adds to its port to get that of its bus. It can be told another since Redis 7.0 only.
const TO_BUS: u16 = 10_000;

/// So many different free ports on the loopback.
///
/// All are held until the last is chosen, so that they differ. Another process can take one before a server does: that
/// server then says [`Error::PortTaken`], and its rig begins again with other ports.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let range = range();
    choose(count, &range, |port| bind(port).map(|one| vec![one]))
}

/// The same for nodes of a cluster: the port of the bus of each is free too. The second of a pair is that one.
pub(crate) fn free_with_bus(count: usize) -> Result<Vec<(u16, u16)>> {
    let mut range = range();
    // Better have the bus among the ports of outgoing connections than have no choice.
    let end = range.end - TO_BUS;
    range.end = if end > range.start + ENOUGH { end } else { range.end.min(u16::MAX - TO_BUS) };
    let ports = choose(count, &range, |port| Some(vec![bind(port)?, bind(port + TO_BUS)?]))?;
    Ok(ports.into_iter().map(|port| (port, port + TO_BUS)).collect())
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

/// Different ports at random, all of which can be held together.
fn choose(
    count: usize,
    range: &Range<u16>,
    take: impl Fn(u16) -> Option<Vec<TcpListener>>,
) -> Result<Vec<u16>> {
    let random = RandomState::new();
    let mut held = Vec::new();
    for step in 0..count * TRIES {
        if held.len() == count {
            break;
        }
        let offset = random.hash_one(step) % u64::from(range.end - range.start);
        let port = range.start + u16::try_from(offset).unwrap_or_default();
        held.extend(take(port).map(|listeners| (port, listeners)));
    }
    if held.len() < count {
        return Err(Error::io(format!("{count} free ports from {range:?}"))(
            std::io::ErrorKind::AddrInUse.into(),
        ));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

fn range() -> Range<u16> {
    let outgoing = std::fs::read_to_string(OUTGOING).ok().and_then(|text| {
        let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    });
    outside(outgoing.unwrap_or(USUAL_OUTGOING))
}

/// Ports below those of outgoing connections, or above them when there are too few.
fn outside((first, last): (u16, u16)) -> Range<u16> {
    if first >= LOWEST + ENOUGH {
        LOWEST..first
    } else if last <= u16::MAX - ENOUGH {
        last + 1..u16::MAX
    } else {
        LOWEST..u16::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{free, free_with_bus, outside, range};
    use std::collections::HashSet;

    #[test]
    fn are_free_different_and_not_those_of_outgoing_connections() {
        let ports = free(50).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 50);
        assert!(ports.iter().all(|port| range().contains(port)));
        let pairs = free_with_bus(50).unwrap();
        assert!(pairs.iter().all(|&(port, bus)| range().contains(&port) && bus == port + 10_000));
        assert_eq!(outside((32_768, 60_999)), 10_000..32_768);
        assert_eq!(outside((1_024, 60_999)), 61_000..65_535);
        assert_eq!(outside((1_024, 65_535)), 10_000..65_535);
    }
}
