//! How this node reaches Redis, and how that fares. Administrators only.

use crate::App;
use crate::http::{Access, Route};
use antiphon_state::redis::{Connections, LinkStatus, Reach, RedisOptions, Totals};
use axum::extract::State;
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/api/v1/antiphon/redis", Access::Admin, show)]
}

/// `GET /api/v1/antiphon/redis`: topology, connections per server as they are and as they have to be, faults, counts.
async fn show(State(app): State<App>) -> axum::Json<Value> {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    axum::Json(match app.redis.look() {
        Some(connections) => with_redis(&connections, tasks),
        None => json!({
            "topology": "memory",
            "ready": app.redis.fault().is_none(),
            "roles": [],
            "links": [],
            "servers": [],
            "totals": totals(Totals::default()),
            "tasks": tasks,
        }),
    })
}

fn with_redis(connections: &Connections, tasks: usize) -> Value {
    let options = connections.options();
    let mut roles = vec![role(&options.main)];
    if !options.shared() {
        roles.push(role(&options.sockets));
    }
    let status = connections.status();
    // Those that are open first: a connection that is made in between is then one too few here, not one too many.
    let open = connections.open_connections();
    let expected = connections.expected_connections();
    let mut servers: Vec<_> = expected.keys().chain(open.keys()).collect();
    servers.sort();
    servers.dedup();
    let servers = servers.into_iter().map(|server| {
        json!({
            "address": server.to_string(),
            "expected": expected.get(server).copied().unwrap_or_default(),
            "open": open.get(server).copied().unwrap_or_default(),
        })
    });
    json!({
        "topology": topology(&options.main.reach),
        "ready": status.is_ready(),
        "roles": roles,
        "links": status.links.iter().map(link).collect::<Vec<_>>(),
        "servers": servers.collect::<Vec<_>>(),
        "totals": totals(connections.totals()),
        "tasks": tasks,
    })
}

fn topology(reach: &Reach) -> &'static str {
    match reach {
        Reach::Standalone(_) => "standalone",
        Reach::Sentinel(_) => "sentinel",
        Reach::Cluster(_) => "cluster",
    }
}

fn role(options: &RedisOptions) -> Value {
    let (addresses, master) = match &options.reach {
        Reach::Standalone(endpoint) | Reach::Cluster(endpoint) => (vec![endpoint.to_string()], None),
        Reach::Sentinel(sentinel) => {
            (sentinel.hosts.iter().map(ToString::to_string).collect(), Some(&*sentinel.master))
        }
    };
    json!({
        "name": options.role.to_string(),
        "topology": topology(&options.reach),
        "addresses": addresses,
        "master": master,
        "tls": options.tls.is_some(),
        "database": options.database,
        "prefix": &*options.prefix,
    })
}

fn link(link: &LinkStatus) -> Value {
    json!({
        "name": link.name,
        "ok": link.fault.is_none(),
        "error": link.fault.as_ref().map(ToString::to_string),
        "hint": link.remedy,
    })
}

fn totals(totals: Totals) -> Value {
    json!({
        "connects": totals.connects,
        "failed_calls": totals.failed_calls,
        "repeated_attempts": totals.repeated_attempts,
        "resubscriptions": totals.resubscriptions,
        "left_out_messages": totals.left_out_messages,
    })
}
