use super::*;

const LIMITS: AttachmentLimits = AttachmentLimits { count: 4, bytes: 64 };

fn read(text: &str) -> Result<Packet, PacketError> {
    decode(text.to_owned())
}

fn event_of(text: &str) -> (String, String, Option<u64>) {
    match read(text).unwrap().body {
        Body::Event { name, arguments, id } => (name, arguments.get().to_owned(), id),
        other => panic!("{other:?}"),
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn text_of(frame: &crate::frame::Frame) -> &str {
    std::str::from_utf8(frame.payload()).unwrap()
}

#[test]
fn engine_packets() {
    let read = |text: &str| decode_engine(text.to_owned());
    assert_eq!(read("1"), Ok(EnginePacket::Close));
    assert_eq!(read("2probe"), Ok(EnginePacket::Ping("probe".into())));
    assert_eq!(read("3"), Ok(EnginePacket::Pong));
    assert_eq!(read("4hello €"), Ok(EnginePacket::Message("hello €".into())));
    assert_eq!(read("5"), Ok(EnginePacket::Upgrade));
    assert_eq!(read("6"), Ok(EnginePacket::Noop));
    for wrong in ["", "0{}", "7", "abc", "b3w=", "é", " 4"] {
        assert_eq!(read(wrong), Err(PacketError::Type), "{wrong}");
    }
}

#[test]
fn events_split_into_name_and_arguments() {
    for (text, name, arguments, id) in [
        (r#"2["foo"]"#, "foo", "[]", None),
        (r#"2["foo",1,"2",{"3":[true]}]"#, "foo", r#"[1,"2",{"3":[true]}]"#, None),
        (r#"212["foo"]"#, "foo", "[]", Some(12)),
        (r#"2/,7["a" , null ]"#, "a", "[ null ]", Some(7)),
        (r#"2[ "a\"b\\" ,[] ]"#, "a\"b\\", "[[] ]", None),
        (r#"2["é\u00e9", "x"]"#, "éé", r#"[ "x"]"#, None),
        (r#"2["x" ]"#, "x", "[]", None),
        (r#"2999999999999999999["x"]"#, "x", "[]", Some(999_999_999_999_999_999)),
    ] {
        assert_eq!(event_of(text), (name.into(), arguments.into(), id), "{text}");
    }
}

#[test]
fn malformed_packets_are_refused() {
    for text in [
        "",
        "9",
        "abc",
        "4\"no\"",
        "2",
        "2{}",
        "2[]",
        "2[1]",
        "2[",
        "2[\"",
        "2[\"a",
        "2[\"a\"",
        "2[\"a\",",
        "2[\"a\",]",
        "2[\"a\"]x",
        "2[\"a\"]]",
        "2[\"a\\",
        "2[\"a\\\"",
        "2[\"\\x\"]",
        "2[\"a\" 1]",
        "2abc[\"a\"]",
        "21234567890123456789[\"a\"]",
        "2-[\"a\"]",
        "3",
        "3[]",
        "31",
        "31{}",
        "31[",
        "31[,]",
        "5[\"a\"]",
        "5-[\"a\"]",
        "51[\"a\"]",
        "599999-[\"a\"]",
        "0[]",
        "0\"x\"",
        "0{",
        "0{}x",
        "07{}",
        "11",
        "2\u{1}[\"a\"]",
        "2[\"a\u{1}\"]",
        "2/admin",
        "2/admin,",
        "é",
    ] {
        assert!(read(text).is_err(), "{text:?} gave {:?}", read(text));
    }
}

#[test]
fn connect_and_disconnect() {
    let packet = read("0").unwrap();
    assert!(packet.namespace.is_none());
    assert!(matches!(packet.body, Body::Connect(None)));
    assert!(matches!(read("0null").unwrap().body, Body::Connect(None)));
    match read(r#"0{"token":"x"}"#).unwrap().body {
        Body::Connect(Some(auth)) => assert_eq!(auth.get(), r#"{"token":"x"}"#),
        other => panic!("{other:?}"),
    }
    for (text, namespace) in
        [("0/admin", "/admin"), ("0/admin,", "/admin"), (r#"0/admin?a=b,{"x":1}"#, "/admin"), ("0/é,", "/é")]
    {
        assert_eq!(read(text).unwrap().namespace.as_deref(), Some(namespace), "{text}");
    }
    assert!(read("0/,{}").unwrap().namespace.is_none());
    assert!(matches!(read("1").unwrap().body, Body::Disconnect));
    assert!(matches!(read("1/admin,").unwrap().body, Body::Disconnect));
}

#[test]
fn acknowledgements() {
    match read(r#"312[{"ok":1},"x"]"#).unwrap().body {
        Body::Ack { id, arguments } => assert_eq!((id, arguments.get()), (12, r#"[{"ok":1},"x"]"#)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn attachments_become_numbers() {
    let packet =
        read(r#"52-13["a",{"x":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(packet.attachments, 2);
    let mut assembly = Assembly::new(packet, LIMITS).unwrap();
    assembly.push(vec![1, 2, 255]).unwrap();
    assert!(!assembly.is_complete());
    assembly.push(vec![]).unwrap();
    assert!(assembly.is_complete());
    assert_eq!(assembly.push(vec![]), Err(PacketError::Attachments));
    match assembly.finish().unwrap().body {
        Body::Event { name, arguments, id } => {
            assert_eq!((name.as_str(), arguments.get(), id), ("a", r#"[{"x":[]},[1,2,255]]"#, Some(13)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn attachments_are_bounded() {
    assert_eq!(Assembly::new(read("55-[\"a\"]").unwrap(), LIMITS).err(), Some(PacketError::Attachments));
    let mut assembly = Assembly::new(read("51-[\"a\"]").unwrap(), LIMITS).unwrap();
    assert_eq!(assembly.push(vec![0; 65]), Err(PacketError::Attachments));
    for arguments in [
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}"#,
    ] {
        let mut assembly = Assembly::new(read(&format!("51-[\"a\",{arguments}]")).unwrap(), LIMITS).unwrap();
        assembly.push(vec![0]).unwrap();
        assert!(assembly.finish().is_err(), "{arguments}");
    }
}

#[test]
fn frames_of_the_server() {
    assert_eq!(text_of(&event("foo", &raw("[]"), None, 0)), r#"42["foo"]"#);
    assert_eq!(text_of(&event("f\"oo", &raw(r#"[1,{"a":"é"}]"#), Some(7), 0)), r#"427["f\"oo",1,{"a":"é"}]"#);
    assert_eq!(text_of(&event("b", &raw("[ 1 ]"), None, 2)), r#"452-["b", 1 ]"#);
    assert_eq!(text_of(&ack(12, "[]")), "4312[]");
    assert_eq!(text_of(&connect("abc")), r#"40{"sid":"abc"}"#);
    assert_eq!(text_of(&disconnect()), "41");
    assert_eq!(text_of(&connect_error(Some("/ns"), "Unable to connect")), r#"44/ns,"Unable to connect""#);
    assert_eq!(text_of(&connect_error(None, "Unable to connect")), r#"44"Unable to connect""#);
    let open = OpenPacket {
        sid: "s",
        upgrades: [],
        ping_timeout: 20000,
        ping_interval: 25000,
        max_payload: 16_777_216,
    };
    assert_eq!(
        text_of(&open.encode()),
        r#"0{"sid":"s","upgrades":[],"pingTimeout":20000,"pingInterval":25000,"maxPayload":16777216}"#
    );
}

#[test]
fn what_we_write_we_read() {
    for (name, arguments) in [("a", "[]"), ("ü\n\"", r#"[null,"]",{"x":[1]}]"#)] {
        let frame = event(name, &raw(arguments), Some(3), 0);
        let EnginePacket::Message(text) = decode_engine(text_of(&frame).to_owned()).unwrap() else {
            panic!()
        };
        assert_eq!(event_of(&text), (name.into(), arguments.into(), Some(3)));
    }
}

#[test]
fn polling_payloads() {
    let parts: Vec<_> = decode_payload("4test1\u{1e}3\u{1e}bAQIDBA==\u{1e}4é").map(Result::unwrap).collect();
    assert_eq!(
        parts,
        [
            EnginePacket::Message("test1".into()),
            EnginePacket::Pong,
            EnginePacket::Binary(vec![1, 2, 3, 4]),
            EnginePacket::Message("é".into()),
        ]
    );
    for wrong in ["", "4a\u{1e}", "b*", "abc", "\u{1e}"] {
        assert!(decode_payload(wrong).any(|part| part.is_err()), "{wrong:?}");
    }
    let frames = [crate::frame::Frame::text("4hello"), crate::frame::Frame::binary(&[1, 2, 3, 4])];
    assert_eq!(encode_payload(&frames), b"4hello\x1ebAQIDBA==");
    assert!(encode_payload(&[]).is_empty());
}
