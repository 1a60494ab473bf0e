//! Places for connections: so many in all, so many from an address.
//!
//! In: a socket. Out: connections with their place, which is free again when it is dropped. Nobody can take all places alone; who has as
//! many as are allowed is hung up on, so that others need not wait.

use model::network::Network;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Every place.
pub struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Taken>,
    most_of_address: usize,
    trusted: Arc<[Network]>,
}

/// Places that are taken, by address.
#[derive(Default)]
struct Taken(Mutex<HashMap<IpAddr, usize>>);

/// A place that is taken.
pub struct Place {
    _one: OwnedSemaphorePermit,
    address: Option<IpAddr>,
    taken: Arc<Taken>,
}

impl Places {
    pub fn new(all: usize, most_of_address: usize, trusted: Arc<[Network]>) -> Self {
        let free = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { free, taken: Arc::default(), most_of_address, trusted }
    }

    /// Waits for a free place and then for a connection; `None` = its address has as many as it may.
    pub async fn accept(&self, socket: &TcpListener) -> std::io::Result<Option<(TcpStream, SocketAddr, Place)>> {
        let one = self.free.clone().acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, from) = socket.accept().await?;
        Ok(self.take(one, from.ip().to_canonical()).map(|place| (stream, from, place)))
    }

    fn take(&self, one: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        if self.trusted.iter().any(|network| network.holds(address)) {
            return Some(Place { _one: one, address: None, taken: self.taken.clone() });
        }
        let address = network(address);
        let mut taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.most_of_address {
            tracing::debug!(%address, "hung up: as many connections as one address may have");
            return None;
        }
        *count += 1;
        Some(Place { _one: one, address: Some(address), taken: self.taken.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}

/// An address; of IPv6 the network, which one subscriber has to himself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_a_trusted_proxy_all() {
        let trusted: Arc<[Network]> = Arc::new([Network::parse("10.0.0.0/8").unwrap()]);
        let places = Places::new(100, 2, trusted);
        let take = |address: &str| {
            places.take(places.free.clone().try_acquire_owned().unwrap(), address.parse::<IpAddr>().unwrap())
        };
        let mut held = Vec::new();
        for (address, want, why) in [
            ("192.0.2.1", true, "the first"),
            ("192.0.2.1", true, "the second"),
            ("192.0.2.1", false, "one too many"),
            ("192.0.2.2", true, "another address"),
            ("2001:db8::1", true, "the first of a network"),
            ("2001:db8::2", true, "the second of it"),
            ("2001:db8::3", false, "a third address of one subscriber"),
            ("2001:db8:0:1::1", true, "another network"),
            ("10.0.0.1", true, "a proxy"),
            ("10.0.0.1", true, "a proxy"),
            ("10.0.0.1", true, "a proxy speaks for many"),
        ] {
            let place = take(address);
            assert_eq!(place.is_some(), want, "{address}: {why}");
            held.extend(place);
        }
        drop(held.remove(0));
        assert!(take("192.0.2.1").is_some(), "a place that was given back");
        assert_eq!(places.free.available_permits(), 100 - held.len());
        held.clear();
        assert!(places.taken.0.lock().unwrap().is_empty(), "nothing is kept of those who left");
    }
}
