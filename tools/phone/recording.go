package main

import (
	"encoding/binary"
	"io"
	"sync"
)

// A recording keeps what the telephone heard and said since the answer, frame by frame on one time axis, as the
// µ-law bytes of the line: nothing is lost by that, because the line carries no more.
type recording struct {
	mu          sync.Mutex
	heard, said []byte
}

// Half an hour: a forgotten call must not eat the machine's memory.
const recordingMax = 30 * 60 * lineRate

func (r *recording) add(heard, said *[frameSamples]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.heard) < recordingMax {
		r.heard = append(r.heard, heard[:]...)
		r.said = append(r.said, said[:]...)
	}
}

// writeWAV writes a stereo WAVE file, 16 bit, 8 kHz: left is what the telephone heard, right what it said.
func (r *recording) writeWAV(w io.Writer) error {
	r.mu.Lock()
	heard, said := r.heard, r.said // appended to, never changed
	r.mu.Unlock()

	const channels, width = 2, 2
	size := len(heard) * channels * width
	out := make([]byte, 0, 44+size)
	le := binary.LittleEndian
	out = append(out, "RIFF"...)
	out = le.AppendUint32(out, uint32(36+size))
	out = append(out, "WAVEfmt "...)
	out = le.AppendUint32(out, 16)
	out = le.AppendUint16(out, 1)
	out = le.AppendUint16(out, channels)
	out = le.AppendUint32(out, lineRate)
	out = le.AppendUint32(out, lineRate*channels*width)
	out = le.AppendUint16(out, channels*width)
	out = le.AppendUint16(out, 8*width)
	out = append(out, "data"...)
	out = le.AppendUint32(out, uint32(size))
	for i := range heard {
		out = le.AppendUint16(out, uint16(ulawDecode(heard[i])))
		out = le.AppendUint16(out, uint16(ulawDecode(said[i])))
	}
	_, err := w.Write(out)
	return err
}
