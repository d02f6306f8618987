"""A participant of a room, made with LiveKit's own SDK: says a tone, measures what it hears.

    LIVEKIT_TOKEN=… peer.py URL

Takes one command a line on stdin, and answers each with one JSON object on stdout; what happens by itself is
told there too, under "event". Ends with stdin.

    publish HZ      a track with a sine at -12 dBFS RMS, for good
    mute, unmute    that track
    hear MS HZ…     waits for MS of the other's sound from now on, and measures it: the level of each HZ and of
                    all of it, in dBFS where a full square wave is 0
    packets         how many RTP packets of the other's track have come so far
    leave           leaves the room, and ends
"""

import asyncio
import json
import os
import sys
import time

import numpy as np
from livekit import rtc

RATE = 48_000
FRAME = RATE // 50
TONE_DBFS = -12.0


def tell(**what):
    print(json.dumps(what), flush=True)


def dbfs(rms):
    return max(-120.0, 20 * float(np.log10(max(rms, 1e-9) / 32_768)))


def level_of(sound, hz):
    """The RMS level of the sine at `hz` in `sound`, in dBFS: one bin of the Fourier transform."""
    turns = np.exp(-2j * np.pi * hz * np.arange(len(sound)) / RATE)
    return dbfs(2 * abs(np.mean(sound * turns)) / np.sqrt(2))


class Peer:
    def __init__(self):
        self.room = rtc.Room()
        self.source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        self.track = None
        self.heard_track = None
        self.heard = []
        self.tasks = []
        self.room.on("participant_connected", lambda who: tell(event="joined", identity=who.identity))
        self.room.on("participant_disconnected", lambda who: tell(event="left", identity=who.identity))
        self.room.on("track_subscribed", self.listen)
        self.room.on("disconnected", lambda reason: tell(event="disconnected"))

    def listen(self, track, publication, participant):
        self.heard_track = track
        tell(event="track", identity=participant.identity, name=publication.name, muted=publication.muted)
        self.tasks.append(asyncio.create_task(self.keep(rtc.AudioStream(track, sample_rate=RATE, num_channels=1))))

    async def keep(self, stream):
        async for event in stream:
            self.heard.append(np.frombuffer(event.frame.data, dtype=np.int16))

    async def publish(self, hz):
        self.track = rtc.LocalAudioTrack.create_audio_track("tone", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(self.track, options)
        self.tasks.append(asyncio.create_task(self.say(float(hz))))

    async def say(self, hz):
        peak = 32_768 * 10 ** (TONE_DBFS / 20) * np.sqrt(2)
        at = np.arange(FRAME)
        while True:
            sound = (peak * np.sin(2 * np.pi * hz * at / RATE)).astype(np.int16)
            at = at + FRAME
            # Waits while its queue is full, which is what keeps the pace.
            await self.source.capture_frame(rtc.AudioFrame(sound.tobytes(), RATE, 1, FRAME))

    async def hear(self, ms, *tones):
        self.heard.clear()
        needed = int(ms) * RATE // 1000
        while sum(map(len, self.heard)) < needed:
            await asyncio.sleep(0.02)
        sound = np.concatenate(self.heard)[:needed].astype(np.float64)
        return {"all": dbfs(np.sqrt(np.mean(sound**2))), "tones": [level_of(sound, float(hz)) for hz in tones]}

    async def packets(self):
        stats = await self.heard_track.get_stats()
        inbound = [one.inbound_rtp.received for one in stats if one.HasField("inbound_rtp")]
        return {"packets": sum(one.packets_received for one in inbound)}

    async def obey(self, command, *words):
        if command == "publish":
            await self.publish(*words)
        elif command == "mute":
            self.track.mute()
        elif command == "unmute":
            self.track.unmute()
        elif command == "hear":
            return await self.hear(*words)
        elif command == "packets":
            return await self.packets()
        elif command == "leave":
            await self.room.disconnect()
        else:
            raise ValueError(f"no such command: {command}")
        return {}


async def lines_of_stdin():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().split()


async def main(url):
    peer = Peer()
    start = time.monotonic()
    await peer.room.connect(url, os.environ["LIVEKIT_TOKEN"])
    took_ms = 1000 * (time.monotonic() - start)
    tell(event="connected", took_ms=took_ms, others=sorted(peer.room.remote_participants))
    async for words in lines_of_stdin():
        tell(done=words[0], **await peer.obey(*words))
        if words == ["leave"]:
            return
    await peer.room.disconnect()


asyncio.run(main(sys.argv[1]))
