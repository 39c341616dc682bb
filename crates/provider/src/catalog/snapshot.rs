//! The models of all connections, joined.

use super::member::Member;
use crate::model::Model;
use crate::ollama::list::also_at;
use crate::options::CatalogOptions;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where requests for one model go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) model: Arc<Model>,
    /// The connections that offer it. Several only for Ollama, where equal names on several machines mean that the
    /// load is shared; otherwise the first connection wins.
    places: Vec<(Arc<Member>, Arc<str>)>,
    next: AtomicUsize,
}

impl Route {
    /// The connection for the next request, and the model's id there; failing connections are passed over for a while.
    pub(crate) fn choose(&self, options: &CatalogOptions) -> Option<(Arc<Member>, Arc<str>)> {
        if let [place] = &self.places[..] {
            return Some(place.clone());
        }
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = |offset: usize| self.places.get((start.wrapping_add(offset)) % self.places.len());
        let fit = (0..self.places.len()).filter_map(turn).find(|(member, _)| !member.is_avoided(options));
        fit.or_else(|| turn(0)).cloned()
    }
}

/// The joined list at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) models: Arc<[Arc<Model>]>,
    pub(crate) routes: HashMap<String, Arc<Route>>,
    pub(crate) version: u64,
}

impl Snapshot {
    /// Joins what the connections offer now; `version` is that of the list before, and grows if the list differs.
    pub(crate) fn join(members: &[Arc<Member>], options: &CatalogOptions, before: &Self) -> Self {
        let mut order: Vec<String> = Vec::new();
        let mut routes: HashMap<String, Route> = HashMap::new();
        for member in members {
            for listed in member.offered(options).iter() {
                let place = (Arc::clone(member), Arc::clone(&listed.upstream_id));
                match routes.entry(listed.model.id.clone()) {
                    Entry::Vacant(entry) => {
                        order.push(entry.key().clone());
                        entry.insert(Route {
                            model: Arc::clone(&listed.model),
                            places: vec![place],
                            next: AtomicUsize::new(0),
                        });
                    }
                    Entry::Occupied(mut entry) => {
                        let route = entry.get_mut();
                        let both_ollama = route.model.ollama.is_some() && listed.model.ollama.is_some();
                        let known = route.places.iter().any(|(known, _)| Arc::ptr_eq(known, member));
                        if both_ollama && !known {
                            route.model = Arc::new(also_at(&route.model, member.connection.index));
                            route.places.push(place);
                        }
                    }
                }
            }
        }
        let models: Arc<[Arc<Model>]> = order.iter().map(|id| Arc::clone(&routes[id].model)).collect();
        let routes = routes.into_iter().map(|(id, route)| (id, Arc::new(route))).collect();
        if models == before.models {
            Self { models: Arc::clone(&before.models), routes, version: before.version }
        } else {
            Self { models, routes, version: before.version + 1 }
        }
    }
}
