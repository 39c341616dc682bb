//! `docs/reference/openapi.json`: the OpenAPI document that a server in `ENV=dev` serves at `/openapi.json`.

use super::keep;
use antiphon_api::openapi::Surface;
use std::collections::BTreeSet;

#[test]
fn the_document_is_as_the_routes_are() {
    let surface =
        Surface::read().unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    keep("docs/reference/openapi.json", &format!("{:#}\n", surface.document()));
}

#[test]
fn operations_have_names_of_their_own() {
    let document = Surface::read().unwrap().document();
    let mut seen = BTreeSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            assert!(
                seen.insert(operation["operationId"].as_str().unwrap()),
                "twice: {}",
                operation["operationId"]
            );
        }
    }
}
