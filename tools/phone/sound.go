package main

import (
	"math"
	"math/bits"
)

// The telephone line: 8 kHz, G.711 µ-law, frames of 20 ms.
const (
	lineRate     = 8000
	frameSamples = lineRate / 50
	frameMS      = 20
	// A frame louder than this (RMS, dBFS) is somebody speaking.
	voiceDBFS = -45.0
)

type frame [frameSamples]int16

// ulawEncode and ulawDecode are ITU-T G.711 µ-law.
func ulawEncode(sample int16) byte {
	const bias, clip = 0x84, 32635
	value, sign := int(sample), 0
	if value < 0 {
		value, sign = -value, 0x80
	}
	value = min(value, clip) + bias
	exponent := bits.Len(uint(value)) - 8
	mantissa := value >> (exponent + 3) & 0x0f
	return ^byte(sign | exponent<<4 | mantissa)
}

func ulawDecode(code byte) int16 { return ulawTable[code] }

var ulawTable = func() (table [256]int16) {
	for i := range table {
		code := ^byte(i)
		value := ((int(code&0x0f)<<3)+0x84)<<(code>>4&7) - 0x84
		if code&0x80 != 0 {
			value = -value
		}
		table[i] = int16(value)
	}
	return table
}()

// overLine sends a frame over the telephone line: codes receives the µ-law bytes, f what the other end hears.
func overLine(f *frame, codes *[frameSamples]byte) {
	for i, sample := range f {
		codes[i] = ulawEncode(sample)
		f[i] = ulawDecode(codes[i])
	}
}

// levelDBFS is the RMS level of a frame; −120 for digital silence.
func levelDBFS(f *frame) float64 {
	var sum float64
	for _, sample := range f {
		sum += float64(sample) * float64(sample)
	}
	if sum == 0 {
		return -120
	}
	return 10 * math.Log10(sum/frameSamples/(32768*32768))
}

// addSaturating mixes src into dst.
func addSaturating(dst *frame, src []int16) {
	for i, sample := range src {
		dst[i] = int16(max(math.MinInt16, min(math.MaxInt16, int(dst[i])+int(sample))))
	}
}
