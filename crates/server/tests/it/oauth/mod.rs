//! Sign-in through a real OpenID Connect provider.

mod browser;
mod fleet;
mod forged;
mod people;
mod provider;
mod settings;

use crate::support::{NodeUnderTest, Place, claims, on_both, with_sqlite};
use antiphon_storage::SignInLink;
use browser::{Browser, address, parameter};
use provider::{Provider, SECRET};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use url::Url;

on_both!(somebody_new_gets_an_account_and_later_the_same_one,);

/// Starts a node at which people sign in through this provider.
async fn start(place: &Place, provider: &Provider, further: &[(&str, &str)]) -> NodeUnderTest {
    let variables = provider.variables();
    let mut all: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.retain(|(name, _)| !further.iter().any(|(set, _)| set == name));
    all.extend_from_slice(further);
    place.start(&all).await
}

async fn somebody_new_gets_an_account_and_later_the_same_one(place: Place) {
    let provider = Provider::start().await;
    let node = start(&place, &provider, &[]).await;
    let config = node.client().get("/api/config").await;
    let oauth = json!({ "providers": { "oidc": "Example Id" }, "auto_redirect": false });
    assert_eq!(config.expect(200)["oauth"], oauth);

    let mut browser = Browser::new();
    let begun = browser.begin(&node).await;
    let asked = begun.location();
    assert_eq!((begun.status, asked.path()), (302, "/auth"), "{asked}");
    let expected = [
        ("response_type", "code"),
        ("client_id", "antiphon"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", address(&node, "/oauth/oidc/login/callback").as_str()),
    ]
    .map(|(name, value)| (name, Some(value.to_owned())));
    assert_eq!(expected.clone().map(|(name, _)| (name, parameter(&asked, name))), expected);
    let [state, nonce, challenge] =
        ["state", "nonce", "code_challenge"].map(|name| parameter(&asked, name).expect(name));
    let cookie = browser.cookie("owui-session").expect("the cookie of the attempt").clone();
    for attribute in ["; httponly", "; path=/oauth", "; samesite=lax", "; max-age=600"] {
        assert!(cookie.attributes.contains(attribute), "{attribute} in {}", cookie.attributes);
    }
    for secret in [&state, &nonce, &challenge, &SECRET.to_owned()] {
        assert!(!cookie.value.contains(secret.as_str()), "the cookie can be read");
    }
    assert!(!asked.as_str().contains(SECRET) && begun.headers["cache-control"] == "no-store");

    let answer = browser.at_provider(&asked, "ada").await;
    let back = browser.finish(&node, &answer).await;
    assert_eq!((back.status, back.location()), (302, address(&node, "/auth")));
    assert!(browser.cookie("owui-session").is_none(), "the attempt is over");
    let token = browser.cookie("token").expect("a session").clone();
    // The page takes the token from the cookie; with its first request the cookie is out of the reach of scripts.
    assert!(!token.attributes.contains("httponly") && token.attributes.contains("; path=/; samesite=lax"));
    assert!(browser.cookie("oauth_id_token").is_some_and(|cookie| cookie.attributes.contains("httponly")));
    assert_eq!(claims(&token.value)["auth_method"], "oauth");
    let ada = node.client().with_token(&token.value).get("/api/v1/auths/").await;
    assert!(ada.cookie().1.contains(&"httponly".to_owned()));
    let ada = ada.expect(200);
    assert_eq!(
        (&ada["name"], &ada["email"], &ada["role"]),
        (&json!("Ada"), &json!("ada@example.org"), &json!("admin"))
    );

    // The same person in another browser has the same account; somebody else has another one, of the usual role.
    let mut elsewhere = Browser::new();
    elsewhere.sign_in(&node, "ada").await;
    let again = elsewhere.cookie("token").expect("a session").value.clone();
    let mut of_bob = Browser::new();
    of_bob.sign_in(&node, "bob").await;
    let bob = of_bob.cookie("token").expect("a session").value.clone();
    let who = async |token: &str| {
        let session = node.client().with_token(token).get("/api/v1/auths/").await;
        session.expect(200).clone()
    };
    let (same, bob) = (who(&again).await, who(&bob).await);
    assert_eq!(same["id"], ada["id"]);
    assert_eq!((&bob["role"], bob["id"] == ada["id"]), (&json!("user"), false));
    let database = place.database().await;
    let link = SignInLink { provider: "oidc", subject: "ada" };
    let stored = database.users().by_link(link).await.expect("an answer").expect("an account");
    assert_eq!(
        (json!(stored.id), stored.oauth),
        (ada["id"].clone(), Some(json!({ "oidc": { "sub": "ada" } })))
    );
    // After the first account nobody makes one with the form.
    node.try_sign_up("Eve").await.expect_plain(403);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_once_and_in_its_own_browser() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        let mut browser = Browser::new();
        let answer = browser.answer(&node, "ada").await;

        // Somebody else's browser has no cookie, or that of another attempt.
        let over = "This sign-in is over";
        let mut other = Browser::new();
        assert!(other.finish(&node, &answer).await.problem().contains(over));
        other.begin(&node).await;
        assert!(other.finish(&node, &answer).await.problem().contains(over));
        let made_up = Url::parse(&answer.as_str().replace("state=", "state=x")).expect("an address");
        let mut thief = browser.clone();
        assert!(thief.finish(&node, &made_up).await.problem().contains(over));

        let mut replayed = browser.clone();
        assert!(browser.finish(&node, &answer).await.sets("token"));
        assert!(replayed.finish(&node, &answer).await.problem().contains(over));
        for path in ["/oauth/github/login", "/oauth/oidc2/login/callback?state=a&code=b"] {
            node.client().get(path).await.expect_plain(404);
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_is_told_on_the_page_in_time() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(&place, &provider, &[]).await;
        let mut browser = Browser::new();
        let answer = browser.answer(&node, "ada").await;
        provider.kill().await;
        let problem = browser.finish(&node, &answer).await.problem();
        assert!(problem.contains("cannot be reached right now"), "{problem}");
        node.stop().await;

        // One that takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url =
            format!("http://{}/.well-known/openid-configuration", silent.local_addr().expect("an address"));
        let variables = [
            ("OPENID_PROVIDER_URL", url.as_str()),
            ("OAUTH_CLIENT_ID", "antiphon"),
            ("OAUTH_TIMEOUT", "0.5"),
        ];
        let node = place.start(&variables).await;
        let begin = Instant::now();
        let problem = browser.begin(&node).await.problem();
        assert!(problem.contains("cannot be reached right now"), "{problem}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_ends_the_session_at_the_provider_too() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node =
            start(&place, &provider, &[("WEBUI_AUTH_SIGNOUT_REDIRECT_URL", "http://127.0.0.1/after")]).await;
        let mut browser = Browser::new();
        browser.sign_in(&node, "ada").await;
        let token = browser.cookie("token").expect("a session").value.clone();
        let id_token = browser.cookie("oauth_id_token").expect("an ID token").value.clone();
        let cookies = format!("token={token}; oauth_id_token={id_token}");
        let client = node.client().with_header(reqwest::header::COOKIE, &cookies);
        let answer = client.post("/api/v1/auths/signout", json!({})).await;
        let next =
            Url::parse(answer.expect(200)["redirect_url"].as_str().expect("an address")).expect("an address");
        assert_eq!(next.path(), "/session/end");
        assert_eq!(parameter(&next, "id_token_hint"), Some(id_token));
        assert_eq!(parameter(&next, "post_logout_redirect_uri").as_deref(), Some("http://127.0.0.1/after"));
        let cleared: Vec<_> =
            answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
        for name in ["token=;", "owui-session=;", "oauth_id_token=;"] {
            assert!(cleared.iter().any(|cookie| cookie.starts_with(name)), "{name} in {cleared:?}");
        }
        // The provider takes it for what it is, and asks nothing that the server should have known.
        let page = browser.get(&next).await;
        assert_eq!(page.status, 200, "{}", page.text);
        node.client().with_token(&token).get("/api/v1/auths/").await.expect(401);

        // Where no session began at the provider, it has no part in the end.
        let answer = node.client().post("/api/v1/auths/signout", json!({})).await;
        assert_eq!(answer.expect(200)["redirect_url"], "http://127.0.0.1/after");
        node.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_those_that_the_operator_names() {
    with_sqlite(|place| async move {
        let provider = Provider::start().await;
        let node = start(
            &place,
            &provider,
            &[
                ("WEBUI_URL", "https://chat.example.org/"),
                ("OAUTH_CLIENT_ID", "antiphon-public"),
                ("OAUTH_CLIENT_SECRET", ""),
            ],
        )
        .await;
        let mut browser = Browser::new();
        let asked = browser.begin(&node).await.location();
        assert_eq!(
            parameter(&asked, "redirect_uri").as_deref(),
            Some("https://chat.example.org/oauth/oidc/login/callback")
        );
        let page = browser.finish(&node, &address(&node, "/oauth/oidc/login/callback?state=x&code=y")).await;
        let location = page.location();
        assert!(
            location.as_str().starts_with("https://chat.example.org/auth?error=This+sign-in"),
            "{location}"
        );
        node.stop().await;

        let own = "http://127.0.0.1/oauth/oidc/login/callback";
        let node = start(
            &place,
            &provider,
            &[("OPENID_REDIRECT_URI", own), ("OAUTH_AUTHORIZE_PARAMS", r#"{"ui_locales":"de","state":"x"}"#)],
        )
        .await;
        let asked = browser.begin(&node).await.location();
        assert_eq!(parameter(&asked, "redirect_uri").as_deref(), Some(own));
        assert_eq!(parameter(&asked, "ui_locales").as_deref(), Some("de"));
        assert_eq!(asked.query_pairs().filter(|(name, _)| name == "state").count(), 1);
        node.stop().await;

        // Stored settings win over the environment, until they are reset.
        let node = start(&place, &provider, &[("RESET_CONFIG_ON_START", "true")]).await;
        let forwarded =
            node.client().with_header(reqwest::header::HeaderName::from_static("x-forwarded-proto"), "https");
        let answer = forwarded.get("/oauth/oidc/login").await;
        let asked = Url::parse(answer.header(&reqwest::header::LOCATION)).expect("an address");
        let redirect_uri = parameter(&asked, "redirect_uri").expect("an address");
        assert!(redirect_uri.starts_with("https://127.0.0.1:"), "{redirect_uri}");
        node.stop().await;
    })
    .await;
}

/// The session of a browser as a node sees it.
async fn session(node: &NodeUnderTest, browser: &Browser) -> Value {
    let token = &browser.cookie("token").expect("a session").value;
    node.client().with_token(token).get("/api/v1/auths/").await.expect(200).clone()
}
