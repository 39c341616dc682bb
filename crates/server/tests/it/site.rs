//! What a browser gets beside the routes of the API: a page of another build, files, redirects, the manifest.

use crate::support::{Answer, Place, on_both, with_sqlite};
use reqwest::Method;
use reqwest::header::{self, HeaderName};
use serde_json::json;
use std::fs;
use std::path::Path;

on_both!(what_a_page_asks_for_while_it_starts_is_answered_truthfully);

/// The files of a build, with their texts.
fn build(folder: &Path) -> String {
    for (name, text) in [
        ("index.html", "<!doctype html><title>Another build</title>"),
        ("_app/immutable/start.js", "start()"),
        ("assets/picture.svg", "<svg/>"),
        ("pyodide/worker.js", "work()"),
        ("static/loader.js", ""),
        ("user.png", "picture"),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder.display().to_string()
}

#[track_caller]
fn is_index(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.bytes, b"<!doctype html><title>Another build</title>");
    assert_eq!(answer.header(&header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(answer.header(&header::CACHE_CONTROL), "no-cache");
}

#[tokio::test]
async fn a_build_in_a_folder_is_served_by_the_rules_of_the_reference() {
    with_sqlite(async |place: Place| {
        let folder = build(&place.folder().join("build"));
        let node = place.start(&[("FRONTEND_BUILD_DIR", &folder)]).await;
        let nobody = node.client();

        // A view of the page, a file that is not there, and one that hides from the folder's root.
        for path in
            ["/", "/c/some-chat", "/auth?redirect=%2F", "/foo", "/foo.css", "/x/y.png", "/..%2Fwebui.db"]
        {
            is_index(&nobody.get(path).await);
        }
        let index = nobody.get("/").await;
        for (condition, value) in
            [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)]
        {
            let known = nobody.clone().with_header(condition, index.header(&value)).get("/c/x").await;
            assert_eq!((known.status, known.bytes.len()), (304, 0));
        }

        // A script that is gone is never answered with a page.
        for path in [
            "/_app/immutable/gone.js",
            "/foo.js",
            "/static/gone.png",
            "/static/",
            "/api/v1/gone",
            "/api/gone",
        ] {
            assert_eq!(nobody.get(path).await.expect_plain(404), "Not Found", "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = nobody.send(method.clone(), "/foo", None).await;
            assert_eq!(answer.expect_plain(405), "Method Not Allowed");
            nobody.send(method, "/api/v1/gone", None).await.expect_plain(404);
        }

        let script = nobody.get("/_app/immutable/start.js").await;
        assert_eq!((script.status, script.bytes.as_slice()), (200, &b"start()"[..]));
        assert!(script.header(&header::CONTENT_TYPE).starts_with("text/javascript"));
        assert!(script.header(&header::CACHE_CONTROL).contains("immutable"));
        for path in ["/assets/picture.svg", "/user.png", "/static/loader.js"] {
            let file = nobody.get(path).await;
            assert_eq!((file.status, file.header(&header::CACHE_CONTROL)), (200, "no-cache"), "{path}");
        }
        assert!(nobody.get("/static/loader.js").await.bytes.is_empty());
        let worker = nobody.get("/pyodide/worker.js").await;
        assert_eq!(worker.header(&header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_folder_without_a_page_is_told_as_such() {
    with_sqlite(async |place: Place| {
        let folder = place.folder().join("empty");
        fs::create_dir(&folder).unwrap();
        let node = place.start(&[("FRONTEND_BUILD_DIR", &folder.display().to_string())]).await;
        assert!(node.client().get("/").await.expect_plain(404).contains("page is missing"));
        node.client().get("/api/config").await.expect(200);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_site_describes_itself_and_takes_what_is_shared_with_it() {
    with_sqlite(async |place: Place| {
        let variables = [("WEBUI_NAME", "Notes & <more>"), ("WEBUI_URL", "https://chat.example/")];
        let node = place.start(&variables).await;
        let nobody = node.client();
        let manifest = nobody.get("/manifest.json").await;
        assert_eq!(manifest.headers["x-process-time"], "0");
        assert_eq!(manifest.expect(200)["name"], "Notes & <more>");
        assert_eq!(
            (&manifest.body["start_url"], &manifest.body["display"]),
            (&json!("/"), &json!("standalone"))
        );
        assert_eq!(
            manifest.body["share_target"],
            json!({ "action": "/", "method": "GET", "params": { "text": "shared" } })
        );
        assert!(manifest.body["icons"].as_array().unwrap().iter().all(|icon| icon["src"].is_string()));
        let search = nobody.get("/opensearch.xml").await;
        assert_eq!((search.status, search.header(&header::CONTENT_TYPE)), (200, "application/xml"));
        let text = String::from_utf8(search.bytes).unwrap();
        assert!(text.contains("template=\"https://chat.example/?q={searchTerms}\""), "{text}");
        assert!(text.contains("Ask Notes &amp; &lt;more&gt;<"), "{text}");

        for (path, place) in [
            ("/watch?v=abc", "/?youtube=abc"),
            ("/?shared=a%20question", "/?q=a%20question"),
            ("/?shared=https://a.example/", "/?load-url=https%3A%2F%2Fa.example%2F"),
        ] {
            let answer = nobody.get(path).await;
            assert_eq!((answer.status, answer.header(&header::LOCATION)), (307, place));
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn files_of_the_cache_are_for_people_who_are_signed_in_and_never_act_as_part_of_the_site() {
    with_sqlite(async |place: Place| {
        let node = place.start(&[]).await;
        let ada = node.sign_up("Ada").await;
        let folder = place.folder().join("cache/image");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.png"), "picture").unwrap();
        fs::write(folder.join("a.html"), "<script>act()</script>").unwrap();

        node.client().get("/cache/image/a.png").await.expect_plain(401);
        // An `<img>` has the cookie alone.
        let picture = node.client().with_cookie(&ada.token).get("/cache/image/a.png").await;
        assert_eq!((picture.status, picture.bytes.as_slice()), (200, &b"picture"[..]));
        assert!(!picture.headers.contains_key(header::CONTENT_DISPOSITION));
        let page = ada.get("/cache/image/a.html").await;
        assert_eq!((page.status, page.header(&header::CONTENT_DISPOSITION)), (200, "attachment"));
        for answer in [&picture, &page] {
            assert_eq!(answer.header(&header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
        for path in [
            "/cache/gone.png",
            "/cache/image",
            "/cache/..%2Fwebui.db",
            "/cache/image/..%2f..%2f..%2fwebui.db",
        ] {
            assert_eq!(ada.get(path).await.expect_plain(404), "File not found", "{path}");
        }
        node.stop().await;
    })
    .await;
}

async fn what_a_page_asks_for_while_it_starts_is_answered_truthfully(place: Place) {
    let node = place.start(&[]).await;
    let ada = node.sign_up("Ada").await;
    let bob = node.add(&ada, "Bob", "user").await;
    for path in [
        "/api/v1/tools/",
        "/api/v1/tools/?",
        "/api/v1/functions/",
        "/api/v1/skills/?",
        "/api/v1/terminals/",
        "/api/v1/folders/",
        "/api/v1/folders/shared",
        "/api/v1/notes/pinned",
    ] {
        assert_eq!(bob.get(path).await.expect(200), &json!([]), "{path}");
    }
    // What would have to be kept is refused.
    for path in ["/api/v1/folders/", "/api/v1/notes/create", "/api/v1/chats/x/folder"] {
        let answer = bob.post(path, json!({ "name": "kept", "folder_id": null })).await;
        assert!([404, 405].contains(&answer.status), "{path} -> {}", answer.status);
        answer.expect_plain(answer.status);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_engine_has_the_address_that_a_trusted_proxy_tells() {
    with_sqlite(|place| async move {
        for (trusted, scheme) in [("127.0.0.1", "https"), ("192.0.2.1", "http")] {
            let node = place.start(&[("FORWARDED_ALLOW_IPS", trusted)]).await;
            let proxied = node.client().with_header(HeaderName::from_static("x-forwarded-proto"), "https");
            let answer = proxied.get("/opensearch.xml").await;
            let text = String::from_utf8_lossy(&answer.bytes).into_owned();
            assert_eq!(answer.status, 200, "{text}");
            assert!(text.contains(&format!("template=\"{scheme}://127.0.0.1:")), "{trusted}: {text}");
            node.stop().await;
        }
    })
    .await;
}
