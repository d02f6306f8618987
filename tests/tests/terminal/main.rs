//! Stories of calls that a person starts from a terminal, and of calls through TLS.

mod complaints;
mod desk;
mod inbound;
mod interrupted;
mod outbound;
mod tls;
