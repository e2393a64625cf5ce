//! What one client, and all of them together, may cost this node (L4-L6). Each is configurable.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bounds of connections and requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most connections at once (decision 17).
    pub connections: usize,
    /// Most connections from one address (decision 17).
    pub connections_per_address: usize,
    /// Largest head in bytes (L4).
    pub head_bytes: usize,
    /// How long a head may take, and how long a connection may idle before one (L5).
    pub head: Duration,
    /// How long a body may take (L5).
    pub body: Duration,
    /// How long a request may take until its reply begins (L5).
    pub request: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a client may take no byte of its reply.
    pub stall: Duration,
    /// After this a connection is asked to end, so that it meets a renewed certificate and another node.
    pub age: Duration,
    /// How long running requests may go on when the node stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4_096,
            connections_per_address: 1_024,
            head_bytes: 64 << 10,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            request: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            age: Duration::from_secs(3600),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a connection was closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All connections are taken.
    Total,
    /// This address has as many as it may.
    Address,
}

impl Full {
    /// The limit's name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Full::Total => "total",
            Full::Address => "address",
        }
    }
}

/// Who is connected.
#[derive(Clone, Default)]
pub struct Guests {
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when it is dropped.
pub struct Place {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    /// Takes a place.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter(&self, address: IpAddr, limits: &Limits) -> Result<Place, Full> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.total >= limits.connections {
            return Err(Full::Total);
        }
        let here = inside.by_address.entry(address).or_default();
        if *here >= limits.connections_per_address {
            return Err(Full::Address);
        }
        *here += 1;
        inside.total += 1;
        Ok(Place { guests: self.clone(), address })
    }

    /// How many are inside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.guests.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if let Some(here) = inside.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_no_address_takes_them_all() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let (guests, one, two) = (Guests::default(), IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = guests.enter(one, &limits).ok();
        let second = guests.enter(one, &limits).ok();
        assert_eq!(guests.enter(one, &limits).err(), Some(Full::Address));
        let third = guests.enter(two, &limits).ok();
        assert_eq!(guests.enter(two, &limits).err(), Some(Full::Total));
        drop((first, second, third));
        assert_eq!(guests.count(), 0);
        assert!(guests.inside.lock().expect("nobody panicked").by_address.is_empty());
    }
}
