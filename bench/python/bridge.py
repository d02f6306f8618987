"""One outbound call between a telephone and an Ultravox agent, on LiveKit's own Python SDK: the bridge that
bridge-task is measured against.

Written as such bridges are, and as well: the agent's call is created while the room is joined, nothing polls,
and sound goes through as few hands as the SDK allows. What the SDK has a default for stays at it.

Settings come from the environment; see Settings. What happens is told on stdout, one JSON object a line, with
wall-clock times in Unix milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from livekit import api, rtc
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

CALLEE = "callee"
BYTES_PER_SAMPLE = 2
FRAME_MS = 20
# The agent's messages reach the SDK in pieces of at most this, so that a clear finds little under way.
PIECE_MS = 100
# How far the agent may be ahead of what is heard; what is not heard yet waits here, where a clear finds it.
CLIENT_BUFFER_MS = 30_000
# The agent's last words are played out, but not for ever.
PLAYOUT_SECONDS = 5.0
RING_SECONDS = 30


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, "at_ms": time.time() * 1000, **more}), flush=True)


@dataclass(frozen=True)
class Settings:
    """LiveKit's SDKs read LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET themselves."""

    trunk_id: str = field(default_factory=lambda: os.environ["SIP_TRUNK_ID"])
    caller_id: str = field(default_factory=lambda: os.environ["SIP_FROM_NUMBER"])
    to: str = field(default_factory=lambda: os.environ["TO"])
    room: str = field(default_factory=lambda: os.environ["ROOM"])
    calls_url: str = field(default_factory=lambda: os.environ["ULTRAVOX_CALLS_URL"])
    agent_key: str = field(default_factory=lambda: os.environ["ULTRAVOX_API_KEY"])
    sample_rate: int = field(default_factory=lambda: int(os.environ.get("SAMPLE_RATE", "48000")))


class Voice:
    """What the agent says, on its way into the room."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.source = rtc.AudioSource(rate, 1)
        self.piece = rate * PIECE_MS // 1000 * BYTES_PER_SAMPLE
        self.waiting: asyncio.Queue[memoryview] = asyncio.Queue()
        self.half = b""

    def say(self, message: bytes) -> None:
        """Takes a message of PCM. One that ends within a sample is completed by the next."""
        pcm = self.half + message if self.half else message
        whole = len(pcm) - len(pcm) % BYTES_PER_SAMPLE
        self.half = pcm[whole:]
        view = memoryview(pcm)
        for begin in range(0, whole, self.piece):
            self.waiting.put_nowait(view[begin : min(begin + self.piece, whole)])

    def clear(self) -> None:
        """Forgets what has not been heard."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
            self.waiting.task_done()
        self.source.clear_queue()

    async def play(self) -> None:
        """Feeds the SDK, which waits while its own queue is full."""
        is_first = True
        while True:
            pcm = await self.waiting.get()
            samples = len(pcm) // BYTES_PER_SAMPLE
            await self.source.capture_frame(rtc.AudioFrame(pcm, self.rate, 1, samples))
            self.waiting.task_done()
            if is_first:
                is_first = False
                tell("first-agent-audio")

    async def played_out(self) -> None:
        await self.waiting.join()
        await self.source.wait_for_playout()


