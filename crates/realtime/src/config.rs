//! The settings of this crate, as plain values.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;

use crate::origin::OriginRule;
use crate::packet::AttachmentLimits;
use crate::sid::NodeTag;
use crate::transport::PollForward;

/// How clients may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportMode {
    /// Websocket only (`ENABLE_WEBSOCKET_SUPPORT=true`).
    WebSocket,
    /// Long polling only, without upgrade (`ENABLE_WEBSOCKET_SUPPORT=false`).
    Polling,
}

/// Every bound of the realtime layer. `Default` gives the values described at each field.
#[derive(Clone)]
pub struct RealtimeConfig {
    /// How clients may connect. Default: websocket.
    pub transport: TransportMode,
    /// Which origins may connect. Default: any.
    pub origins: OriginRule,
    /// Time between two pings. Default 25 s.
    pub ping_interval: Duration,
    /// Time a client may take to answer; silence for interval and timeout closes. Default 20 s.
    pub ping_timeout: Duration,
    /// Bytes of one message of an authenticated socket, and of an event we send. Default 16 MiB.
    pub max_payload: usize,
    /// Bytes of one message before the socket is authenticated. Default 64 KiB.
    pub max_payload_anonymous: usize,
    /// Time from the open packet to CONNECT. Default 45 s.
    pub connect_time_limit: Duration,
    /// Connections of this node. Default 100,000.
    pub max_sockets: usize,
    /// Connections of this node which are not authenticated. Default 10,000.
    pub max_anonymous: usize,
    /// Age at which an unauthenticated connection may be closed to make room for new ones. Default 60 s.
    pub anonymous_grace: Duration,
    /// Bytes waiting for one socket. One larger event is taken when nothing else waits. Default 4 MiB.
    pub max_queue_bytes: usize,
    /// Packets waiting for one socket. Default 4,096.
    pub max_queue_packets: usize,
    /// Bytes waiting for all sockets of the node; above it the longest queues are closed. Default 512 MiB.
    pub max_node_queue_bytes: usize,
    /// Time in which a socket with waiting packets must take at least something. Default 20 s.
    pub write_time_limit: Duration,
    /// Packets a second of one socket, on average. A tenth of it before authentication. Default 1,000.
    pub events_per_second: u32,
    /// Packets a socket may send at once after a pause. A tenth of it before authentication. Default 5,000.
    pub event_burst: u32,
    /// Events that wait for their handler; then nothing more is read from the socket. Default 64.
    pub max_inbound_events: usize,
    /// Bytes of events that wait for their handler. Default 1 MiB.
    pub max_inbound_bytes: usize,
    /// Time one handler may take before it is dropped. Default 120 s.
    pub handler_time_limit: Duration,
    /// Binary attachments of one packet. Default 64 with 4 MiB together.
    pub attachments: AttachmentLimits,
    /// Acknowledgements one socket may owe. Default 64.
    pub max_pending_acks: usize,
    /// Time after which an acknowledgement that another node asked for is forgotten. Default 300 s.
    pub ack_time_limit: Duration,
    /// Request headers kept for [`crate::Socket::header`]. Default: none, they cost memory for each socket.
    pub kept_headers: Vec<HeaderName>,
    /// The mark of this node in engine ids. Default: random.
    pub node_tag: NodeTag,
    /// Hands a poll to the node that its engine id names. Default: none, such a poll is refused.
    pub poll_forward: Option<Arc<dyn PollForward>>,
}

impl Default for RealtimeConfig {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            transport: TransportMode::WebSocket,
            origins: OriginRule::Any,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 16 * MIB,
            max_payload_anonymous: 64 * 1024,
            connect_time_limit: Duration::from_secs(45),
            max_sockets: 100_000,
            max_anonymous: 10_000,
            anonymous_grace: Duration::from_mins(1),
            max_queue_bytes: 4 * MIB,
            max_queue_packets: 4096,
            max_node_queue_bytes: 512 * MIB,
            write_time_limit: Duration::from_secs(20),
            events_per_second: 1000,
            event_burst: 5000,
            max_inbound_events: 64,
            max_inbound_bytes: MIB,
            handler_time_limit: Duration::from_mins(2),
            attachments: AttachmentLimits { count: 64, bytes: 4 * MIB },
            max_pending_acks: 64,
            ack_time_limit: Duration::from_mins(5),
            kept_headers: Vec::new(),
            node_tag: NodeTag::random(),
            poll_forward: None,
        }
    }
}
