//! Stories of the deployed gateway: our template on the AWS emulator, the real router, real tasks, the real
//! livekit-server, and people on the phone.

mod calls;
mod deploys;
mod duplicates;
mod killed;
mod leftovers;
mod messages;
mod seen;
mod servers;
mod settling;
mod trouble;