class Bridge:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.room = rtc.Room()
        self.voice = Voice(settings.sample_rate)
        loop = asyncio.get_running_loop()
        # Each comes once: why the call is over, that it was answered, what the callee says.
        self.ended: asyncio.Future[str] = loop.create_future()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.callee_track: asyncio.Future[rtc.RemoteAudioTrack] = loop.create_future()
        self.status = ""

    def end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)

    def watch_room(self) -> None:
        def status_of(who: rtc.Participant) -> None:
            status = who.attributes.get("sip.callStatus", "")
            if who.identity != CALLEE or status == self.status:
                return
            self.status = status
            if status == "ringing":
                tell("ringing")
            elif status == "active" and not self.answered.done():
                tell("answered")
                self.answered.set_result(None)
            elif status == "hangup":
                self.end("callee")

        def subscribed(track: rtc.Track, _: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
            is_callee = who.identity == CALLEE and isinstance(track, rtc.RemoteAudioTrack)
            if is_callee and not self.callee_track.done():
                self.callee_track.set_result(track)

        def left(who: rtc.RemoteParticipant) -> None:
            if who.identity == CALLEE:
                self.end("callee")

        self.room.on("participant_connected", status_of)
        self.room.on("participant_attributes_changed", lambda _, who: status_of(who))
        self.room.on("track_subscribed", subscribed)
        self.room.on("participant_disconnected", left)
        self.room.on("disconnected", lambda _: self.end("room"))

    async def create_agent(self, http: aiohttp.ClientSession) -> str:
        """Creates the agent's call, and returns where its websocket is."""
        rate = self.settings.sample_rate
        medium = {"inputSampleRate": rate, "outputSampleRate": rate, "clientBufferSizeMs": CLIENT_BUFFER_MS}
        body = {
            "systemPrompt": "You confirm an appointment.",
            "firstSpeakerSettings": {"agent": {}},
            "joinTimeout": f"{RING_SECONDS + 15}s",
            "medium": {"serverWebSocket": medium},
        }
        headers = {"X-API-Key": self.settings.agent_key}
        async with http.post(self.settings.calls_url, json=body, headers=headers) as reply:
            reply.raise_for_status()
            call = await reply.json()
        tell("agent-created")
        return call["joinUrl"]

    async def join(self) -> None:
        grants = api.VideoGrants(room_join=True, room=self.settings.room)
        token = api.AccessToken().with_identity("bridge").with_grants(grants).to_jwt()
        await self.room.connect(os.environ["LIVEKIT_URL"], token)
        track = rtc.LocalAudioTrack.create_audio_track("agent", self.voice.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        tell("room-joined")

    async def dial(self, livekit: api.LiveKitAPI) -> None:
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=self.settings.trunk_id,
            sip_number=self.settings.caller_id,
            sip_call_to=self.settings.to,
            room_name=self.settings.room,
            participant_identity=CALLEE,
        )
        request.ringing_timeout.seconds = RING_SECONDS
        await livekit.sip.create_sip_participant(request)

    async def callee_to_agent(self, socket: ClientConnection) -> None:
        track = await self.callee_track
        rate = self.settings.sample_rate
        stream = rtc.AudioStream(track, sample_rate=rate, num_channels=1, frame_size_ms=FRAME_MS)
        async for event in stream:
            await socket.send(event.frame.data.cast("B"))

    async def agent_to_callee(self, socket: ClientConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                self.voice.say(message)
                continue
            told = json.loads(message)
            if isinstance(told, dict) and told.get("type") == "playback_clear_buffer":
                self.voice.clear()
        await asyncio.wait_for(self.voice.played_out(), PLAYOUT_SECONDS)

    async def talk(self, join_url: str) -> None:
        # Sound does not compress; trying to costs more than everything else here.
        async with connect(join_url, compression=None, max_size=None) as socket:
            tell("agent-connected")
            directions = asyncio.gather(
                self.until_done("callee", self.callee_to_agent(socket)),
                self.until_done("agent", self.agent_to_callee(socket)),
                self.until_done("voice", self.voice.play()),
            )
            await asyncio.wait({directions, self.ended}, return_when=asyncio.FIRST_COMPLETED)
            directions.cancel()
            try:
                await directions
            except asyncio.CancelledError:
                pass

    async def until_done(self, name: str, direction: Coroutine[Any, Any, None]) -> None:
        """The end of one direction, however it comes, is the call's."""
        try:
            await direction
        except (ConnectionClosed, asyncio.TimeoutError):
            pass
        finally:
            self.end(name)

    async def run(self) -> None:
        self.watch_room()
        async with aiohttp.ClientSession() as http, api.LiveKitAPI() as livekit:
            try:
                join_url, _ = await asyncio.gather(self.create_agent(http), self.join())
                await self.dial(livekit)
                await asyncio.wait({self.answered, self.ended}, return_when=asyncio.FIRST_COMPLETED)
                if not self.ended.done():
                    await self.talk(join_url)
            finally:
                await livekit.room.delete_room(api.DeleteRoomRequest(room=self.settings.room))
                await self.room.disconnect()
        tell("ended", by=self.ended.result() if self.ended.done() else "error")


async def main() -> None:
    tell("started")
    bridge = Bridge(Settings())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bridge.end, "signal")
    await bridge.run()


if __name__ == "__main__":
    asyncio.run(main())
