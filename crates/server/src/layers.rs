//! What every response passes through: headers of the operator, origins, compression.

use antiphon_config::{AllowedOrigins, Config};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::time::Instant;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

/// Answers smaller than this are not worth compressing, in bytes.
const COMPRESS_ABOVE: u64 = 1024;

/// Says how long an answer took.
const PROCESS_TIME: HeaderName = HeaderName::from_static("x-process-time");

/// Puts the layers around the routes.
pub(crate) fn wrap(mut router: Router, config: &Config) -> Router {
    if config.server.compression {
        router = router.layer(
            CompressionLayer::new()
                .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESS_ABOVE))),
        );
    }
    for (name, value) in config.headers.iter() {
        // The configuration has checked that it is a header value.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            router = if name == header::CACHE_CONTROL {
                router.layer(SetResponseHeaderLayer::if_not_present(name, value))
            } else {
                router.layer(SetResponseHeaderLayer::overriding(name, value))
            };
        }
    }
    router.layer(from_fn(tell_time)).layer(cors(&config.cors.origins))
}

/// Tells how long the answer took, in whole seconds, as the reference does.
async fn tell_time(request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let mut response = next.run(request).await;
    response.headers_mut().insert(PROCESS_TIME, HeaderValue::from(begin.elapsed().as_secs()));
    response
}

/// Which pages of other origins may read answers (`CORS_ALLOW_ORIGIN`), with their cookies.
fn cors(origins: &AllowedOrigins) -> CorsLayer {
    let allowed = match origins {
        // With credentials a literal `*` is not allowed, so the caller's origin is repeated.
        AllowedOrigins::Any => AllowOrigin::mirror_request(),
        AllowedOrigins::Listed(origins) => {
            AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()))
        }
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        .allow_headers(AllowHeaders::mirror_request())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD])
}
