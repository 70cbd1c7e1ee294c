//! Everything around a driver's node half, by hand: an API server, a kubelet on real sockets, and a
//! disk that stops.

pub mod api;
pub mod disk;
pub mod kubelet;
