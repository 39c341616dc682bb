//! Events that go in parts.

use std::fmt::Write as _;
use std::time::Duration;

use antiphon_cluster::{Kind, Options, Proxy, Rig, Server, wait_until};
use antiphon_realtime::{Bus as _, BusMessage, Emit, Target};
use antiphon_state::BusOptions;
use antiphon_state::bus::{MAX_EVENT, MAX_MESSAGE};
use bytes::Bytes;
use serde_json::json;

use super::support::{Client, Node, USUAL};
use crate::redis::support::LIMIT;

/// The event that has a page read again.
const RESYNC: &str = r#"42["antiphon:resync",{}]"#;
/// Bytes that may wait for one subscriber in the rigs below.
const OUTPUT_BUFFER: usize = 2 * 1024 * 1024;
/// Bytes of the events that are larger than that.
const LARGE: usize = 3 * 1024 * 1024;

/// A rig whose servers cut subscribers off early.
async fn narrow(kind: Kind) -> Rig {
    let settings = vec![format!("client-output-buffer-limit pubsub {OUTPUT_BUFFER} 0 0")];
    Rig::with(Options { settings, ..Options::new(kind) }).await.expect("a rig")
}

async fn pair(rig: &Rig, bus: &BusOptions) -> (Node, Node) {
    (Node::roomy(rig, bus).await, Node::roomy(rig, bus).await)
}

/// A text of which much has to be quoted, and that shows when something is missing, doubled or in another place.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 32);
    let mut number = 0;
    while text.len() < bytes {
        write!(text, "{number} \"\u{e9}\\ ").expect("written");
        number += 1;
    }
    text
}

/// The packet of an event with one argument.
fn packet(name: &str, argument: &str) -> String {
    format!("42{}", json!([name, argument]))
}

/// Waits for a packet without printing megabytes when it is another one.
async fn expect(client: &mut Client, expected: &str) {
    let packet = client.packet().await;
    let begin: String = packet.chars().take(200).collect();
    assert!(packet == expected, "{} bytes in place of {}: {begin}", packet.len(), expected.len());
}

fn emit(event: &str, argument: &str, target: Target, host_id: Option<&str>) -> Emit {
    Emit {
        event: event.to_owned(),
        arguments: serde_json::value::to_raw_value(&[argument]).expect("JSON").into(),
        attachments: Vec::new(),
        target,
        skip: Vec::new(),
        callback: None,
        host_id: host_id.map(str::to_owned),
    }
}

