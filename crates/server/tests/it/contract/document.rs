//! The description of the surface, as it is served.

use crate::support::{Place, on_both};
use antiphon_api::openapi::Surface;

on_both!(the_description_is_served_to_developers_alone);

async fn the_description_is_served_to_developers_alone(place: Place) {
    for (variables, is_served) in [(&[][..], true), (&[("ENV", "dev")], true), (&[("ENV", "prod")], false)] {
        let node = place.start(variables).await;
        let answer = node.client().get("/openapi.json").await;
        if is_served {
            assert_eq!(answer.expect(200), &Surface::read().unwrap().document());
        } else {
            assert_eq!(answer.expect_plain(404), "Not Found");
        }
        node.stop().await;
    }
}
