#!/bin/sh
# Makes every recording in this directory anew from lines.txt. Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
wav=$(mktemp -d)
trap 'rm -r "$wav"' EXIT
while IFS='|' read -r name text; do
    case $name in
        agent-*) voice=pt-br+f3 pitch=55 ;;
        *) voice=pt-br+m3 pitch=40 ;;
    esac
    espeak-ng -v $voice -p $pitch -s 155 -w "$wav/raw.wav" "$text"
    # Leading and trailing silence off, level to -6 dBFS peak.
    trim="silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.02 0.06 norm -6"
    sox -D "$wav/raw.wav" -b 16 -c 1 -r 16000 "$wav/$name.wav" $trim
    case $name in callee-*) sox -D "$wav/raw.wav" -b 16 -c 1 -r 8000 "$name.wav" $trim ;; esac
done <lines.txt
rm "$wav/raw.wav"
cargo run --quiet -p audio --example opus_from_wav -- "$wav" .
