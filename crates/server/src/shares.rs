//! How much of something each neighbourhood of addresses may have at one time: one that is greedy, or many of whom one
//! person has hold, leaves the rest to everybody else (HS-61, HS-63).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{limits::Prefix, request::TrustedProxies};

/// How many each neighbourhood has.
type Taken = Arc<Mutex<HashMap<Prefix, usize>>>;

/// What there is to share: connections, or requests that are worked on.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    most: usize,
    /// They stand for everybody behind them, and have no share of their own.
    proxies: Arc<TrustedProxies>,
    taken: Taken,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Option<(Prefix, Taken)>,
}

impl Shares {
    pub(crate) fn new(most: usize, proxies: Arc<TrustedProxies>) -> Self {
        Self { most, proxies, taken: Arc::default() }
    }

    /// One more for whoever is at this address; none when their neighbourhood has all of its own.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        if self.proxies.trusts(address) {
            return Some(Share { of: None });
        }
        let prefix = Prefix::of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(prefix).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { of: Some((prefix, Arc::clone(&self.taken))) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((prefix, taken)) = &self.of else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has nothing is forgotten: the table is as large as what is taken.
        match taken.get_mut(prefix) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.remove(prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbourhood_has_its_share_and_gets_back_what_it_lets_go() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let shares = Shares::new(2, Arc::new(proxies));
        let take = |address: &str| shares.take(address.parse().unwrap());
        let (first, second) = (take("203.0.113.7"), take("203.0.113.99"));
        assert!(first.is_some() && second.is_some());
        assert!(take("203.0.113.8").is_none(), "all of it is taken");
        let next_door = take("203.0.114.7");
        assert!(next_door.is_some());
        drop(first);
        let third = take("203.0.113.8");
        assert!(third.is_some());
        let behind: Vec<_> = (0..10).filter_map(|_| take("10.1.2.3")).collect();
        assert_eq!(behind.len(), 10, "a proxy stands for many");
        drop((second, third, next_door));
        assert!(shares.taken.lock().unwrap().is_empty());
    }
}
