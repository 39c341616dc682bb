//! The route table, walked: every route keeps out whom it should and answers nonsense with a 4xx.

use crate::support::{Account, Place, on_both};
use antiphon_api::{Access, Route};
use reqwest::Method;

on_both!(every_route_keeps_out_whom_it_should, nonsense_is_refused_by_every_route);

/// The path of a route with something for each capture.
fn path(route: &Route) -> String {
    let mut path = String::new();
    let mut rest = route.path;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str("unknown");
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path + rest
}

/// Routes whose answer to a request without faults ends the session of the caller.
fn ends_the_session(route: &Route) -> bool {
    route.path == "/api/v1/auths/signout"
}

async fn every_route_keeps_out_whom_it_should(place: Place) {
    let node = place.start(&[]).await;
    let admin = node.sign_up("Ada").await;
    let user = node.add(&admin, "Bob", "user").await;
    let pending = node.add(&admin, "Cid", "pending").await;
    let nobody = node.client();
    for route in antiphon_api::routes::table() {
        let (method, path) = (route.method.clone(), path(&route));
        let refused: &[(&str, &crate::support::Client)] = match route.access {
            Access::Public => continue,
            Access::AnyRole | Access::Session => &[("nobody", &nobody)],
            Access::User => &[("nobody", &nobody), ("a pending account", &pending)],
            Access::Admin => &[("nobody", &nobody), ("a pending account", &pending), ("a user", &user)],
        };
        for (who, client) in refused {
            let answer = client.send(method.clone(), &path, Some("{".into())).await;
            assert_eq!(answer.status, 401, "{method} {path} as {who}");
            answer.expect_plain(401);
        }
    }
    node.stop().await;
}

async fn nonsense_is_refused_by_every_route(place: Place) {
    let node = place.start(&[]).await;
    let admin = node.sign_up("Ada").await;
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b"\"\xff\"",
        b"{\"model\":{\"a\":[1]},\"chat\":7,\"id\":[]}",
        &[b'['; 5_000],
    ];
    for route in antiphon_api::routes::table().iter().filter(|route| !ends_the_session(route)) {
        let path = path(route);
        for body in bodies {
            check(&admin, &route.method, &path, body).await;
        }
        for query in ["page=-1", "page=99999999999999999999", "%ff=%fe", "query=%00"] {
            check(&admin, &route.method, &format!("{path}?{query}"), b"").await;
        }
    }
    for path in ["/api/v1/users/%ff/info", "/api/v1/chats/%00", "/api/v1/chats/%ff"] {
        check(&admin, &Method::GET, path, b"").await;
    }
    // The administrator and the server are as before.
    assert_eq!(admin.get("/api/v1/auths/").await.expect(200)["role"], "admin");
    assert_eq!(admin.get("/api/v1/users/").await.expect(200)["total"], 1);
    node.stop().await;
}

/// No fault of the server, and a reason with every refusal.
async fn check(account: &Account, method: &Method, path: &str, body: &[u8]) {
    let answer = account.send(method.clone(), path, Some(body.to_vec())).await;
    let shown = format!(
        "{method} {path} {} -> {}",
        String::from_utf8_lossy(&body[..body.len().min(80)]),
        answer.status
    );
    assert!(answer.status < 500, "{shown}");
    if answer.status >= 400 {
        assert!(
            !answer.body["detail"].is_null(),
            "{shown}: no detail in {}",
            String::from_utf8_lossy(&answer.bytes)
        );
    }
}
