//! `logproto.PushRequest`. Source: pkg/push/push.proto of Loki (Apache-2.0).

mod read;
mod write;

pub(crate) use self::read::read;
pub use self::write::to_protobuf;

/// Numbers of fields, by the messages that they are in.
mod field {
    pub mod request {
        pub const STREAMS: u32 = 1;
    }
    pub mod stream {
        pub const LABELS: u32 = 1;
        pub const ENTRIES: u32 = 2;
    }
    pub mod entry {
        pub const TIMESTAMP: u32 = 1;
        pub const LINE: u32 = 2;
        pub const STRUCTURED_METADATA: u32 = 3;
    }
    pub mod timestamp {
        pub const SECONDS: u32 = 1;
        pub const NANOS: u32 = 2;
    }
    pub mod pair {
        pub const NAME: u32 = 1;
        pub const VALUE: u32 = 2;
    }
}