async fn crosses_where_one_message_would_cut_subscribers_off(kind: Kind) {
    let rig = narrow(kind).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let mut at_b = b.member("red").await;
    let resubscriptions = async || b.connections.totals().resubscriptions;

    // So large an event, in one message, is lost together with the subscription.
    let before = resubscriptions().await;
    let large = text(LARGE);
    let whole = emit("large", &large, Target::Room("red".to_owned()), None);
    let whole = BusMessage::Emit(Box::new(whole)).to_json().expect("JSON");
    let channel = format!("{}#/#red", a.exchange.channel("socketio"));
    a.exchange.publish(&channel, whole.as_bytes()).await.expect("published");
    expect(&mut at_b, RESYNC).await;
    let cut = async || resubscriptions().await > before && b.connections.status().is_ready();
    wait_until("the subscription was cut off and is back", LIMIT, cut).await.expect("in time");
    // What comes at a quiet time now comes from events alone.
    a.wait_ready("the large message").await;
    a.realtime.to("red").emit("begin", "").await.expect("sent");
    at_b.until(&packet("begin", "")).await;

    // In parts it arrives, in its place among the others, whichever rooms these are for.
    let (before, received) = (resubscriptions().await, b.bus.totals().received);
    for round in 0..3 {
        let tag = round.to_string();
        a.realtime.broadcast("before", &tag).await.expect("sent");
        a.realtime.to("red").emit("large", &large).await.expect("sent");
        a.realtime.to("red").to("blue").emit("after", &tag).await.expect("sent");
        expect(&mut at_b, &packet("before", &tag)).await;
        expect(&mut at_b, &packet("large", &large)).await;
        expect(&mut at_b, &packet("after", &tag)).await;
    }
    assert_eq!(resubscriptions().await, before, "nobody was cut off");
    let totals = b.bus.totals();
    assert_eq!((totals.received - received, totals.torn, totals.malformed), (9, 0, 0));
    assert_eq!(a.bus.totals().lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_event_crosses_a_standalone_server_that_would_cut_subscribers_off() {
    crosses_where_one_message_would_cut_subscribers_off(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_event_crosses_a_cluster_that_would_cut_subscribers_off() {
    crosses_where_one_message_would_cut_subscribers_off(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_and_small_events_of_two_emitters_keep_their_order_in_a_cluster() {
    const EVENTS: usize = 60;
    let rig = Rig::steady(Kind::Cluster, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let third = Node::roomy(&rig, &USUAL).await;
    let mut client = third.member("red").await;
    let large = text(600 * 1024);
    let emit_all = async |node: &Node, name: &str| {
        for number in 0..EVENTS {
            let pad = if number % 10 == 0 { large.as_str() } else { "" };
            let argument = format!("{number} {pad}");
            match number % 3 {
                0 => node.realtime.to("red").emit(name, &argument).await,
                1 => node.realtime.broadcast(name, &argument).await,
                _ => node.realtime.to("red").to("blue").emit(name, &argument).await,
            }
            .expect("sent");
        }
    };
    let read = async {
        let mut next = [0, 0];
        while next != [EVENTS; 2] {
            let seen = client.packet().await;
            let from = usize::from(seen.starts_with(r#"42["b","#));
            let pad = if next[from] % 10 == 0 { large.as_str() } else { "" };
            let expected = packet(if from == 1 { "b" } else { "a" }, &format!("{} {pad}", next[from]));
            let begin: String = seen.chars().take(200).collect();
            assert!(seen == expected, "after {next:?}: {begin}");
            next[from] += 1;
        }
    };
    tokio::join!(emit_all(&a, "a"), emit_all(&b, "b"), read);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_calls_and_acknowledgements_may_be_large() {
    let rig = narrow(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let mut client = b.member("red").await;
    let large = text(LARGE / 2);

    let attachments: Vec<Bytes> = vec![Bytes::from(vec![7; LARGE / 2]), Bytes::from_static(b"second")];
    let placeholders = json!([{"_placeholder": true, "num": 0}, {"_placeholder": true, "num": 1}]);
    let arguments = serde_json::value::to_raw_value(&placeholders).expect("JSON").into();
    let plain = emit("bin", "", Target::Everybody, Some(a.realtime.host_id()));
    let event = Emit { arguments, attachments: attachments.clone(), ..plain };
    a.bus.publish(BusMessage::Emit(Box::new(event))).await.expect("published");
    assert!(client.packet().await.starts_with(r#"452-["bin","#));
    for attachment in attachments {
        assert!(client.attachment().await == attachment);
    }

    let call = tokio::spawn({
        let (realtime, sid, large) = (a.realtime.clone(), client.sid.clone(), large.clone());
        async move { realtime.call(&sid, "ask", &large, LIMIT).await }
    });
    let asked = client.packet().await;
    let (id, rest) = asked[2..].split_once('[').expect("a number");
    assert!(format!("42[{rest}") == packet("ask", &large));
    client.send(&format!("43{id}{}", json!([large]))).await;
    assert!(call.await.expect("ended").expect("answered") == [json!(large)]);
    assert_eq!((a.bus.totals().torn, b.bus.totals().torn), (0, 0));
}

/// Publishes parts as another node would.
async fn publish_part(server: &Server, channel: &str, index: usize, rooms: &str, data: &str) {
    let part = format!(
        r#"{{"method":"antiphon_part","id":1,"index":{index},"count":3,"size":300,"rooms":{rooms},"data":"{data}","host_id":"other"}}"#
    );
    server.admin(&["PUBLISH", channel, &part]).await.expect("published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_part_has_the_rooms_of_the_event_read_again_and_no_others() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let (a, b) = pair(&rig, &USUAL).await;
    let (mut red, mut blue) = (b.member("red").await, b.member("blue").await);
    let base = a.exchange.channel("socketio");
    let server = &rig.servers()[0];
    let data = "x".repeat(100);
    publish_part(server, &base, 0, r#"["red"]"#, &data).await;
    publish_part(server, &base, 2, r#"["red"]"#, &data).await;
    expect(&mut red, RESYNC).await;
    // A message that begins like a part and is none changes nothing.
    server.admin(&["PUBLISH", &base, r#"{"method":"antiphon_part","id":{}}"#]).await.expect("published");
    a.realtime.broadcast("after", "").await.expect("sent");
    expect(&mut red, &packet("after", "")).await;
    expect(&mut blue, &packet("after", "")).await;
    assert_eq!((b.bus.totals().torn, b.bus.totals().malformed), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_sender_is_cut_off_among_its_parts_arrives_once_or_is_read_again() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let server = &rig.servers()[0];
    let proxy = Proxy::start(server.address().parse().expect("an address")).expect("a proxy");
    let url = format!("redis://127.0.0.1:{}/0", proxy.port);
    let a = Node::start(&rig, &[("REDIS_URL", &url), ("WEBSOCKET_REDIS_URL", &url)], &USUAL).await;
    let b = Node::roomy(&rig, &USUAL).await;
    let mut at_b = b.member("red").await;
    let large = text(LARGE);
    // So slow that a cut is in the middle.
    proxy.delay(Duration::from_millis(50));
    let cut_in_the_middle = async || {
        let bytes = async || {
            let bytes = server.info("total_net_input_bytes").await.expect("a field");
            bytes.parse::<usize>().expect("a number")
        };
        let before = bytes().await;
        a.realtime.to("red").emit("large", &large).await.expect("queued");
        let some = async || bytes().await > before + LARGE / 6;
        wait_until("some parts are published", LIMIT, some).await.expect("in time");
        proxy.cut();
    };
    let after = async |tag: &str| {
        a.wait_ready("the cut").await;
        a.realtime.to("red").emit("after", tag).await.expect("sent");
    };

    // For a moment: the parts under way are published once more.
    cut_in_the_middle().await;
    proxy.pass();
    after("1").await;
    let before = at_b.until(&packet("after", "1")).await;
    let whole = before.iter().filter(|seen| **seen == packet("large", &large)).count();
    let told = before.iter().filter(|seen| *seen == RESYNC).count();
    assert_eq!(whole + told, before.len(), "no wrong event");
    assert!(whole <= 1 && !before.is_empty(), "it comes once, or its receivers read again");

    // For longer than its sender waits.
    proxy.delay(Duration::from_millis(50));
    let lost = a.bus.totals().lost;
    cut_in_the_middle().await;
    let given_up = async || a.bus.totals().lost == lost + 1;
    wait_until("the sender gives the event up", LIMIT, given_up).await.expect("in time");
    proxy.pass();
    expect(&mut at_b, RESYNC).await;
    after("2").await;
    expect(&mut at_b, &packet("after", "2")).await;
    assert_eq!(b.bus.totals().malformed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_too_large_for_the_bus_is_refused_and_its_receivers_read_again() {
    let rig = narrow(Kind::Standalone).await;
    let (a, b) = pair(&rig, &USUAL).await;
    let mut at_b = b.member("red").await;
    let publish = async |size: usize| {
        let event = emit("large", "", Target::Room("red".to_owned()), Some(a.realtime.host_id()));
        let without = BusMessage::Emit(Box::new(event)).to_json().expect("JSON").len();
        let argument = "x".repeat(size - without);
        let event = emit("large", &argument, Target::Room("red".to_owned()), Some(a.realtime.host_id()));
        (a.bus.publish(BusMessage::Emit(Box::new(event))).await, packet("large", &argument))
    };
    let (fits, expected) = publish(MAX_EVENT).await;
    fits.expect("it fits");
    expect(&mut at_b, &expected).await;
    let (refused, _) = publish(MAX_EVENT + 1).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("the event bus takes 16777216")));
    expect(&mut at_b, RESYNC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_channel_shared_with_other_servers_an_event_goes_whole() {
    let rig = Rig::start(Kind::Standalone, false).await.expect("a rig");
    let bus = BusOptions { channel: Some("socketio".to_owned()), room_channels: false };
    let (a, b) = pair(&rig, &bus).await;
    let mut at_b = b.member("red").await;
    let commands = a.bus.totals().commands;
    let large = text(LARGE);
    a.realtime.to("red").emit("large", &large).await.expect("sent");
    expect(&mut at_b, &packet("large", &large)).await;
    assert_eq!(a.bus.totals().commands - commands, 1);
    let refused = a.realtime.to("red").emit("large", &text(MAX_MESSAGE)).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("the event bus takes 8388608")));
    expect(&mut at_b, RESYNC).await;
    // The reference listens to the channels of rooms, too.
    let bus = BusOptions { room_channels: true, ..bus };
    let (a, b) = pair(&rig, &bus).await;
    let mut at_b = b.member("red").await;
    let commands = a.bus.totals().commands;
    a.realtime.to("red").emit("large", &large).await.expect("sent");
    expect(&mut at_b, &packet("large", &large)).await;
    assert_eq!(a.bus.totals().commands - commands, 1);
}
