//! Why a socket was closed, in the words of the log and of the websocket close frame.

use std::fmt;

/// Why a socket went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client left the namespace (`41`).
    ClientDisconnect,
    /// The transport was closed by the client, or the connection is gone.
    TransportClose,
    /// The transport failed.
    TransportError,
    /// The client was silent for longer than interval and timeout.
    PingTimeout,
    /// The client sent something that is no valid frame or packet.
    ParseError,
    /// A message was larger than allowed.
    TooLarge,
    /// More events a second than allowed.
    TooManyEvents,
    /// More acknowledgements or attachments outstanding than allowed.
    TooMuchPending,
    /// The outgoing queue was full: the client reads too slowly.
    SlowConsumer,
    /// The client took nothing for longer than the write time limit.
    WriteTimeout,
    /// No CONNECT packet came in time.
    ConnectTimeout,
    /// Closed to make room: too many sockets without identity.
    AnonymousLimit,
    /// Two polls, or two posts, at the same time.
    OverlappingPoll,
    /// The application asked for it; the text says why.
    ServerDisconnect(&'static str),
    /// This node is stopping.
    Shutdown,
}

impl DisconnectReason {
    /// The reason in the words of the protocol, as clients and logs show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientDisconnect => "client namespace disconnect",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::TooLarge => "message too large",
            Self::TooManyEvents => "too many events",
            Self::TooMuchPending => "too much pending",
            Self::SlowConsumer => "slow consumer",
            Self::WriteTimeout => "write timeout",
            Self::ConnectTimeout => "connect timeout",
            Self::AnonymousLimit => "too many anonymous sockets",
            Self::OverlappingPoll => "overlapping requests",
            Self::ServerDisconnect(_) => "server namespace disconnect",
            Self::Shutdown => "server shutting down",
        }
    }

    /// The websocket close code that goes with it (RFC 6455 §7.4.1 and the IANA registry).
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::ClientDisconnect | Self::TransportClose | Self::ServerDisconnect(_) => 1000,
            Self::Shutdown | Self::PingTimeout => 1001,
            Self::ParseError | Self::TransportError => 1002,
            Self::TooManyEvents | Self::TooMuchPending | Self::ConnectTimeout | Self::OverlappingPoll => 1008,
            Self::TooLarge => 1009,
            Self::SlowConsumer | Self::WriteTimeout | Self::AnonymousLimit => 1013,
        }
    }

    /// Whether what the client sent before is still worth handling: it left by itself or the line broke.
    pub(crate) fn keeps_queued_events(self) -> bool {
        matches!(
            self,
            Self::ClientDisconnect | Self::TransportClose | Self::TransportError | Self::PingTimeout
        )
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDisconnect(why) => write!(formatter, "{} ({why})", self.as_str()),
            other => formatter.write_str(other.as_str()),
        }
    }
}
