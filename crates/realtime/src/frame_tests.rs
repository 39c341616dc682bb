use super::*;

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
const LIMIT: usize = 1 << 20;

/// A client's frame.
fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(MASKED | u8::try_from(short).unwrap()),
        medium @ 126..65536 => {
            bytes.push(MASKED | LENGTH_16);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(MASKED | LENGTH_64);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn read_all(mut input: &[u8], limit: usize) -> Result<Vec<Message>, FrameError> {
    let mut reader = FrameReader::default();
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input, limit)? {
        messages.push(message);
    }
    assert!(input.is_empty());
    Ok(messages)
}

#[test]
fn headers_have_the_shortest_length() {
    for (length, header) in [(0, 2), (1, 2), (125, 2), (126, 4), (65535, 4), (65536, 10), (70_000, 10)] {
        let frame = Frame::text(&"x".repeat(length));
        assert_eq!(frame.wire().len(), length + header, "{length}");
        assert_eq!(frame.payload().len(), length);
        assert_eq!(frame.wire()[0], 0x81);
        let announced = match frame.wire()[1] {
            126 => usize::from(u16::from_be_bytes([frame.wire()[2], frame.wire()[3]])),
            127 => usize::try_from(u64::from_be_bytes(frame.wire()[2..10].try_into().unwrap())).unwrap(),
            short => usize::from(short),
        };
        assert_eq!(announced, length);
        assert!(!frame.is_binary());
    }
    assert!(Frame::binary(b"x").is_binary());
}

#[test]
fn messages_of_all_sizes_arrive_in_any_cut() {
    let texts: Vec<String> =
        [0, 1, 5, 125, 126, 4000, 65535, 65536, 200_000].iter().map(|n| "aé".repeat(n / 3)).collect();
    let stream: Vec<u8> = texts.iter().flat_map(|text| client(0x81, text.as_bytes())).collect();
    let expected: Vec<Message> = texts.iter().cloned().map(Message::Text).collect();
    assert_eq!(read_all(&stream, LIMIT).unwrap(), expected);
    for step in [1, 2, 3, 7, 1000] {
        let mut reader = FrameReader::default();
        let mut messages = Vec::new();
        for mut piece in stream.chunks(step) {
            while let Some(message) = reader.read(&mut piece, LIMIT).unwrap() {
                messages.push(message);
            }
            assert!(piece.is_empty());
        }
        assert_eq!(messages, expected, "cut every {step} bytes");
        assert_eq!(reader.held(), 0);
        assert_eq!(reader.message.capacity(), 0, "an idle reader holds no buffer");
    }
}

#[test]
fn fragments_join_and_control_frames_come_between() {
    let stream = [
        client(0x01, b"he"),
        client(0x89, b"are you there"),
        client(0x00, b"l"),
        client(0x80, b"lo"),
        client(0x82, &[1, 2]),
        client(0x8A, b""),
        client(0x88, &[0x03, 0xE8, b'o', b'k']),
    ]
    .concat();
    assert_eq!(
        read_all(&stream, LIMIT).unwrap(),
        [
            Message::Ping(b"are you there".to_vec()),
            Message::Text("hello".into()),
            Message::Binary(vec![1, 2]),
            Message::Pong,
            Message::Close(Some(1000)),
        ]
    );
}

#[test]
fn a_character_may_be_cut_by_a_fragment() {
    let (a, b) = "é".as_bytes().split_at(1);
    let stream = [client(0x01, a), client(0x80, b)].concat();
    assert_eq!(read_all(&stream, LIMIT).unwrap(), [Message::Text("é".into())]);
}

#[test]
fn broken_rules_are_refused() {
    let mut unmasked = client(0x81, b"x");
    unmasked[1] &= !MASKED;
    for (what, stream) in [
        ("no mask", unmasked),
        ("reserved bit", client(0xC1, b"x")),
        ("unknown opcode", client(0x83, b"x")),
        ("unknown control", client(0x8B, b"x")),
        ("continuation first", client(0x80, b"x")),
        ("text in text", [client(0x01, b"x"), client(0x81, b"y")].concat()),
        ("fragmented ping", client(0x09, b"x")),
        ("long ping", client(0x89, &[0; 126])),
        ("close of one byte", client(0x88, &[3])),
        ("close code 1005", client(0x88, &1005_u16.to_be_bytes())),
        ("close code 999", client(0x88, &999_u16.to_be_bytes())),
    ] {
        assert!(matches!(read_all(&stream, LIMIT), Err(FrameError::Protocol(_))), "{what}");
    }
    assert_eq!(read_all(&client(0x81, &[0xFF]), LIMIT), Err(FrameError::Utf8));
    assert_eq!(read_all(&client(0x88, &[3, 0xE8, 0xFF]), LIMIT), Err(FrameError::Utf8));
}

#[test]
fn the_limit_counts_all_fragments_and_needs_only_the_header() {
    assert_eq!(read_all(&client(0x81, &[b'x'; 11]), 10), Err(FrameError::TooLarge));
    assert!(read_all(&client(0x81, &[b'x'; 10]), 10).is_ok());
    let two = [client(0x01, &[b'x'; 6]), client(0x80, &[b'x'; 5])].concat();
    assert_eq!(read_all(&two, 10), Err(FrameError::TooLarge));
    let mut huge = vec![0x82, MASKED | LENGTH_64];
    huge.extend(u64::MAX.to_be_bytes());
    huge.extend(MASK);
    assert_eq!(read_all(&huge, usize::MAX - 1), Err(FrameError::TooLarge));
}

#[test]
fn an_announced_length_reserves_little_memory() {
    let mut header = vec![0x82, MASKED | LENGTH_64];
    header.extend((16_u64 << 20).to_be_bytes());
    header.extend(MASK);
    let mut reader = FrameReader::default();
    assert_eq!(reader.read(&mut header.as_slice(), 16 << 20), Ok(None));
    assert!(reader.message.capacity() <= FIRST_RESERVE);
}

#[test]
fn close_reasons_are_cut_to_fit() {
    let frame = Frame::close(1013, &"é".repeat(100));
    assert!(frame.payload().len() <= MAX_CONTROL);
    assert_eq!(frame.payload()[..2], 1013_u16.to_be_bytes());
    assert!(std::str::from_utf8(&frame.payload()[2..]).is_ok());
}
