//! What a packet's way takes without a bridge: from one phone through livekit-server to another.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cloud::call_folder::draw_nonce;
use sim::stack::{Packet, Script, Step};

use crate::arrange::fresh_number;
use crate::{Scene, person};

/// The sentence and what joining takes.
const TALKING: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);

/// Of each packet: from before the one phone writes it until the other has read it, in ms.
///
/// # Errors
/// When hardly a packet came.
pub async fn measure(scene: &Scene) -> Result<Vec<f64>> {
    let room = format!("server-alone-{}", draw_nonce().0);
    let sentence = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sim/assets/callee-interrupts.wav");
    let talks = Script { keep_packets: true, ..person::who([Step::wait(300), Step::wav(&sentence)]) };
    let stack = scene.stage().stack().await;
    let phone = stack.phone()?;
    let says = phone.call_in(&fresh_number(), &room, &talks).await?;
    let hears = phone.call_in(&fresh_number(), &room, &talks).await?;
    tokio::time::sleep(TALKING).await;
    let (said, heard) = (phone.packets(&says.id).await?.said, phone.packets(&hears.id).await?.heard);
    phone.hang_up(&says.id).await?;
    phone.hang_up(&hears.id).await?;
    stack.room_client().delete_room(&room).await?;
    scene.stage().has_no_room(&room, PATIENCE).await?;
    let took_ms = took_ms(&said, &heard).context("nothing of what was said came")?;
    ensure!(took_ms.len() > 50, "of {} packets {} came", said.len(), took_ms.len());
    Ok(took_ms)
}

/// The server counts RTP time from elsewhere: by how much is what most packets with the same content say.
fn took_ms(said: &[Packet], heard: &[Packet]) -> Option<Vec<f64>> {
    let apart = |said: &Packet, heard: &Packet| heard.rtp_time.wrapping_sub(said.rtp_time);
    let mut votes: HashMap<u32, usize> = HashMap::new();
    for said in said {
        for heard in heard.iter().filter(|heard| heard.payload == said.payload) {
            *votes.entry(apart(said, heard)).or_default() += 1;
        }
    }
    let (offset, _) = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
    let came: HashMap<u32, i64> =
        heard.iter().map(|heard| (heard.rtp_time.wrapping_sub(offset), heard.at_us)).collect();
    let gone = said.iter().filter(|said| said.at_us > 0);
    let took = |said: &Packet| Some((came.get(&said.rtp_time)? - said.at_us) as f64 / 1000.0);
    Some(gone.filter_map(took).collect())
}
