//! Who may call what: nobody is kept out who was let in, and nobody let in who was kept out.

use super::book::Book;
use super::walk::{anonymous, unmarked};
use antiphon_api::Access;
use std::collections::BTreeMap;

/// Whether a route with this access lets somebody of this role in.
fn lets_in(access: Access, role: &str) -> bool {
    match access {
        Access::Public => true,
        Access::AnyRole | Access::Session => role != "nobody",
        Access::User => ["user", "admin"].contains(&role),
        Access::Admin => role == "admin",
    }
}

#[test]
fn routes_let_in_whom_the_reference_lets_in() {
    let routes: BTreeMap<String, Access> = antiphon_api::routes::table()
        .iter()
        .map(|route| (anonymous(&format!("{} {}", route.method, route.path)), route.access))
        .collect();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (operation, call) in &Book::open().calls {
        let Some(access) = routes.get(&anonymous(unmarked(operation))) else { continue };
        for seen in &call.access {
            let (role, expected) =
                seen.strip_suffix(" refused").map_or((seen.as_str(), true), |role| (role, false));
            // A public route may still refuse a token that is no longer good.
            let is_stale = *access == Access::Public && !expected;
            if !is_stale && lets_in(*access, role) != expected {
                wrong.push(format!("{operation}: {seen}, but it is for {access:?}"));
            }
            compared += 1;
        }
    }
    assert!(compared > 50, "only {compared} were compared");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
