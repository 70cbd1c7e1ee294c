//! Everything around a driver's node half, by hand: an API server, a kubelet on real sockets, a
//! container runtime that reads CDI files, and a disk that stops.

pub mod api;
pub mod disk;
pub mod kubelet;
pub mod runtime;
