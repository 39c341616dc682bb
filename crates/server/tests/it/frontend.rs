//! Our own page, from the binary, and what no path may reach.

use crate::support::{Answer, Client, Place, Site, with_sqlite};
use reqwest::Method;
use reqwest::header::{self, HeaderName, HeaderValue};
use std::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Path of a script of the page, as the page itself names it.
async fn script(client: &Client) -> String {
    let index = client.get("/").await;
    let text = String::from_utf8(index.bytes).expect("a text");
    let (_, rest) =
        text.split_once("src=\"/assets/").expect("a script in the page; build it with `make page`");
    format!("/assets/{}", rest.split('"').next().unwrap())
}

fn value<'a>(answer: &'a Answer, name: &HeaderName) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().expect("ASCII"))
}

fn accepting(client: &Client, encodings: &str) -> Client {
    client.clone().with_header(header::ACCEPT_ENCODING, encodings)
}

#[tokio::test]
async fn every_view_is_the_page() {
    with_sqlite(async |place: Place| {
        let node = place.start(&[]).await;
        let nobody = node.client();
        let index = nobody.get("/").await;
        assert_eq!(index.status, 200, "the page is missing; build it with `make page`");
        let tag = index.header(&header::ETAG).to_owned();
        for path in [
            "/",
            "/c/some-chat",
            "/auth?redirect=%2F",
            "/admin/users",
            "/foo.css",
            "/x/y.png",
            "/%F0%9F%99%82",
        ] {
            let answer = nobody.get(path).await;
            assert_eq!((answer.status, &answer.bytes), (200, &index.bytes), "{path}");
            assert_eq!(answer.header(&header::CONTENT_TYPE), "text/html; charset=utf-8");
            assert_eq!(answer.header(&header::CACHE_CONTROL), "no-cache");
            let policy = answer.header(&header::CONTENT_SECURITY_POLICY);
            for rule in [
                "default-src 'self'",
                "script-src 'self'",
                "object-src 'none'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            ] {
                assert!(policy.contains(rule), "{policy}");
            }
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(value(&answer, &header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"), "{path}");
            let known = nobody.clone().with_header(header::IF_NONE_MATCH, &tag).get(path).await;
            assert_eq!((known.status, known.bytes.len()), (304, 0), "{path}");
        }
        // What the policy forbids is not in the page.
        let text = String::from_utf8(index.bytes).unwrap();
        assert!(
            !text.contains("<style") && !text.contains(" onload=") && !text.contains("<script>"),
            "{text}"
        );
        let head = nobody.send(Method::HEAD, "/c/x", None).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0));
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_plainly_asked_for_is_no_view() {
    with_sqlite(async |place: Place| {
        let node = place.start(&[]).await;
        let nobody = node.client();
        for path in [
            "/gone.js",
            "/assets/gone.js",
            "/c/gone.JS",
            "/static/gone.png",
            "/api",
            "/api/",
            "/api/gone",
            "/api/v1/gone/x",
            "/openai/gone",
            "/ollama/gone",
            "/ws/gone",
            "/oauth/x",
            "/health/gone",
        ] {
            let answer = nobody.get(path).await;
            assert_eq!(answer.expect_plain(404), "Not Found", "{path}");
            assert_eq!(answer.header(&header::CONTENT_TYPE), "application/json", "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(
                nobody.send(method.clone(), "/c/x", None).await.expect_plain(405),
                "Method Not Allowed"
            );
            assert_eq!(nobody.send(method, "/api/v1/gone", None).await.expect_plain(404), "Not Found");
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn files_are_kept_for_good_and_travel_compressed() {
    with_sqlite(async |place: Place| {
        let node = place.start(&[]).await;
        let nobody = node.client();
        let path = script(&nobody).await;
        let plain = accepting(&nobody, "identity").get(&path).await;
        assert_eq!((plain.status, value(&plain, &header::CONTENT_ENCODING)), (200, None));
        assert!(plain.header(&header::CONTENT_TYPE).starts_with("text/javascript"));
        assert_eq!(plain.header(&header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(plain.header(&header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        for (accepted, encoding) in [
            ("br", Some("br")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("gzip, br;q=0", Some("gzip")),
            ("zstd", None),
        ] {
            let answer = accepting(&nobody, accepted).get(&path).await;
            assert_eq!(
                (answer.status, value(&answer, &header::CONTENT_ENCODING)),
                (200, encoding),
                "{accepted}"
            );
            assert!(answer.header(&header::VARY).contains("accept-encoding"));
            if encoding.is_some() {
                assert!(answer.bytes.len() < plain.bytes.len(), "{accepted}");
            }
            let tag = answer.header(&header::ETAG);
            for condition in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
                let known = accepting(&nobody, accepted)
                    .with_header(header::IF_NONE_MATCH, &condition)
                    .get(&path)
                    .await;
                assert_eq!((known.status, known.bytes.len()), (304, 0), "{condition}");
            }
            let other =
                accepting(&nobody, accepted).with_header(header::IF_NONE_MATCH, "\"x\"").get(&path).await;
            assert_eq!(other.status, 200);
        }
        // The page itself travels compressed too, from its build.
        let index = accepting(&nobody, "br").get("/c/x").await;
        assert_eq!(value(&index, &header::CONTENT_ENCODING), Some("br"));
        // The compressed forms are no files of their own.
        let beside = nobody.get(&format!("{path}.br")).await;
        assert!(value(&beside, &header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")));
        // Everything that may change under its name is asked for again.
        assert_eq!(nobody.get("/favicon.png").await.header(&header::CACHE_CONTROL), "no-cache");
        node.stop().await;
    })
    .await;
}

/// Asks for a path exactly as it is, past every client that would straighten it; gives the whole answer.
async fn raw(site: &Site, path: &[u8]) -> String {
    let mut stream =
        tokio::net::TcpStream::connect(site.base().strip_prefix("http://").unwrap()).await.unwrap();
    stream
        .write_all(&[b"GET ", path, b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"].concat())
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(crate::support::provider::LIMIT, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    with_sqlite(async |place: Place| {
        let folder = place.folder().join("site/build");
        fs::create_dir_all(folder.join("assets")).unwrap();
        fs::write(folder.join("index.html"), "<!doctype html>the page").unwrap();
        fs::write(folder.join("assets/a.txt"), "inside").unwrap();
        fs::write(place.folder().join("site/secret.txt"), "the secret").unwrap();
        fs::write(place.folder().join("secret.txt"), "the secret").unwrap();
        let variables = folder.display().to_string();
        for variables in [vec![("FRONTEND_BUILD_DIR", variables.as_str())], vec![]] {
            let node = place.start(&variables).await;
            if !variables.is_empty() {
                assert!(raw(&node, b"/assets/a.txt").await.ends_with("inside"));
            }
            for path in [
                "/../secret.txt",
                "/../../secret.txt",
                "/assets/../../secret.txt",
                "/assets/../../../secret.txt",
                "/..%2fsecret.txt",
                "/%2e%2e/secret.txt",
                "/%2e%2e%2fsecret.txt",
                "/assets/%2e%2e/%2e%2e/secret.txt",
                "/..%5csecret.txt",
                "/..\\secret.txt",
                "/%252e%252e/secret.txt",
                "//secret.txt",
                "/./../secret.txt",
                "/assets/..%00/secret.txt",
                "/static/../../secret.txt",
                "/static/%2e%2e/%2e%2e/secret.txt",
                "/cache/../secret.txt",
                "/assets/a.txt%00.png",
                "/secret.txt/../secret.txt",
            ] {
                let answer = raw(&node, path.as_bytes()).await;
                assert!(!answer.contains("the secret"), "{path}: {answer}");
                let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
                assert!(status < 500, "{path}: {answer}");
            }
            let whole = place.folder().join("secret.txt").display().to_string();
            assert!(!raw(&node, whole.as_bytes()).await.contains("the secret"));
            // What is no path at all is refused by the protocol.
            for path in [&b"secret.txt"[..], b"", b"/\xff\xfe", b"/a b"] {
                let answer = raw(&node, path).await;
                assert!(!answer.contains("the secret") && !answer.contains(" 500 "), "{answer}");
            }
            let long = format!("/{}", "x".repeat(5_000));
            assert!(raw(&node, long.as_bytes()).await.starts_with("HTTP/1.1 200"), "a long view is a view");
            node.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn headers_of_the_operator_are_on_every_answer() {
    with_sqlite(async |place: Place| {
        let variables = [
            ("XFRAME_OPTIONS", "SAMEORIGIN"),
            ("HSTS", "max-age=31536000"),
            ("REFERRER_POLICY", "no-referrer"),
        ];
        let node = place.start(&variables).await;
        for path in ["/", "/api/version", "/api/v1/gone", "/favicon.png"] {
            let answer = node.client().get(path).await;
            for (name, expected) in [
                ("x-frame-options", "SAMEORIGIN"),
                ("strict-transport-security", "max-age=31536000"),
                ("referrer-policy", "no-referrer"),
            ] {
                assert_eq!(answer.headers.get(name), Some(&HeaderValue::from_static(expected)), "{path}");
            }
        }
        node.stop().await;
    })
    .await;
}
